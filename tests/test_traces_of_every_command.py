"""Every command, traced in one workspace with all extras installed: it contacts nobody, and leaves nothing outside.

The order is one in which a user could call them, since they build on each other.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from typer.main import get_command

import segdata as package
from segdata.cli.main import app
from segdata.review.environment import free_port
from tests.tiny_network import write_tiny_spec
from tests.tracing import ROOT, SEGDATA, SMALL, Sandbox, Trace, open_sandbox, require_strace, traced_review

ABLATION = """
[[ablation]]
name = "plain"
set = { "train.augment" = false }

[[ablation]]
name = "augmented"
set = { "train.augment" = true }
"""


def ids(workspace: Path, table: str, column: str, where: str | None = None) -> list[str]:
    """The values of a column of the catalog."""
    values: list[str] = package.open(workspace).table(table, [column], where)[column].to_pylist()
    return values


def roots(top: Path) -> list[str]:
    return [f"--{name}={top / 'data' / name}" for name in ("portrait2000", "aisegment", "coco")]


Options = Callable[[Path], list[str]]
OPTIONS: dict[str, Options] = {
    "draw": lambda top: [str(top / "data"), "--portraits", "30", "--pool", "24", "--backgrounds", "10"],
    "init": lambda top: [str(top / "ws"), "--template", "demo", *roots(top)],
    "doctor": lambda top: [],
    "ingest": lambda top: [],
    "status": lambda top: [],
    "query": lambda top: ["SELECT dataset, count(*) FROM samples GROUP BY dataset ORDER BY dataset"],
    "fuse": lambda top: ["--ratio", "0.3"],
    "train": lambda top: [*SMALL],
    "export model": lambda top: ["--format", "onnx", "--out", "onnx", "--images", "1"],
    "mine": lambda top: [*SMALL, "--second-opinion", "onnx/model.onnx"],
    "review": lambda top: ["--no-browser", "--port", str(free_port())],
    "retrain": lambda top: [*SMALL],
    "report": lambda top: [*SMALL],
    "ablate": lambda top: [*SMALL, "--recipe", "pipelines/ablation.toml", "--seeds", "1"],
    "run": lambda top: [*SMALL, "--rounds", "1"],
    "predict": lambda top: [str(top / "photos"), "--cutout", "--out", "cutouts"],
    "models list": lambda top: [],
    "models show": lambda top: [],
    "models compare": lambda top: ids(top / "ws", "models", "model_id")[:2],
    "models promote": lambda top: ids(top / "ws", "models", "model_id")[:1],
    "models benchmark": lambda top: ["--images", "2"],
    "export table": lambda top: ["samples", "samples.csv"],
    "export parquet": lambda top: ["parquet"],
    "export repair": lambda top: ["repair", "--where", "split = 'pool'"],
    "catalog tables": lambda top: [],
    "catalog history": lambda top: [],
    "catalog verify": lambda top: [],
    "catalog maintain": lambda top: [],
    "catalog duplicates": lambda top: [],
    "catalog leaks": lambda top: [],
    "catalog lineage": lambda top: ids(top / "ws", "samples", "sample_id", "split = 'train'")[:1],
    "forget": lambda top: [*ids(top / "ws", "samples", "sample_id", "split = 'pool'")[:1], "--yes"],
}
"""Command -> its arguments, from the folder that holds the workspace `ws`."""
OUTSIDE = {"draw", "init"}
"""Commands that make the folders that the others work in, and are called above them."""
UNDER_TWO_NAMES = ("catalog", "export")


def commands() -> set[str]:
    """Every command of the program; one that has two names by the shorter one."""
    names: set[str] = set()

    def add(command: Any, path: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            add(inner, (*path, name))
        if not hasattr(command, "commands"):
            names.add(" ".join(path[1:] if path[:2] == UNDER_TWO_NAMES else path))

    add(get_command(app), ())
    return names


def test_every_command_is_traced() -> None:
    assert set(OPTIONS) == commands()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    require_strace()
    with open_sandbox() as opened:
        yield opened


@pytest.mark.stress
def test_every_extra_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in [*project["optional-dependencies"]["review"], *project["optional-dependencies"]["onnx"]]:
        assert importlib.metadata.version(Requirement(text).name), text


@pytest.mark.stress
@pytest.mark.parametrize("command", OPTIONS)
def test_a_command_contacts_nobody_and_leaves_nothing_outside(command: str, sandbox: Sandbox) -> None:
    workspace = sandbox.top / "ws"
    trace = traced(command, sandbox, workspace)
    assert trace.exit_code == 0, trace.output
    assert trace.contacts == ()
    assert sandbox.undocumented(trace, workspace, sandbox.top / "data") == []


def traced(command: str, sandbox: Sandbox, workspace: Path) -> Trace:
    """Run a command under strace, and prepare what the next ones need."""
    options = OPTIONS[command](sandbox.top)
    if command == "review":
        traces: list[Trace] = []
        with traced_review(sandbox, workspace, options, traces):
            pass
        return traces[0]
    trace = sandbox.trace([*SEGDATA, *command.split(), *options], sandbox.top if command in OUTSIDE else workspace)
    if command == "init":
        write_tiny_spec(workspace)
        recipe = (workspace / "pipelines" / "portrait.toml").read_text()
        (workspace / "pipelines" / "ablation.toml").write_text(recipe + ABLATION)
        (sandbox.top / "photos").mkdir()
        photo = next((sandbox.top / "data" / "aisegment" / "clip_img").rglob("*.jpg"))
        (sandbox.top / "photos" / photo.name).write_bytes(photo.read_bytes())
    return trace
