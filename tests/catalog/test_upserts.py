"""Merging by key: new rows are appended, which is sound only while nobody else's commit comes between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from segdata.catalog.delta import create_table, history_of
from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError


def samples(**splits: str) -> pa.Table:
    return rows_to_table("samples", [{"sample_id": name, "split": split} for name, split in splits.items()])


def held(catalog: Catalog) -> list[tuple[str, str]]:
    return [(row["sample_id"], row["split"]) for row in catalog.read("samples", ["sample_id", "split"]).to_pylist()]


def newest_operation(catalog: Catalog, name: str = "samples") -> str:
    table = catalog.open(name)
    assert table is not None
    return str(history_of(catalog.path(name), table, 1)[0]["operation"])


def test_rows_are_appended_where_none_of_them_is_known_and_merged_where_one_is(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(a="train", c="train"))
    assert newest_operation(catalog) == "WRITE"
    catalog.merge("samples", samples(b="train", z="train"))
    assert newest_operation(catalog) == "WRITE"
    catalog.merge("samples", samples(d="train", z="val"))
    assert newest_operation(catalog) == "MERGE"
    assert held(catalog) == [("a", "train"), ("b", "train"), ("c", "train"), ("d", "train"), ("z", "val")]


def test_a_key_of_several_columns_is_known_only_as_a_whole(tmp_path: Path) -> None:
    catalog, operations = Catalog(tmp_path), []
    for selection, sample_id, rank in (("s", "a", 1), ("s", "b", 2), ("t", "a", 3), ("s", "a", 4)):
        row = {"selection": selection, "sample_id": sample_id, "rank": rank}
        catalog.merge("selections", rows_to_table("selections", [row]))
        operations.append(newest_operation(catalog, "selections"))
    assert operations == ["WRITE", "WRITE", "WRITE", "MERGE"]
    rows = catalog.read("selections", ["selection", "sample_id", "rank"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("s", "a", 4), ("s", "b", 2), ("t", "a", 3)]


def test_what_the_log_says_of_a_file_hides_no_key_that_is_in_it(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    names = ["", "a" * 100, "a" * 100 + "x", "a" * 63 + "é", "\U0010ffff" * 40, "z"]  # the log cuts what is long
    for split in ("train", "val"):
        for name in names:
            catalog.merge("samples", samples(**{name: split}))
    assert held(catalog) == [(name, "val") for name in sorted(names)]


def test_a_file_of_which_the_log_says_nothing_is_looked_into(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    table = create_table(catalog.path("samples"), SCHEMAS["samples"])
    table.alter.set_table_properties({"delta.dataSkippingNumIndexedCols": "0"})
    catalog.merge("samples", samples(a="train"))
    catalog.merge("samples", samples(a="val"))
    assert held(catalog) == [("a", "val")]
    table.update_incremental()
    table.alter.set_table_properties({"delta.dataSkippingNumIndexedCols": "32"})
    catalog.merge("samples", samples(b="train"))
    catalog.merge("samples", samples(a="test"))
    assert held(catalog) == [("a", "test"), ("b", "train")]


def insert(catalog: Catalog) -> None:
    catalog.merge("samples", samples(k="theirs"))


def insert_and_update(catalog: Catalog) -> None:
    catalog.merge("samples", samples(a="theirs", k="theirs"))


def put_in_place(catalog: Catalog) -> None:
    catalog.replace("samples", samples(k="theirs"), "target.split = 'nobody'")


def insert_beside(catalog: Catalog) -> None:
    catalog.merge("samples", samples(zz="theirs"))


def overtaken(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, theirs: Callable[[Catalog], None]) -> list[int]:
    """Let another writer commit once between the look and the commit of this one; the versions that this one saw."""
    looked, others, seen = Catalog._knows_any, iter([theirs]), []

    def looked_and_overtaken(self: Catalog, table: DeltaTable, name: str, rows: pa.Table) -> bool:
        known = looked(self, table, name, rows)
        if self is catalog:
            seen.append(int(table.version()))
            for other in others:
                other(Catalog(catalog.root))
        return known

    monkeypatch.setattr(Catalog, "_knows_any", looked_and_overtaken)
    return seen


@pytest.mark.parametrize("ours", [{"k": "ours", "m": "ours"}, {"a": "ours", "k": "ours", "m": "ours"}])
@pytest.mark.parametrize("theirs", [insert, insert_and_update, put_in_place])
def test_a_key_that_another_writer_inserts_meanwhile_is_not_there_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: Callable[[Catalog], None], ours: dict[str, str]
) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(a="train"))
    seen = overtaken(catalog, monkeypatch, theirs)
    catalog.merge("samples", samples(**ours))
    assert len(seen) == 2
    assert [pair for pair in held(catalog) if pair[0] != "a"] == [("k", "ours"), ("m", "ours")]


def test_an_update_does_not_wait_for_inserts_of_other_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(a="train", b="train"))
    seen = overtaken(catalog, monkeypatch, insert_beside)
    catalog.merge("samples", samples(a="ours"))
    assert len(seen) == 1
    assert held(catalog) == [("a", "ours"), ("b", "train"), ("zz", "theirs")]


def test_a_replacement_is_tried_again_where_another_writer_inserts_its_key(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(a="train"))
    others, tries = iter([insert]), []

    def attempt(table: DeltaTable) -> None:
        tries.append(table.version())
        for other in others:
            other(Catalog(tmp_path))
        catalog._merger(table, "samples", samples(k="ours")).execute()

    catalog.commit("samples", attempt)
    assert len(tries) == 2
    assert held(catalog) == [("a", "train"), ("k", "ours")]


def test_files_that_can_not_hold_a_key_stay_closed(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.merge("samples", samples(a="train", c="train"))
    (file,) = catalog.path("samples").glob("*.parquet")
    catalog.merge("samples", samples(x="train", z="train"))
    file.rename(tmp_path / "elsewhere")
    catalog.merge("samples", samples(d="train"))
    assert newest_operation(catalog) == "WRITE"
    with pytest.raises(CatalogError, match=f"{file.name}: a file of table samples is gone"):
        catalog.merge("samples", samples(b="train"))


MANY_COMMITS = """
import re, sys
from pathlib import Path
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog

def held():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

catalog = Catalog(Path(sys.argv[1]))
for number in range(50):
    if number == 10:
        before = held()
    rows = [{"sample_id": f"{number:03d}/{n:03d}", "image_sha256": f"{number * 512 + n:064d}"} for n in range(512)]
    catalog.merge("samples", rows_to_table("samples", rows))
print(held() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process what it holds")
def test_commits_leave_hardly_any_memory_behind(tmp_path: Path) -> None:
    held = []
    for name in ("first", "second"):  # what an allocator keeps varies from run to run; what delta-rs holds does not
        call = [sys.executable, "-c", MANY_COMMITS, str(tmp_path / name)]
        held.append(float(subprocess.run(call, capture_output=True, text=True, check=True).stdout))
    assert min(held) < 14, held  # MB for forty commits: 4 to 15 as it is, 18 to 25 as delta-rs holds memory by itself
