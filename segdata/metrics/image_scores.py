"""All scores of one image: the columns of the `scores` table that come from its label and its prediction.

`confidence` is the mean over pixels of |2p - 1|: 1 where the network is sure everywhere, 0 where it knows nothing.
`person_probability` is the p that 1 % of the pixels reach: near 1 if a person of at least that size is seen for sure.
Both are read off a histogram of p in 256 steps at every second pixel of every second row.
`failure_mode` names what went wrong, one word of `FAILURE_MODES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError
from segdata.metrics.arrays import Alpha, Probability
from segdata.metrics.bits import PackedMask, count_both, erode_square, pack
from segdata.metrics.boundary import boundary_iou_of_packed, boundary_width_px
from segdata.metrics.confusion import Confusion, confusion, iou_background, iou_foreground, miou
from segdata.metrics.holes import (
    closing_radius_px,
    false_hole_fraction,
    hole_recall,
    hole_recall_worst,
    holes_of_packed,
)
from segdata.metrics.matting import sad_and_mse
from segdata.metrics.perceptual import connectivity_error, gradient_error
from segdata.records import LABEL_CUT

METRIC_VERSION = 1
"""Raised whenever any score of this module changes for the same arrays: scores of two versions are never mixed."""

FailureMode = Literal[
    "none",  # nothing worth a name
    "empty_label",  # the label holds no person and the prediction does
    "missed_person",  # under a tenth of the person was found
    "hole_filled",  # under half of the label's hole pixels were left background
    "missed_part",  # more than an edge's width of person is missing
    "leaked_background",  # more than an edge's width of background is taken for person
    "edge",  # wrong along the outline only
]
FAILURE_MODES: tuple[FailureMode, ...] = (
    "none", "empty_label", "missed_person", "hole_filled", "missed_part", "leaked_background", "edge",
)  # fmt: skip

PREDICTION_CUT = 0.5
_MISSED_RECALL = 0.1
_HOLE_RECALL = 0.5
_GOOD_MIOU = 0.95  # from here on disagreement is an edge's noise
_DEEP_SHARE = 0.25  # of the wrong pixels: with fewer the outline is what is wrong


@dataclass(frozen=True)
class Disagreement:
    """What label and prediction disagree on.

    Attributes:
        counts: of all pixels.
        deep_fp: false positives deeper inside the prediction than an edge's width (2 % of the diagonal).
        deep_fn: false negatives deeper inside the label than that.
        hole_recall: null without a hole.
    """

    counts: Confusion
    deep_fp: int
    deep_fn: int
    hole_recall: float | None


def score_image(alpha: Alpha, probability: Probability, alpha_kind: str, perceptual: bool = False) -> dict[str, Any]:
    """Score one image.

    Args:
        alpha: (H, W) uint8, the label; all 0 for a background.
        probability: (H, W) float32 in [0, 1], at the label's size.
        alpha_kind: soft, hard or none; `sad`, `mse`, `gradient` and `connectivity` are null unless it is soft.
        perceptual: measure gradient and connectivity as well; null otherwise.

    Returns:
        One value for each measured column of the `scores` table.

    Raises:
        PixelError: The two are not planes of one size, or of other types.
    """
    if alpha.dtype != np.uint8 or probability.dtype != np.float32:
        raise PixelError(f"expected uint8 alpha and float32 probability, got {alpha.dtype} and {probability.dtype}")
    label, prediction = alpha >= LABEL_CUT, probability >= PREDICTION_CUT
    counts = confusion(label, prediction)
    band_px = boundary_width_px(*label.shape)
    margin_px = max(band_px, closing_radius_px(*label.shape) + 1)
    ours, theirs = pack(label, margin_px), pack(prediction, margin_px)
    our_inside, their_inside = erode_square(ours, band_px), erode_square(theirs, band_px)
    label_holes = holes_of_packed(ours)
    recall = hole_recall(label_holes, prediction)
    disagreement = Disagreement(counts, _outside(their_inside, ours), _outside(our_inside, theirs), hole_recall=recall)
    levels = _histogram(probability)
    soft = alpha_kind == "soft"
    absolute, squared = sad_and_mse(alpha, probability) if soft else (None, None)
    return {
        "miou": miou(counts),
        "iou_foreground": iou_foreground(counts),
        "iou_background": iou_background(counts),
        "boundary_iou": boundary_iou_of_packed((ours, our_inside), (theirs, their_inside)),
        "hole_recall": recall,
        "hole_recall_worst": hole_recall_worst(label_holes, prediction),
        "false_hole_fraction": false_hole_fraction(label, holes_of_packed(theirs)),
        "sad": absolute,
        "mse": squared,
        "gradient": gradient_error(alpha, probability) if soft and perceptual else None,
        "connectivity": connectivity_error(alpha, probability) if soft and perceptual else None,
        "true_positive": counts.tp,
        "false_positive": counts.fp,
        "false_negative": counts.fn,
        "true_negative": counts.tn,
        "confidence": confidence(levels),
        "person_probability": person_probability(levels),
        "failure_mode": failure_mode(disagreement),
    }


def failure_mode(wrong: Disagreement) -> FailureMode:
    """Name what went wrong, the gravest first.

    >>> failure_mode(Disagreement(Confusion(tp=1, fp=0, fn=99, tn=900), deep_fp=0, deep_fn=60, hole_recall=None))
    'missed_person'
    """
    tp, fp, fn, _ = wrong.counts
    if tp + fn == 0:
        return "empty_label" if fp else "none"
    if tp < _MISSED_RECALL * (tp + fn):
        return "missed_person"
    if wrong.hole_recall is not None and wrong.hole_recall < _HOLE_RECALL:
        return "hole_filled"
    if miou(wrong.counts) >= _GOOD_MIOU:
        return "none"
    if wrong.deep_fp + wrong.deep_fn < _DEEP_SHARE * (fp + fn):
        return "edge"
    return "missed_part" if wrong.deep_fn >= wrong.deep_fp else "leaked_background"


def confidence(levels: NDArray[np.float64]) -> float:
    """Mean |2p - 1|, in [0, 1], of the histogram of p in 256 steps."""
    distance = np.abs(np.arange(256) / 127.5 - 1)
    return float(levels @ distance / levels.sum())


def person_probability(levels: NDArray[np.float64]) -> float:
    """The largest p that at least 1 % of the pixels reach, of the histogram of p in 256 steps."""
    reached = np.cumsum(levels[::-1])[::-1] >= 0.01 * levels.sum()
    return float(np.flatnonzero(reached)[-1] / 255)


def _histogram(probability: Probability) -> NDArray[np.float64]:
    """How many pixels of every second row and column round to each of the 256 steps."""
    steps = cv2.convertScaleAbs(np.ascontiguousarray(probability[::2, ::2]), alpha=255)
    return np.asarray(cv2.calcHist([steps], [0], None, [256], [0, 256]).ravel(), np.float64)


def _outside(inside: PackedMask, mask: PackedMask) -> int:
    """Pixels of `inside` that are not in `mask`."""
    return inside.count - count_both(inside, mask)
