"""Verdicts come into the catalog once, whoever brings them and how often; and say what became of them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.training_sets import newest_verdicts
from segdata.catalog.verdicts import Judgement, take_in

NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Three samples, the last one forgotten."""
    catalog = Catalog(tmp_path, "run-1")
    rows = [
        {"sample_id": f"p/{number}", "image_sha256": "i", "alpha_sha256": "a", "status": status}
        for number, status in enumerate(("present", "gone", "forgotten"))
    ]
    catalog.merge("samples", rows_to_table("samples", rows))
    return catalog


def judged(name: str, verdict: str | None = "hard", minute: int = 0, alpha: str = "a", **more: object) -> Judgement:
    fields = {"reviewer": "kim", "at": NINE + timedelta(minutes=minute)} | more
    return Judgement(name, "i", alpha, verdict, **fields)  # type: ignore[arg-type]  # any word


def test_twice_is_the_same_as_once(catalog: Catalog) -> None:
    acts = [judged("p/0"), judged("p/1", "fine"), judged("p/0")]
    first = take_in(catalog, acts)
    assert (first.verdicts, first.known) == ({"fine": 1, "hard": 1}, 0)
    again = take_in(catalog, acts)
    assert (again.verdicts, again.known) == ({}, 2)
    assert catalog.version("verdicts") == 1, "nothing new, no commit"
    assert catalog.read("verdicts").num_rows == 2


def test_a_mind_that_changes_adds_a_row_and_the_last_one_counts(catalog: Catalog) -> None:
    take_in(catalog, [judged("p/0", "hard", 0)])
    take_in(catalog, [judged("p/0", "drop", 1), judged("p/0", "fine", 2, reviewer="ben")])
    rows = catalog.read("verdicts").to_pylist()
    assert [(row["reviewer"], row["verdict"], row["run_id"]) for row in sorted(rows, key=lambda row: row["at"])] == [
        ("kim", "hard", "run-1"), ("kim", "drop", "run-1"), ("ben", "fine", "run-1"),
    ]  # fmt: skip
    assert newest_verdicts(rows) == {("p/0", "i", "a"): "fine"}


def test_a_note_alone_takes_no_verdict_back(catalog: Catalog) -> None:
    taken = take_in(catalog, [judged("p/0", "drop", 0), judged("p/0", None, 1, note="look", tags=("hat",))])
    assert (taken.verdicts, taken.remarks) == ({"drop": 1}, 1)
    assert newest_verdicts(catalog.read("verdicts").to_pylist()) == {("p/0", "i", "a"): "drop"}


def test_what_was_said_of_other_bytes_is_kept_and_called_stale(catalog: Catalog) -> None:
    taken = take_in(catalog, [judged("p/0", alpha="older")])
    assert (taken.stale, taken.to_json()["stale"]) == (("p/0",), 1)
    assert ("p/0", "i", "a") not in newest_verdicts(catalog.read("verdicts").to_pylist())


def test_what_is_forgotten_or_was_never_there_is_left_out(catalog: Catalog) -> None:
    taken = take_in(catalog, [judged("p/2"), judged("p/nobody"), judged("p/'; --\0")])
    assert taken.unknown == ("p/'; --\0", "p/2", "p/nobody")
    assert catalog.read("verdicts").num_rows == 0


def test_a_dry_run_counts_and_writes_nothing(catalog: Catalog) -> None:
    assert take_in(catalog, [judged("p/0")], dry_run=True).verdicts == {"hard": 1}
    assert catalog.read("verdicts").num_rows == 0


def test_two_who_pull_at_once_bring_each_verdict_once(catalog: Catalog) -> None:
    acts = [judged("p/0", minute=minute) for minute in range(5)]
    pulls = [threading.Thread(target=take_in, args=(catalog, acts[start:])) for start in (0, 1, 2, 3)]
    for pull in pulls:
        pull.start()
    for pull in pulls:
        pull.join()
    rows = catalog.read("verdicts").to_pylist()
    assert sorted(row["at"] for row in rows) == [act.at for act in acts]
