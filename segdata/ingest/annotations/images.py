"""The shapes of one image as its file gives them, and the label that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from segdata.imaging.arrays import Alpha
from segdata.ingest.annotations.shapes import Shape, ShapeError, SizeHW

_MOST_SHAPES = 10_000
_FAULTS_SHOWN = 3


@dataclass
class AnnotatedImage:
    """An image in an annotation file. Its shapes are parsed when its label is drawn, one image at a time.

    Attributes:
        size_hw: what the file says.
        read: makes shapes of what the file holds for one of them; raises ShapeError.
        raw: what the file holds for each shape.
        fault: why its label can't be trusted; None if it can.
    """

    size_hw: SizeHW
    read: Callable[[object], Iterable[Shape]]
    raw: list[object] = field(default_factory=list)
    fault: str | None = None


def draw_label(image: AnnotatedImage, size_hw: SizeHW) -> Alpha:
    """The label that all shapes of an image make together; nothing is allocated before its size is known to be right.

    A label of which one shape can't be drawn would be wrong, so it is not made at all.

    Args:
        image: from an annotation file.
        size_hw: of the photo, as the catalog has it.

    Returns:
        (H, W) uint8, 255 is person.

    Raises:
        ShapeError: The file says another size, or some shapes can't be drawn; the message names them by number and
            kind.
    """
    if image.fault is not None:
        raise ShapeError(image.fault)
    check_size(image.size_hw, size_hw)
    if len(image.raw) > _MOST_SHAPES:
        raise ShapeError(f"{len(image.raw):,} shapes; at most {_MOST_SHAPES:,} are read")
    shapes: list[Shape] = []
    faults = []
    for number, raw in enumerate(image.raw, 1):
        try:
            parts = list(image.read(raw))
        except ShapeError as error:
            faults.append(f"shape {number}: {error}")
            continue
        faults += _faults_of(parts, number, size_hw)
        shapes += parts
    if faults:
        more = f"; and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
        raise ShapeError("; ".join(faults[:_FAULTS_SHOWN]) + more)
    label: Alpha = np.zeros(size_hw, np.uint8)
    for shape in shapes:
        shape.draw(label)
    return label


def check_size(found_hw: SizeHW, size_hw: SizeHW) -> None:
    """See that a label has the size of its photo.

    Raises:
        ShapeError: It has not.
    """
    if found_hw != size_hw:
        (height, width), (photo_height, photo_width) = found_hw, size_hw
        raise ShapeError(f"the mended label is {width}x{height}, the photograph {photo_width}x{photo_height}")


def _faults_of(parts: Sequence[Shape], number: int, size_hw: SizeHW) -> Iterator[str]:
    """What is wrong with the parts of one shape; a part has a number if there are several, as polygons in COCO."""
    for position, part in enumerate(parts, 1):
        try:
            part.validate(size_hw)
        except ShapeError as error:
            name = part.kind if len(parts) == 1 else f"{part.kind} {position}"
            yield f"shape {number} ({name}): {error}"
