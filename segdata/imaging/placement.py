"""Where things go: a background that covers the frame, a portrait that stays on the frame's bottom edge."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image
from segdata.records import LABEL_CUT


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


def place(foreground: Image, alpha: Alpha, scale: float, shift_x: float) -> tuple[Image, Alpha]:
    """Scale a portrait about the middle of the frame's bottom edge and shift it sideways, in a frame of the same size.

    What the frame cuts stays cut by the frame: the wish is narrowed (see `narrow`) where the subject touches an edge.
    Pixels are resampled multiplied by alpha, as the colour of a transparent one means nothing.

    Args:
        foreground: (H, W, 3) uint8.
        alpha: (H, W) uint8.
        scale: 1 keeps the size.
        shift_x: to the right, as a fraction of the width.

    Returns:
        Foreground and alpha, placed; new arrays.
    """
    scale, shift_x = narrow(alpha, scale, shift_x)
    if (scale, shift_x) == (1.0, 0.0):
        return foreground.copy(), alpha.copy()
    height, width = alpha.shape
    # One replicated pixel all round: an edge that was cut by the frame is sampled half a pixel beyond it.
    padded = cv2.copyMakeBorder(np.dstack([foreground, alpha]), 1, 1, 1, 1, cv2.BORDER_REPLICATE).astype(np.float32)
    padded[..., :3] *= padded[..., 3:] / 255
    left = width / 2 + shift_x * width - scale * width / 2
    top = height - scale * height
    # Continuous x' = scale * x + left; pixel centres lie at +0.5, and the padding moved the source by 1.
    matrix = np.array([[scale, 0, left + scale * -0.5 - 0.5], [0, scale, top + scale * -0.5 - 0.5]], np.float64)
    warped = cv2.warpAffine(padded, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return _unmultiplied(warped)


def narrow(alpha: Alpha, scale: float, shift_x: float) -> tuple[float, float]:
    """The nearest scale and shift that show no edge along which the frame cut the subject.

    The left side of the old frame lands at W((1 - scale) / 2 + shift_x), the right one at W((1 + scale) / 2 + shift_x),
    the top at H(1 - scale): each must stay outside the new frame if the subject touches it.

    >>> touches_both_sides = np.full((4, 4), 255, np.uint8)
    >>> narrow(touches_both_sides, 0.8, 0.1)
    (1.0, 0.0)
    """
    left, right, top = (int(edge.max(initial=0)) >= LABEL_CUT for edge in (alpha[:, :1], alpha[:, -1:], alpha[:1]))
    if top or (left and right):
        scale = max(scale, 1.0)
    slack = (scale - 1) / 2
    if left:
        shift_x = min(shift_x, slack)
    if right:
        shift_x = max(shift_x, -slack)
    return scale, shift_x


def _unmultiplied(layer: NDArray[np.float32]) -> tuple[Image, Alpha]:
    alpha = layer[..., 3:]
    colour = np.divide(layer[..., :3] * 255, alpha, out=np.zeros_like(layer[..., :3]), where=alpha > 0)
    return np.rint(np.clip(colour, 0, 255)).astype(np.uint8), np.rint(np.clip(alpha[..., 0], 0, 255)).astype(np.uint8)
