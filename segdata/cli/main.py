"""The command line: `segdata COMMAND`. Each command parses, calls one stage, prints, and sets the exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from segdata.cli import (
    cataloguing,
    duplicating,
    exporting,
    inspecting,
    lineage,
    making,
    models,
    portable,
    predicting,
    reviewing,
    working,
)
from segdata.cli.options import with_common_options
from segdata.cli.printing import print_json, say
from segdata.current_folder import distrust_current_folder
from segdata.privacy import keep_quiet

_HELP = """Find the portraits a segmentation model gets wrong, say who is at fault, and feed the hard ones back.

Begin with: segdata init DIR --portrait2000 ROOT --aisegment ROOT --coco ROOT; cd DIR; segdata run

Or command by command: ingest, fuse, train, mine, review, retrain, report. segdata status says what to do next.
"""

_CATALOG_HELP = """What the catalog's tables hold and held, whether that is whole, and keeping them in order.

Each command says more: segdata catalog COMMAND --help.
"""

_EXPORT_HELP = """Write what the catalog holds to files that other programs read.

Each command says more: segdata export COMMAND --help. Of one table: segdata export samples samples.csv
"""

_MODELS_HELP = """Which trained versions there are, how they compare, which one is promoted, how fast they are.

Each command says more: segdata models COMMAND --help.
"""

app = typer.Typer(
    name="segdata",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_START, _LOOP, _LOOK = "To begin", "The loop", "To look and take along"

# What fits on a line of an 80 column terminal; the commands' own docstrings say more.
_SHORT = {
    "init": "Make a workspace: recipes, specs, room for the catalog.",
    "draw": "Draw portraits whose true alpha is known, to try it all.",
    "doctor": "Say what is installed, what is missing, how to mend it.",
    "run": "The whole loop, until a round no longer helps.",
    "ingest": "Bring the catalog up to date with the sources.",
    "fuse": "Lay training portraits over person-free backgrounds.",
    "train": "Train on the training split and measure on test.",
    "mine": "Score the pool and select what is hard.",
    "retrain": "Train on with the hard cases; promote unless worse.",
    "ablate": "Train every row of the recipe's ablation table.",
    "status": "What is in the catalog, what ran, what to do next.",
    "review": "Judge cases in FiftyOne; the verdicts come back.",
    "query": "Ask the catalog anything, in SQL.",
    "report": "Write a page to look at: scores, hard cases, lineage.",
    "predict": "Cut-outs, backgrounds, ID photos: what a version is for.",
    "export": "Write tables to files that any program reads.",
    "export table": "One table to one file; the word may be left out.",
    "export parquet": "Tables as Parquet, a file each.",
    "export repair": "Wrong labels, to be mended elsewhere.",
    "export model": "A version as ONNX or OpenVINO, checked.",
    "models": "List, show, compare, promote, time trained versions.",
    "models list": "Every version, how good, which is promoted.",
    "models show": "All about one: lineage, data, metrics, card.",
    "models compare": "Two versions, image by image, by slice.",
    "models promote": "Make one the version that is used by default.",
    "models benchmark": "Images a second on this machine.",
    "catalog": "What the tables hold and held; keep them in order.",
    "catalog tables": "Rows, files, bytes, version of each table.",
    "catalog history": "The versions that the tables went through.",
    "catalog verify": "Is everything as it was written? Hashes and all.",
    "catalog maintain": "Fewer files, no dead ones; nothing lost.",
    "catalog duplicates": "Samples that show one photograph, or one shoot.",
    "catalog lineage": "What a sample was made from, and what from it.",
    "catalog leaks": "What is trained on and shows a held-out photograph.",
    "forget": "Remove a person's picture from all that segdata wrote.",
}

# A command of a group is a function here, and its line in _SHORT.
_CATALOG = (
    *(cataloguing.tables, cataloguing.history, cataloguing.verify, cataloguing.maintain),
    *(duplicating.duplicates, duplicating.leaks, lineage.lineage),
)
_EXPORT = (exporting.table, exporting.parquet, exporting.repair, portable.model)
_MODELS = (models.list_, models.show, models.compare, models.promote, models.benchmark)

for _panel, _functions in (
    (_START, (making.init, making.draw, making.doctor)),
    (
        _LOOP,
        (
            working.run,
            working.ingest,
            working.fuse,
            working.train,
            working.mine,
            working.retrain,
            working.ablate,
        ),
    ),
    (
        _LOOK,
        (
            *(inspecting.status, inspecting.query, reviewing.review, working.report),
            *(predicting.predict, duplicating.forget),
        ),
    ),
):
    for _function in _functions:
        _wrapped = with_common_options(_function) if _function.__module__ != making.__name__ else _function
        app.command(_function.__name__, short_help=_SHORT[_function.__name__], rich_help_panel=_panel)(_wrapped)


def _group(name: str, text: str, functions: tuple[Callable[..., None], ...], cls: type[TyperGroup]) -> typer.Typer:
    """Commands under one word: `segdata models list`."""
    group = typer.Typer(name=name, cls=cls, help=text, no_args_is_help=True, rich_markup_mode=None)
    for function in functions:
        command = function.__name__.rstrip("_")
        group.command(command, short_help=_SHORT[f"{name} {command}"])(with_common_options(function))
    return group


_export = _group("export", _EXPORT_HELP, _EXPORT, exporting.TableFirst)
_models = _group("models", _MODELS_HELP, _MODELS, TyperGroup)
_catalog = _group("catalog", _CATALOG_HELP, _CATALOG, TyperGroup)
_catalog.add_typer(_export, short_help=_SHORT["export"])
for _each in (_models, _export, _catalog):
    app.add_typer(_each, short_help=_SHORT[str(_each.info.name)], rich_help_panel=_LOOK)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Say the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        from segdata import __version__

        say(f"segdata {__version__}")
        raise typer.Exit


def entry() -> None:
    """What the `segdata` script calls."""
    keep_quiet()
    distrust_current_folder()
    # What Rust libraries print where a thread of theirs dies is for their authors; the error itself is told below.
    os.environ["RUST_BACKTRACE"] = "0"
    # A polite kill ends a run as Ctrl-C does: with what was done kept, and the journal saying so.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False)
    except typer.Exit as done:
        code = done.exit_code
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = _usage_error(error)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _usage_error(error: Exception) -> int:
    """Show a wrong call; one JSON object if wanted. Anything but the parser's own errors is a bug and goes on."""
    if not hasattr(error, "format_message") or not hasattr(error, "exit_code"):
        raise error
    message = error.format_message()
    code = int(error.exit_code)
    # a group called without a command is told its help, which is no message of ours
    sys.stderr.write(f"{message}\n" if message.startswith("Usage:") else f"segdata: {message}\n{_hint(error)}")
    if "--json" in sys.argv[1:]:
        told = {"kind": "UsageError", "message": message, "exit_code": code}
        print_json({"run_id": None, "command": _command(error), "status": "failed", "seconds": 0.0, "error": told})
    return code


def _command(error: Any) -> str | None:
    """The words after `segdata`: one, or two within a group."""
    context = getattr(error, "ctx", None)
    words = []
    while context is not None and context.parent is not None:
        words.append(context.info_name)
        context = context.parent
    return " ".join(reversed(words)) or None


def _hint(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f"Try: {context.command_path} --help\n" if context is not None else ""
