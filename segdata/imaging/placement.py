"""Where things go: a background that covers the frame, a portrait that stays on the frame's bottom edge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image, Mask

CUT_FROM = 26
"""The frame cuts a subject whose alpha reaches this (a tenth) on the frame's edge: moved inwards, that would show."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a portrait's own frame lands in the frame of a composite, on whose bottom edge it stands.

    In fractions of that frame, so that it holds at every size.

    Attributes:
        height: of the portrait's frame.
        width: of the portrait's frame.
        x: where its middle lies: 0 is the left edge, 1 the right.
        sink: how far its bottom edge lies below the composite's, which then cuts the subject higher up.
    """

    height: float = 1.0
    width: float = 1.0
    x: float = 0.5
    sink: float = 0.0

    @property
    def shown(self) -> float:
        """The share of the portrait's rows, from the top, that the composite's bottom edge leaves."""
        return 1 - self.sink / self.height

    def scaled(self, factor: float) -> Standing:
        """The same place and the same rows shown, larger or smaller."""
        return replace(self, height=self.height * factor, width=self.width * factor, sink=self.sink * factor)


@dataclass(frozen=True, slots=True)
class Framing:
    """How a portrait's frame holds its subject.

    Attributes:
        left: the frame's left edge cuts the subject.
        right: its right edge does.
        top: its top edge does.
        box: the subject's left, top and right as fractions of the frame; (0, 0, 1) where there is nobody.
        clear: the share of the rows, from the top, along which neither side cuts the subject.
        head: about how wide the head is, hair included, as a fraction of the frame's width.
    """

    left: bool
    right: bool
    top: bool
    box: tuple[float, float, float] = (0.0, 0.0, 1.0)
    clear: float = 1.0
    head: float = 0.4

    @property
    def spans(self) -> bool:
        """Whether the subject runs from side to side."""
        return self.left and self.right


def framing_of(alpha: Alpha) -> Framing:
    """How a frame holds its subject.

    Args:
        alpha: (H, W) uint8.

    >>> alpha = np.zeros((10, 10), np.uint8); alpha[4:, :5] = 255
    >>> framing_of(alpha)
    Framing(left=True, right=False, top=False, box=(0.0, 0.4, 0.5), clear=0.4, head=0.5)
    """
    left, right, top = (int(edge.max(initial=0)) >= CUT_FROM for edge in (alpha[:, :1], alpha[:, -1:], alpha[:1]))
    seen = _largest_piece(alpha >= CUT_FROM)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        return Framing(left, right, top)
    height, width = alpha.shape
    box = (int(columns[0]) / width, int(rows[0]) / height, int(columns[-1] + 1) / width)
    cut = np.flatnonzero((alpha[:, 0] >= CUT_FROM) | (alpha[:, -1] >= CUT_FROM))
    clear = int(cut[0]) if cut.size else height
    return Framing(left, right, top, box, clear / height, _head_of(seen, int(rows[0]), clear) / width)


def _head_of(seen: Mask, top: int, clear: int) -> float:
    """How wide a subject is in its upper third, in pixels; only what no side cuts counts, unless that is little."""
    bottom = clear if clear > top + seen.shape[0] // 4 else seen.shape[0]
    upper = seen[top : top + max(1, (bottom - top) // 3)]
    upper = upper[upper.any(axis=1)]
    widths = upper.shape[1] - upper[:, ::-1].argmax(axis=1) - upper.argmax(axis=1)
    return float(np.percentile(widths, 80, method="nearest"))


def _largest_piece(mask: Mask) -> Mask:
    """A mask without its specks: labels drawn by hand have some nearly always."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    piece: Mask = pieces == 1 + int(areas.argmax()) if areas.size else mask
    return piece


