"""An alpha that is smaller or larger than its photo: of the same aspect, or not its alpha."""

from __future__ import annotations

import cv2

from segdata.imaging.arrays import Alpha
from segdata.imaging.headers import DecodeError
from segdata.records import AlphaFit


def fit_alpha(alpha: Alpha, size_hw: tuple[int, int], fit: AlphaFit) -> Alpha:
    """Bring an alpha to its photo's size, if that is wanted and it has the photo's aspect.

    Args:
        alpha: (h, w) uint8, 255 is person.
        size_hw: height and width of the photo, upright.
        fit: `reject` takes no other size; `resize` one of the same aspect, within a pixel of rounding.

    Returns:
        (H, W) uint8: the alpha itself where it fits, or else resampled linearly, over areas where it shrinks.

    Raises:
        DecodeError: size_mismatch; the message says what would help.

    >>> import numpy as np
    >>> fit_alpha(np.zeros((30, 20), np.uint8), (60, 40), "resize").shape
    (60, 40)
    """
    (height, width), (alpha_height, alpha_width) = size_hw, alpha.shape
    if alpha.shape == size_hw:
        return alpha
    sizes = f"the image is {width}x{height}, its alpha {alpha_width}x{alpha_height}"
    if not same_aspect(alpha.shape[:2], size_hw):
        turned = (alpha_width, alpha_height) == size_hw
        raise DecodeError(
            "size_mismatch", f"{sizes}: it lies on its side; is one of them turned by EXIF?" if turned else sizes
        )
    if fit == "reject":
        raise DecodeError("size_mismatch", f'{sizes}, of the same aspect: alpha_fit = "resize" would take it')
    shrinks = alpha_height > height
    resized: Alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def same_aspect(one_hw: tuple[int, int], other_hw: tuple[int, int]) -> bool:
    """Whether one size is the other scaled and both sides rounded the same way, be it up, down or to the nearest.

    >>> same_aspect((333, 250), (1000, 750)), same_aspect((300, 250), (1000, 750))
    (True, False)
    """
    # h = sH + a and w = sW + b, with a and b of one sign and below 1, or below a half: |hW - wH| = |aW - bH|
    return abs(one_hw[0] * other_hw[1] - one_hw[1] * other_hw[0]) <= max(*one_hw, *other_hw)
