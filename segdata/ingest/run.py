"""`segdata ingest`: find, read what is new or changed, commit in shards, and count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from segdata.catalog.appearances import AppearanceWriter
from segdata.catalog.forgetting import KEPT_COLUMNS, forgotten_hashes
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.workspace import RunContext
from segdata.engines.local import map_threads
from segdata.ingest.measure import measure
from segdata.ingest.plan import STAMP_COLUMNS, IngestPlan, Row, Stamps, plan_ingest, reject_row
from segdata.ingest.readers import READERS
from segdata.ingest.reading import Found
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Filtered, Progress, Reject

_SHARD = 2000


@dataclass(frozen=True)
class IngestOptions:
    """Options of one call.

    Attributes:
        verify: read every file again, whatever its size and modification time say.
    """

    verify: bool = False


@dataclass(frozen=True)
class SourceCounts:
    """What became of one source.

    Attributes:
        found: pictures that are or should be samples: added + changed + unchanged + rejected.
        added, changed, unchanged: samples, by what the catalog knew of them.
        gone: samples whose files are no longer there.
        rejected: what can't become a sample.
        filtered: what is merely unwanted, by reason; not in `found`.
        decoded: files pairs that were read.
    """

    found: int
    added: int
    changed: int
    unchanged: int
    gone: int
    rejected: int
    filtered: dict[str, int]
    decoded: int


@dataclass(frozen=True)
class IngestResult:
    """What became of all sources.

    Attributes:
        sources: by name.
        rejects: how many of these sources are rejected, by reason.
    """

    sources: dict[str, SourceCounts] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def decoded(self) -> int:
        """File pairs that were read."""
        return sum(source.decoded for source in self.sources.values())

    def to_json(self) -> dict[str, Any]:
        """The keys of `ingest --json`."""
        return {
            "sources": {name: asdict(source) for name, source in self.sources.items()},
            "rejects": dict(sorted(self.rejects.items())),
            "decoded": self.decoded,
        }


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
    found = {source.name: _ingest_source(context, source, options or IngestOptions()) for source in sources}
    reasons: Counter[str] = Counter()
    for _, by_reason in found.values():
        reasons.update(by_reason)
    return IngestResult({name: counts for name, (counts, _) in found.items()}, dict(reasons))


def _ingest_source(
    context: RunContext, source: SourceRecipe, options: IngestOptions
) -> tuple[SourceCounts, Counter[str]]:
    catalog = context.catalog
    where = f"dataset = '{source.name}'"
    known = {row["sample_id"]: row for row in catalog.read("samples", where=where).to_pylist()}
    rejected = {row["path"]: row for row in catalog.read("rejects", where=where).to_pylist()}
    context.progress(Progress("ingest", source.name, 0, None, note="looking for files"))
    root = context.workspace.resolve(source.root).resolve()
    reader = READERS[source.reader_name]
    found = _limited(reader(root, source), context.limit)
    plan = plan_ingest(found, known, rejected, options.verify, complete=context.limit is None)
    rejects = dict(plan.rejects)
    counts: Counter[str] = Counter()
    if not context.dry_run:
        appearances = AppearanceWriter(catalog, context.run_id)
        forgotten = forgotten_hashes(context.workspace)
        for read, refused in _read_in_shards(context, source, plan, known):
            back = [row for row in read if _comes_back(row, known.get(row["sample_id"]), forgotten)]
            names = {row["sample_id"] for row in back}
            rows = [row for row in read if row["sample_id"] not in names]
            appearances.add({row["image_sha256"]: row["thumbnail"] for row in rows})
            counts.update(_commit(context, [_without_thumbnail(row) for row in rows], known))
            counts.update(_leave_out(context, back))
            rejects |= refused
        _write_rejects(context, source, rejects, rejected, complete=context.limit is None)
        _mark_gone(context, plan, rejects, known)
    else:
        counts.update("changed" if one.sample_id in known else "added" for one, _ in plan.to_read)
    context.progress(Progress("ingest", source.name, plan.found, plan.found))
    return (
        SourceCounts(
            found=plan.found - counts["forgotten"],
            added=counts["added"],
            changed=counts["changed"],
            unchanged=len(plan.unchanged) + counts["unchanged"],
            gone=len(plan.gone),
            rejected=len(rejects),
            filtered=dict(Counter(plan.filtered) + Counter({"forgotten": counts["forgotten"]})),
            decoded=0 if context.dry_run else len(plan.to_read),
        ),
        Counter(row["reason"] for row in rejects.values()),
    )


def _limited(found: Iterator[Found], limit: int | None) -> Iterator[Found]:
    """The first `limit` of what a reader found, not counting what is merely unwanted."""
    if limit is None:
        yield from found
        return
    taken = 0
    for one in found:
        taken += not isinstance(one, Filtered)
        if taken > limit:
            return
        yield one


def _read_in_shards(
    context: RunContext, source: SourceRecipe, plan: IngestPlan, known: dict[str, Row]
) -> Iterator[tuple[list[Row], dict[str, Row]]]:
    """The rows and rejects of what has to be read, a shard at a time."""
    total = len(plan.to_read)
    measured = map_threads(lambda pair: (pair, measure(pair[0])), plan.to_read, context.workers)
    done = 0
    while taken := list(islice(_counted(context, source, measured, done, total), _SHARD)):
        done += len(taken)
        rows, rejects = [], {}
        for (candidate, stamps), answer in taken:
            if isinstance(answer, Reject):
                rejects[answer.path] = reject_row(answer, stamps)
            else:
                rows.append(_row(context, source, candidate, stamps, answer, known.get(candidate.sample_id)))
        yield rows, rejects


def _counted(
    context: RunContext, source: SourceRecipe, measured: Iterator[Any], done: int, total: int
) -> Iterator[Any]:
    for count, one in enumerate(measured, done + 1):
        context.progress(Progress("ingest", source.name, count, total))
        yield one


def _row(
    context: RunContext, source: SourceRecipe, candidate: Candidate, stamps: Stamps, measured: Row, before: Row | None
) -> Row:
    split = source.split or candidate.split
    # Val was cut from train by group; a file that changed does not change sides.
    if before is not None and before["split"] == "val" and split == "train":
        split = "val"
    uri_of = context.workspace.uri_of
    return {
        "sample_id": candidate.sample_id,
        "dataset": candidate.dataset,
        "kind": candidate.kind,
        "split": split,
        "status": "present",
        "group_id": candidate.group_id,
        "path": candidate.path,
        "image_uri": uri_of(candidate.image) if candidate.image else None,
        "alpha_uri": uri_of(candidate.alpha) if candidate.alpha else None,
        "alpha_channel": candidate.alpha_channel,
        "licence": source.licence or candidate.licence,
        "run_id": context.run_id,
        **dict(zip(STAMP_COLUMNS, stamps, strict=True)),
        **measured,
    }


def _comes_back(row: Row, before: Row | None, forgotten: set[str]) -> bool:
    """Whether it shows a picture that was forgotten; not so an equal one that was in the catalog all the time."""
    was_there = before is not None and before["status"] == "present" and _hashes(before) == _hashes(row)
    return row["image_sha256"] in forgotten and not was_there


def _leave_out(context: RunContext, rows: list[Row]) -> Counter[str]:
    """What was forgotten and comes back under another name is forgotten under that name too."""
    marks = [{**{name: row[name] for name in KEPT_COLUMNS}, "status": "forgotten"} for row in rows]
    context.catalog.merge("samples", rows_to_table("samples", [{**mark, "run_id": context.run_id} for mark in marks]))
    return Counter({"forgotten": len(rows)})


def _without_thumbnail(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "thumbnail"}


def _commit(context: RunContext, rows: list[Row], known: dict[str, Row]) -> Counter[str]:
    """Write one shard's rows, and count what they mean."""
    counts: Counter[str] = Counter()
    for row in rows:
        before = known.get(row["sample_id"])
        if before is None:
            counts["added"] += 1
        elif before["status"] == "present" and _hashes(before) == _hashes(row):
            counts["unchanged"] += 1
        else:
            counts["changed"] += 1
    context.catalog.merge("samples", rows_to_table("samples", rows))
    return counts


def _write_rejects(
    context: RunContext, source: SourceRecipe, rejects: dict[str, Row], before: dict[str, Row], complete: bool
) -> None:
    """Make the source's rejects those of this ingest; what has not changed is not written."""

    def told(rows: dict[str, Row]) -> dict[str, Row]:
        return {path: {**row, "run_id": None} for path, row in rows.items()}

    kept = rejects if complete else {**before, **rejects}
    if told(kept) != told(before):
        rows = [{"run_id": context.run_id, **row} for row in kept.values()]
        context.catalog.replace("rejects", rows_to_table("rejects", rows), f"target.dataset = '{source.name}'")


def _mark_gone(context: RunContext, plan: IngestPlan, rejects: dict[str, Row], known: dict[str, Row]) -> None:
    """Samples whose files vanished, or can no longer be read, are kept, and no longer used."""
    bad = [row for row in known.values() if row["status"] == "present" and row["path"] in rejects]
    rows = {row["sample_id"]: {**row, "status": "gone", "run_id": context.run_id} for row in (*plan.gone, *bad)}
    context.catalog.merge("samples", rows_to_table("samples", list(rows.values())))


def _hashes(row: Row) -> tuple[str | None, str | None]:
    return row["image_sha256"], row["alpha_sha256"]
