"""What an ingest has to do, from what was found and what the catalog knows: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segdata.ingest.reading import Found
from segdata.records import Candidate, Filtered, Reject

Row = dict[str, Any]
Stamps = tuple[int | None, int | None, int | None, int | None]
STAMP_COLUMNS = ("image_size", "image_mtime_ns", "alpha_size", "alpha_mtime_ns")


@dataclass(frozen=True)
class IngestPlan:
    """One source, sorted.

    Attributes:
        to_read: new or changed candidates and their stamps.
        unchanged: rows of `samples` that stay as they are.
        rejects: what is rejected without reading, by path: by name, or as before and not changed since.
        filtered: how many were left out, by reason.
        gone: rows of `samples` whose files are no longer found.
        found: candidates and rejects.
    """

    to_read: tuple[tuple[Candidate, Stamps], ...] = ()
    unchanged: tuple[Row, ...] = ()
    rejects: dict[str, Row] = field(default_factory=dict)
    filtered: dict[str, int] = field(default_factory=dict)
    gone: tuple[Row, ...] = ()
    found: int = 0


def plan_ingest(
    found: Iterable[Found], known: Mapping[str, Row], rejected: Mapping[str, Row], verify: bool, complete: bool
) -> IngestPlan:
    """Sort what a reader found.

    Args:
        found: by the reader, each name once.
        known: rows of `samples` of this source by sample_id, whatever their status.
        rejected: rows of `rejects` of this source by path.
        verify: read everything again.
        complete: whether all was found; with a limit, what is missing is not gone.
    """
    to_read, unchanged, filtered = [], [], Counter[str]()
    rejects: dict[str, Row] = {}
    seen: set[str] = set()
    count = 0
    for one in found:
        if isinstance(one, Filtered):
            filtered[one.reason] += 1
            continue
        count += 1
        if isinstance(one, Reject):
            rejects[one.path] = reject_row(one, (None, None, None, None))
            continue
        row, before = known.get(one.sample_id), rejected.get(one.path)
        seen.add(one.sample_id)
        if row is not None and row["status"] == "forgotten":
            count -= 1
            filtered["forgotten"] += 1
            continue
        stamps = stamps_of(one)
        if not verify and before is not None and stamps == _stamps_in(before):
            rejects[one.path] = before
        elif not verify and row is not None and row["status"] == "present" and stamps == _stamps_in(row):
            unchanged.append(row)
        else:
            to_read.append((one, stamps))
    gone = [row for row in known.values() if complete and row["status"] == "present" and row["sample_id"] not in seen]
    return IngestPlan(tuple(to_read), tuple(unchanged), rejects, dict(filtered), tuple(gone), count)


def reject_row(reject: Reject, stamps: Stamps) -> Row:
    """A reject as a row of `rejects`, but for its run."""
    columns = {"dataset": reject.dataset, "path": reject.path, "reason": reject.reason, "detail": reject.detail}
    return {**columns, **dict(zip(STAMP_COLUMNS, stamps, strict=True))}


def stamps_of(candidate: Candidate) -> Stamps:
    """Size in bytes and modification time in ns of both files; None for one that is not there."""
    return (*_stamp(candidate.image), *_stamp(candidate.alpha))


def _stamp(path: Path | None) -> tuple[int | None, int | None]:
    if path is None:
        return None, None
    try:
        found = path.stat()
    except OSError:
        return None, None
    return found.st_size, found.st_mtime_ns


def _stamps_in(row: Row) -> Stamps:
    first, second, third, fourth = (row[column] for column in STAMP_COLUMNS)
    return first, second, third, fourth
