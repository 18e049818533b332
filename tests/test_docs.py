"""The documentation is held to the code: commands and options exist, and every key and column is explained."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import BaseModel
from typer.main import get_command

from segdata.api import OpenWorkspace
from segdata.catalog.schemas import SCHEMAS
from segdata.cli.main import app
from segdata.inference.model_folder import ModelSpec
from segdata.ingest.readers import READERS
from segdata.metrics.image_scores import FAILURE_MODES, score_image
from segdata.pipeline.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # a group: typer's type is wider


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def calls(text: str) -> list[str]:
    """Everything that is written as a call of segdata: lines after a prompt, and code in the text."""
    prompted = re.findall(r"^\$ (segdata .+)$", text, re.MULTILINE)
    inline = re.findall(r"`(segdata [a-z][^`]*)`", text)
    return [*prompted, *inline]


def sections(text: str) -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_cells(text: str) -> list[tuple[str, ...]]:
    """The rows of the tables in a text, without their headings."""
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in text.splitlines() if line[:1] == "|"
    ]
    return [row for row in rows if row[0].startswith("`")]


def recipe_keys(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> default of everything that a recipe may say; the keys of a row of a list under the list's name."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is None:
            found[prefix + name] = field.get_default(call_default_factory=True)
        else:
            found |= recipe_keys(inner, f"{prefix}{name}.")
    return found


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The recipe class in an annotation, if there is one; a key that may also be a plain value is one key."""
    if typing.get_origin(annotation) in (tuple, list, typing.Union, types.UnionType):
        arguments = [argument for argument in typing.get_args(annotation) if argument not in (Ellipsis, types.NoneType)]
        inner = [section_of(argument) for argument in arguments]
        if len(inner) > 1 and None in inner:
            return None
        return next((item for item in inner if item is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


@pytest.mark.parametrize("name", PAGES)
def test_every_call_that_is_written_down_is_understood(name: str) -> None:
    for line in calls(page(name)):
        _, command, *arguments = shlex.split(line, comments=True)
        assert command in COMMANDS, f"{name}: {line}: there is no such command"
        known = COMMANDS[command]
        while hasattr(known, "commands") and arguments:  # a group: the next word is the command
            context = known.make_context(command, [*arguments])
            command, known, arguments = known.resolve_command(context, [*context._protected_args, *context.args])
        options = {option for parameter in known.params for option in [*parameter.opts, *parameter.secondary_opts]}
        used = [word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)]
        assert [option for option in used if option not in {*options, "--help"}] == [], f"{name}: {line}"
        if f"$ {line}" in page(name).splitlines():
            known.make_context(command, arguments)  # raises what a reader would be told


def options_of(command: Any) -> set[str]:
    """The long options of a command."""
    written = [option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]]
    return {option for option in written if option.startswith("--")}


def options_in(text: str) -> set[str]:
    """The long options that the tables of a text explain."""
    return {option for row in first_cells(text) for option in re.findall(r"--[a-z][a-z0-9-]*", row[0])}


SHARED = options_of(COMMANDS["status"])  # it has no other


def test_the_options_of_every_command_are_explained_once_for_all() -> None:
    assert options_in(sections(page("docs/commands/index.md"))["Options of every command"]) == SHARED


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_page_that_explains_each_of_its_options_and_no_other(name: str) -> None:
    described = sections(page(f"docs/commands/{name}.md"))
    assert {"What it writes", "Exit codes", "Next"} <= set(described)
    inner = getattr(COMMANDS[name], "commands", {"Options": COMMANDS[name]})
    for heading, command in inner.items():
        if hasattr(command, "commands"):  # a group that is on a page of its own as well
            continue
        options = options_of(command)
        own = options - SHARED if options >= SHARED else options
        assert options_in(described[heading]) == own, heading
        example = described[heading] if heading != "Options" else described["Example"]
        assert re.search(r"^\$ segdata .+\n(?!\$|```)", example, re.MULTILINE), (
            f"{heading}: no call with what it printed"
        )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_page_of_a_command_names_an_option_that_there_is_not(name: str) -> None:
    every = {"--help", "--version"}.union(*(options_of(one) for one in leaves(COMMANDS.values())))
    assert set(re.findall(r"`(?:segdata [^`]*)?(--[a-z][a-z0-9-]*)", page(f"docs/commands/{name}.md"))) <= every