def cover(background: Image, size_hw: tuple[int, int], crop_x: float = 0.5, crop_y: float = 0.5) -> Image:
    """Crop a background to the frame's shape and resize the crop, so that it covers the frame and nothing is squashed.

    Args:
        background: (h, w, 3) uint8.
        size_hw: the frame's height and width.
        crop_x: which part is kept where the background is too wide: 0 the left, 1 the right.
        crop_y: which part is kept where it is too high: 0 the top, 1 the bottom.

    Returns:
        (H, W, 3) uint8; a new array. Its two scales differ by no more than rounding the crop to whole pixels makes.

    Raises:
        PixelError: The background or the frame is empty, or an offset lies outside [0, 1].
    """
    height, width = background.shape[:2]
    frame_height, frame_width = size_hw
    if min(height, width, frame_height, frame_width) < 1:
        raise PixelError(f"cover: a background of {height} x {width} can't cover a frame of {size_hw}")
    if not (0 <= crop_x <= 1 and 0 <= crop_y <= 1):
        raise PixelError(f"cover: crop_x {crop_x} and crop_y {crop_y} must lie in [0, 1]")
    scale = max(frame_height / height, frame_width / width)
    kept_height = min(height, max(1, round(frame_height / scale)))
    kept_width = min(width, max(1, round(frame_width / scale)))
    top, left = round(crop_y * (height - kept_height)), round(crop_x * (width - kept_width))
    crop = background[top : top + kept_height, left : left + kept_width]
    if crop.shape[:2] == (frame_height, frame_width):
        return crop.copy()
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: Image = cv2.resize(crop, (frame_width, frame_height), interpolation=how)
    return resized


def place(foreground: Image, alpha: Alpha, standing: Standing, size_hw: tuple[int, int]) -> tuple[Image, Alpha]:
    """Put a portrait into a frame, standing on its bottom edge.

    Pixels are resampled multiplied by alpha, as the colour of a transparent one means nothing. Whether an edge along
    which the old frame cut the subject shows is the caller's to see to: `narrow`, `grouping.plan_group`.

    Args:
        foreground: (h, w, 3) uint8.
        alpha: (h, w) uint8.
        standing: where; `Standing()` fills the frame.
        size_hw: the frame's height and width.

    Returns:
        Foreground (H, W, 3) and alpha (H, W), placed; new arrays.
    """
    if standing == Standing() and alpha.shape == size_hw:
        return foreground.copy(), alpha.copy()
    height, width = size_hw
    wide, high = standing.width * width, standing.height * height
    layer = np.dstack([foreground, alpha]).astype(np.float32)
    layer[..., :3] *= layer[..., 3:] / 255
    small_wh = (max(1, round(wide)), max(1, round(high)))
    if small_wh[0] <= alpha.shape[1] and small_wh[1] <= alpha.shape[0]:
        layer = cv2.resize(layer, small_wh, interpolation=cv2.INTER_AREA)  # linear alone would alias hair
    # One replicated pixel all round: an edge that was cut by the frame is sampled half a pixel beyond it.
    padded = cv2.copyMakeBorder(layer, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    scale_x, scale_y = wide / layer.shape[1], high / layer.shape[0]
    left, top = standing.x * width - wide / 2, height * (1 + standing.sink) - high
    # Continuous x' = scale * x + left; pixel centres lie at +0.5, and the padding moved the source by 1.
    matrix = np.array([[scale_x, 0, left - scale_x / 2 - 0.5], [0, scale_y, top - scale_y / 2 - 0.5]], np.float64)
    warped = cv2.warpAffine(padded, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return _unmultiplied(warped)


def narrow(framing: Framing, standing: Standing) -> Standing:
    """The nearest place that shows no edge along which the old frame cut the subject.

    The old left side lands at x - width / 2 and the right one at x + width / 2, the top at 1 + sink - height: each must
    stay outside of the new frame if the subject touches it in the rows that are shown.

    >>> narrow(Framing(left=True, right=True, top=False, clear=0.5), Standing(height=0.8, width=0.8, x=0.6))
    Standing(height=1.0, width=1.0, x=0.5, sink=0.0)
    """
    if framing.top:
        standing = standing.scaled(max(1.0, 1 / (standing.height - standing.sink)))
    if standing.shown <= framing.clear + 1e-6:
        return standing
    if framing.spans:
        standing = standing.scaled(max(1.0, 1 / standing.width))
    x = standing.x
    if framing.left:
        x = min(x, standing.width / 2)
    if framing.right:
        x = max(x, 1 - standing.width / 2)
    return replace(standing, x=x)


def _unmultiplied(layer: NDArray[np.float32]) -> tuple[Image, Alpha]:
    alpha = layer[..., 3:]
    colour = np.divide(layer[..., :3] * 255, alpha, out=np.zeros_like(layer[..., :3]), where=alpha > 0)
    return np.rint(np.clip(colour, 0, 255)).astype(np.uint8), np.rint(np.clip(alpha[..., 0], 0, 255)).astype(np.uint8)
