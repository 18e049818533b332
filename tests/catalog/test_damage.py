"""Damage is found, named, and mended by following the message to the letter; nothing else is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segdata.catalog.damage import commit_problem, commits_of, data_damage, log_damage, readable_versions
from segdata.catalog.delta import data_files
from segdata.catalog.history import table_history
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError

Break = Callable[[Path], None]


def merge(catalog: Catalog, *names: str) -> None:
    catalog.merge("samples", rows_to_table("samples", [{"sample_id": name, "split": "train"} for name in names]))


def ids(catalog: Catalog) -> list[str]:
    names: list[str] = catalog.read("samples", ["sample_id"])["sample_id"].to_pylist()
    return names


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Three commits of a sample each."""
    found = Catalog(tmp_path)
    for name in ("a/1", "a/2", "a/3"):
        merge(found, name)
    return found


def said(catalog: Catalog) -> str:
    """What a reader is told, and a writer too."""
    with pytest.raises(CatalogError) as read:
        catalog.read("samples")
    with pytest.raises(CatalogError) as written:
        merge(catalog, "a/4")
    with pytest.raises(CatalogError):
        catalog.query("SELECT count(*) FROM samples")
    assert str(read.value) == str(written.value)
    return str(read.value)


def cut(share: float) -> Break:
    def apply(file: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * share)])

    return apply


def keep_lines(count: int) -> Break:
    def apply(file: Path) -> None:
        file.write_bytes(b"\n".join(file.read_bytes().splitlines()[:count]))

    return apply


@pytest.mark.parametrize(
    ("apply", "what"),
    [
        (cut(0), "the commit is empty"),
        (lambda file: file.write_bytes(b"\0" * 100), "the commit holds nothing but zeros"),
        (cut(0.9), "the commit is cut off"),
        (keep_lines(1), "the commit is cut off: it names 0 of 1 files to add"),
        (lambda file: file.write_bytes(file.read_bytes().splitlines()[1]), "it does not say what made it"),
    ],
    ids=["empty", "zeros", "half", "between lines", "without its maker"],
)
def test_a_broken_last_commit_is_named_and_deleting_it_brings_the_table_back(
    catalog: Catalog, apply: Break, what: str
) -> None:
    last = commits_of(catalog.path("samples"))[-1]
    apply(last)
    message = said(catalog)
    assert message.startswith(f"{last}: ")
    assert what in message
    assert "delete this file: the table is at version 2 then. Then run the command again" in message
    assert [str(damage) for damage in log_damage(catalog.path("samples"))] == [message]
    last.unlink()
    assert ids(catalog) == ["a/1", "a/2"]
    merge(catalog, "a/3")
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def test_a_broken_first_commit_of_a_table_that_was_only_begun_is_deleted_too(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    merge(catalog, "a/1")
    first, second = commits_of(catalog.path("samples"))
    second.unlink()
    first.write_bytes(b"")
    with pytest.raises(CatalogError, match="the commit is empty; delete this file: the table was only begun"):
        catalog.read("samples")


def test_an_older_commit_that_is_broken_is_found_though_delta_reads_over_it(catalog: Catalog) -> None:
    middle = commits_of(catalog.path("samples"))[2]
    middle.write_bytes(b"")
    (found,) = log_damage(catalog.path("samples"))
    assert (found.path, found.what) == (middle, "the commit is empty")
    assert "restore it from a copy" in found.remedy


def test_a_commit_that_is_gone_is_named(catalog: Catalog) -> None:
    middle = commits_of(catalog.path("samples"))[2]
    kept = middle.read_bytes()
    middle.unlink()
    assert said(catalog).startswith(f"{middle}: the commit is gone; restore it from a copy")
    middle.write_bytes(kept)
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def test_a_log_that_is_gone_is_no_empty_table(catalog: Catalog) -> None:
    log = catalog.path("samples") / "_delta_log"
    log.rename(log.with_name("aside"))
    for begun in (False, True):
        if begun:
            log.mkdir()
        assert "the table's log holds no commit, and yet there are data files" in said(catalog)
    log.rmdir()
    log.with_name("aside").rename(log)
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4:200] = bytes(196)
    file.write_bytes(data)


def another(file: Path) -> None:
    rows = pq.read_table(file)
    pq.write_table(pa.concat_tables([rows, rows]), file)