def leaves(commands: Iterable[Any]) -> Iterator[Any]:
    """Commands, those of groups instead of the groups."""
    for command in commands:
        yield from leaves(command.commands.values()) if hasattr(command, "commands") else [command]


def test_the_list_of_commands_leads_to_each_page() -> None:
    assert set(re.findall(r"^\| \[`(\w+)`\]\(\1\.md\)", page("docs/commands/index.md"), re.MULTILINE)) == set(COMMANDS)


def test_every_key_of_the_recipe_is_explained_with_its_default() -> None:
    text = page("docs/recipe.md")
    written: dict[str, str] = {}
    for heading, body in sections(text).items():
        prefix = "" if heading == "Top level" else f"{heading}."
        written |= {prefix + row[0].strip("`"): row[1] for row in first_cells(body)}
    keys = recipe_keys(Recipe)
    assert sorted(written) == sorted(keys)
    wrong = {key: (written[key], shown(default)) for key, default in keys.items() if written[key] != shown(default)}
    assert wrong == {}


def shown(default: Any) -> str:
    """A default as the page writes it: TOML, or a dash where there is none."""
    if default is None or repr(default) == "PydanticUndefined" or default in ((), {}):
        return "-"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{list(default)}`".replace("'", '"')
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


def test_every_column_of_the_catalog_is_explained_with_its_type() -> None:
    described = sections(page("docs/catalog.md"))
    assert list(described) == list(SCHEMAS)
    for table, schema in SCHEMAS.items():
        columns: dict[str, str] = {}
        for row in first_cells(described[table]):
            names, types = re.findall(r"`(\w+)`", row[0]), row[1].split(", ")
            columns |= dict(zip(names, types * len(names) if len(types) == 1 else types, strict=True))
        assert columns == {field.name: type_of(field.type) for field in schema}, table


def type_of(arrow: pa.DataType) -> str:
    """A column's type as the page writes it."""
    if pa.types.is_list(arrow):
        return f"list of {'struct' if pa.types.is_struct(arrow.value_type) else arrow.value_type}"
    return "timestamp" if pa.types.is_timestamp(arrow) else str(arrow)


def test_every_reader_has_its_layout_on_the_page_of_formats() -> None:
    described = sections(page("docs/formats.md"))
    assert set(READERS) <= set(described)
    assert [name for name in READERS if "<root>/" not in described[name]] == []


def test_every_measured_score_and_failure_mode_is_defined_on_the_page_of_metrics() -> None:
    named = set(re.findall(r"`(\w+)`", page("docs/metrics.md")))
    blank = np.zeros((40, 40))
    measured = score_image(blank.astype(np.uint8), blank.astype(np.float32), "hard")
    assert set(measured) <= named
    assert set(FAILURE_MODES) <= named


def test_the_spec_on_the_page_of_networks_is_one() -> None:
    (spec,) = re.findall(r"^```toml\n(.+?)^```", page("docs/adding-a-network.md"), re.MULTILINE | re.DOTALL)
    assert ModelSpec.model_validate(tomllib.loads(spec)).name == "bisenet_mobilenet"


def test_the_methods_of_the_python_api_are_those_that_are_described() -> None:
    text = page("docs/python-api.md")
    public = {name for name in vars(OpenWorkspace) if not name.startswith("_")}
    assert set(re.findall(r"\bws\.(\w+)", text)) == public
    for name, signature in re.findall(r"^\| `ws\.(\w+)\((.*?)\)` \|", text, re.MULTILINE):
        parameters = list(inspect.signature(getattr(OpenWorkspace, name)).parameters)[1:]
        assert [part.partition("=")[0].strip(" *") for part in signature.split(",") if part] == parameters, name


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tutorial" / "index.html").is_file()
