"""Shapes of annotation files, bounded by the image before they are handed to NumPy, OpenCV or pycocotools.

These libraries trust their input: runs that overflow 64 bits write out of bounds, and a coordinate of 1e9 ends the
process. So `validate` comes before `draw`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha

SizeHW = tuple[int, int]
MOST_POINTS = 1_000_000
_MARGIN_PX = 1  # edges that clipping adds lie beside the image, where nothing is drawn
_LONGEST_COUNT = 8  # characters of 5 bits each: more than the pixels of any image


class ShapeError(ValueError):
    """A shape that can't be drawn into its image, or a label that can't be made; the message is for people."""


class EmptyShapeError(ShapeError):
    """A shape that covers nothing, such as a polygon of two points: a label without it is the same label."""


class Shape(Protocol):
    """A part of a label."""

    @property
    def kind(self) -> str:
        """What messages call it."""

    def validate(self, size_hw: SizeHW) -> None:
        """See that the shape can be drawn.

        Raises:
            ShapeError: It can't; nothing was allocated for it.
        """

    def draw(self, label: Alpha) -> None:
        """Set its pixels to 255.

        Args:
            label: (H, W) uint8 of a size that the shape was validated for; changed.
        """


@dataclass(frozen=True, eq=False)
class Polygon:
    """A closed polygon.

    Attributes:
        points: (N, 2) float64, x and y in pixels.
        vertices: `corners`: 0 is the image's left or upper border, as in COCO; `pixels`: a vertex names a pixel, which
            belongs to the shape, as in CVAT.
    """

    kind: ClassVar[str] = "polygon"
    points: NDArray[np.float64]
    vertices: Literal["corners", "pixels"] = "corners"

    def validate(self, size_hw: SizeHW) -> None:
        """See that all points are finite and within one width and height of the image.

        Raises:
            ShapeError: They are not, or there are too few or too many.
        """
        count = len(self.points)
        if not 3 <= count <= MOST_POINTS:
            kind = EmptyShapeError if count < 3 else ShapeError
            raise kind(f"it has {count} points; 3 to {MOST_POINTS:,} are read")
        if not np.isfinite(self.points).all():
            raise ShapeError("a point is not finite")
        size_xy = np.array(size_hw[::-1], np.float64)
        if (self.points < -size_xy).any() or (self.points > 2 * size_xy).any():
            raise ShapeError("a point lies more than one image width or height outside the image")
        steps = np.abs(self.points - np.roll(self.points, -1, axis=0)).max(axis=1)
        height, width = size_hw
        if steps.sum() > height * width + 4 * (height + width):  # pycocotools allocates in proportion
            raise ShapeError("its outline is longer than the image has pixels")

    def draw(self, label: Alpha) -> None:
        """Fill it; what lies outside the image is clipped off."""
        if self.vertices == "pixels":
            cv2.fillPoly(label, [np.rint(self.points).astype(np.int32)], 255)  # it clips, to the pixel
            return
        height, width = label.shape
        points = clip_polygon(self.points, (height, width))
        if len(points) < 3:
            return
        from pycocotools import mask as coco

        (runs,) = coco.frPyObjects([points.ravel().tolist()], height, width)
        label[coco.decode(runs) > 0] = 255


@dataclass(frozen=True, eq=False)
class Eraser:
    """A shape of the background: what lies below it is no person.

    Attributes:
        shape: what it covers.
    """

    shape: Shape

    @property
    def kind(self) -> str:
        """What messages call it."""
        return f"background {self.shape.kind}"

    def validate(self, size_hw: SizeHW) -> None:
        """See that the shape can be drawn.

        Raises:
            ShapeError: It can't.
        """
        self.shape.validate(size_hw)

    def draw(self, label: Alpha) -> None:
        """Set its pixels to 0."""
        covered = np.zeros_like(label)
        self.shape.draw(covered)
        label[covered > 0] = 0


@dataclass(frozen=True)
class Runs:
    """A mask as run lengths, which begin with background.

    Attributes:
        counts: of pixels, background and foreground in turn.
        left, top, width, height: the box that they fill.
        order: `rows`, as in CVAT, or `columns`, as in COCO.
        fills_image: the box must be the whole image, as in COCO; a smaller one would be drawn in a corner.
    """

    kind: ClassVar[str] = "mask"
    counts: tuple[int, ...]
    left: int
    top: int
    width: int
    height: int
    order: Literal["rows", "columns"]
    fills_image: bool = False

    def validate(self, size_hw: SizeHW) -> None:
        """See that the box lies in the image and that the runs fill it; Python's integers don't overflow.

        Raises:
            ShapeError: They don't, or the box is smaller than the image and must not be.
        """
        if self.fills_image and (self.height, self.width) != size_hw:
            raise ShapeError(f"the mask is {self.width}x{self.height}, the image {size_hw[1]}x{size_hw[0]}")
        inside = self.left + self.width <= size_hw[1] and self.top + self.height <= size_hw[0]
        if not inside or min(self.left, self.top) < 0 or min(self.width, self.height) < 1:
            raise ShapeError("its box leaves the image")
        area = self.width * self.height
        if not self.counts or min(self.counts) < 0 or max(self.counts) > area or sum(self.counts) != area:
            raise ShapeError(f"its runs don't fill its {self.width}x{self.height} pixels")

    def draw(self, label: Alpha) -> None:
        """Set the pixels of each second run."""
        values = np.resize(np.array([0, 1], np.uint8), len(self.counts))
        flat = np.repeat(values, np.array(self.counts, np.int64))
        by_rows = self.order == "rows"
        box = flat.reshape(self.height, self.width) if by_rows else flat.reshape(self.width, self.height).T
        label[self.top : self.top + self.height, self.left : self.left + self.width][box > 0] = 255


def clip_polygon(points: NDArray[np.float64], size_hw: SizeHW) -> NDArray[np.float64]:
    """The part of a polygon that can be seen in the image, and up to a pixel beside it.

    Moving outside points to the border would bend the edges that lead there; here they are cut where they cross it.

    Args:
        points: (N, 2) x and y, finite.
        size_hw: of the image.

    Returns:
        (M, 2); the points themselves where all lie inside; none where nothing is seen.

    Source:
        Sutherland & Hodgman, "Reentrant Polygon Clipping", CACM 1974.

    >>> clip_polygon(np.array([[0.0, 0], [9, 0], [0, 9]]), (4, 4)).max()
    np.float64(5.0)
    """
    for axis, side in ((0, size_hw[1]), (1, size_hw[0])):
        for bound, sign in ((-_MARGIN_PX, 1), (side + _MARGIN_PX, -1)):
            points = _clip_side(points, axis, float(bound), sign)
    return points


def decode_counts(text: str) -> tuple[int, ...]:
    """The run lengths in a compressed RLE of COCO: groups of 5 bits, and from the fourth on differences.

    Args:
        text: as in `counts`.

    Raises:
        ShapeError: It is no such text.

    >>> decode_counts("52203")
    (5, 2, 2, 2, 5)
    """
    counts: list[int] = []
    value = length = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or length >= _LONGEST_COUNT:
            raise ShapeError("its compressed runs are damaged")
        value |= (bits & 0x1F) << 5 * length
        length += 1
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << 5 * length
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = length = 0
    if length:
        raise ShapeError("its compressed runs are damaged")
    return tuple(counts)


def points_of(values: Sequence[float]) -> NDArray[np.float64]:
    """x and y in turn as (N, 2); a whole number beyond all floats becomes infinite.

    Raises:
        ShapeError: It is an odd number of values, or too many.
    """
    if len(values) % 2 or len(values) > 2 * MOST_POINTS:
        raise ShapeError(f"a polygon of {len(values):,} coordinates")
    try:
        flat = np.array(values, np.float64)
    except OverflowError:
        flat = np.full(len(values), np.inf)
    return flat.reshape(-1, 2)


def _clip_side(points: NDArray[np.float64], axis: int, bound: float, sign: int) -> NDArray[np.float64]:
    """Cut off what lies beyond one straight border: each point that stays, and the point where each edge crosses."""
    depth = sign * (points[:, axis] - bound)
    inside = depth >= 0
    if inside.all():
        return points
    following, depth_there = np.roll(points, -1, axis=0), np.roll(depth, -1)
    crosses = inside != np.roll(inside, -1)
    share = np.divide(depth, depth - depth_there, out=np.zeros_like(depth), where=crosses)
    cuts = points + share[:, None] * (following - points)
    cuts[:, axis] = bound
    both = np.stack([points, cuts], axis=1).reshape(-1, 2)
    kept: NDArray[np.float64] = both[np.stack([inside, crosses], axis=1).ravel()]
    return kept
