"""A cut-out person seen through a frame: scaled, shifted, and resampled multiplied by alpha."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image

Premultiplied = NDArray[np.float32]
"""(H, W, 4) float32 in [0, 255]: colours multiplied by alpha / 255, and alpha."""


def premultiplied(foreground: Image, alpha: Alpha) -> Premultiplied:
    """Colours that mean something only where alpha is above 0, made ready for resampling.

    Args:
        foreground: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8.

    Raises:
        PixelError: They do not share one height and width.
    """
    if foreground.shape != (*alpha.shape, 3):
        raise PixelError(f"viewport: foreground {foreground.shape} and alpha {alpha.shape} must be of one size")
    layer = np.dstack([foreground, alpha]).astype(np.float32)
    layer[..., :3] *= layer[..., 3:] / 255
    return layer


def seen_through(
    layer: Premultiplied, corner_xy: tuple[float, float], scale: float, size_hw: tuple[int, int]
) -> Premultiplied:
    """The layer as a frame shows it; nothing, alpha 0, where the frame reaches beyond it.

    Shrinking is done by area first, by nearly all of the scale, and what is left by linear interpolation: alone, the
    latter would skip pixels.

    Args:
        layer: (h, w, 4), premultiplied.
        corner_xy: the frame's upper left corner in the layer's pixels; may lie outside.
        scale: pixels of the result to a pixel of the layer.
        size_hw: the frame's height and width in pixels of the result.

    Returns:
        (H, W, 4), premultiplied; a new array.
    """
    shrink = min(1.0, scale)
    small_wh = (max(1, round(layer.shape[1] * shrink)), max(1, round(layer.shape[0] * shrink)))
    small = cv2.resize(layer, small_wh, interpolation=cv2.INTER_AREA) if shrink < 1 else layer
    step_x, step_y = (scale * whole / part for whole, part in zip(layer.shape[1::-1], small_wh, strict=True))
    # Continuous x' = x * step - corner * scale, with pixel centres at +0.5 on both sides.
    matrix = np.array(
        [
            [step_x, 0, 0.5 * step_x - corner_xy[0] * scale - 0.5],
            [0, step_y, 0.5 * step_y - corner_xy[1] * scale - 0.5],
        ]
    )
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    warped: Premultiplied = cv2.warpAffine(small, matrix, size_hw[::-1], flags=how)
    return np.clip(warped, 0, 255)


def over(layer: Premultiplied, scene: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay a premultiplied layer over an opaque scene (H, W, 3): C = αF + (1 - α)B, not rounded; a new array."""
    laid: NDArray[np.float32] = layer[..., :3] + (1 - layer[..., 3:] / np.float32(255)) * scene
    return laid


def to_image(scene: NDArray[np.float32]) -> Image:
    """Rounded to nearest, (H, W, 3) uint8."""
    return np.rint(np.clip(scene, 0, 255)).astype(np.uint8)
