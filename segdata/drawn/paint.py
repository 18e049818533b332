"""What everything is painted with: coverage masks, curves, and a canvas that keeps coverage apart from colour.

Points are (N, 2) float32, x before y, in pixels. Masks are (h, w) float32 in [0, 1], 1 is covered. Colours are (3,)
or, over a patch, (3, h, w), float32 in [0, 255], sRGB: planes first, because a mask then multiplies whole planes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float32]
Image = NDArray[np.uint8]
Alpha = NDArray[np.uint8]
SizeHW = tuple[int, int]

_SHIFT = 4  # cv2 draws at 1/16 of a pixel


def floats(values: object) -> NDArray[np.float32]:
    """Numbers as a float32 array: of a list its items, of one number an array without axes."""
    return np.asarray(values, np.float32)


@dataclass(frozen=True, slots=True)
class Patch:
    """How much of each pixel of a window is covered.

    Attributes:
        top: the window's first row on the canvas.
        left: the window's first column.
        mask: (h, w) float32 in [0, 1]; may be empty, for a shape off the canvas.
    """

    top: int
    left: int
    mask: Float

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the canvas that the mask lies on."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def times(self, factor: Float | float) -> Patch:
        """The same window with another coverage."""
        return Patch(self.top, self.left, self.mask * floats(factor) if np.isscalar(factor) else self.mask * factor)


class Canvas:
    """Layers laid over each other: premultiplied colour, and coverage.

    Args:
        size_hw: height and width in pixels.
    """

    def __init__(self, size_hw: SizeHW) -> None:
        self.size_hw = size_hw
        self.premultiplied: Float = np.zeros((3, *size_hw), np.float32)
        self.coverage: Float = np.zeros(size_hw, np.float32)

    def over(self, patch: Patch, colour: ArrayLike) -> None:
        """Lay a colour over what is there; it adds coverage."""
        rows, columns = patch.window
        plane = self.premultiplied[:, rows, columns]
        change = _planes(colour) - plane
        change *= patch.mask
        plane += change
        covered = self.coverage[rows, columns]
        covered += (1 - covered) * patch.mask

    def atop(self, patch: Patch, colour: ArrayLike) -> None:
        """Colour only what is already covered; coverage stays."""
        rows, columns = patch.window
        plane = self.premultiplied[:, rows, columns]
        plane += (_planes(colour) * self.coverage[rows, columns] - plane) * patch.mask

    def darken(self, patch: Patch, factor: float) -> None:
        """Multiply what is there by `factor` where the patch covers: a shadow, or a light for a factor above 1."""
        rows, columns = patch.window
        plane = self.premultiplied[:, rows, columns]
        plane *= 1 + floats(factor - 1) * patch.mask

    def soften(self, sigma_px: float) -> None:
        """Blur colour and coverage alike, as a lens does: the edge stays true."""
        if sigma_px > 0:
            for plane in (*self.premultiplied, self.coverage):
                cv2.GaussianBlur(plane, (0, 0), sigma_px, dst=plane)

    def split(self, gains: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[Image, Alpha]:
        """The unmultiplied foreground (H, W, 3) and its alpha (H, W), both uint8.

        Where nothing covers, the foreground goes on from its surroundings, as an estimated one would.

        Args:
            gains: factor on each channel.
        """
        alpha = cv2.convertScaleAbs(self.coverage, alpha=255)
        weight = 1 / np.maximum(self.coverage, floats(1 / 510))
        planes = [
            cv2.convertScaleAbs(cv2.multiply(plane, weight), alpha=gain)
            for plane, gain in zip(self.premultiplied, gains, strict=True)
        ]
        filled = self._spread(gains)
        cv2.copyTo(cv2.merge(planes), alpha, filled)
        return filled, np.asarray(alpha, np.uint8)

    def _spread(self, gains: tuple[float, float, float]) -> Image:
        """The covered pixels' colours, spread outwards: worked out at an eighth of the size, (H, W, 3) uint8."""
        height, width = self.size_hw
        small_hw = (max(1, height // 8), max(1, width // 8))
        sigma = max(small_hw) / 10
        *planes, weight = (
            cv2.GaussianBlur(cv2.resize(plane, small_hw[::-1], interpolation=cv2.INTER_AREA), (0, 0), sigma)
            for plane in (*self.premultiplied, self.coverage)
        )
        norm = 1 / np.maximum(weight, floats(1e-3))
        small = cv2.merge([cv2.convertScaleAbs(p * norm, alpha=g) for p, g in zip(planes, gains, strict=True)])
        return np.asarray(cv2.resize(small, (width, height)), np.uint8)


def polygon(points: Float, size_hw: SizeHW, blur_px: float = 0.0) -> Patch:
    """The filled shape, antialiased; `blur_px` softens its edge by a Gaussian."""
    return _draw(points[None], size_hw, blur_px, lambda mask, shifted: cv2.fillPoly(mask, shifted, 255, _AA, _SHIFT))


def strokes(lines: Float, size_hw: SizeHW, width_px: float, blur_px: float = 0.0) -> Patch:
    """Lines (N, K, 2) of one width, antialiased; thinner than a pixel means fainter."""
    thickness = max(1, round(width_px))
    value = round(255 * min(1.0, width_px))

    def stroke(mask: NDArray[np.uint8], shifted: list[NDArray[np.int32]]) -> None:
        cv2.polylines(mask, shifted, False, value, thickness, _AA, _SHIFT)

    return _draw(lines, size_hw, blur_px, stroke, thickness)


def disc(centre: ArrayLike, radius_px: float | tuple[float, float], size_hw: SizeHW, blur_px: float = 0.0) -> Patch:
    """A filled disc, or an upright ellipse of two radii (x, y)."""
    rx, ry = (radius_px, radius_px) if isinstance(radius_px, int | float) else radius_px
    return polygon(_CIRCLE * floats([rx, ry]) + np.asarray(centre, np.float32), size_hw, blur_px)


def shapes(outlines: Sequence[Float], size_hw: SizeHW) -> Patch:
    """Several filled shapes as one: where they overlap, they are covered once."""

    def fill(mask: NDArray[np.uint8], shifted: list[NDArray[np.int32]]) -> None:
        start = 0
        for outline in outlines:
            cv2.fillPoly(mask, [shifted[0][start : start + len(outline)]], 255, _AA, _SHIFT)
            start += len(outline)

    return _draw(np.concatenate(list(outlines))[None], size_hw, 0.0, fill)


def curve(points: ArrayLike, closed: bool = True, steps: int = 6) -> Float:
    """A smooth curve through the points: Catmull-Rom splines.

    Source:
        Catmull & Rom, "A class of local interpolating splines", 1974; tension 1/2.

    >>> curve([[0, 0], [1, 0], [1, 1], [0, 1]], steps=2).shape
    (8, 2)
    """
    p1 = np.asarray(points, np.float32)
    if closed:
        p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    else:
        padded = np.concatenate([2 * p1[:1] - p1[1:2], p1, 2 * p1[-1:] - p1[-2:-1]])
        p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    # (steps, 4) weights of the four points round each span, times (4, N, 2): one matrix product.
    smooth = np.tensordot(_catmull_rom(steps), np.stack([p0, p1, p2, p3]), 1)
    flat = smooth.transpose(1, 0, 2).reshape(-1, 2)
    return flat if closed else np.concatenate([flat, p2[-1:]])


def limb(joints: ArrayLike, radii: ArrayLike, steps: int = 6) -> Float:
    """The outline of something round drawn along joints (K, 2), as thick as `radii` (K,) at each: an arm, a trunk."""
    path = curve(joints, closed=False, steps=steps)
    thick = np.asarray(radii, np.float32)
    spread = np.interp(np.arange(len(path)) * ((len(thick) - 1) / (len(path) - 1)), np.arange(len(thick)), thick)
    along = np.empty_like(path)
    along[1:-1], along[0], along[-1] = path[2:] - path[:-2], path[1] - path[0], path[-1] - path[-2]
    normal = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-6)
    side = normal * spread[:, None]
    end = path[-1] + spread[-1] * (_HALF_COS * normal[-1] + _HALF_SIN * _turn(normal[-1]))
    start = path[0] - spread[0] * (_HALF_COS * normal[0] + _HALF_SIN * _turn(normal[0]))
    return np.concatenate([path + side, end, (path - side)[::-1], start]).astype(np.float32)


def soften(mask: Float, sigma_px: float) -> Float:
    """A Gaussian blur that stays quick when it is wide: wide ones run on a smaller picture."""
    if sigma_px <= 0 or not mask.size:
        return mask
    factor = int(sigma_px // 3) + 1
    if factor == 1 or min(mask.shape) < 4 * factor:
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma_px), np.float32)
    height, width = mask.shape
    small = cv2.resize(mask, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma_px / factor), (width, height)), np.float32)


