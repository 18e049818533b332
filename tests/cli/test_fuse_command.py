"""`segdata fuse` as a user calls it: killed, repeated, with bad input; what it says and how it exits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.tables import Catalog
from segdata.storage.files import sha256_of

Command = Callable[..., Any]


def _tree(workspace: Path) -> dict[str, str]:
    """Every rendered file's hash, by its name; what the kill left half-written has a name of its own, swept later."""
    folder = workspace / "catalog" / "files"
    whole = (path for path in folder.rglob("*.*") if path.suffix != ".tmp")
    return {path.relative_to(folder).as_posix(): sha256_of(path.read_bytes()) for path in whole}


def _rows(workspace: Path) -> list[dict[str, Any]]:
    """The composites' rows, but for what tells when and by whom they were written."""
    rows = Catalog(workspace / "catalog").read("samples", where="kind = 'composite'").to_pylist()
    own = ("run_id", "image_mtime_ns", "alpha_mtime_ns")
    return [{key: value for key, value in row.items() if key not in own} for row in rows]


def test_after_a_kill_the_same_call_makes_the_same_files_and_rows_whatever_the_workers(
    workspace: Path, segdata: Command, segdata_entry: list[str]
) -> None:
    undisturbed = workspace.with_name("undisturbed")
    shutil.copytree(workspace, undisturbed)
    call = ["fuse", "--ratio", "1", "--composites", "4", "--people", "1..3", "--placement", "jitter"]
    process = subprocess.Popen([*segdata_entry, *call], cwd=workspace, stderr=subprocess.DEVNULL)
    composites = workspace / "catalog" / "files" / "composites"
    while process.poll() is None and len(list(composites.rglob("*.jpg"))) < 20:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    again = segdata(*call, "--workers", "1", "--json", cwd=workspace)
    whole = segdata(*call, "--workers", "2", "--json", cwd=undisturbed)
    assert (again.code, whole.code) == (0, 0), again.err + whole.err
    assert again.json["composites"] == whole.json["composites"] == whole.json["written"] > 60
    assert _tree(workspace) == _tree(undisturbed)
    assert _rows(workspace) == _rows(undisturbed)


def test_a_portrait_that_vanished_exits_3_names_it_and_keeps_the_rest(workspace: Path, segdata: Command) -> None:
    catalog = Catalog(workspace / "catalog")
    row = catalog.read("samples", where="kind = 'portrait' AND split = 'train'").to_pylist()[0]
    changed = {**row, "image_uri": "vanished.png"}  # the drawn tree is shared by all tests: the row points elsewhere
    _merge(catalog, changed)
    answer = segdata("fuse", "--ratio", "1", "--json", cwd=workspace)
    assert answer.code == 3
    told = answer.json
    assert (told["status"], told["error"]["kind"], told["error"]["exit_code"]) == ("failed", "SourceError", 3)
    assert "vanished.png" in told["error"]["message"]
    assert [one["sample_id"] for one in told["failed"]] == [f"composite/{row['sample_id']}/0"]
    assert told["written"] == told["composites"] - 1
    _merge(catalog, row)
    mended = segdata("fuse", "--ratio", "1", "--json", cwd=workspace)
    assert (mended.code, mended.json["written"], mended.json["reused"]) == (0, 1, told["written"])


def _merge(catalog: Catalog, row: dict[str, Any]) -> None:
    from segdata.catalog.schemas import rows_to_table

    catalog.merge("samples", rows_to_table("samples", [row]))


def test_a_dry_run_prints_who_would_be_fused_with_what_and_writes_nothing(workspace: Path, segdata: Command) -> None:
    answer = segdata("fuse", "--ratio", "0.2", "--dry-run", cwd=workspace)
    assert answer.code == 0
    assert "composite/portrait2000/training/" in answer.out
    assert "coco/" in answer.out
    assert "Dry run: nothing was written." in answer.out
    assert not (workspace / "catalog" / "files").exists()


def test_a_preview_leaves_a_sheet_and_no_composite(workspace: Path, segdata: Command) -> None:
    answer = segdata("fuse", "--preview", "3", "--ratio", "1", "--json", cwd=workspace)
    assert answer.code == 0, answer.err
    assert (workspace / answer.json["preview"]).stat().st_size > 10_000
    assert _rows(workspace) == []
    both = segdata("fuse", "--preview", "3", "--dry-run", cwd=workspace)
    assert both.code == 2
    assert "give one of them" in both.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--ratio", "1.2"], 2, "less than or equal to 1"),
        (["--ratio", "-0.1"], 2, "greater than or equal to 0"),
        (["--set", "fuse.ratio=7"], 2, "fuse.ratio"),
        (["--people", "2..9"], 2, "from 1 to 4 people"),
        (["--placement", "own"], 2, "fuse.placement"),
        (["--composites", "0"], 2, "composites"),
    ],
)
def test_a_wrong_call_exits_2_and_says_why(
    ingested: Path, segdata: Command, arguments: list[str], code: int, words: str
) -> None:
    answer = segdata("fuse", *arguments, cwd=ingested)
    assert answer.code == code
    assert words in answer.err


def test_without_backgrounds_it_exits_4_and_says_how_to_get_them(workspace: Path, segdata: Command) -> None:
    catalog = Catalog(workspace / "catalog")
    for row in catalog.read("samples", where="kind = 'background'").to_pylist():
        _merge(catalog, {**row, "status": "gone"})
    answer = segdata("fuse", "--json", cwd=workspace)
    assert answer.code == 4
    assert "segdata ingest coco" in answer.json["error"]["message"]


def test_what_was_seen_in_backgrounds_is_printed_with_who_saw_it(capsys: pytest.CaptureFixture[str]) -> None:
    from segdata.cli.working import show_veto

    seen = {"judged": 9, "seen": 1, "trusted": True}
    one = {"sample_id": "coco/7", "person_probability": 0.97, "by": "presence"}
    show_veto({
        "judged": 9, "vetoed": [one],
        "version": {**seen, "model_id": "m1", "trusted": False, "vetoed": []},
        "presence": {**seen, "vetoed": [one]},
    })  # fmt: skip
    printed = capsys.readouterr().out
    assert "by m1 people are in 1 of 9 backgrounds: not believed, none left out" in printed
    assert "by what the other photos teach people are in 1 of 9 backgrounds: left out" in printed
    assert "coco/7" in printed
    assert "presence" in printed
