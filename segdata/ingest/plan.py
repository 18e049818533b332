"""What an ingest has to do, from what was found and what the catalog knows: pure, but for a stat of each file."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from segdata.catalog.forgotten import NOTHING_FORGOTTEN, Forgotten
from segdata.ingest.known import Before, Known, Named
from segdata.ingest.label_file import Reading
from segdata.ingest.measure import STAMP_COLUMNS
from segdata.ingest.reading import Found
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.source_decision import NO_DECISION, SourceDecision
from segdata.records import HAS_PERSON, Candidate, Filtered, PhotoSet, Reject, Stamps

Row = dict[str, Any]

PEOPLE_KEPT = 400
"""Photos annotated with people that are kept in `filtered`, so that people can be learned from them."""


@dataclass(frozen=True)
class Rules:
    """What the recipe and the call say about a source.

    Attributes:
        source: its section of the recipe.
        uri_of: how the catalog names a file.
        verify: read everything again.
        complete: whether all is looked at; with a limit, what is missing is not gone.
        forgotten: gives the samples that are left out; asked only about files that the catalog does not know.
        decision: what is decided about its masks.
    """

    source: SourceRecipe
    uri_of: Callable[[str], str]
    verify: bool = False
    complete: bool = True
    forgotten: Callable[[], Forgotten] = lambda: NOTHING_FORGOTTEN
    decision: SourceDecision = NO_DECISION

    def is_forgotten(self, dataset: str, path: str) -> bool:
        """Whether a rejected file belongs to a forgotten sample, so that its name must not be stored."""
        forgotten = self.forgotten()
        if not forgotten:
            return False
        folder, slash, name = path.rpartition("/")
        return forgotten.has_sample(f"{dataset}/{folder}{slash}{name.rpartition('.')[0] or name}")

    @cached_property
    def reading(self) -> Reading:
        """How files are read."""
        return self.decision.reading(self.source)

    @cached_property
    def _alpha_reading(self) -> str | None:
        # an open question makes all masks be read again, and rejected
        return "open" if self.reading.open_question else self.reading.alpha.to_text()

    def name(self, candidate: Candidate, before: Known | None) -> Named:
        """The columns of a candidate that follow from its name and the recipe.

        A sample that was moved to val stays there, and one whose group is known keeps it.
        """
        split: str = self.source.split or candidate.split
        if before is not None and before.named.split == "val" and split == "train":
            split = "val"
        return Named(
            kind=candidate.kind,
            split=split,
            group_id=candidate.group_id or (None if before is None else before.named.group_id),
            path=candidate.path,
            image_uri=None if candidate.image is None else self.uri_of(os.fspath(candidate.image)),
            alpha_uri=None if candidate.alpha is None else self.uri_of(os.fspath(candidate.alpha)),
            alpha_channel=candidate.alpha_channel,
            alpha_index=candidate.alpha_index,
            licence=self.source.licence or candidate.licence,
            alpha_reading=None if candidate.alpha is None or candidate.mended else self._alpha_reading,
        )


@dataclass
class IngestPlan:
    """One source, sorted.

    Attributes:
        to_read: new or changed candidates.
        unchanged: samples that stay as they are, by id, with what their names and the recipe say now.
        rejects: what is rejected without reading, by path: by name, or as before and not changed since.
        filtered: what was left out when it was decoded and has not changed since, and some of what is annotated with
            people, by path.
        left_out: how many others were left out by name, by reason.
        gone: ids of samples whose files are no longer found.
        sets: what the reader reported about the sets of the source.
    """

    to_read: list[Candidate] = field(default_factory=list)
    unchanged: dict[str, Named] = field(default_factory=dict)
    rejects: dict[str, Row] = field(default_factory=dict)
    filtered: dict[str, Row] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    gone: list[str] = field(default_factory=list)
    sets: list[PhotoSet] = field(default_factory=list)


def plan_ingest(found: Iterable[Found], before: Before, rules: Rules) -> IngestPlan:
    """Sort what a reader found.

    Args:
        found: by the reader, in its order.
        before: what the catalog knows of this source.
        rules: what the recipe and the call say.
    """
    plan = IngestPlan()
    candidates: dict[str, Candidate] = {}
    people: list[Filtered] = []
    for one in found:
        if isinstance(one, PhotoSet):
            plan.sets.append(one)
        elif not isinstance(one, Candidate):
            _set_aside(plan, one, people, rules)
        elif candidates.setdefault(one.sample_id, one) is not one:
            if rules.forgotten().has_sample(one.sample_id):
                plan.left_out["forgotten"] += 1
                continue
            _collide(plan, candidates, one, before.samples.get(one.sample_id))
    for one in heapq.nsmallest(PEOPLE_KEPT, people, key=lambda one: hashlib.sha256(one.path.encode()).digest()):
        plan.left_out[one.reason] -= 1
        plan.filtered[one.path] = refused_row(one)
    for candidate in candidates.values():
        _sort_out(plan, candidate, before, rules)
    if rules.complete:
        present = (row.sample_id for row in before.samples.values() if row.status == "present")
        plan.gone = [sample_id for sample_id in present if sample_id not in candidates]
    return plan


def _set_aside(plan: IngestPlan, one: Reject | Filtered, people: list[Filtered], rules: Rules) -> None:
    """Count what is no candidate; photos of people that are there are added to `people`."""
    if rules.is_forgotten(one.dataset, one.path):
        plan.left_out["forgotten"] += 1
    elif isinstance(one, Reject):
        plan.rejects[one.path] = refused_row(one)
    else:
        plan.left_out[one.reason] += 1
        if one.reason == HAS_PERSON and one.there:
            people.append(one)


def _collide(plan: IngestPlan, candidates: dict[str, Candidate], new: Candidate, known: Known | None) -> None:
    """Two files that differ in their suffix alone have one id: the one that is a sample already, or else the first."""
    kept, lost = candidates[new.sample_id], new
    if known is not None and known.named.path == new.path:
        kept, lost = new, kept
    candidates[new.sample_id] = kept
    detail = f"has the id of {kept.path}, {kept.sample_id}: the suffix is no part of it; rename one of them"
    plan.rejects[lost.path] = refused_row(Reject(lost.dataset, lost.path, "unsafe_path", detail))


def _sort_out(plan: IngestPlan, candidate: Candidate, before: Before, rules: Rules) -> None:
    known = before.samples.get(candidate.sample_id)
    if known is None and rules.forgotten().has_sample(candidate.sample_id):
        plan.left_out["forgotten"] += 1
        return
    if known is not None and known.status == "forgotten":  # marked, and its id not replaced yet
        plan.left_out["forgotten"] += 1
        return
    stamps = stamps_of(candidate)
    if not rules.verify and stamps[0] is not None:
        if before.rejects or before.filtered:
            for refused, memory in ((plan.rejects, before.rejects), (plan.filtered, before.filtered)):
                row = memory.get(candidate.path)
                if row is not None and _stamps_in(row) == stamps and row["read_as"] == rules.reading.of(candidate):
                    refused[candidate.path] = row
                    return
        if known is not None and known.status == "present" and known.stamps == stamps:
            named = rules.name(candidate, known)
            if _read_alike(named, known, rules.reading):
                plan.unchanged[candidate.sample_id] = named
                return
    plan.to_read.append(candidate)


def _read_alike(named: Named, known: Known, reading: Reading) -> bool:
    """Whether the recipe would read the files of a sample as they were read."""
    now = (named.kind, named.alpha_channel, named.alpha_index, named.alpha_reading)
    then = (known.named.kind, known.named.alpha_channel, known.named.alpha_index, known.named.alpha_reading)
    if known.alpha_orientation is not None and (known.alpha_orientation == 1) != (reading.exif == "apply"):
        return False
    fits = known.alpha_fit is None or known.alpha_fit == reading.alpha_fit
    return now == then and fits and known.pixels <= reading.max_pixels


def refused_row(one: Reject | Filtered, read_as: str | None = None) -> Row:
    """A row of `rejects` or of `filtered`, but for its run."""
    row = {"dataset": one.dataset, "path": one.path, "reason": one.reason, "read_as": read_as}
    if isinstance(one, Reject):
        row["detail"] = one.detail
    return {**row, **dict(zip(STAMP_COLUMNS, one.stamps or (None,) * 4, strict=True))}


def stamps_of(candidate: Candidate) -> Stamps:
    """Size in bytes and modification time in ns of both files; None for one that is not there."""
    return (*_stamp(candidate.image), *_stamp(candidate.alpha))


def _stamp(path: str | Path | None) -> tuple[int | None, int | None]:
    if path is None:
        return None, None
    try:
        found = os.stat(path)  # noqa: PTH116  # twice as fast as the method, and called for every file
    except (OSError, ValueError):
        return None, None
    return found.st_size, found.st_mtime_ns


def _stamps_in(row: Row) -> Stamps:
    first, second, third, fourth = (row[column] for column in STAMP_COLUMNS)
    return first, second, third, fourth
