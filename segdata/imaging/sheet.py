"""Many pictures on one sheet, in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from segdata.imaging.arrays import Image

_GAP_PX = 6
_SHEET_PX = 1600  # about as wide as a sheet gets


def sheet(pictures: Sequence[Image]) -> Image:
    """Pictures of one height in rows on white.

    Args:
        pictures: (h, w, 3) uint8 each, all of one h; their widths may differ.

    Returns:
        (H, W, 3) uint8; of a single white pixel row where there are none.
    """
    if not pictures:
        return np.full((1, _GAP_PX, 3), 255, np.uint8)
    height = pictures[0].shape[0]
    widest = max(picture.shape[1] for picture in pictures)
    across = max(1, min(_SHEET_PX // (widest + _GAP_PX), math.ceil(math.sqrt(2 * len(pictures)))))
    rows = [pictures[start : start + across] for start in range(0, len(pictures), across)]
    width = max(sum(picture.shape[1] + _GAP_PX for picture in row) for row in rows) + _GAP_PX
    page: Image = np.full((len(rows) * (height + _GAP_PX) + _GAP_PX, width, 3), 255, np.uint8)
    for number, row in enumerate(rows):
        top, left = _GAP_PX + number * (height + _GAP_PX), _GAP_PX
        for picture in row:
            page[top : top + height, left : left + picture.shape[1]] = picture
            left += picture.shape[1] + _GAP_PX
    return page


def to_height(image: Image, height: int) -> Image:
    """A picture scaled to a height: (H, W, 3) uint8 -> (height, w, 3)."""
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
    resized: Image = cv2.resize(image, (width, height), interpolation=how)
    return resized
