"""Counts of agreeing and disagreeing pixels, and the intersection over union that follows from them.

`miou_image` is a mean over images, `miou_dataset` pools the pixels of all: they are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from segdata.metrics.arrays import Mask, check_pair


class Confusion(NamedTuple):
    """Pixels by what label and prediction say; person is positive.

    Attributes:
        tp: person in both.
        fp: person in the prediction only.
        fn: person in the label only.
        tn: background in both.
    """

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(label: Mask, prediction: Mask) -> Confusion:
    """Count the pixels of two masks of one size.

    Args:
        label: (H, W) bool.
        prediction: (H, W) bool.

    Raises:
        PixelError: Not two masks of one size.

    >>> confusion(np.array([[True, True, False]]), np.array([[True, False, False]]))
    Confusion(tp=1, fp=0, fn=1, tn=1)
    """
    check_pair(label, prediction)
    ours, theirs = np.ascontiguousarray(label).view(np.uint8), np.ascontiguousarray(prediction).view(np.uint8)
    both = cv2.countNonZero(cv2.bitwise_and(ours, theirs))
    in_label, in_prediction = cv2.countNonZero(ours), cv2.countNonZero(theirs)
    return Confusion(both, in_prediction - both, in_label - both, label.size - in_label - in_prediction + both)


def iou_foreground(counts: Confusion) -> float:
    """Intersection over union of the person: tp / (tp + fp + fn); 1 if neither mask holds any."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def iou_background(counts: Confusion) -> float:
    """Intersection over union of the background: tn / (tn + fp + fn); 1 if neither mask holds any."""
    return _ratio(counts.tn, counts.tn + counts.fp + counts.fn)


def miou(counts: Confusion) -> float:
    """The mean of foreground and background IoU, in [0, 1].

    >>> miou(Confusion(tp=1, fp=0, fn=1, tn=1))
    0.5
    """
    return (iou_foreground(counts) + iou_background(counts)) / 2


def miou_image(mious: Iterable[float]) -> float:
    """The mean over images of each one's mIoU.

    Raises:
        ValueError: There is no image.
    """
    values = list(mious)
    if not values:
        raise ValueError("miou_image of no image")
    return float(np.mean(values))


def miou_dataset(counts: Iterable[Confusion]) -> float:
    """The mIoU of all images' pixels pooled: large images weigh more.

    Raises:
        ValueError: There is no image.

    >>> miou_dataset([Confusion(1, 0, 1, 2), Confusion(1, 0, 1, 2)]) == miou(Confusion(2, 0, 2, 4))
    True
    """
    rows = list(counts)
    if not rows:
        raise ValueError("miou_dataset of no image")
    return miou(Confusion(*(sum(column) for column in zip(*rows, strict=True))))


def _ratio(intersection: int, union: int) -> float:
    return intersection / union if union else 1.0
