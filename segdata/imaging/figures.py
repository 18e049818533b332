"""The pictures of a case, from arrays: photo, label, prediction, and where the two disagree.

The colours are told apart by people with any of the common colour vision deficiencies (Okabe & Ito, "Color Universal
Design", 2008): orange and sky blue for the two kinds of error, green and violet for label and prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segdata.records import LABEL_CUT

if TYPE_CHECKING:
    from segdata.imaging.arrays import Alpha, Image, Mask

FALSE_POSITIVE_RGB = (240, 150, 0)
FALSE_NEGATIVE_RGB = (70, 175, 245)
LABEL_RGB = (0, 140, 105)
PREDICTION_RGB = (150, 80, 165)

_TINT = 0.82
"""How much of the background a tint covers: the scene stays recognisable."""


def shrink(array: NDArray[np.uint8], longer_px: int) -> NDArray[np.uint8]:
    """The array scaled by area so that its longer side is `longer_px`; smaller ones are left as they are.

    Args:
        array: (H, W) or (H, W, 3) uint8.
        longer_px: of the result.
    """
    import cv2

    height, width = array.shape[:2]
    scale = longer_px / max(height, width)
    if scale >= 1.0:
        return array
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.uint8)


def over_tint(image: Image, alpha: Alpha, rgb: tuple[int, int, int], longer_px: int) -> Image:
    """The foreground in its own colours, all else tinted: what a mask takes and what it leaves, holes included.

    Args:
        image: (H, W, 3) uint8.
        alpha: (H, W) uint8, 255 is person.
        rgb: the tint.
        longer_px: of the result.

    Returns:
        (h, w, 3) uint8.
    """
    small = shrink(image, longer_px).astype(np.float32)
    inside = shrink(alpha, longer_px).astype(np.float32)[..., None] / 255.0
    grey = small.mean(axis=2, keepdims=True)
    tinted = np.asarray(rgb, np.float32) * _TINT + grey * (1.0 - _TINT)
    return np.asarray(np.rint(small * inside + tinted * (1.0 - inside)), np.uint8)


def disagreement(image: Image, label: Mask, prediction: Mask, longer_px: int) -> Image:
    """Where label and prediction differ: orange was taken but is background, blue is person but was missed.

    What both call person is light, what both call background is dark. The errors are shrunk by area and then
    strengthened, so that a strand one pixel wide is still seen.

    Args:
        image: (H, W, 3) uint8.
        label: (H, W) bool.
        prediction: (H, W) bool.
        longer_px: of the result.

    Returns:
        (h, w, 3) uint8.
    """
    grey = shrink(image, longer_px).astype(np.float32).mean(axis=2, keepdims=True)
    agreed = _share(label & prediction, longer_px)
    picture = (grey * 0.20 + 14.0) * (1.0 - agreed) + (grey * 0.45 + 95.0) * agreed
    for wrong, rgb in ((prediction & ~label, FALSE_POSITIVE_RGB), (label & ~prediction, FALSE_NEGATIVE_RGB)):
        share = np.minimum(_share(wrong, longer_px) * 1.6, 1.0)
        picture = picture * (1.0 - share) + np.asarray(rgb, np.float32) * share
    return np.asarray(np.rint(picture), np.uint8)


def label_mask(alpha: Alpha) -> Mask:
    """The label's foreground: (H, W) bool."""
    return np.asarray(alpha >= LABEL_CUT, np.bool_)


def _share(mask: Mask, longer_px: int) -> NDArray[np.float32]:
    share: NDArray[np.float32] = shrink(mask.astype(np.uint8) * 255, longer_px).astype(np.float32)[..., None] / 255.0
    return share
