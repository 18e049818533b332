"""What people said about samples: taken in once, kept for ever, and who disagrees with whom.

The table is append-only: a reviewer who changes their mind adds a row. What counts for training is the last word on a
sample's bytes, whoever said it (`training_sets.newest_verdicts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from segdata.catalog.purging import quoted_in
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.records import Verdict

Row = dict[str, Any]
Bytes = tuple[str, str | None, str | None]
"""(sample_id, image_sha256, alpha_sha256): what a verdict is about."""


@dataclass(frozen=True)
class Judgement:
    """One act of one reviewer.

    Attributes:
        sample_id, image_sha256, alpha_sha256: what was looked at.
        verdict: None for a note or tags alone.
        reviewer: who.
        at: when, with a time zone.
        note: in their words; empty takes theirs back, None says nothing about it.
        tags: the sample's tags at that moment; None where tags are not known, such as on a page.
    """

    sample_id: str
    image_sha256: str | None
    alpha_sha256: str | None
    verdict: Verdict | None
    reviewer: str
    at: datetime
    note: str | None = None
    tags: tuple[str, ...] | None = None

    def row(self, run_id: str | None) -> Row:
        """The row of `verdicts`."""
        return {**vars(self), "tags": None if self.tags is None else list(self.tags), "run_id": run_id}


@dataclass(frozen=True)
class Taken:
    """What became of judgements that were handed in.

    Attributes:
        verdicts: how many of each verdict are new.
        remarks: new notes and tags without a verdict.
        known: those that the catalog had already.
        stale: samples whose bytes have changed since they were looked at: kept, and without effect.
        unknown: samples that the catalog does not have, or was told to forget: not kept.
    """

    verdicts: Mapping[str, int]
    remarks: int
    known: int
    stale: tuple[str, ...]
    unknown: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `segdata review --pull --json`."""
        return {
            "verdicts": dict(self.verdicts),
            "remarks": self.remarks,
            "known": self.known,
            "stale": len(self.stale),
            "stale_samples": list(self.stale),
            "unknown_samples": list(self.unknown),
        }


def take_in(catalog: Catalog, judgements: Sequence[Judgement], dry_run: bool = False) -> Taken:
    """Append the judgements that the catalog does not have yet, in one commit: twice is the same as once.

    Args:
        catalog: where they belong.
        judgements: in any order; one that is there twice counts once.
        dry_run: count, and write nothing.

    Raises:
        CatalogError: A table is damaged, or can't be written.
    """
    samples = _samples(catalog, {one.sample_id for one in judgements})
    kept = [one for one in judgements if one.sample_id in samples]
    unknown = tuple(sorted({one.sample_id for one in judgements} - set(samples)))
    new = _append(catalog, kept, dry_run)
    stale = {one.sample_id for one in new if (one.image_sha256, one.alpha_sha256) != samples[one.sample_id]}
    counted = Counter(one.verdict for one in new if one.verdict)
    remarks = sum(one.verdict is None for one in new)
    known = len({_key(one) for one in kept}) - len(new)
    return Taken(dict(sorted(counted.items())), remarks, known, tuple(sorted(stale)), unknown)


def of_reviewers(rows: Iterable[Row]) -> dict[Bytes, dict[str, Row]]:
    """The last verdict of each reviewer on each sample's bytes, who judged last coming last.

    >>> rows = [{"sample_id": "p/1", "image_sha256": "i", "alpha_sha256": "a", "verdict": verdict, "reviewer": name,
    ...          "at": at} for verdict, name, at in [("hard", "kim", 1), ("fine", "ben", 2), ("drop", "kim", 3)]]
    >>> {name: row["verdict"] for name, row in of_reviewers(rows)["p/1", "i", "a"].items()}
    {'ben': 'fine', 'kim': 'drop'}
    """
    found: dict[Bytes, dict[str, Row]] = {}
    for row in sorted(rows, key=_moment):
        if row["verdict"]:
            of_sample = found.setdefault((row["sample_id"], row["image_sha256"], row["alpha_sha256"]), {})
            of_sample.pop(str(row["reviewer"]), None)
            of_sample[str(row["reviewer"])] = row
    return found


def disagree(of_sample: Mapping[str, Row]) -> bool:
    """Whether the last words of a sample's reviewers differ."""
    return len({row["verdict"] for row in of_sample.values()}) > 1


def notes_of(rows: Iterable[Row]) -> dict[Bytes, dict[str, str]]:
    """The notes on each sample's bytes that still stand, by reviewer, the newest last.

    >>> rows = [{"sample_id": "p/1", "image_sha256": "i", "alpha_sha256": "a", "note": note, "reviewer": name, "at": at}
    ...         for note, name, at in [("hat", "kim", 1), ("hair", "ben", 2), (None, "kim", 3), ("", "ben", 4)]]
    >>> notes_of(rows)["p/1", "i", "a"]
    {'kim': 'hat'}
    """
    found: dict[Bytes, dict[str, str]] = {}
    for row in sorted(rows, key=_moment):
        if row.get("note") is not None:
            of_sample = found.setdefault((row["sample_id"], row["image_sha256"], row["alpha_sha256"]), {})
            of_sample.pop(str(row["reviewer"]), None)
            if row["note"]:
                of_sample[str(row["reviewer"])] = row["note"]
    return found


def last_remarks(rows: Iterable[Row]) -> dict[Bytes, Row]:
    """The newest row about each sample's bytes that says its tags: what its tags were when last heard of."""
    ordered = sorted(rows, key=_moment)
    return {(r["sample_id"], r["image_sha256"], r["alpha_sha256"]): r for r in ordered if r.get("tags") is not None}


def _append(catalog: Catalog, judgements: Sequence[Judgement], dry_run: bool) -> list[Judgement]:
    """Those that were not there. Who looked at an older version by the time they write is refused, and looks again."""
    while True:
        version = catalog.version("verdicts")
        columns = ["sample_id", "image_sha256", "alpha_sha256", "reviewer", "at"]
        there = {tuple(row[name] for name in columns) for row in catalog.read("verdicts", columns).to_pylist()}
        new = {_key(one): one for one in judgements if _key(one) not in there}
        ordered = sorted(new.values(), key=lambda one: (one.at, one.sample_id))
        if dry_run or not ordered:
            return ordered
        rows = rows_to_table("verdicts", [one.row(catalog.run_id) for one in ordered])
        if catalog.append("verdicts", rows, transaction=f"verdicts-after-{version}", after=version):
            return ordered


def _moment(row: Row) -> tuple[bool, Any]:
    return row["at"] is not None, row["at"]


def _key(one: Judgement) -> tuple[Any, ...]:
    return one.sample_id, one.image_sha256, one.alpha_sha256, one.reviewer, one.at


def _samples(catalog: Catalog, ids: set[str]) -> dict[str, tuple[str | None, str | None]]:
    """Hashes of the samples that there are, by id; also of those whose files are gone for now."""
    found: dict[str, tuple[str | None, str | None]] = {}
    names = sorted(name for name in ids if "\0" not in name)  # a NUL can't be written in SQL, and no file has one
    for start in range(0, len(names), 1000):
        where = f"status <> 'forgotten' AND {quoted_in('sample_id', set(names[start : start + 1000]))}"
        rows = catalog.read("samples", ["sample_id", "image_sha256", "alpha_sha256"], where).to_pylist()
        found.update((row["sample_id"], (row["image_sha256"], row["alpha_sha256"])) for row in rows)
    return found
