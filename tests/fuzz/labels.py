"""The contract of annotation files with mended labels: each image has a label of its photo's size, or a message."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segdata.ingest.annotations.images import AnnotatedImage, draw_label
from segdata.ingest.annotations.shapes import ShapeError
from tests.fuzz.target import check_message

_PHOTO_HW = (48, 36)
_MOST_PIXELS = 100_000


def draw_every_label(data: bytes, read: Callable[[bytes], dict[str, AnnotatedImage]]) -> bool:
    """Read an annotation file and draw the label of each image in it.

    Args:
        data: the file.
        read: the reader of its format.

    Returns:
        Whether there are labels.
    """
    try:
        images = read(data)
    except ValueError as error:
        check_message(str(error))
        return False
    drawn = [_draws(image) for image in images.values()]
    return any(drawn)


def _draws(image: AnnotatedImage) -> bool:
    height, width = image.size_hw
    small = min(height, width) > 0 and height * width <= _MOST_PIXELS
    size_hw = image.size_hw if small else _PHOTO_HW  # the catalog has the size of a photo that was decoded
    try:
        label = draw_label(image, size_hw)
    except ShapeError as error:
        check_message(str(error))
        return False
    assert label.dtype == np.uint8
    assert label.shape == size_hw
    assert set(np.unique(label)) <= {0, 255}
    return True
