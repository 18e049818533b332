"""The hash that stands for a label: it changes with the bytes of the mask's file, and with how they are read.

Scores, verdicts, layers and training sets belong to the hash of a label. If it were that of the file alone, they would
stay when the recipe changes what the values of a mask mean. Pure.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from segdata.storage.files import sha256_of


class LabelReading(NamedTuple):
    """The columns of `samples` that say how a mask's file is read."""

    alpha_channel: int | None = None
    alpha_index: int | None = None
    alpha_reading: str | None = None
    alpha_orientation: int | None = None

    @property
    def is_usual(self) -> bool:
        """Whether the values are those of a plain mask, or the class of a label map, as earlier releases read them."""
        return self.alpha_reading is None and self.alpha_orientation in (None, 1)

    @property
    def part(self) -> tuple[int | None, int | None]:
        """Which part of the file is the label: its channel and its class."""
        return self.alpha_channel, self.alpha_index

    def is_same_as(self, other: LabelReading) -> bool:
        """Whether both make the same label of the same file: orientation 1 turns nothing."""
        return self._replace(alpha_orientation=self.alpha_orientation or 1) == other._replace(
            alpha_orientation=other.alpha_orientation or 1
        )


class LabelIdentity(NamedTuple):
    """A label in the catalog.

    Attributes:
        sha256: stands for the label.
        file_sha256: of its file's bytes.
        reading: how the file is read.
    """

    sha256: str | None
    file_sha256: str | None
    reading: LabelReading


def hash_label(file_sha256: str, reading: LabelReading) -> str:
    """The hash of a label that is new: that of its file where that is read in the usual way, else of both.

    >>> hash_label("0f", LabelReading(alpha_channel=3))
    '0f'
    >>> hash_label("0f", LabelReading(alpha_reading="{}")) == "0f"
    False
    """
    return file_sha256 if reading.is_usual else _hash_both(file_sha256, reading)


def identify_label(file_sha256: str, reading: LabelReading, before: LabelIdentity | None) -> LabelIdentity:
    """The identity of a label that was read, beside the one that its sample had.

    A label that is as it was keeps its hash. The hash of a file stands for one channel and class of it, the first that
    was read, as in catalogs of earlier releases: once another one is read, every hash is of file and reading.

    Args:
        file_sha256: of the file's bytes.
        reading: how it was read.
        before: what the catalog has of the sample, if anything.

    >>> old = LabelIdentity("0f", "0f", LabelReading(alpha_index=15))
    >>> identify_label("0f", LabelReading(alpha_index=15), old).sha256
    '0f'
    >>> identify_label("0f", LabelReading(alpha_index=16), old).sha256 == "0f"
    False
    """
    sha256 = hash_label(file_sha256, reading)
    if before is not None and before.file_sha256 == file_sha256:
        is_first_part = before.sha256 == hash_label(file_sha256, before.reading)
        if reading.is_same_as(before.reading):
            sha256 = str(before.sha256)
        elif reading.part != before.reading.part or not is_first_part:
            sha256 = _hash_both(file_sha256, reading, "another part")
    return LabelIdentity(sha256, file_sha256, reading)


def _hash_both(file_sha256: str, reading: LabelReading, *more: str) -> str:
    values = [file_sha256, *reading._replace(alpha_orientation=reading.alpha_orientation or 1), *more]
    return sha256_of(json.dumps(values).encode())
