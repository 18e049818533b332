"""What the catalog knows of a source, in rows that are narrow: there may be a million of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple

from segdata.catalog.workspace import RunContext
from segdata.ingest.label_identity import LabelIdentity, LabelReading
from segdata.ingest.measure import STAMP_COLUMNS
from segdata.records import Stamps

Row = dict[str, Any]


class Named(NamedTuple):
    """The columns of `samples` that follow from names and the recipe, and cost no decoding."""

    kind: str
    split: str
    group_id: str | None
    path: str
    image_uri: str | None
    alpha_uri: str | None
    alpha_channel: int | None
    alpha_index: int | None
    licence: str | None
    alpha_reading: str | None = None

    def label_reading(self, alpha_orientation: int | None) -> LabelReading:
        """How the mask's file is read."""
        return LabelReading(self.alpha_channel, self.alpha_index, self.alpha_reading, alpha_orientation)


class Known(NamedTuple):
    """What a plan has to know of a row of `samples`: a narrow row, since there may be a million."""

    sample_id: str
    status: str
    named: Named
    stamps: Stamps
    hashes: tuple[str | None, str | None]
    alpha_fit: str | None
    pixels: int
    alpha_orientation: int | None = None
    alpha_file_sha256: str | None = None

    @property
    def file_hashes(self) -> tuple[str | None, str | None]:
        """SHA-256 of the bytes of photo and mask."""
        return self.hashes[0], self.alpha_file_sha256 or self.hashes[1]

    @property
    def label(self) -> LabelIdentity:
        """What its label is."""
        reading = self.named.label_reading(self.alpha_orientation)
        return LabelIdentity(self.hashes[1], self.file_hashes[1], reading)


KNOWN_COLUMNS = (
    *("sample_id", "status", *Named._fields, *STAMP_COLUMNS),
    *("image_sha256", "alpha_sha256", "alpha_fit", "width", "height", "alpha_orientation", "alpha_file_sha256"),
)


def known_rows(columns: Mapping[str, list[Any]]) -> dict[str, Known]:
    """Rows by sample_id, from the columns `KNOWN_COLUMNS`."""
    make: Any = tuple.__new__  # what `_make` calls, without a Python function for each of a million rows
    named = map(make, repeat(Named), zip(*(columns[name] for name in Named._fields), strict=True))
    stamps = zip(*(columns[name] for name in STAMP_COLUMNS), strict=True)
    hashes = zip(columns["image_sha256"], columns["alpha_sha256"], strict=True)
    pixels = ((width or 0) * (height or 0) for width, height in zip(columns["width"], columns["height"], strict=True))
    turned = columns["alpha_orientation"]
    rows = zip(
        columns["sample_id"],
        columns["status"],
        named,
        stamps,
        hashes,
        columns["alpha_fit"],
        pixels,
        turned,
        columns["alpha_file_sha256"],
        strict=True,
    )
    return dict(zip(columns["sample_id"], map(make, repeat(Known), rows), strict=True))


@dataclass(frozen=True)
class Before:
    """What the catalog knows of a source.

    Attributes:
        samples: by sample_id, whatever their status.
        rejects: rows of `rejects` by path.
        filtered: rows of `filtered` by path.
    """

    samples: Mapping[str, Known] = field(default_factory=dict)
    rejects: Mapping[str, Row] = field(default_factory=dict)
    filtered: Mapping[str, Row] = field(default_factory=dict)


def read_before(context: RunContext, name: str) -> Before:
    """What the catalog knows of a source."""
    where = f"dataset = '{name}'"
    samples = context.catalog.read("samples", KNOWN_COLUMNS, where=where)
    columns = {column: samples[column].to_pylist() for column in samples.column_names}
    refused = (context.catalog.read(table, where=where).to_pylist() for table in ("rejects", "filtered"))
    return Before(known_rows(columns), *({row["path"]: row for row in rows} for rows in refused))
