"""The command line: `segdata COMMAND`. Each command parses, calls one stage, prints, and sets the exit code."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer

from segdata.cli import duplicating, inspecting, making, working
from segdata.cli.options import with_common_options
from segdata.cli.printing import print_json, say
from segdata.privacy import keep_quiet

_HELP = """Find the portraits a segmentation model gets wrong, say who is at fault, and feed the hard ones back.

Begin with: segdata init DIR --portrait2000 ROOT --aisegment ROOT --coco ROOT; cd DIR; segdata run

Or command by command: ingest, fuse, train, mine, retrain, report. segdata status says what to do next.
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
    "query": "Ask the catalog anything, in SQL.",
    "report": "Write a page to look at: scores, hard cases, lineage.",
    "predict": "Write what a version predicts for photos.",
    "export": "Write a table to a file that any program reads.",
    "forget": "Remove a person's picture from all that segdata wrote.",
    "catalog": "What the tables hold and held; keep them in order.",
    "catalog duplicates": "Samples that show one photograph, or one shoot.",
    "catalog leaks": "What is trained on and shows a held-out photograph.",
}

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
        (inspecting.status, inspecting.query, working.report, working.predict, inspecting.export, duplicating.forget),
    ),
):
    for _function in _functions:
        _wrapped = with_common_options(_function) if _function.__module__ != making.__name__ else _function
        app.command(_function.__name__, short_help=_SHORT[_function.__name__], rich_help_panel=_panel)(_wrapped)


# A command of the group is a function here, and its line in _SHORT.
_CATALOG = (duplicating.duplicates, duplicating.leaks)

catalog = typer.Typer(name="catalog", no_args_is_help=True, rich_markup_mode=None, help=_SHORT["catalog"])
for _function in _CATALOG:
    catalog.command(_function.__name__, short_help=_SHORT[f"catalog {_function.__name__}"])(
        with_common_options(_function)
    )
app.add_typer(catalog, short_help=_SHORT["catalog"], rich_help_panel=_LOOK)


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
    sys.stderr.write(f"segdata: {message}\n{_hint(error)}")
    if "--json" in sys.argv[1:]:
        told = {"kind": "UsageError", "message": message, "exit_code": code}
        print_json({"run_id": None, "command": _command(error), "status": "failed", "seconds": 0.0, "error": told})
    return code


def _command(error: Any) -> str | None:
    context = getattr(error, "ctx", None)
    return context.info_name if context is not None and context.parent is not None else None


def _hint(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f"Try: {context.command_path} --help\n" if context is not None else ""
