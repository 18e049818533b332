"""Maintenance changes no row, keeps what it says it keeps, and leaves nothing of the dead."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog import upkeep
from segdata.catalog.damage import readable_versions
from segdata.catalog.runs import begin, finish
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.upkeep import maintain, pinned_versions, tidy
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import CatalogError

Run = Callable[..., Any]


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """A workspace whose four samples came in a commit each, and whose first one was changed by a fifth."""
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    for name in ("a/1", "a/2", "a/3", "a/4"):
        merge(workspace.catalog, name)
    merge(workspace.catalog, "a/1", split="val")
    return RunContext(workspace, "r1")


def merge(catalog: Catalog, *names: str, split: str = "train") -> None:
    catalog.merge("samples", rows_to_table("samples", [{"sample_id": name, "split": split} for name in names]))


def rows(catalog: Catalog) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = catalog.read("samples").to_pylist()
    return found


def data_files(catalog: Catalog) -> list[Path]:
    return list(catalog.path("samples").glob("*.parquet"))


def test_the_rows_stay_and_the_files_become_one(context: RunContext) -> None:
    before = rows(context.catalog)
    result = maintain(context, keep_days=0)
    assert rows(context.catalog) == before
    (table,) = result.tables
    assert (table.files_after, len(data_files(context.catalog))) == (1, 1)
    assert (table.files_before, table.vacuumed) == (4, 5)  # and the file that the fifth commit replaced
    assert list(context.catalog.path("samples").glob("_delta_log/*.checkpoint.parquet"))
    merge(context.catalog, "a/2", "b/1", split="later")
    assert len(rows(context.catalog)) == len(before) + 1


def test_versions_of_the_last_days_stay_readable(context: RunContext) -> None:
    maintain(context, keep_days=1)
    assert len(rows(context.catalog.at({"samples": 3}))) == 3
    maintain(context, keep_days=0)
    with pytest.raises(CatalogError, match=r"version 3 of table samples can't be read any more.*what can: 0, 6 to 8$"):
        rows(context.catalog.at({"samples": 3}))


def test_what_the_training_of_a_model_read_stays_readable_for_ever(context: RunContext) -> None:
    catalog = context.catalog.at({"samples": 3, "verdicts": -1})
    for run_id in ("of a model", "of none"):
        run = begin(catalog if run_id == "of a model" else context.catalog, run_id, "train", {}, 0)
        finish(context.catalog, run, "done", {})
    context.catalog.merge("models", rows_to_table("models", [{"model_id": "m", "run_id": "of a model"}]))
    then = rows(context.catalog.at({"samples": 3}))
    assert pinned_versions(context.catalog)["samples"] == (3,)
    for _ in range(2):
        maintain(context, keep_days=0)
        assert rows(context.catalog.at({"samples": 3})) == then
    assert 4 not in (readable_versions(context.catalog.path("samples")) or [])


def test_a_dry_run_counts_and_touches_nothing(context: RunContext) -> None:
    def everything() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in sorted(context.workspace.root.rglob("*"))}

    before = everything()
    result = maintain(RunContext(context.workspace, "r", dry_run=True), keep_days=0, dead_after_hours=0)
    assert everything() == before
    assert result.tables[0].vacuumed == 1
    assert result.tables[0].vacuumed_bytes > 0


def test_only_what_the_dead_left_is_swept_and_only_when_it_is_old(context: RunContext) -> None:
    root = context.workspace.root
    table = context.catalog.path("samples")
    dead = [
        table / "part-0.parquet#1",
        table / "_delta_log" / "00000000000000000009.json#2",
        root / "catalog" / "files" / "composites" / "ab" / ".key.jpg.a1b2c3d4.tmp",
        root / "reports" / "r" / ".index.html.a1b2_3d4.tmp",
        root / "models" / ".lite0-1a2b3c4d.q1w2e3r4" / "weights.safetensors",
    ]
    kept = [
        root / "models" / ".training" / "key" / "state.pt",
        root / "models" / ".git" / "config",
        root / "models" / ".ipynb_checkpoints" / "a.txt",
        root / "catalog" / "files" / "composites" / "ab" / "key.jpg",
        root / "reports" / ".notes.tmp",
    ]
    for path in [*dead, *kept]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert maintain(context, keep_days=30).swept == ()
    assert all(path.exists() for path in dead)
    long_ago = time.time() - 25 * 3600
    for path in [*dead, *kept, root / "models" / ".lite0-1a2b3c4d.q1w2e3r4"]:
        os.utime(path, (long_ago, long_ago))
    swept = maintain(context, keep_days=30).swept
    assert len(swept) == 5
    assert "models/.lite0-1a2b3c4d.q1w2e3r4" in swept
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in kept)


def test_long_stages_end_with_few_files(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(context.catalog)
    tidy(context.catalog)
    assert context.catalog.version("samples") == 5
    monkeypatch.setattr(upkeep, "_TOO_MANY_FILES", 4)
    tidy(context.catalog)
    assert context.catalog.version("samples") == 6
    assert rows(context.catalog) == before


def test_a_transaction_that_is_in_stays_in(context: RunContext) -> None:
    one = rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}])
    assert context.catalog.append("scores", one, "t/1")
    maintain(context, keep_days=0)
    assert not context.catalog.append("scores", one, "t/1")
    assert context.catalog.read("scores").num_rows == 1


def test_the_command_says_what_it_did(segdata: Run, workspace: Path) -> None:
    answer = segdata("catalog", "maintain", "--keep-days", "2", "--json", cwd=workspace)
    assert answer.code == 0, answer.err
    assert answer.json["command"] == "maintain"
    assert {table["table"] for table in answer.json["tables"]} >= {"samples", "runs"}
    told = segdata("query", "SELECT result FROM runs WHERE command = 'maintain'", "--json", cwd=workspace)
    assert json.loads(told.json["rows"][0]["result"])["swept"] == []
    history = segdata("catalog", "history", "samples", "--json", cwd=workspace).json["versions"]
    assert history[0]["operation"] == "OPTIMIZE"
    assert history[0]["run_id"] == answer.json["run_id"]
    assert all(version["readable"] for version in history)
