"""What speaks against a label: measured from the photo, the label, and what networks say, at a longer side of 256 px.

The disagreement D is where label and prediction differ. Of it are measured

    size        where the network is sure, of the person's area (of either mask)
    sureness    the share of D of which the network is sure
    edges       how much better the prediction's outline follows the edges of the image than the label's does: the
                mean strength of the edge across the outline, of the one minus that of the other
    cut         the longest straight piece of the label's outline, level or upright, that neither the prediction nor an
                edge of the image follows: people have no such contours, boxes and lost halves of a mask do

The strength of the edge at a pixel of an outline is the derivative of the image (in the channel where it is steepest)
across the outline, the largest within a pixel, in units of the image's 95th percentile of gradients, 1 at most.

A network that is wrong because an image is hard is seldom sure (size, sureness), and its outline leaves the edges
(edges); a label that is wrong leaves them itself, whatever the network thinks of it. Neither needs the other to be
right: that is why they are weighed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from segdata.imaging.arrays import Alpha, Image, Mask, Probability
from segdata.imaging.outline_edges import LONG_SIDE_PX, Plane, edges_across, gradient_of, mean_over, outline_of
from segdata.records import LABEL_CUT

_PART_PX = 3  # outlines nearer than this are the same one
_COMPACT_FRACTION = 0.02  # of the longer side: thinner disagreement is an outline
_EMPTY_FRACTION, _SEEN_FRACTION = 0.002, 0.03
_INVERTED_IOU = 0.6


@dataclass(frozen=True)
class Evidence:
    """What was measured.

    Attributes:
        size: sure disagreement, of the person's area.
        sureness: the sure share of the disagreement; 0 without any.
        edges: strength of the image's edges along the prediction's outline minus that along the label's, -1 to 1; 0
            where one of them has no outline to speak of.
        label_on_edges, prediction_on_edges: the two strengths; None likewise.
        cut: length of the longest straight piece that nothing follows, of the longer side.
        missing: person that the label lacks by the network's word, of the person's area; compact only.
        invented: person that only the label sees, of the person's area; compact only.
        contradiction: empty, full, inverted, or nothing: how the label contradicts the picture as a whole.
        agreement: of further opinions, the mean share of the sure disagreement in which they contradict the label as
            well; None without any.
        opinions: how many there were.
    """

    size: float
    sureness: float
    edges: float
    label_on_edges: float | None
    prediction_on_edges: float | None
    cut: float
    missing: float
    invented: float
    contradiction: str = ""
    agreement: float | None = None
    opinions: int = 0


def weigh(
    image: Image,
    alpha: Alpha,
    probability: Probability,
    confident_from: float,
    opinions: Sequence[Probability] = (),
) -> Evidence:
    """Measure one case.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, the label.
        probability: (h, w) float32 in [0, 1], the prediction over the whole photo, at any size.
        confident_from: the network is sure of a pixel from this |2p - 1| on.
        opinions: what other networks say, likewise.
    """
    scale = LONG_SIDE_PX / max(alpha.shape)
    size = (max(8, round(alpha.shape[1] * scale)), max(8, round(alpha.shape[0] * scale)))
    label: Mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) >= LABEL_CUT
    likely = cv2.resize(probability, size, interpolation=cv2.INTER_LINEAR)
    prediction: Mask = likely >= 0.5
    sure = np.abs(2 * likely - 1) >= confident_from

    wrong = label != prediction
    person = _count(label | prediction) or 1
    compact = _compact(wrong)
    gradient = gradient_of(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    ours, theirs = outline_of(label), outline_of(prediction)
    our_edges, their_edges = edges_across(gradient, label), edges_across(gradient, prediction)
    ours_on, theirs_on = mean_over(our_edges, ours), mean_over(their_edges, theirs)
    known = ours_on is not None and theirs_on is not None
    return Evidence(
        size=_count(wrong & sure) / person,
        sureness=_count(wrong & sure) / (_count(wrong) or 1),
        edges=theirs_on - ours_on if ours_on is not None and theirs_on is not None else 0.0,
        label_on_edges=ours_on if known else None,
        prediction_on_edges=theirs_on if known else None,
        cut=_longest_cut(label, theirs, our_edges) / LONG_SIDE_PX,
        missing=_count(compact & prediction) / person,
        invented=_count(compact & label) / person,
        contradiction=_contradiction(label, prediction, sure),
        agreement=_agreement(label, wrong & sure, size, opinions),
        opinions=len(opinions),
    )


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _compact(disagreement: Mask) -> Mask:
    """The parts of a disagreement into which a square of some size fits; what the frame cuts may be thinner."""
    side = max(3, round(_COMPACT_FRACTION * max(disagreement.shape)))
    kernel = np.ones((side, side), np.uint8)
    opened: Alpha = cv2.morphologyEx(
        disagreement.view(np.uint8), cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_REPLICATE
    )
    return opened.astype(np.bool_)


def _longest_cut(label: Mask, prediction_outline: Mask, strength: Plane) -> float:
    """The length in pixels of the longest level or upright piece of the label's outline away from the prediction's,
    less where edges of the image follow it: times one minus their mean strength."""
    near = np.ones((2 * _PART_PX + 1, 2 * _PART_PX + 1), np.uint8)
    followed = cv2.dilate(prediction_outline.view(np.uint8), near).view(np.bool_)
    longest = 0.0
    for mask, taken, edges in ((label, followed, strength), (label.T, followed.T, strength.T)):
        steps = (mask[1:] != mask[:-1]) & ~(taken[1:] | taken[:-1])
        ends = np.diff(np.pad(steps, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        rows, starts = np.nonzero(ends == 1)
        _, stops = np.nonzero(ends == -1)
        if len(rows):
            best = int(np.argmax(stops - starts))
            along = edges[rows[best] : rows[best] + 2, starts[best] : stops[best]]
            longest = max(longest, float(stops[best] - starts[best]) * (1 - float(along.max(axis=0).mean())))
    return longest


def _contradiction(label: Mask, prediction: Mask, sure: Mask) -> str:
    person, size = _count(label), label.size
    if person <= _EMPTY_FRACTION * size and _count(prediction & sure) >= _SEEN_FRACTION * size:
        return "empty"
    if size - person <= _EMPTY_FRACTION * size and _count(~prediction & sure) >= _SEEN_FRACTION * size:
        return "full"
    inverted, as_given = _iou(~label, prediction), _iou(label, prediction)
    return "inverted" if inverted >= _INVERTED_IOU and inverted > as_given else ""


def _agreement(label: Mask, disputed: Mask, size: tuple[int, int], opinions: Sequence[Probability]) -> float | None:
    """How far other networks contradict the label where this one surely does."""
    if not opinions or not disputed.any():
        return None
    masks = (cv2.resize(opinion, size, interpolation=cv2.INTER_LINEAR) >= 0.5 for opinion in opinions)
    return float(np.mean([_count(disputed & (mask != label)) / _count(disputed) for mask in masks]))


def _iou(one: Mask, other: Mask) -> float:
    union = _count(one | other)
    return _count(one & other) / union if union else 1.0
