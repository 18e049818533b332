"""Where a body's own coordinates lie in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from segdata.drawn.paint import Float, Patch, floats


@dataclass(frozen=True, slots=True)
class Frame:
    """Local coordinates, in half widths of the head: x to the right, y down, the head's centre at 0.

    Attributes:
        x: of the origin, in pixels.
        y: the same, downwards.
        unit_px: pixels to one local unit.
        roll: of the local axes, in radians, clockwise.
    """

    x: float
    y: float
    unit_px: float
    roll: float = 0.0

    def px(self, points: ArrayLike) -> Float:
        """Local points (..., 2) in pixels."""
        local = np.asarray(points, np.float32)
        cos, sin = floats(np.cos(self.roll)), floats(np.sin(self.roll))
        turned = np.stack(
            [local[..., 0] * cos - local[..., 1] * sin, local[..., 0] * sin + local[..., 1] * cos], axis=-1
        )
        return np.asarray(turned * self.unit_px + floats([self.x, self.y]), np.float32)

    def grid(self, patch: Patch, every_px: int = 1) -> tuple[Float, Float]:
        """Local x and y (h, w) of a patch's pixels, or of every n-th."""
        height, width = patch.mask.shape
        rows = np.arange(every_px / 2, height, every_px, dtype=np.float32)[:, None] + (patch.top - self.y)
        columns = np.arange(every_px / 2, width, every_px, dtype=np.float32)[None, :] + (patch.left - self.x)
        cos, sin = floats(np.cos(self.roll) / self.unit_px), floats(np.sin(self.roll) / self.unit_px)
        return columns * cos + rows * sin, rows * cos - columns * sin

    def turned(self, roll: float, pivot: tuple[float, float]) -> Frame:
        """The frame turned about a local point, as a head is about the neck."""
        there = self.px(pivot)
        turned = Frame(self.x, self.y, self.unit_px, self.roll + roll)
        shift = there - turned.px(pivot)
        return Frame(self.x + float(shift[0]), self.y + float(shift[1]), self.unit_px, self.roll + roll)


def mirrored(points: ArrayLike) -> Float:
    """Right-hand points from top to bottom, and then their mirror images from bottom to top: a closed outline.

    >>> mirrored([[1, 0], [2, 5]]).tolist()
    [[1.0, 0.0], [2.0, 5.0], [-2.0, 5.0], [-1.0, 0.0]]
    """
    right = np.asarray(points, np.float32)
    return np.concatenate([right, right[::-1] * floats([-1, 1])])
