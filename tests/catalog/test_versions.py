"""Time travel: what each way of naming a moment means, and what a stage gets to read there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.history import table_history
from segdata.catalog.runs import begin
from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.upkeep import maintain
from segdata.catalog.versions import as_it_was, as_of
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import CatalogError, UsageError

Run = Callable[..., Any]


def portrait(name: str, image: str = "i", **columns: Any) -> dict[str, Any]:
    row = {"sample_id": name, "kind": "portrait", "split": "train", "status": "present", "image_sha256": image}
    return {**row, **columns}


def merge(catalog: Catalog, *rows: dict[str, Any]) -> None:
    catalog.merge("samples", rows_to_table("samples", list(rows)))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Samples a/1 (version 1), a score, a/2 (version 2), a run, and a/3 (version 3)."""
    found = Catalog(tmp_path)
    merge(found, portrait("a/1"))
    found.append("scores", rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}]), "t/1")
    merge(found, portrait("a/2"))
    begin(found, "r-then", "mine", {}, 0)
    merge(found, portrait("a/3"))
    return found


def ids(catalog: Catalog) -> list[str]:
    names: list[str] = catalog.read("samples", ["sample_id"])["sample_id"].to_pylist()
    return names


def test_a_number_is_a_version_of_samples_and_the_other_tables_are_of_that_moment(catalog: Catalog) -> None:
    before, after = as_of(catalog, "1"), as_of(catalog, "2")
    assert (before.versions["samples"], before.versions["scores"]) == (1, -1)
    assert (after.versions["samples"], after.versions["scores"], after.versions["runs"]) == (2, 1, -1)
    assert set(after.versions) == set(SCHEMAS)
    assert ids(catalog.at(before.versions)) == ["a/1"]
    assert catalog.at(before.versions).read("scores").num_rows == 0
    assert catalog.at(after.versions).query("SELECT s.sample_id FROM samples s JOIN scores USING (sample_id)").num_rows
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def test_a_time_is_the_last_commit_before_it(catalog: Catalog) -> None:
    commits = {version.version: version.at for version in table_history(catalog, ["samples"])}
    for version in (1, 2, 3):
        assert as_of(catalog, commits[version].isoformat()).versions["samples"] == version
    later = datetime.now(UTC) + timedelta(days=1)
    assert as_of(catalog, later.date().isoformat()).versions["samples"] == 3
    elsewhere = commits[2].astimezone(tz=None).isoformat()
    assert as_of(catalog, elsewhere).versions["samples"] == 2
    assert (
        as_of(catalog, commits[2].replace(tzinfo=None).isoformat()).versions["samples"] == 2
    )  # UTC if it says nothing


def test_a_run_is_what_it_read(catalog: Catalog) -> None:
    assert as_of(catalog, "r-then").versions["samples"] == 2
    assert as_of(catalog, "r-then").to_json() == {
        "asked": "r-then",
        "versions": {**dict.fromkeys(SCHEMAS, -1), "samples": 2, "scores": 1},
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("4", "--as-of 4: the table samples has versions 0 to 3; segdata catalog history samples lists them"),
        ("-1", "the table samples has versions 0 to 3"),
        ("2001-01-01", "the catalog did not exist then; it begins 2"),
        ("r-now", "none of these: a version of the table samples, a time such as .*; the newest runs are r-then"),
    ],
)
def test_a_moment_that_there_is_not(catalog: Catalog, asked: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        as_of(catalog, asked)


def test_an_empty_catalog_has_no_moments(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the table samples has no versions yet"):
        as_of(Catalog(tmp_path), "0")


def test_a_version_that_was_swept_away_is_told_with_those_that_are_left(catalog: Catalog) -> None:
    merge(catalog, portrait("a/1", split="val"))
    maintain(RunContext(Workspace(catalog.root, catalog), "r"), keep_days=0)
    moment = as_of(catalog, "2")
    message = r"samples: version 2 of table samples can't be read any more.*what can: 0, 5 to \d+"
    with pytest.raises(CatalogError, match=message):
        as_it_was(catalog, moment)
    with pytest.raises(CatalogError, match=message):
        catalog.at(moment.versions).query("SELECT * FROM samples")


def test_a_stage_gets_the_rows_of_then_but_only_where_the_files_are_still_those(catalog: Catalog) -> None:
    merge(catalog, portrait("b/1"), portrait("b/2", alpha_sha256="x"), portrait("b/3"), portrait("b/4"))
    moment = as_of(catalog, "4")
    merge(
        catalog,
        portrait("b/1", split="val"),  # moved: it was for training then
        portrait("b/2", alpha_sha256="y"),  # another label by now
        portrait("b/3", status="gone"),
        portrait("b/4", status="forgotten"),
        portrait("c/1"),
    )
    view, left_out = as_it_was(catalog, moment)
    assert left_out == 3
    rows = {row["sample_id"]: row["split"] for row in view.read("samples").to_pylist()}
    assert rows == {"a/1": "train", "a/2": "train", "a/3": "train", "b/1": "train"}
    assert view.version("samples") == 4
    assert view.version("scores") == catalog.version("scores")


def test_query_and_export_read_the_past(segdata: Run, workspace: Path) -> None:
    sql = "SELECT count(*)::INT AS n FROM samples"
    newest = segdata("query", sql, "--json", cwd=workspace).json["rows"][0]["n"]
    answer = segdata("query", sql, "--as-of", "1", "--json", cwd=workspace)
    assert 0 < answer.json["rows"][0]["n"] < newest
    assert answer.json["as_of"]["versions"]["samples"] == 1
    told = segdata("export", "samples", "then.csv", "--as-of", "0", cwd=workspace)
    assert "0 rows of samples" in told.out
    wrong = segdata("query", sql, "--as-of", "99", "--json", cwd=workspace)
    assert wrong.code == 2
    assert wrong.json["error"]["kind"] == "UsageError"
