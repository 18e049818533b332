"""A kill at any rename, link or unlink: what is there can be read, and the same command again makes it whole."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog
from segdata.catalog.verify import verify_tables
from segdata.catalog.workspace import RunContext, open_workspace

Run = Callable[..., Any]
KillAfter = Callable[[Sequence[str], Path, int], int]
OURS = {"run_id", "image_mtime_ns", "alpha_mtime_ns"}  # which run, and when a composite was written

WRITES = """
from pathlib import Path
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.upkeep import maintain
from segdata.catalog.workspace import RunContext, open_workspace

workspace = open_workspace(Path("."))
catalog = workspace.catalog
for name in ("a/1", "a/2"):
    catalog.merge("samples", rows_to_table("samples", [{"sample_id": name}, {"sample_id": "a/0", "split": name}]))
catalog.append("scores", rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}]), "t/1")
catalog.replace("selections", rows_to_table("selections", [{"selection": "h", "sample_id": "a/1"}]), "target.rank = 1")
maintain(RunContext(workspace, "r"), keep_days=0, dead_after_hours=0)
"""


def content(catalog: Catalog) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the journal, without what differs from run to run."""
    found = {}
    for name in set(SCHEMAS) - {"runs", "models"}:
        columns = [column for column in SCHEMAS[name].names if column not in OURS]
        found[name] = sorted(catalog.read(name, columns).to_pylist(), key=str)
    return found


def rendered(folder: Path) -> dict[str, bytes]:
    """What segdata rendered, temporary files of the dead apart."""
    files = folder / "catalog" / "files"
    return {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*[!p]") if path.is_file()}


def survives(template: Path, place: Path, command: Sequence[str], kill_after: KillAfter, every: int) -> Iterator[int]:
    """Kill the command after each so many-th call, look, run it again, and compare; yields where it was killed."""
    folder = place / "undisturbed"
    shutil.copytree(template, folder)
    calls = kill_after(command, folder, 0)
    expected = content(open_workspace(folder).catalog), rendered(folder)
    for number in range(1, calls + 1, every):
        folder = place / f"killed-{number}"
        shutil.copytree(template, folder)
        if kill_after(command, folder, number) < number:
            continue  # it had less to do this time
        workspace = open_workspace(folder)
        content(workspace.catalog)  # can be read at once
        kill_after(command, folder, 0)
        assert (content(workspace.catalog), rendered(folder)) == expected, f"killed after call {number}"
        assert verify_tables(RunContext(workspace, "verify"))[1] == []
        shutil.rmtree(folder)
        yield number


def test_writing_and_maintaining_survive_a_kill(tmp_path: Path, kill_after: KillAfter) -> None:
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-c", WRITES]
    assert len(list(survives(tmp_path / "empty", tmp_path, command, kill_after, every=8))) >= 4


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_writing_and_maintaining_survive_every_kill(tmp_path: Path, kill_after: KillAfter) -> None:
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-c", WRITES]
    assert len(list(survives(tmp_path / "empty", tmp_path, command, kill_after, every=1))) >= 25


@pytest.fixture(scope="module")
def trained(ingested: Path, segdata: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with composites and a version. Read only."""
    folder = tmp_path_factory.mktemp("trained") / "ws"
    shutil.copytree(ingested, folder)
    assert segdata("fuse", "--ratio", "0.2", cwd=folder).code == 0
    answer = segdata("train", "--epochs", "1", "--set", "train.batch_size=8", cwd=folder)
    assert answer.code == 0, answer.err
    return folder


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_ingest_survives_every_kill(
    ingested: Path, tmp_path: Path, segdata_entry: list[str], kill_after: KillAfter
) -> None:
    template = tmp_path / "begun"
    shutil.copytree(ingested, template, ignore=lambda _, names: {"catalog"} & set(names))
    assert len(list(survives(template, tmp_path, [*segdata_entry, "ingest"], kill_after, every=1))) >= 15


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_fuse_survives_every_kill(
    ingested: Path, tmp_path: Path, segdata_entry: list[str], kill_after: KillAfter
) -> None:
    command = [*segdata_entry, "fuse", "--ratio", "0.2", "--seed", "3"]
    assert len(list(survives(ingested, tmp_path, command, kill_after, every=1))) >= 10


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_mine_survives_every_kill(
    trained: Path, tmp_path: Path, segdata_entry: list[str], kill_after: KillAfter
) -> None:
    command = [*segdata_entry, "mine", "--set", "mine.where=miou < 0.999"]
    assert len(list(survives(trained, tmp_path, command, kill_after, every=1))) >= 10


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_maintain_survives_every_kill(
    trained: Path, tmp_path: Path, segdata_entry: list[str], kill_after: KillAfter
) -> None:
    command = [*segdata_entry, "catalog", "maintain", "--keep-days", "0"]
    assert len(list(survives(trained, tmp_path, command, kill_after, every=1))) >= 15
