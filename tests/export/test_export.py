"""A table's live rows as one file: Parquet for programs, CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace, open_workspace
from segdata.errors import UsageError
from segdata.export.run import run, run_parquet, to_csv

HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx", "\rx"]

Run = Callable[..., Any]


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    (tmp_path / "ws").mkdir()
    return RunContext(workspace=open_workspace(tmp_path / "ws"), run_id="r")


def reject(path: str, detail: str = "") -> dict[str, Any]:
    return {"dataset": "coco", "path": path, "reason": "empty_file", "detail": detail}


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_parquet_holds_the_live_rows_where_the_folder_shows_dead_ones_too(context: RunContext) -> None:
    context.catalog.merge("rejects", rows_to_table("rejects", [reject("a.jpg", "old")]))
    context.catalog.merge("rejects", rows_to_table("rejects", [reject("a.jpg", "new")]))
    result = run(context, "rejects", context.workspace.root / "out.parquet")
    assert pd.read_parquet(result.path)["detail"].tolist() == ["new"]
    folder = pd.concat(pd.read_parquet(file) for file in (context.catalog.root / "tables/rejects").glob("*.parquet"))
    assert len(folder) > 1, "the dead row is what this command is for"


def test_parquet_keeps_every_type(context: RunContext) -> None:
    parents = [{"role": "portrait", "sample_id": "a", "image_sha256": "00", "alpha_sha256": "11"}]
    rows = rows_to_table("samples", [{"sample_id": "composite/a/0", "phash": -1, "parents": parents}])
    context.catalog.merge("samples", rows)
    import pyarrow.parquet as pq

    result = run(context, "samples", context.workspace.root / "samples.parquet")
    assert pq.read_table(result.path).to_pylist() == rows.to_pylist()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_csv_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(context: RunContext, text: str) -> None:
    context.catalog.merge("rejects", rows_to_table("rejects", [reject(text)]))
    result = run(context, "rejects", context.workspace.root / "out.csv")
    assert [row["path"] for row in read_csv(result.path)] == ["'" + text]


def test_a_csv_number_below_zero_stays_a_number() -> None:
    rows = rows_to_table("samples", [{"sample_id": "a", "phash": -5, "foreground_fraction": -0.5}])
    assert b"'-" not in to_csv(rows)
    assert b",-5," in to_csv(rows)


def test_csv_cells_with_commas_quotes_lists_bytes_and_times_come_back_whole(context: RunContext) -> None:
    verdict = {"sample_id": 'a,"b"\nc', "verdict": "hard", "at": datetime(2026, 3, 1, 9, tzinfo=UTC)}
    context.catalog.append("verdicts", rows_to_table("verdicts", [verdict]))
    line = read_csv(run(context, "verdicts", context.workspace.root / "v.csv").path)[0]
    assert (line["sample_id"], line["at"], line["note"]) == ('a,"b"\nc', "2026-03-01T09:00:00+00:00", "")
    prediction = rows_to_table("predictions", [{"sample_id": "a", "mask": b"\x00\xff"}])
    assert b"AP8=" in to_csv(prediction)
    parents = [{"role": "portrait", "sample_id": "ä", "image_sha256": None, "alpha_sha256": None}]
    composite = to_csv(rows_to_table("samples", [{"sample_id": "c", "parents": parents}])).decode("utf-8-sig")
    assert '"[{""role"": ""portrait"", ""sample_id"": ""ä""' in composite


def test_the_result_names_the_file_relative_to_the_workspace(context: RunContext) -> None:
    context.catalog.merge("rejects", rows_to_table("rejects", [reject("a.jpg"), reject("b.jpg")]))
    result = run(context.limited(1), "rejects", context.workspace.root / "out.csv")
    size = result.path.stat().st_size
    assert result.to_json() == {"table": "rejects", "path": "out.csv", "format": "csv", "rows": 1, "bytes": size}


def test_a_folder_gets_a_file_named_after_the_table(context: RunContext, tmp_path: Path) -> None:
    result = run(context, "scores", tmp_path)
    assert result.path == tmp_path / "scores.parquet"
    assert pd.read_parquet(result.path).empty


def test_a_format_that_is_given_beats_the_suffix(context: RunContext, tmp_path: Path) -> None:
    assert (
        run(context, "scores", tmp_path / "scores.txt", "csv").path.read_bytes().startswith(b"\xef\xbb\xbfscorer_id,")
    )


def test_a_dry_run_counts_and_writes_nothing(context: RunContext, tmp_path: Path) -> None:
    context.catalog.merge("rejects", rows_to_table("rejects", [reject("a.jpg")]))
    dry = RunContext(workspace=context.workspace, run_id="r", dry_run=True)
    result = run(dry, "rejects", tmp_path / "out.csv")
    assert (result.rows, result.file_bytes, result.path.exists()) == (1, 0, False)


def test_an_unknown_table_is_refused_with_the_known_ones(context: RunContext, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"export: no table 'sample'; the catalog has samples, appearances, rejects"):
        run(context, "sample", tmp_path / "out.csv")


def test_a_suffix_that_names_no_format_is_refused(context: RunContext, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out\.xlsx: a file name that ends in \.parquet or \.csv, please"):
        run(context, "samples", tmp_path / "out.xlsx")


def test_all_tables_that_there_are_become_a_parquet_file_each(context: RunContext, tmp_path: Path) -> None:
    context.catalog.merge("rejects", rows_to_table("rejects", [reject("a.jpg")]))
    context.catalog.merge("samples", rows_to_table("samples", [{"sample_id": "a"}, {"sample_id": "b"}]))
    results = run_parquet(context, (), tmp_path / "new" / "folder")
    assert [(result.table, result.rows) for result in results] == [("samples", 2), ("rejects", 1)]
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "rejects.parquet",
        "samples.parquet",
    ]
    assert pd.read_parquet(tmp_path / "new" / "folder" / "samples.parquet")["sample_id"].tolist() == ["a", "b"]


def test_one_table_may_go_to_one_parquet_file_and_several_may_not(context: RunContext, tmp_path: Path) -> None:
    context.catalog.merge("samples", rows_to_table("samples", [{"sample_id": "a"}]))
    (result,) = run_parquet(context, ["scores"], tmp_path / "s.parquet")
    assert (result.path, result.rows) == (tmp_path / "s.parquet", 0)
    with pytest.raises(UsageError, match=r"out\.parquet: one file for 2 tables; name a folder, or one table"):
        run_parquet(context, ["scores", "samples"], tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="no table 'sample'"):
        run_parquet(context, ["sample"], tmp_path)
    empty = RunContext(workspace=Workspace(tmp_path, Catalog(tmp_path / "none")), run_id="r")
    assert run_parquet(empty, (), tmp_path / "nothing") == ()
    assert not (tmp_path / "nothing").exists()


def test_the_word_for_one_table_may_be_left_out_and_options_may_come_first(segdata: Run, workspace: Path) -> None:
    for call in (["table", "samples"], ["samples"], ["--json", "samples"], ["-w", str(workspace), "samples"]):
        answer = segdata("export", *call, "out.csv", "--limit", "1", cwd=workspace)
        assert answer.code == 0, answer.err
        (workspace / "out.csv").unlink()
    unknown = segdata("export", "sample", "out.csv", cwd=workspace)
    assert unknown.code == 2
    assert "no table 'sample'; the catalog has samples, appearances" in unknown.err
    both = segdata("catalog", "export", "parquet", "tables", "--json", cwd=workspace)
    written = [f"tables/{name}.parquet" for name in ("samples", "appearances", "filtered", "sources", "runs")]
    assert [file["path"] for file in both.json["files"]] == written