@pytest.mark.parametrize(
    ("apply", "what"),
    [
        (lambda file: file.unlink(), "the data file is gone"),
        (another, r"has \d+ bytes instead of \d+"),
        (cut(0), r"has 0 bytes instead of \d+"),
        (cut(0.5), r"has \d+ bytes instead of \d+"),
        (flip, "the data file can't be read"),
    ],
    ids=["gone", "another that is whole", "empty", "half", "zeros inside"],
)
def test_a_broken_data_file_is_named_and_putting_it_back_mends_it(catalog: Catalog, apply: Break, what: str) -> None:
    table = catalog.open("samples")
    assert table is not None
    files = data_files(catalog.path("samples"), table)
    broken = files[1][0]
    kept = broken.read_bytes()
    assert data_damage(files, deep=True) == []
    apply(broken)
    with pytest.raises(CatalogError) as raised:
        catalog.read("samples")
    assert str(raised.value).startswith(f"{broken}: ")
    with pytest.raises(CatalogError, match=re.escape(str(broken))):
        catalog.query("SELECT count(DISTINCT sample_id) FROM samples")
    (found,) = data_damage(files, deep=True)
    assert found.path == broken
    assert re.search(what, found.what)
    broken.write_bytes(kept)
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def zero(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("apply", [cut(0.5), zero], ids=["half", "empty"])
def test_a_broken_checkpoint_is_named_and_the_table_lives_without_it(catalog: Catalog, apply: Break) -> None:
    table = catalog.open("samples")
    assert table is not None
    table.create_checkpoint()
    log = catalog.path("samples") / "_delta_log"
    checkpoint = next(log.glob("*.checkpoint.parquet"))
    apply(checkpoint)
    message = said(catalog)
    assert message.startswith(f"{checkpoint}: the checkpoint can't be read")
    assert "delete it and _last_checkpoint beside it: the commits are all there" in message
    checkpoint.unlink()
    (log / "_last_checkpoint").unlink()
    assert ids(catalog) == ["a/1", "a/2", "a/3"]
    merge(catalog, "a/4")
    assert ids(catalog) == ["a/1", "a/2", "a/3", "a/4"]


def test_a_checkpoint_that_is_gone_is_named(catalog: Catalog) -> None:
    table = catalog.open("samples")
    assert table is not None
    table.create_checkpoint()
    log = catalog.path("samples") / "_delta_log"
    next(log.glob("*.checkpoint.parquet")).unlink()
    message = said(catalog)
    assert "_last_checkpoint: it names a checkpoint of version 3, which is gone; delete it" in message
    (log / "_last_checkpoint").unlink()
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def test_garbage_in_the_pointer_to_the_checkpoint_does_no_harm_and_is_found(catalog: Catalog) -> None:
    table = catalog.open("samples")
    assert table is not None
    table.create_checkpoint()
    pointer = catalog.path("samples") / "_delta_log" / "_last_checkpoint"
    pointer.write_text("garbage")
    assert ids(catalog) == ["a/1", "a/2", "a/3"]
    (found,) = log_damage(catalog.path("samples"))
    assert str(found) == f"{pointer}: the pointer to the checkpoint is no JSON; delete it: it only saves time"
    pointer.unlink()
    assert log_damage(catalog.path("samples")) == []
    assert ids(catalog) == ["a/1", "a/2", "a/3"]


def test_every_kind_of_commit_is_taken_for_whole(catalog: Catalog) -> None:
    catalog.replace("samples", rows_to_table("samples", [{"sample_id": "a/9"}]), "target.sample_id = 'a/1'")
    catalog.append("scores", rows_to_table("scores", [{"scorer_id": "s", "sample_id": "a/1"}]), "t/1")
    table = catalog.open("samples")
    assert table is not None
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    table.delete("sample_id = 'a/2'")
    commits = commits_of(catalog.path("samples")) + commits_of(catalog.path("scores"))
    assert len(commits) == 11
    assert [commit_problem(commit) for commit in commits] == [None] * 11


def test_a_broken_commit_behind_a_checkpoint_does_no_harm_and_is_found(catalog: Catalog) -> None:
    table = catalog.open("samples")
    assert table is not None
    table.create_checkpoint()
    middle = commits_of(catalog.path("samples"))[2]
    cut(0.9)(middle)
    assert ids(catalog) == ["a/1", "a/2", "a/3"]
    assert [found.path for found in log_damage(catalog.path("samples"))] == [middle]


def test_where_other_programs_deleted_commits_nobody_says_what_can_be_read(catalog: Catalog) -> None:
    assert readable_versions(catalog.path("samples")) == [0, 1, 2, 3]
    table = catalog.open("samples")
    assert table is not None
    table.create_checkpoint()
    commits_of(catalog.path("samples"))[0].unlink()
    assert readable_versions(catalog.path("samples")) is None
    assert {version.readable for version in table_history(catalog)} == {None}
    assert ids(catalog) == ["a/1", "a/2", "a/3"]
    assert log_damage(catalog.path("samples")) == []
