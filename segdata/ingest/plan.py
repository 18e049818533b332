"""What an ingest has to do, from what was found and what the catalog knows: pure, but for a stat of each file."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from segdata.catalog.forgotten import NOTHING_FORGOTTEN, Forgotten
from segdata.catalog.forgotten_names import stem_of
from segdata.ingest.known import Before, Known, Named
from segdata.ingest.label_file import Reading
from segdata.ingest.measure import STAMP_COLUMNS
from segdata.ingest.placing import Placement, place
from segdata.ingest.reading import Found, Reports
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.source_decision import NO_DECISION, SourceDecision
from segdata.ingest.twins import Twins, by_preference
from segdata.records import HAS_PERSON, Candidate, Filtered, Reject, Stamps, printable

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
        placement: how groups and splits are decided.
        merged_file: where the label lies that is merged from the masks of a candidate, by what their values mean.
        decision: what is decided about its masks.
    """

    source: SourceRecipe
    uri_of: Callable[[str], str]
    verify: bool = False
    complete: bool = True
    forgotten: Callable[[], Forgotten] = lambda: NOTHING_FORGOTTEN
    placement: Placement = field(default_factory=Placement)
    merged_file: Callable[[Candidate, str | None], str] = lambda *_: ""
    decision: SourceDecision = NO_DECISION

    def is_forgotten(self, refused: Reject | Filtered) -> bool:
        """Whether a file that is no candidate belongs to a forgotten sample, so that its name must not be stored.

        What has no photo may have any name that contains that of the sample.
        """
        forgotten = self.forgotten()
        if not forgotten:
            return False
        dataset, path = refused.dataset, refused.path
        if forgotten.has_sample(f"{dataset}/{stem_of(path)}"):
            return True
        if not isinstance(refused, Reject) or refused.sample_id is None:
            return False
        sample_id = printable(refused.sample_id)
        return forgotten.has_sample(sample_id) or any(
            forgotten.has_name_in(dataset, name) for name in (sample_id.partition("/")[2], path)
        )

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
        split: str = self.source.one_split or candidate.split
        if before is not None and before.named.split == "val" and split == "train":
            split = "val"
        if candidate.more_alphas:
            label = self.merged_file(candidate, self._alpha_reading)
            candidate = candidate._replace(alpha=label, alpha_channel=None, alpha_index=None, merged=True)
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
            alpha_reading=self._alpha_reading if candidate.holds_mask_of_source else None,
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
        twins: by sample id, what else there is of a photo that is to be read.
        reports: what the reader said about the source as a whole.
        remarks: what a person should know about groups and splits.
    """

    to_read: list[Candidate] = field(default_factory=list)
    unchanged: dict[str, Named] = field(default_factory=dict)
    rejects: dict[str, Row] = field(default_factory=dict)
    filtered: dict[str, Row] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    gone: list[str] = field(default_factory=list)
    twins: dict[str, Twins] = field(default_factory=dict)
    reports: list[Reports] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def plan_ingest(found: Iterable[Found], before: Before, rules: Rules) -> IngestPlan:
    """Sort what a reader found.

    Args:
        found: by the reader, in its order.
        before: what the catalog knows of this source.
        rules: what the recipe and the call say.
    """
    plan = IngestPlan()
    candidates: dict[str, Candidate] = {}
    twins: dict[str, list[Candidate]] = {}
    people: list[Filtered] = []
    for one in found:
        if isinstance(one, Candidate):
            if candidates.setdefault(one.sample_id, one) is one:
                continue
            if rules.forgotten().has_sample(one.sample_id):
                plan.left_out["forgotten"] += 1
            else:
                twins.setdefault(one.sample_id, [candidates[one.sample_id]]).append(one)
        elif isinstance(one, Reports):
            plan.reports.append(one)
        else:
            _set_aside(plan, one, people, rules)
    for one in heapq.nsmallest(PEOPLE_KEPT, people, key=lambda one: hashlib.sha256(one.path.encode()).digest()):
        plan.left_out[one.reason] -= 1
        plan.filtered[one.path] = refused_row(one)
    _place(plan, candidates, twins, before, rules)
    for candidate in candidates.values():
        if (alike := twins.get(candidate.sample_id)) is None:
            _sort_out(plan, candidate, before, rules)
        else:
            placed = [one._replace(split=candidate.split, group_id=candidate.group_id) for one in alike]
            _sort_out_twins(plan, placed, before, rules)
    if rules.complete:
        present = (row.sample_id for row in before.samples.values() if row.status == "present")
        plan.gone = [sample_id for sample_id in present if sample_id not in candidates]
    return plan


def _place(
    plan: IngestPlan,
    candidates: dict[str, Candidate],
    twins: Mapping[str, Sequence[Candidate]],
    before: Before,
    rules: Rules,
) -> None:
    """Give candidates their groups and splits; what no list names is left out."""
    if rules.source.group is None and not rules.placement.decides_splits:
        return
    placed = place(candidates, before, rules.source, rules.placement, plan.rejects.keys())
    for sample_id, reason in placed.left_out.items():
        del candidates[sample_id]
        plan.left_out[reason] += len(twins.get(sample_id, (sample_id,)))
    candidates.update(placed.changed)
    plan.remarks += placed.remarks
    if rules.complete:  # else a listed photo may lie beyond the limit
        for one in placed.rejects:
            if rules.is_forgotten(one):
                plan.left_out["forgotten"] += 1
            else:
                plan.rejects.setdefault(one.path, refused_row(one))


def _sort_out_twins(plan: IngestPlan, alike: Sequence[Candidate], before: Before, rules: Rules) -> None:
    """Sort photos that differ in their suffix alone: the sample's own is taken, or else the first that decodes.

    What failed to decode before, and has not changed since, is not tried again.
    """
    known = before.samples.get(alike[0].sample_id)
    ordered = by_preference(alike, None if known is None else known.named.path)
    failed: dict[str, Row] = {}
    for number, candidate in enumerate(ordered):
        reading = len(plan.to_read)
        _sort_out(plan, candidate, before, rules)
        if (row := plan.rejects.pop(candidate.path, None)) is not None:
            failed[candidate.path] = row
            continue
        waiting = ordered[number + 1 :]
        if len(plan.to_read) > reading:
            plan.twins[candidate.sample_id] = Twins(tuple(waiting), failed)
        else:
            plan.left_out["same_name"] += len(waiting) + len(failed)
        return
    plan.rejects.update(failed)


def _set_aside(plan: IngestPlan, one: Reject | Filtered, people: list[Filtered], rules: Rules) -> None:
    """Count what is no candidate; photos of people that are there are added to `people`."""
    if rules.is_forgotten(one):
        plan.left_out["forgotten"] += 1
    elif isinstance(one, Reject):
        if one.path in plan.rejects:  # two names that are printed alike
            plan.left_out["same_printed_name"] += 1
        plan.rejects[one.path] = refused_row(one)
    else:
        plan.left_out[one.reason] += 1
        if one.reason == HAS_PERSON and one.there:
            people.append(one)


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
            is_drawn = candidate.drawing is not None or bool(candidate.more_alphas)
            is_same_label = not is_drawn or named.alpha_uri == known.named.alpha_uri
            if is_same_label and _read_alike(named, known, rules.reading):
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
    if not candidate.more_alphas:
        return (*_stamp(candidate.image), *_stamp(candidate.alpha))
    masks = [_stamp(mask) for mask in (candidate.alpha, *candidate.more_alphas)]
    sizes = [size for size, _ in masks if size is not None]
    times = [mtime_ns for _, mtime_ns in masks if mtime_ns is not None]
    is_whole = len(sizes) == len(masks)
    return (*_stamp(candidate.image), *((sum(sizes), max(times)) if is_whole else (None, None)))


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
