"""How many photos the sets of the public data sets have, as published; docs/formats.md says where each is published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segdata.records import PhotoSet

PUBLISHED: dict[str, dict[str, int]] = {
    "portrait2000": {"training": 1_700, "testing": 300},
    "aisegment": {"clip_img": 34_427},
    "coco": {"train2014": 82_783, "val2014": 40_504, "train2017": 118_287, "val2017": 5_000},
    "p3m10k": {"train": 9_421, "validation/P3M-500-P": 500, "validation/P3M-500-NP": 500},
    "voc": {"SegmentationClass": 2_913},
}
"""Reader -> set -> its photos."""


@dataclass(frozen=True)
class SetCounts:
    """What an ingest found of a set of a source.

    Attributes:
        photos: how many of its photos are there.
        published: how many photos are published; None if that is unknown.
        skipped: why the set is left out; None if it is not.
        remark: what a person should know about how it was read.
    """

    photos: int
    published: int | None = None
    skipped: str | None = None
    remark: str | None = None


def compare_with_published(reader: str, sets: Iterable[PhotoSet]) -> dict[str, SetCounts]:
    """The sets of a source beside their published sizes, by name.

    Args:
        reader: the name of the reader.
        sets: what it found.
    """
    sizes = PUBLISHED.get(reader, {})
    return {one.name: SetCounts(one.photos, sizes.get(one.name), one.skipped, one.remark) for one in sets}
