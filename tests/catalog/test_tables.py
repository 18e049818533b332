"""The tables: merge by key, append once, replace a part, and what damage looks like."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError, UsageError


def samples(*rows: tuple[str, str]) -> pa.Table:
    return rows_to_table("samples", [{"sample_id": name, "split": split} for name, split in rows])


def splits(catalog: Catalog) -> dict[str, str]:
    rows = catalog.read("samples", ["sample_id", "split"]).to_pylist()
    return {row["sample_id"]: row["split"] for row in rows}


def test_a_table_that_nobody_wrote_is_empty_and_has_its_columns(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog")
    assert catalog.read("samples").num_rows == 0
    assert "image_sha256" in catalog.read("samples").column_names
    assert catalog.version("samples") == -1
    assert not (tmp_path / "catalog").exists()


def test_merging_updates_a_known_key_and_inserts_a_new_one(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train"), ("a/2", "train")))
    catalog.merge("samples", samples(("a/2", "val"), ("é x/3", "pool")))
    assert splits(catalog) == {"a/1": "train", "a/2": "val", "é x/3": "pool"}


def test_merging_nothing_makes_no_version(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    before = catalog.version("samples")
    catalog.merge("samples", samples())
    assert catalog.version("samples") == before


def test_lists_of_parents_come_back_as_they_went_in(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    parent = {"role": "portrait", "sample_id": "a/1", "image_sha256": "i", "alpha_sha256": None}
    catalog.merge("samples", rows_to_table("samples", [{"sample_id": "c/1", "parents": [parent]}]))
    assert catalog.read("samples").to_pylist()[0]["parents"] == [parent]


def test_a_key_that_comes_twice_in_one_merge_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="share a key"):
        Catalog(tmp_path).merge("samples", samples(("a/1", "train"), ("a/1", "val")))


def test_a_transaction_is_written_once(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}])
    assert catalog.append("scores", rows, "run/0")
    assert not catalog.append("scores", rows, "run/0")
    assert catalog.append("scores", rows, "run/1")
    assert catalog.read("scores").num_rows == 2


def test_replace_deletes_what_the_predicate_covers_and_the_rows_lack(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train"), ("a/2", "train"), ("a/3", "pool")))
    catalog.replace("samples", samples(("a/2", "train"), ("a/4", "train")), "target.split = 'train'")
    assert splits(catalog) == {"a/2": "train", "a/3": "pool", "a/4": "train"}


def test_writers_that_race_lose_nothing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/0", "train")))

    def write(number: int) -> None:
        Catalog(tmp_path).merge("samples", samples((f"a/{number}", "train"), ("a/0", "train")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(1, 9)))
    assert set(splits(catalog)) == {f"a/{number}" for number in range(9)}


def test_where_takes_one_boolean_expression(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train"), ("a/2", "val")))
    assert catalog.read("samples", ["sample_id"], "split = 'val' OR split = 'my select photo'").to_pylist() == [
        {"sample_id": "a/2"}
    ]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("split", "not true or false for each row"),
        ("nope = 1", "nope.*the columns are sample_id"),
        ("count(*) > 1", "aggregate"),
        ("sample_id IN (SELECT 'a')", "a subquery has no place here"),
        ("split = 'x'); DROP TABLE samples", "not one boolean expression"),
        ("true)--", "not one boolean expression"),
    ],
)
def test_a_where_that_is_something_else_is_refused(tmp_path: Path, where: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        Catalog(tmp_path).read("samples", where=where)


def test_sql_reads_all_tables(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    answer = catalog.query("SELECT s.sample_id FROM samples s LEFT JOIN scores c USING (sample_id)")
    assert answer.to_pylist() == [{"sample_id": "a/1"}]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY samples TO '{here}/out.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "ATTACH '{here}/x.db'",
        "SELECT 1; SELECT 2",
        "DELETE FROM samples",
        "",
    ],
)
def test_sql_reaches_nothing_but_the_tables(tmp_path: Path, sql: str) -> None:
    with pytest.raises(UsageError):
        Catalog(tmp_path / "catalog").query(sql.replace("{here}", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_table_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    data = next((tmp_path / "tables" / "samples").glob("*.parquet"))
    data.unlink()
    with pytest.raises(CatalogError, match=f"{data.name}: a file of table samples is gone; restore it"):
        catalog.read("samples")


def test_a_table_whose_log_is_damaged_is_named(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    for log in (tmp_path / "tables" / "samples" / "_delta_log").glob("*.json"):
        log.write_text("not json")
    with pytest.raises(CatalogError, match="tables/samples: the table can't be opened"):
        catalog.read("samples")
