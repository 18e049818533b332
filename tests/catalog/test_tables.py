"""The tables: merge by key, append once, replace a part, and what damage looks like."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.catalog.delta import data_files
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError, UsageError


def samples(*rows: tuple[str, str]) -> pa.Table:
    return rows_to_table("samples", [{"sample_id": name, "split": split} for name, split in rows])


def splits(catalog: Catalog) -> dict[str, str]:
    rows = catalog.read("samples", ["sample_id", "split"]).to_pylist()
    return {row["sample_id"]: row["split"] for row in rows}


def test_a_table_that_holds_nothing_is_asked_as_any_other(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    found = catalog.read("rejects", ["reason", "path"], "dataset = 'coco'")
    assert found.schema.names == ["reason", "path"]
    assert found.num_rows == 0
    with pytest.raises(UsageError, match="the columns are"):
        catalog.read("rejects", where="datset = 'coco'")


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
    with pytest.raises(
        CatalogError, match=r"00000\.json: the commit is cut off; restore it.*\(1 more: segdata catalog verify\)"
    ):
        catalog.read("samples")


def test_a_catalog_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "a1" / "k=v 7% it's ü").mkdir(parents=True)
    catalog = Catalog(tmp_path / "a(1)*?&#:{1}" / "k=v 7% it's ü")
    catalog.merge("samples", samples(("a/1", "train"), ("a/3", "val")))
    catalog.merge("samples", samples(("a/1", "train"), ("a/2", "val")))
    catalog.append("scores", rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}]))
    catalog.delete("samples", "sample_id = 'a/3'")
    assert splits(catalog) == {"a/1": "train", "a/2": "val"}
    assert catalog.query("SELECT * FROM samples").column_names == catalog.read("samples").column_names


@pytest.mark.parametrize("part", ["%20", "[", "]", "^", "|", "\\", "\n"])
def test_but_for_a_name_that_delta_would_unescape_or_append_nothing_under(tmp_path: Path, part: str) -> None:
    catalog = Catalog(tmp_path / f"a{part}b")
    message = f"no catalog can lie under a name with {part!r} in it; rename that folder"
    with pytest.raises(CatalogError, match=re.escape(message)):
        catalog.merge("samples", samples(("a/1", "train")))
    assert not list(tmp_path.iterdir())


def test_nor_by_a_link_to_such_a_name(tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    (tmp_path / "link").symlink_to("a[1]")
    with pytest.raises(CatalogError, match=r"link/tables/samples: no catalog can lie under a name with '\['"):
        Catalog(tmp_path / "link").merge("samples", samples(("a/1", "train")))
    assert not list((tmp_path / "a[1]").iterdir())


def test_sql_reads_no_file_that_is_not_live(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    (dead,) = catalog.path("samples").glob("*.parquet")
    catalog.merge("samples", samples(("a/1", "val")))
    (live,) = set(catalog.path("samples").glob("*.parquet")) - {dead}
    for file in (dead, catalog.path("samples") / "_delta_log" / f"{0:020d}.json"):
        with pytest.raises(UsageError, match="file system operations are disabled"):
            catalog.query(f"SELECT * FROM read_text('{file}') JOIN samples ON true")
    with pytest.raises(UsageError, match="one SELECT statement"):
        catalog.query(f"COPY (SELECT 1 FROM samples) TO '{live}'")
    assert splits(catalog) == {"a/1": "val"}


def test_times_are_in_utc_whatever_the_machine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    catalog = Catalog(tmp_path)
    at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    catalog.append("verdicts", rows_to_table("verdicts", [{"sample_id": "a/1", "verdict": "hard", "at": at}]))
    (row,) = catalog.query("SELECT v.at FROM verdicts v").to_pylist()
    assert row["at"].isoformat() == "2026-03-01T12:30:00+00:00"


def test_a_value_that_the_predicate_cannot_take_is_told_and_no_file_is_blamed(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    with pytest.raises(UsageError, match="Could not convert string 'train' to INT32"):
        catalog.read("samples", where="split::INTEGER = 1")


def commits(catalog: Catalog) -> list[DeltaTable]:
    """Two handles of the same version, as two processes have them."""
    tables = [catalog.open("samples"), catalog.open("samples")]
    return [table for table in tables if table is not None]


def live_files(catalog: Catalog) -> list[tuple[Path, int, int]]:
    return data_files(catalog.path("samples"), commits(catalog)[0])


@pytest.mark.parametrize("there", [(), (("a/1", "train"),), (("a/1", "train"), ("z/1", "train"))])
def test_a_writer_that_is_late_by_one_version_cannot_bring_a_key_in_twice(
    tmp_path: Path, there: tuple[tuple[str, str], ...]
) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("0/0", "train")))
    catalog.merge("samples", samples(*there))
    first, late = commits(catalog)
    catalog._merger(first, "samples", samples(("m/1", "val"))).execute()
    with pytest.raises(CommitFailedError):
        catalog._merger(late, "samples", samples(("m/1", "pool"))).execute()


def test_a_writer_that_is_late_cannot_replace_around_a_row_that_came_meanwhile(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train"), ("b/1", "train")))
    first, late = commits(catalog)
    catalog._merger(first, "samples", samples(("z/1", "train"))).execute()
    merger = catalog._merger(late, "samples", samples(("a/1", "train")))
    with pytest.raises(CommitFailedError):
        merger.when_not_matched_by_source_delete("target.split = 'train'").execute()


def test_replacing_reaches_rows_outside_the_range_of_the_new_ones_and_may_leave_none(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    for name in ("a/1", "m/1", "z/1"):
        catalog.merge("samples", samples((name, "train")))
    catalog.merge("samples", samples(("b/1", "pool")))
    catalog.replace("samples", samples(("m/1", "train"), ("m/2", "train")), "target.split = 'train'")
    assert splits(catalog) == {"b/1": "pool", "m/1": "train", "m/2": "train"}
    catalog.replace("samples", samples(), "target.split = 'train'")
    assert splits(catalog) == {"b/1": "pool"}


def test_a_merge_leaves_the_files_alone_whose_keys_are_elsewhere(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    for source in "abc":
        catalog.merge("samples", samples(*((f"{source}/{number}", "train") for number in range(5))))
    before = {path for path, _, _ in live_files(catalog)}
    catalog.merge("samples", samples(("b/2", "val"), ("b/9", "train")))
    assert len(before & {path for path, _, _ in live_files(catalog)}) == 2
    assert splits(catalog)["b/2"] == "val"
    assert len(splits(catalog)) == 16


def test_a_commit_says_which_run_made_it(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path).for_run("r7")
    catalog.merge("samples", samples(("a/1", "train")))
    catalog.append("scores", rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}]), "t/0")
    for name in ("samples", "scores"):
        table = catalog.open(name)
        assert table is not None
        assert table.history(1)[0]["run_id"] == "r7"
        if name == "scores":
            assert table.transaction_version("t/0") == 1


def test_rows_that_are_held_are_read_and_never_written(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(("a/1", "train")))
    view = catalog.holding("samples", samples(("b/1", "val")))
    assert splits(view) == {"b/1": "val"}
    assert view.query("SELECT split FROM samples").to_pylist() == [{"split": "val"}]
    with pytest.raises(ValueError, match="held in memory"):
        view.merge("samples", samples(("c/1", "val")))
    assert splits(catalog) == {"a/1": "train"}


rows_of_samples = st.lists(
    st.tuples(st.sampled_from([f"{source}/{n}" for source in "abc" for n in range(4)]), st.sampled_from("tvp")),
    max_size=5,
    unique_by=lambda row: row[0],
)


@settings(max_examples=6)
@given(st.lists(rows_of_samples, max_size=3))
def test_merging_is_what_updating_a_dictionary_is(tmp_path_factory: pytest.TempPathFactory, merges: Any) -> None:
    catalog = Catalog(tmp_path_factory.mktemp("merged"))
    expected: dict[str, str] = {}
    for rows in merges:
        catalog.merge("samples", samples(*rows))
        expected.update(rows)
        assert splits(catalog) == expected
    for version in range(catalog.version("samples") + 1):
        assert set(splits(catalog.at({"samples": version}))) <= set(expected)
