"""The masks of one source during an ingest: the decision about them is looked up or taken, recorded and reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from segdata.catalog.label_statistics import LabelStatistics, label_statistics
from segdata.catalog.sources import SourceRow, write_source
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext
from segdata.ingest.label_file import Reading
from segdata.ingest.measure import Rotated
from segdata.ingest.reading import Found
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.rotated import decide_turn
from segdata.ingest.source_decision import SourceDecision, decide, recorded_decision
from segdata.records import Candidate
from segdata.storage.root import Root


@dataclass(frozen=True)
class MaskReport:
    """What an ingest says about the masks of a source.

    Attributes:
        alpha: what their values mean, in words.
        alpha_open: whether that is open, so that all masks are rejected.
        exif: whether photos that EXIF turns turn their masks, in words; empty if none is in question.
        warnings: what a person should look at.
        labels: how many labels are empty, full, inverted, trimaps or shared; None in a dry run.
        trimap_files: the first few trimaps.
    """

    alpha: str
    alpha_open: bool
    exif: str
    warnings: tuple[str, ...]
    labels: LabelStatistics | None = None
    trimap_files: tuple[str, ...] = ()


class SourceMasks:
    """The decision about the masks of one source.

    Args:
        context: of the run.
        source: its section of the recipe.
        root: of the source.
        row: what an earlier ingest recorded; None to decide anew.

    Attributes:
        asks_anew: whether all files have to be read: the recipe says what EXIF does to masks, and the catalog does not
            know yet which photos EXIF turns.
    """

    def __init__(self, context: RunContext, source: SourceRecipe, root: Root, row: SourceRow | None) -> None:
        self._context, self._source, self._root, self._row = context, source, root, row
        recorded = recorded_decision(source, row)
        self._decision, self._is_new = recorded or SourceDecision(), recorded is None
        self._has_masks = recorded is not None
        self.asks_anew = source.exif == "ignore" and row is None

    def decide(self, found: Iterator[Found]) -> tuple[SourceDecision, Iterator[Found]]:
        """The decision, and what the reader found; nothing is opened where a decision is recorded."""
        if not self._is_new:
            return self._decision, found
        listed = list(found)
        candidates = [one for one in listed if isinstance(one, Candidate) and one.alpha is not None]
        self._has_masks = bool(candidates)
        if candidates:
            self._decision = decide(self._source, candidates, self._root, self._context.workers)
        return self._decision, iter(listed)

    def decide_turn(self, rotated: Sequence[Rotated], reading: Reading) -> SourceDecision:
        """The decision, completed from the photos that EXIF turns and whose masks fit both ways."""
        ambiguous = [one.candidate for one in rotated if one.is_ambiguous]
        if not ambiguous:
            return self._decision
        turn = decide_turn(ambiguous, reading, self._root)
        self._decision, self._is_new = self._decision.with_turn(turn), True
        return self._decision

    def record(self) -> None:
        """Write the decision, if it is new and any mask had something to say."""
        if not (self._is_new and self._has_masks):
            return
        meaning = self._decision.meaning
        if meaning.settled or self._decision.exif_words:
            row = self._decision.to_row(self._source, self._context.run_id)
            if self._row is None or row != replace(self._row, run_id=row.run_id):
                write_source(self._context.catalog, row)

    def report(self) -> MaskReport | None:
        """What to say about the masks; None of a source without any."""
        if not self._has_masks:
            return None
        meaning = self._decision.meaning
        return MaskReport(meaning.words, meaning.is_open, self._decision.exif_words, meaning.warnings)


def with_label_statistics(reports: Mapping[str, MaskReport | None], catalog: Catalog) -> dict[str, MaskReport | None]:
    """The reports of sources by name, completed by how their labels are: one query for all of them."""
    found = label_statistics(catalog) if any(reports.values()) else {}
    completed = dict[str, MaskReport | None]()
    for name, report in reports.items():
        labels, files = found.get(name, (LabelStatistics(), ()))
        completed[name] = None if report is None else replace(report, labels=labels, trimap_files=files)
    return completed
