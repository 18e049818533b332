"""Mended labels come back: read what `segdata export repair` wrote, and keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segdata.catalog.mends import Mend, keep_mends, mends_of
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.purging import quoted_in
from segdata.catalog.workspace import RunContext
from segdata.errors import DataError
from segdata.imaging.arrays import Alpha
from segdata.imaging.encode import encode_png
from segdata.ingest.annotations.decoding import MendedFolder
from segdata.ingest.annotations.manifest import Line
from segdata.ingest.annotations.shapes import ShapeError
from segdata.records import LABEL_CUT
from segdata.storage.files import sha256_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Mended:
    """What a folder of mended labels brought.

    Attributes:
        samples: sample ids whose labels changed, by dataset.
        same: how many are as they were, or came in before.
        skipped: sample ids that can't be used, with the reason.
    """

    samples: Mapping[str, tuple[str, ...]]
    same: int
    skipped: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The key `mended` of `segdata ingest --json`."""
        changed = sorted(name for names in self.samples.values() for name in names)
        skipped = [{"sample_id": name, "reason": reason} for name, reason in self.skipped]
        return {"changed": changed, "same": self.same, "skipped": skipped}


@dataclass
class _Sorted:
    """The lines of a folder, sorted.

    Attributes:
        mended: PNG of each new label, by sample_id.
        same: how many are as they were.
        skipped: what can't be used.
    """

    mended: dict[str, bytes] = field(default_factory=dict)
    same: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


def take_in_mended(context: RunContext, folder: Path) -> Mended:
    """Keep the labels that somebody mended; a sample whose photograph or label has changed since is left alone.

    Args:
        context: whose catalog; in a dry run nothing is kept.
        folder: what `segdata export repair` wrote.

    Raises:
        SourceError: It is no such folder, or its lists can't be read.
    """
    mends = mends_of(context.catalog)
    with MendedFolder(folder) as labels:
        wanted = quoted_in("sample_id", {line.sample_id for line in labels.lines})
        rows = {row["sample_id"]: row for row in context.catalog.read("samples", where=wanted).to_pylist()}
        result = _Sorted(skipped=list(labels.skipped))
        for line in labels.lines:
            _sort_out(context, labels, line, rows.get(line.sample_id), mends.get(line.sample_id), result)
    if result.mended and not context.dry_run:
        keep_mends(context.catalog, result.mended, {name: _hashes_in(rows[name]) for name in result.mended})
    by_dataset: dict[str, list[str]] = {}
    for name in sorted(result.mended):
        by_dataset.setdefault(rows[name]["dataset"], []).append(name)
    samples = {dataset: tuple(names) for dataset, names in by_dataset.items()}
    return Mended(samples, result.same, tuple(result.skipped))


def _sort_out(
    context: RunContext, labels: MendedFolder, line: Line, row: Row | None, mend: Mend | None, result: _Sorted
) -> None:
    """Decode one label, and put it where it belongs in the result."""
    stale = _unusable(row, line)
    came_before = row is not None and _may_have_come(row, line, mend)
    if row is None or (stale is not None and not came_before):
        result.skipped.append((line.sample_id, stale or "the catalog has no such sample"))
        return
    try:
        label = labels.decode(line, (row["height"], row["width"]))
        exported = None if stale is not None else _as_exported(context, row, line)
    except (ShapeError, DataError) as error:
        result.skipped.append((line.sample_id, stale or str(error)))
        return
    data = encode_png(label)
    if came_before and mend is not None and f"{sha256_of(data)}.png" == mend.file:
        result.same += 1
    elif stale is not None:
        result.skipped.append((line.sample_id, stale))
    elif exported is not None and np.array_equal(label, exported):
        result.same += 1
    else:
        result.mended[line.sample_id] = data


def _hashes_in(row: Row) -> tuple[str | None, str | None]:
    return row["image_sha256"], row["alpha_sha256"]


def _unusable(row: Row | None, line: Line) -> str | None:
    """Why a label can't be taken in whatever it is; None if it can."""
    if row is None or row["status"] != "present":
        return "the catalog has no such sample, or its files are gone"
    if _hashes_in(row) != (line.image_sha256, line.alpha_sha256):
        return "its photograph or label has changed since it was exported; export it again"
    return None


def _may_have_come(row: Row, line: Line, mend: Mend | None) -> bool:
    """Whether the catalog's label is a mended one that replaced the exported one: a folder may be taken in twice."""
    return mend is not None and f"{row['alpha_sha256']}.png" == mend.file and mend.replaces == line.alpha_sha256


def _as_exported(context: RunContext, row: Row, line: Line) -> Alpha:
    """The label as it was given out: soft in a folder, cut in COCO and CVAT."""
    alpha = read_alpha_of(context.workspace, row)
    return alpha if line.mask is not None else np.where(alpha >= LABEL_CUT, 255, 0).astype(np.uint8)
