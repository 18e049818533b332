"""Columns come and nothing goes: an older table is completed, a newer one is read and left alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, write_deltalake

from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError

LACKING = ("hole_count", "parents", "licence", "foreground_fraction")


def of_an_older_segdata(root: Path) -> Catalog:
    """A catalog whose samples lack columns, with one row."""
    schema = pa.schema([field for field in SCHEMAS["samples"] if field.name not in LACKING])
    row = {"sample_id": "a/1", "split": "train", "width": 600, "phash": -1}
    write_deltalake(root / "tables" / "samples", pa.Table.from_pylist([row], schema=schema))
    return Catalog(root)


def test_columns_that_an_older_table_lacks_read_as_null(tmp_path: Path) -> None:
    catalog = of_an_older_segdata(tmp_path)
    (row,) = catalog.read("samples").to_pylist()
    assert row["width"] == 600
    assert [row[column] for column in LACKING] == [None] * 4
    assert catalog.read("samples", ["sample_id"], "hole_count IS NULL AND licence IS NULL").num_rows == 1
    sql = "SELECT s.sample_id, len(s.parents) AS n, s.foreground_fraction + 1 AS f FROM samples s"
    assert catalog.query(sql).to_pylist() == [{"sample_id": "a/1", "n": None, "f": None}]
    assert catalog.version("samples") == 0


def test_the_next_write_adds_the_columns_and_files_of_both_kinds_are_read_together(tmp_path: Path) -> None:
    catalog = of_an_older_segdata(tmp_path)
    parent = {"role": "portrait", "sample_id": "a/1", "image_sha256": "i", "alpha_sha256": None}
    new = {"sample_id": "b/1", "split": "none", "licence": "CC0", "hole_count": 2, "parents": [parent]}
    catalog.merge("samples", rows_to_table("samples", [new]))
    old, added = catalog.read("samples").to_pylist()
    assert (old["sample_id"], old["width"], old["licence"]) == ("a/1", 600, None)
    assert (added["licence"], added["hole_count"], added["parents"]) == ("CC0", 2, [parent])
    assert len(list((tmp_path / "tables" / "samples").glob("*.parquet"))) == 2
    table = DeltaTable(tmp_path / "tables" / "samples")
    assert [field.name for field in table.schema().fields][-4:] == [
        name for name in SCHEMAS["samples"].names if name in LACKING
    ]
    catalog.merge("samples", rows_to_table("samples", [{**old, "licence": "CC0"}]))
    assert catalog.read("samples")["licence"].to_pylist() == ["CC0", "CC0"]


def test_an_older_table_that_is_appended_to_is_completed_too(tmp_path: Path) -> None:
    schema = pa.schema([field for field in SCHEMAS["scores"] if field.name != "confidence"])
    write_deltalake(
        tmp_path / "tables" / "scores", pa.Table.from_pylist([{"scorer_id": "s", "sample_id": "a/1"}], schema=schema)
    )
    catalog = Catalog(tmp_path)
    row = {"scorer_id": "s", "sample_id": "a/2", "confidence": 0.5}
    assert catalog.append("scores", rows_to_table("scores", [row]), "t/1")
    assert catalog.read("scores")["confidence"].to_pylist() == [None, 0.5]


def of_a_newer_segdata(root: Path) -> Catalog:
    """A catalog whose samples have a column more."""
    catalog = Catalog(root)
    catalog.merge("samples", rows_to_table("samples", [{"sample_id": "a/1"}]))
    table = DeltaTable(root / "tables" / "samples")
    table.alter.add_columns([Field("mood", "string")])
    table.update(updates={"mood": "'glad'"})
    return catalog


def test_a_newer_table_is_read_without_the_columns_that_are_not_known(tmp_path: Path) -> None:
    catalog = of_a_newer_segdata(tmp_path)
    assert catalog.read("samples").column_names == SCHEMAS["samples"].names
    assert catalog.query("SELECT sample_id, mood FROM samples").to_pylist() == [{"sample_id": "a/1", "mood": "glad"}]


def test_a_newer_table_is_not_written_since_rows_would_lose_what_is_not_known(tmp_path: Path) -> None:
    catalog = of_a_newer_segdata(tmp_path)
    with pytest.raises(CatalogError, match=r"columns that this version of segdata does not know \(mood\).*update"):
        catalog.merge("samples", rows_to_table("samples", [{"sample_id": "a/1", "split": "val"}]))
    assert catalog.query("SELECT mood, split FROM samples").to_pylist() == [{"mood": "glad", "split": None}]


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "tables" / "samples", pa.table({"sample_id": ["a/1"], "width": ["wide"]}))
    message = "table samples has column width as string instead of integer"
    with pytest.raises(CatalogError, match=message):
        Catalog(tmp_path).read("samples")
    with pytest.raises(CatalogError, match=message):
        Catalog(tmp_path).merge("samples", rows_to_table("samples", [{"sample_id": "a/1"}]))


def test_two_writers_that_add_the_columns_at_once_lose_nothing(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    of_an_older_segdata(tmp_path)

    def write(number: int) -> None:
        Catalog(tmp_path).merge("samples", rows_to_table("samples", [{"sample_id": f"b/{number}", "licence": "CC0"}]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    rows = Catalog(tmp_path).read("samples", ["sample_id", "licence"]).to_pylist()
    assert [row["sample_id"] for row in rows] == ["a/1", "b/0", "b/1", "b/2", "b/3"]
