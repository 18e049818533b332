"""Shapes that annotation tools draw besides polygons and runs: validate, then draw, as in `shapes`.

Region   a polygon with holes       Ellipse  also a circle
Stroke   lines of some width, dots  Bitmap   a small PNG that is pasted into the image
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.imaging.headers import DecodeError, read_header
from segdata.ingest.annotations.shapes import Polygon, ShapeError, SizeHW

Points = NDArray[np.float64]

_MOST_HOLES = 10_000
_PNG_SLACK = 1 << 16  # bytes of headers, palettes and comments that a PNG may have besides its pixels
_PNG_BYTES_PER_PIXEL = 8  # four channels of 16 bits


@dataclass(frozen=True, eq=False)
class Region:
    """A polygon with holes.

    Attributes:
        exterior: its outline.
        interior: its holes; the outline of a hole belongs to the hole.
    """

    kind: ClassVar[str] = "polygon"
    exterior: Polygon
    interior: tuple[Polygon, ...] = ()

    def validate(self, size_hw: SizeHW) -> None:
        """Check the outline and every hole.

        Raises:
            ShapeError: One of them can't be drawn, or there are too many.
        """
        if len(self.interior) > _MOST_HOLES:
            raise ShapeError(f"it has {len(self.interior):,} holes; at most {_MOST_HOLES:,} are read")
        self.exterior.validate(size_hw)
        for number, hole in enumerate(self.interior, 1):
            try:
                hole.validate(size_hw)
            except ShapeError as error:
                raise ShapeError(f"hole {number}: {error}") from error

    def draw(self, label: Alpha) -> None:
        """Set what lies inside the outline and in no hole; other shapes below the holes stay."""
        if not self.interior:
            self.exterior.draw(label)
            return
        region = np.zeros_like(label)
        self.exterior.draw(region)
        holes = np.zeros_like(label)
        for hole in self.interior:
            hole.draw(holes)
        label[(region > 0) & (holes == 0)] = 255


@dataclass(frozen=True)
class Ellipse:
    """An ellipse.

    Attributes:
        centre_xy: in pixels; 0 is the image's left or upper border.
        radii_xy: before it is turned.
        degrees: how far it is turned clockwise about its centre.
    """

    kind: ClassVar[str] = "ellipse"
    centre_xy: tuple[float, float]
    radii_xy: tuple[float, float]
    degrees: float = 0.0

    def validate(self, size_hw: SizeHW) -> None:
        """Check that the numbers are finite, and that it is of a size and at a place that an image can have.

        Raises:
            ShapeError: They are not.
        """
        numbers = np.array((*self.centre_xy, *self.radii_xy, self.degrees), np.float64)
        if not np.isfinite(numbers).all():
            raise ShapeError("a number of it is not finite")
        if min(self.radii_xy) <= 0:
            raise ShapeError("a radius is not greater than 0")
        height, width = size_hw
        if not (-width <= self.centre_xy[0] <= 2 * width and -height <= self.centre_xy[1] <= 2 * height):
            raise ShapeError("its centre lies more than one image width or height outside the image")
        if max(self.radii_xy) > 4 * (height + width):
            raise ShapeError("a radius is several times the size of the image")

    def draw(self, label: Alpha) -> None:
        """Set every pixel whose centre lies in it: ((x cos t + y sin t)/a)² + ((y cos t - x sin t)/b)² <= 1."""
        height, width = label.shape
        reach = max(self.radii_xy)
        left, right = _range(self.centre_xy[0], reach, width)
        top, bottom = _range(self.centre_xy[1], reach, height)
        x = np.arange(left, right)[None, :] + 0.5 - self.centre_xy[0]
        y = np.arange(top, bottom)[:, None] + 0.5 - self.centre_xy[1]
        cos, sin = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        along, across = (x * cos + y * sin) / self.radii_xy[0], (y * cos - x * sin) / self.radii_xy[1]
        label[top:bottom, left:right][along**2 + across**2 <= 1] = 255


@dataclass(frozen=True, eq=False)
class Stroke:
    """Lines through points, or a dot where there is one point.

    Attributes:
        points: (N, 2) float64, x and y in pixels.
        width_px: of the lines; the diameter of the dot.
    """

    kind: ClassVar[str] = "line"
    points: Points
    width_px: int

    def validate(self, size_hw: SizeHW) -> None:
        """Check the points as those of a polygon, of which one or two are enough here.

        Raises:
            ShapeError: They can't be drawn.
        """
        if len(self.points) == 0:
            raise ShapeError("it has no points")
        Polygon(np.concatenate([self.points, self.points[-1:], self.points[-1:]])).validate(size_hw)

    def draw(self, label: Alpha) -> None:
        """Draw it; what lies outside the image is clipped off."""
        pixels = np.rint(self.points).astype(np.int32)
        if len(pixels) == 1:
            cv2.circle(label, pixels[0].tolist(), self.width_px // 2, 255, cv2.FILLED)
        else:
            cv2.polylines(label, [pixels], isClosed=False, color=255, thickness=self.width_px)


@dataclass(frozen=True)
class Bitmap:
    """A PNG that covers a part of the image; its alpha channel counts if it has one, and else its grey values.

    Attributes:
        text: base64 of the PNG, or of the PNG compressed by zlib.
        left, top: where it lies.
        cut: the smallest value that is person.
        fills_image: it must have the size of the image.
    """

    kind: ClassVar[str] = "bitmap"
    text: str
    left: int
    top: int
    cut: int = 1
    fills_image: bool = False

    def validate(self, size_hw: SizeHW) -> None:
        """Check that it is a whole PNG that lies in the image, before it is decoded.

        Raises:
            ShapeError: It is not.
        """
        png = self._png(size_hw)
        try:
            header = read_header(png, "unreadable_alpha")
        except DecodeError as error:
            raise ShapeError(f"its picture can't be used: {error.detail}") from error
        if header.format != "PNG":
            raise ShapeError(f"its picture is a {header.format}, and no PNG")
        width, height = header.width, header.height
        if self.fills_image and (height, width) != size_hw:
            raise ShapeError(f"its PNG is {width}x{height}, the image {size_hw[1]}x{size_hw[0]}")
        inside = self.left + width <= size_hw[1] and self.top + height <= size_hw[0]
        if not inside or min(self.left, self.top) < 0 or min(width, height) < 1:
            raise ShapeError(f"its {width}x{height} pixels at {self.left}, {self.top} leave the image")

    def draw(self, label: Alpha) -> None:
        """Paste it; where it is not person, the label stays as it is."""
        png = self._png((label.shape[0], label.shape[1]))
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise ShapeError("a bitmap's PNG is damaged")
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        if pixels.ndim == 3:
            pixels = pixels[..., 3] if pixels.shape[2] == 4 else pixels.max(axis=2)
        height, width = pixels.shape
        label[self.top : self.top + height, self.left : self.left + width][pixels >= self.cut] = 255

    def _png(self, size_hw: SizeHW) -> bytes:
        most = size_hw[0] * size_hw[1] * _PNG_BYTES_PER_PIXEL + _PNG_SLACK
        if len(self.text) > 2 * most:  # base64 has four characters for three bytes
            raise ShapeError("its picture has more bytes than the image can need")
        try:
            data = base64.b64decode("".join(self.text.split()), validate=True)
            if data[:4] == b"\x89PNG":
                return data
            unpacker = zlib.decompressobj()
            png = unpacker.decompress(data, most)
        except (binascii.Error, ValueError, zlib.error) as error:
            raise ShapeError(f"its picture is no base64 of a PNG ({error})") from error
        if unpacker.unconsumed_tail:
            raise ShapeError("its picture has more bytes than the image can need")
        return png


def rectangle(left_top: tuple[float, float], size_xy: tuple[float, float], degrees: float = 0.0) -> Polygon:
    """A rectangle as a polygon.

    Args:
        left_top: its corner, x and y in pixels; 0 is the image's left or upper border.
        size_xy: its width and height.
        degrees: how far it is turned clockwise about that corner.
    """
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    width, height = size_xy
    corners = np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])
    return Polygon(corners @ np.array([(cos, sin), (-sin, cos)]) + np.array(left_top))


def _range(centre: float, reach: float, side: int) -> tuple[int, int]:
    """The columns or rows of the image that a shape of that reach may cover."""
    return int(np.clip(np.floor(centre - reach), 0, side)), int(np.clip(np.ceil(centre + reach), 0, side))