_AA = cv2.LINE_AA
_HALF_COS, _HALF_SIN = (f(np.pi * np.arange(1, 6, dtype=np.float32) / 6)[:, None] for f in (np.cos, np.sin))
_CIRCLE = np.stack([f(np.pi * np.arange(28, dtype=np.float32) / 14) for f in (np.cos, np.sin)], 1)


@cache
def _catmull_rom(steps: int) -> Float:
    t = np.arange(steps, dtype=np.float32) / floats(steps)
    a, b = -t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3
    c, d = t + 4 * t**2 - 3 * t**3, -(t**2) + t**3
    return np.asarray(np.stack([a, b, c, d], 1) / 2, np.float32)


_Draw = Callable[[NDArray[np.uint8], list[NDArray[np.int32]]], object]


def _draw(lines: Float, size_hw: SizeHW, blur_px: float, draw: _Draw, margin_px: float = 0.0) -> Patch:
    """Draw in the smallest window that holds the lines (N, K, 2), clipped to the canvas."""
    if not lines.size:
        return Patch(0, 0, np.zeros((0, 0), np.float32))
    reach = margin_px + 3 * blur_px + 2
    xs, ys = lines[..., 0], lines[..., 1]
    left, right = max(0, int(xs.min() - reach)), min(size_hw[1], int(xs.max() + reach) + 1)
    top, bottom = max(0, int(ys.min() - reach)), min(size_hw[0], int(ys.max() + reach) + 1)
    if right <= left or bottom <= top:
        return Patch(0, 0, np.zeros((0, 0), np.float32))
    mask = np.zeros((bottom - top, right - left), np.uint8)
    near = (lines - floats([left, top])) * floats(1 << _SHIFT)
    draw(mask, list(np.rint(near).astype(np.int32)))
    covered = np.multiply(mask, floats(1 / 255), dtype=np.float32)
    return Patch(top, left, soften(covered, blur_px))


def _planes(colour: ArrayLike) -> Float:
    array = np.asarray(colour, np.float32)
    return array if array.ndim == 3 else array[:, None, None]


def _turn(vector: Float) -> Float:
    return np.stack([vector[1], -vector[0]])
