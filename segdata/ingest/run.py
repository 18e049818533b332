"""`segdata ingest`: find, read what is new or changed, commit in shards, and count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any

from segdata.catalog.appearances import AppearanceWriter
from segdata.catalog.forgotten import Forgotten, read_forgotten
from segdata.catalog.sources import SourceRow, read_sources
from segdata.catalog.workspace import RunContext
from segdata.engines.local import collecting_later, map_threads
from segdata.ingest.annotated_labels import AnnotatedLabels
from segdata.ingest.counts import IngestResult, SourceCounts
from segdata.ingest.decisions import KeptDecisions, NamingCounts, report_of
from segdata.ingest.finding import find_candidates, take_first
from segdata.ingest.known import Known, Named, read_before
from segdata.ingest.label_identity import identify_label
from segdata.ingest.links import link_targets
from segdata.ingest.measure import Answer, Rotated
from segdata.ingest.measuring import Failed, Measuring
from segdata.ingest.mended_labels import MendedLabels
from segdata.ingest.merging import MergedLabels
from segdata.ingest.plan import IngestPlan, Row, Rules, plan_ingest, refused_row
from segdata.ingest.published import compare_with_published
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.renames import Vanished
from segdata.ingest.sample_writer import SampleWriter
from segdata.ingest.source_masks import SourceMasks, with_label_statistics
from segdata.ingest.twins import Twins
from segdata.records import Candidate, Filtered, NamingReport, PhotoSet, Progress, Reject, TreeReport
from segdata.storage.root import Root

_SHARD = 2000
_TOGETHER = 16  # pairs a thread takes at once: handing over a single one costs as much as hashing it
_LOOK_AHEAD = 64  # times as many a thread: to go on while a shard is committed; what waits are rows, no pictures


@dataclass(frozen=True)
class IngestOptions:
    """Options of one call.

    Attributes:
        verify: read every file again, whatever its size and modification time say.
    """

    verify: bool = False


def run(context: RunContext, sources: Sequence[SourceRecipe], options: IngestOptions | None = None) -> IngestResult:
    """Bring the catalog up to date with the sources.

    Nothing in a source is written. Rows are committed in shards, so that a kill loses little; what was committed is not
    read again.

    Args:
        context: `limit` takes that many of each source; a dry run counts what would be read.
        sources: in this order.
        options: of this call.

    Raises:
        SourceError: A root is missing or has another layout; sources before it are in the catalog.
    """
    options = options or IngestOptions()
    recorded = {} if options.verify else read_sources(context.catalog)
    found = {}
    reasons: Counter[str] = Counter()
    for source in sources:
        with collecting_later():
            ingest = _Ingest(context, source, options, recorded.get(source.name))
        found[source.name] = ingest.run()
        reasons.update(row["reason"] for row in ingest.rejects.values())
    if not context.dry_run:
        reports = with_label_statistics({name: counts.masks for name, counts in found.items()}, context.catalog)
        found = {name: replace(counts, masks=reports[name]) for name, counts in found.items()}
    return IngestResult(found, dict(reasons))


class _Ingest:
    """One source on its way into the catalog.

    Args:
        context: of the run.
        source: its section of the recipe.
        options: of the call.
        recorded: what an earlier ingest decided about its masks.

    Attributes:
        rejects, filtered: rows by path, as they are to be in the end.
    """

    _rules: Rules

    def __init__(
        self, context: RunContext, source: SourceRecipe, options: IngestOptions, recorded: SourceRow | None
    ) -> None:
        self._context = context
        self._kept = KeptDecisions(context.catalog, source, context.run_id)
        self._source = source = self._kept.source
        self._before = read_before(context, source.name)
        self._root = source.folder(context.workspace.root).resolve()
        self._annotated = AnnotatedLabels(context.catalog, source.name)
        self._files = Root(self._root, link_targets(self._root, source.links))
        self._labels = MendedLabels(context.catalog, self._before.samples, self._files)
        self._writer = SampleWriter(context, source.name, self._before.samples, self._labels)
        self._merged = MergedLabels(context.catalog, self._files)
        self._masks = SourceMasks(context, source, self._files, recorded)
        self._rules = Rules(
            source,
            _namer(context),
            options.verify,
            context.limit is None,
            lambda: self._forgotten,
            self._kept.placement(self._root),
            self._merged.file_of,
        )
        self._counts: Counter[str] = Counter()
        self._appearances = AppearanceWriter(context.catalog, context.run_id)
        self.rejects: dict[str, Row] = {}
        self.filtered: dict[str, Row] = {}

    @cached_property
    def _forgotten(self) -> Forgotten:
        """What must not be taken in; read when the first file comes that the catalog does not know."""
        return read_forgotten(self._context.workspace)

    def run(self) -> SourceCounts:
        """Find, read, commit, count."""
        context, source = self._context, self._source
        context.progress(Progress("ingest", source.name, 0, None, note="looking for files"))
        candidates = self._annotated.put_in(find_candidates(source, self._root))
        found = take_first(self._labels.put_in(candidates), context.limit)
        with collecting_later():
            decision, found = self._masks.decide(found)
            verify = self._rules.verify or self._masks.asks_anew
            self._rules = replace(self._rules, decision=decision, verify=verify)
            plan = plan_ingest(found, self._before, self._rules)
        self.rejects, self.filtered = dict(plan.rejects), dict(plan.filtered)
        if context.dry_run:
            known = self._before.samples
            self._counts.update("changed" if one.sample_id in known else "added" for one in plan.to_read)
        else:
            if plan.to_read:
                self._read(plan)
            self._masks.record()
            complete = self._rules.complete
            self._writer.write_refused("rejects", self.rejects, self._before.rejects, complete)
            self._writer.write_refused("filtered", self.filtered, self._before.filtered, complete)
            self._update(plan)
            self._kept.write(plan.reports)
        counts = self._told(plan)
        context.progress(Progress("ingest", source.name, counts.found, counts.found))
        return counts

    def _told(self, plan: IngestPlan) -> SourceCounts:
        counts = self._counts
        unchanged = len(plan.unchanged) + counts["unchanged"]
        filtered = plan.left_out + Counter(row["reason"] for row in self.filtered.values())
        filtered += Counter({reason: counts[reason] for reason in ("forgotten", "same_name")})
        if self._context.dry_run:
            filtered += Counter({"same_name": sum(len(some) for twins in plan.twins.values() for some in twins)})
        named = len(self.rejects) + sum(filtered.values())
        naming, tree = report_of(plan.reports, NamingReport), report_of(plan.reports, TreeReport)
        return SourceCounts(
            found=counts["added"] + counts["changed"] + unchanged + named,
            added=counts["added"],
            changed=counts["changed"],
            unchanged=unchanged,
            renamed=counts["renamed"],
            gone=len(plan.gone) + counts["replaced"],
            rejected=len(self.rejects),
            filtered=dict(filtered),
            decoded=counts["decoded"],
            sets=compare_with_published(
                self._source.reader_name,
                [*(one for one in plan.reports if isinstance(one, PhotoSet)), *self._annotated.remarks()],
            ),
            naming=None if naming is None else NamingCounts(**naming.naming._asdict(), pairs=naming.pairs),
            ignored=0 if tree is None else tree.ignored,
            other_files={} if tree is None else tree.other_files,
            remarks=tuple(plan.remarks),
            masks=self._masks.report(),
        )

    def _read(self, plan: IngestPlan) -> None:
        """Measure what has to be read, and commit it."""
        vanished = Vanished(self._before.samples, plan.gone, plan.unchanged)
        rotated = self._read_all(plan.to_read, plan.twins, vanished)
        if not rotated:
            return
        # the photos that EXIF turns decide together whether their masks are turned with them
        decision = self._masks.decide_turn(rotated, self._rules.reading)
        self._rules = replace(self._rules, decision=decision)
        if decision.exif is None:
            for one in rotated:
                self._settle_twins(plan.twins.get(one.candidate.sample_id), [], one.reject)
                self._refuse(one.candidate, one.reject)
        else:
            self._read_all([one.candidate for one in rotated], plan.twins, vanished)

    def _read_all(
        self, candidates: Sequence[Candidate], twins: Mapping[str, Twins], vanished: Vanished
    ) -> list[Rotated]:
        """Measure and commit, a shard at a time, and return those whose source has to decide first."""
        context, rotated = self._context, list[Rotated]()
        measuring = Measuring(self._labels, self._merged, self._files, self._rules.reading)
        together = (candidates[first : first + _TOGETHER] for first in range(0, len(candidates), _TOGETHER))
        measured = map_threads(
            lambda some: [measuring.measure(one, twins.get(one.sample_id)) for one in some],
            together,
            context.workers,
            _LOOK_AHEAD,
        )
        counted = self._watched(chain.from_iterable(measured), len(candidates))
        while shard := list(islice(counted, _SHARD)):
            rows, old, thumbnails, back = [], {}, {}, []
            for candidate, answer, failed in shard:
                if isinstance(answer, Rotated):
                    rotated.append(answer)
                    continue
                self._settle_twins(twins.get(candidate.sample_id), failed, answer)
                if isinstance(answer, Reject | Filtered):
                    self._refuse(candidate, answer)
                    continue
                self._counts["decoded"] += 1
                thumbnails[answer["image_sha256"]] = answer.pop("thumbnail")
                row, renamed = self._row(candidate, answer, vanished)
                if self._comes_back(row):
                    back.append(row)
                    continue
                self._count(row, renamed)
                rows.append(row)
                if renamed is not None:
                    old[renamed.sample_id] = row["sample_id"]
            self._counts["replaced"] += self._writer.leave_out(back)
            self._counts["forgotten"] += len(back)
            kept = {row["image_sha256"] for row in rows}
            self._appearances.add({name: thumbnails[name] for name in kept})
            self._writer.commit(rows, old)
        return rotated

    def _settle_twins(self, twins: Twins | None, failed: Sequence[Failed], answer: Answer) -> None:
        """Count the photos of a name that are not the sample; each is a reject if none of them decodes."""
        if twins is None:
            return
        if isinstance(answer, Reject) and len(failed) == len(twins.waiting):
            for candidate, reject in failed:
                self._refuse(candidate, reject)
            self.rejects.update(twins.failed)
        else:
            self._counts["same_name"] += len(twins.waiting) + len(twins.failed)

    def _watched(self, measured: Iterator[Any], total: int) -> Iterator[Any]:
        for count, one in enumerate(measured, 1):
            self._context.progress(Progress("ingest", self._source.name, count, total))
            yield one

    def _refuse(self, candidate: Candidate, answer: Reject | Filtered) -> None:
        self._counts["decoded"] += answer.stamps is not None
        kept = self.rejects if isinstance(answer, Reject) else self.filtered
        kept[answer.path] = refused_row(answer, self._rules.reading.of(candidate))

    def _row(self, candidate: Candidate, measured: Row, vanished: Vanished) -> tuple[Row, Known | None]:
        """A candidate's row of `samples`, and the vanished sample that it continues, if it does."""
        before = self._before.samples.get(candidate.sample_id)
        hashes = (measured["image_sha256"], measured["alpha_file_sha256"])
        renamed = None
        if before is None or before.status == "gone":
            renamed = vanished.take(candidate.sample_id, hashes)
        named = self._rules.name(candidate, renamed or before)
        if renamed is not None and named.group_id is None:
            # val is cut by the hash of a group's name: under its new name a training sample could become val
            named = named._replace(group_id=renamed.sample_id)
        columns = {"sample_id": candidate.sample_id, "dataset": candidate.dataset, "status": "present"}
        label = _label_columns(measured, named, renamed or before)
        return {**columns, **named._asdict(), "run_id": self._context.run_id, **measured, **label}, renamed

    def _count(self, row: Row, renamed: Known | None) -> None:
        before = self._before.samples.get(row["sample_id"])
        what = "added" if before is None else "unchanged" if _is_there(before, row) else "changed"
        self._counts[what] += 1
        self._counts["renamed"] += renamed is not None

    def _comes_back(self, row: Row) -> bool:
        """Whether it shows a picture that was forgotten; not so an equal one that was in the catalog all the time."""
        if not self._forgotten.has_image(row["image_sha256"]):
            return False
        before = self._before.samples.get(row["sample_id"])
        return before is None or not _is_there(before, row)

    def _update(self, plan: IngestPlan) -> None:
        """What vanished, can no longer be read, or is unwanted by now is kept as gone; names follow the recipe."""
        samples = self._before.samples
        refused = self.rejects.keys() | self.filtered.keys()
        lost = [row.sample_id for row in samples.values() if row.status == "present" and row.named.path in refused]
        changes: dict[str, Row] = {
            name: named._asdict() for name, named in plan.unchanged.items() if samples[name].named != named
        }
        changes |= {name: {"status": "gone"} for name in (*plan.gone, *lost)}
        self._writer.change(changes)


def _label_columns(measured: Row, named: Named, before: Known | None) -> dict[str, str | None]:
    """The columns `alpha_sha256` and `alpha_file_sha256`."""
    file_sha256 = measured["alpha_file_sha256"]
    if file_sha256 is None:
        return {}
    reading = named.label_reading(measured.get("alpha_orientation"))
    label = identify_label(file_sha256, reading, None if before is None else before.label)
    return {"alpha_sha256": label.sha256, "alpha_file_sha256": None if label.sha256 == file_sha256 else file_sha256}


def _is_there(before: Known, row: Row) -> bool:
    """Whether a sample was in the catalog as it is now."""
    return before.status == "present" and before.hashes == (row["image_sha256"], row["alpha_sha256"])


def _namer(context: RunContext) -> Callable[[str], str]:
    """`Workspace.uri_of` for a normal absolute path, without making a Path of each of 68,000."""
    inside = f"{context.workspace.root}/"
    return lambda path: path.removeprefix(inside)
