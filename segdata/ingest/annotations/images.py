"""The shapes of one image as its file gives them, and the label that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.ingest.annotations.shapes import EmptyShapeError, Polygon, Shape, ShapeError, SizeHW

_MOST_SHAPES = 10_000
_FAULTS_SHOWN = 3
_FEW_SHAPES = 100
_SAME_EDGE_PX = 1.5  # tools count the last pixel's near or far edge


@dataclass
class AnnotatedImage:
    """An image in an annotation file. Its shapes are parsed when its label is drawn, one image at a time.

    Attributes:
        size_hw: what the file says.
        read: makes shapes of what the file holds for one of them; raises ShapeError.
        raw: what the file holds for each shape of a person, in the order of drawing.
        fault: why its label can't be trusted; None if it can.
        other_labels: labels of shapes that are no person, and are not drawn.
        unsupported: kinds of shapes of people that can't be drawn, such as keypoints.
        no_person: whether the file says that nobody is in the image.
    """

    size_hw: SizeHW
    read: Callable[[object], Iterable[Shape]]
    raw: list[object] = field(default_factory=list)
    fault: str | None = None
    other_labels: set[str] = field(default_factory=set)
    unsupported: set[str] = field(default_factory=set)
    no_person: bool = False


@dataclass(frozen=True, eq=False)
class DrawnLabel:
    """A label, and what was left out of it.

    Attributes:
        label: (H, W) uint8, 255 is person.
        shapes: how many were drawn.
        left_out: shapes that cover nothing, such as polygons of two points, with the reason.
    """

    label: Alpha
    shapes: int
    left_out: tuple[str, ...]


def draw_label(image: AnnotatedImage, size_hw: SizeHW) -> Alpha:
    """The label that all shapes of an image make together: `draw_shapes`, without what was left out.

    Args:
        image: from an annotation file.
        size_hw: of the photo, as the catalog has it.

    Returns:
        (H, W) uint8, 255 is person.

    Raises:
        ShapeError: As `draw_shapes`.
    """
    return draw_shapes(image, size_hw).label


def draw_shapes(image: AnnotatedImage, size_hw: SizeHW) -> DrawnLabel:
    """Draw all shapes of an image; nothing is allocated before its size is known to be right.

    A shape that covers nothing, whatever it was meant to be, is left out: null, or a polygon of two points. A label
    without any other faulty shape would be wrong, so it is not made at all.

    Args:
        image: from an annotation file.
        size_hw: of the photo, as the catalog has it.

    Raises:
        ShapeError: The file says another size, some shapes can't be drawn, or all of them cover nothing; the message
            names them by number and kind.
    """
    if image.fault is not None:
        raise ShapeError(image.fault)
    check_size(image.size_hw, size_hw)
    if len(image.raw) > _MOST_SHAPES:
        raise ShapeError(f"{len(image.raw):,} shapes; at most {_MOST_SHAPES:,} are read")
    shapes: list[Shape] = []
    faults: list[str] = []
    left_out: list[str] = []
    for number, raw in enumerate(image.raw, 1):
        try:
            parts = list(image.read(raw))
        except EmptyShapeError as error:
            left_out.append(f"shape {number}: {error}")
        except ShapeError as error:
            faults.append(f"shape {number}: {error}")
        else:
            for part, fault in _validated(parts, number, size_hw):
                if fault is None:
                    shapes.append(part)
                else:
                    (left_out if fault.is_empty else faults).append(fault.text)
    if faults or (left_out and not shapes):
        raise ShapeError(_shortened(faults or left_out))
    drawn = _without_bounding_boxes(shapes, size_hw)
    label: Alpha = np.zeros(size_hw, np.uint8)
    for shape in drawn:
        shape.draw(label)
    return DrawnLabel(label, len(drawn), tuple(left_out))


def _without_bounding_boxes(shapes: Sequence[Shape], size_hw: SizeHW) -> list[Shape]:
    """The shapes without rectangles that only say where another shape lies, as converters add them to each mask.

    A rectangle that stands for a person by itself stays. The others are not reported: they say nothing that their shape
    does not say, and nobody has to mend them.

    Args:
        shapes: of people in one image.
        size_hw: of the image.
    """
    boxes = {id(shape): box for shape in shapes if (box := _box_of(shape)) is not None}
    others = [shape for shape in shapes if id(shape) not in boxes]
    if not boxes or not others:
        return list(shapes)
    bounds, whole = [], np.zeros(size_hw, np.uint8)
    for shape in others:
        shape.draw(whole)
    for shape in others if len(others) <= _FEW_SHAPES else ():  # each takes the time of a whole label
        label = np.zeros(size_hw, np.uint8)
        shape.draw(label)
        bounds += _bounds_of(label)
    known = np.array([*bounds, *_bounds_of(whole)]).reshape(-1, 4)

    def is_around_another(box: NDArray[np.float64]) -> bool:
        return bool((np.abs(known - box).max(axis=1) <= _SAME_EDGE_PX).any()) if len(known) else False

    return [shape for shape in shapes if id(shape) not in boxes or not is_around_another(boxes[id(shape)])]


def _box_of(shape: Shape) -> NDArray[np.float64] | None:
    """Left, top, right and bottom of an upright rectangle; None of another shape."""
    if not isinstance(shape, Polygon) or len(shape.points) != 4:
        return None
    low, high = shape.points.min(axis=0), shape.points.max(axis=0)
    is_corner = np.isclose(shape.points, low) | np.isclose(shape.points, high)
    turns = np.isclose(shape.points, np.roll(shape.points, 1, axis=0)).sum(axis=1) == 1
    return np.concatenate([low, high]) if is_corner.all() and turns.all() else None


def _bounds_of(label: Alpha) -> list[NDArray[np.float64]]:
    """Left, top, right and bottom of what is drawn; nothing if nothing is."""
    rows, columns = np.flatnonzero(label.any(axis=1)), np.flatnonzero(label.any(axis=0))
    if not rows.size:
        return []
    return [np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)]


def check_size(found_hw: SizeHW, size_hw: SizeHW) -> None:
    """See that a label has the size of its photo.

    Raises:
        ShapeError: It has not.
    """
    if found_hw != size_hw:
        (height, width), (photo_height, photo_width) = found_hw, size_hw
        raise ShapeError(f"the mended label is {width}x{height}, the photograph {photo_width}x{photo_height}")


class _Fault(NamedTuple):
    text: str
    is_empty: bool


def _validated(parts: Sequence[Shape], number: int, size_hw: SizeHW) -> Iterator[tuple[Shape, _Fault | None]]:
    """The parts of one shape, each with its fault; a part has a number if there are several, as polygons in COCO."""
    for position, part in enumerate(parts, 1):
        try:
            part.validate(size_hw)
        except ShapeError as error:
            name = part.kind if len(parts) == 1 else f"{part.kind} {position}"
            yield part, _Fault(f"shape {number} ({name}): {error}", isinstance(error, EmptyShapeError))
        else:
            yield part, None


def _shortened(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
    return "; ".join(faults[:_FAULTS_SHOWN]) + more
