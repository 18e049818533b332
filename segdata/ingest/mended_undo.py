"""Undo what a run of `segdata ingest --mended` took in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segdata.catalog.mends import undo_mends
from segdata.catalog.purging import quoted_in
from segdata.catalog.workspace import RunContext
from segdata.errors import UsageError


@dataclass(frozen=True)
class UndoneRun:
    """What was undone.

    Attributes:
        restored: sample ids whose labels are what they were before.
        datasets: of these samples.
        later: samples that a later run mended again, and that run.
    """

    restored: tuple[str, ...]
    datasets: tuple[str, ...]
    later: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The key `undone` of `segdata ingest --undo --json`."""
        skipped = [
            {"entry": name, "reason": f"it was mended again; undo that first: segdata ingest --undo {run_id}"}
            for name, run_id in sorted(self.later.items())
        ]
        return {"restored": list(self.restored), "skipped": skipped}


def undo_mended_run(context: RunContext, run_id: str) -> UndoneRun:
    """Let the labels count again that were there before a run; the next ingest of their sources uses them.

    Args:
        context: whose catalog; in a dry run nothing is changed.
        run_id: the run of `segdata ingest --mended`.

    Raises:
        UsageError: That run took no labels in, or all of them were undone before.
    """
    undone = undo_mends(context.catalog, run_id, context.dry_run)
    if not undone.restored and not undone.later:
        raise UsageError(
            f"ingest: --undo {run_id}: no label that this run took in counts any more; segdata status lists the runs"
        )
    where = quoted_in("sample_id", set(undone.restored))
    datasets = set(context.catalog.read("samples", ["dataset"], where)["dataset"].to_pylist())
    return UndoneRun(undone.restored, tuple(sorted(datasets)), undone.later)
