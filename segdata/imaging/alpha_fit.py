"""An alpha that is smaller or larger than its photo: of nearly the same aspect, or not its alpha."""

from __future__ import annotations

import cv2

from segdata.imaging.arrays import Alpha
from segdata.imaging.headers import DecodeError
from segdata.records import AlphaFit

_MOST_ASPECT_APART = 0.02  # of the aspect: a mask that differs from its photo by a few pixels


def fit_alpha(alpha: Alpha, size_hw: tuple[int, int], fit: AlphaFit) -> Alpha:
    """Bring an alpha to its photo's size, if that is wanted and it has the photo's aspect.

    Args:
        alpha: (h, w) uint8, 255 is person.
        size_hw: height and width of the photo, upright.
        fit: `reject` takes no other size; `resize` one whose aspect differs by 2 % at most, and by a pixel of rounding
            where the alpha is small.

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
            "size_mismatch",
            f"{sizes}: it lies on its side; is one of them turned by EXIF? {_EXIF_REMEDY}" if turned else sizes,
        )
    if fit == "reject":
        raise DecodeError(
            "size_mismatch",
            f'{sizes}, of {_aspect(alpha.shape[:2], size_hw)} aspect: alpha_fit = "resize" would take it',
        )
    shrinks = alpha_height > height
    resized: Alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def same_aspect(one_hw: tuple[int, int], other_hw: tuple[int, int]) -> bool:
    """Whether two sizes have one aspect, within 2 %, or are the same size scaled and rounded to whole pixels.

    >>> same_aspect((333, 250), (1000, 750)), same_aspect((798, 600), (800, 600)), same_aspect((300, 250), (1000, 750))
    (True, True, False)
    """
    crossed, other = one_hw[0] * other_hw[1], one_hw[1] * other_hw[0]
    return _is_rounded(one_hw, other_hw) or abs(crossed - other) <= _MOST_ASPECT_APART * max(crossed, other)


def _is_rounded(one_hw: tuple[int, ...], other_hw: tuple[int, ...]) -> bool:
    """Whether one size is the other scaled and both sides rounded the same way, be it up, down or to the nearest."""
    # h = sH + a and w = sW + b, with a and b of one sign and below 1, or below a half: |hW - wH| = |aW - bH|
    return abs(one_hw[0] * other_hw[1] - one_hw[1] * other_hw[0]) <= max(*one_hw, *other_hw)


def _aspect(one_hw: tuple[int, ...], other_hw: tuple[int, ...]) -> str:
    return "the same" if _is_rounded(one_hw, other_hw) else "nearly the same"


_EXIF_REMEDY = 'If the mask was drawn on the pixels as stored, set exif = "ignore"'
