"""Is the image hard, or the label wrong? Evidence from one prediction, weighed into a suspicion and told in words.

The disagreement D is where label and prediction differ, compact if a square of 2 % of the longer side fits in: a
misplaced outline is not. Three pieces of evidence, each brought to [0, 1]:

    size        compact disagreement of which the network is sure, of the person's area (of either mask): 0 up to 3 %,
                1 from 15 % on
    sureness    the share of the compact disagreement of which it is sure: 0 up to 30 %, 1 from 80 % on
    edges       how much more often the prediction's outline lies on an edge of the image than the label's does, where
                the two outlines part: 0 if 30 points less, 1 from 30 points more on; 0.5 where nothing can be said

    suspicion = size · sureness · (0.4 + 0.6 · edges)

and three cases where the label contradicts the picture as a whole: it is empty, full, or inverted, and the network is
sure of the opposite. There the suspicion is at least 0.9 times the network's confidence.

A network that is unsure where it disagrees says that the image is hard; one that is only wrong along the outline, too.
All of it happens at a longer side of 256 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segdata.imaging.arrays import Alpha, Image, Mask, Probability
from segdata.mine.recipe import TriageRecipe
from segdata.records import LABEL_CUT, Triage

LONG_SIDE_PX = 256
_COMPACT_FRACTION = 0.02  # of the longer side
_SIZE = (0.03, 0.15)
_SURENESS = (0.3, 0.8)
_EDGES = (-0.3, 0.3)
_PART_PX = 3  # outlines nearer than this are the same one
_FEWEST_PX = 12  # of an outline, to say anything about it
_STRONG_QUANTILE = 0.8  # of the gradient: what counts as an edge of the image
_EMPTY_FRACTION, _SEEN_FRACTION = 0.002, 0.03
_INVERTED_IOU = 0.6


@dataclass(frozen=True)
class Triaged:
    """A case's triage.

    Attributes:
        triage: hard, or suspect_label.
        label_suspicion: in [0, 1].
        why: the evidence, in words.
    """

    triage: Triage
    label_suspicion: float
    why: str


@dataclass(frozen=True)
class Evidence:
    """What was measured, as shares.

    Attributes:
        sure_area: compact and sure disagreement, of the person's area.
        sureness: the sure share of the compact disagreement.
        missing: person that the label lacks by the network's word, of the person's area; compact only.
        invented: person that only the label sees, of the person's area; compact only.
        label_on_edges: the label's outline on edges of the image, where the outlines part; None if there is too little.
        prediction_on_edges: the same of the prediction's outline.
        contradiction: empty, full, inverted, or nothing: how the label contradicts the picture as a whole.
        confidence: mean |2p - 1|.
    """

    sure_area: float
    sureness: float
    missing: float
    invented: float
    label_on_edges: float | None
    prediction_on_edges: float | None
    contradiction: str
    confidence: float


def triage_case(image: Image, alpha: Alpha, probability: Probability, recipe: TriageRecipe | None = None) -> Triaged:
    """Weigh one case.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, the label.
        probability: (h, w) float32 in [0, 1], the prediction, at any size.
        recipe: the thresholds.
    """
    recipe = recipe or TriageRecipe()
    evidence = weigh(image, alpha, probability, recipe.confident_from)
    suspicion = suspicion_of(evidence)
    triage: Triage = "suspect_label" if suspicion >= recipe.suspect_from else "hard"
    return Triaged(triage, suspicion, in_words(evidence, triage))


def weigh(image: Image, alpha: Alpha, probability: Probability, confident_from: float) -> Evidence:
    """Measure the evidence of one case; see `triage_case`."""
    scale = LONG_SIDE_PX / max(alpha.shape)
    size = (max(8, round(alpha.shape[1] * scale)), max(8, round(alpha.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    label: Mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) >= LABEL_CUT
    likely = cv2.resize(probability, size, interpolation=cv2.INTER_LINEAR)
    prediction: Mask = likely >= 0.5
    sure = np.abs(2 * likely - 1) >= confident_from

    person = int(np.count_nonzero(label | prediction)) or 1
    compact = _compact(label != prediction)
    disputed = np.count_nonzero(compact)
    label_on_edges, prediction_on_edges = _on_edges(small, label, prediction)
    return Evidence(
        sure_area=np.count_nonzero(compact & sure) / person,
        sureness=np.count_nonzero(compact & sure) / disputed if disputed else 0.0,
        missing=np.count_nonzero(compact & prediction) / person,
        invented=np.count_nonzero(compact & label) / person,
        label_on_edges=label_on_edges,
        prediction_on_edges=prediction_on_edges,
        contradiction=_contradiction(label, prediction, sure),
        confidence=float(np.abs(2 * likely - 1).mean()),
    )


def suspicion_of(evidence: Evidence) -> float:
    """The suspicion that the label is wrong, in [0, 1]; the formula is the module's."""
    edges = 0.5
    if evidence.label_on_edges is not None and evidence.prediction_on_edges is not None:
        edges = _ramp(evidence.prediction_on_edges - evidence.label_on_edges, _EDGES)
    suspicion = _ramp(evidence.sure_area, _SIZE) * _ramp(evidence.sureness, _SURENESS) * (0.4 + 0.6 * edges)
    if evidence.contradiction:
        suspicion = max(suspicion, 0.9 * evidence.confidence)
    return float(min(1.0, suspicion))


def in_words(evidence: Evidence, triage: Triage) -> str:
    """Why, as a reader would say it."""
    if triage == "suspect_label":
        if evidence.contradiction:
            return (
                f"the label is {evidence.contradiction} and the model is sure of the opposite "
                f"({evidence.confidence:.2f})"
            )
        part = "lacks" if evidence.missing >= evidence.invented else "invents"
        share = max(evidence.missing, evidence.invented)
        words = f"the label {part} {share:.0%} of the person, and the model is sure of {evidence.sureness:.0%} of what"
        return f"{words} is in dispute{_edges_in_words(evidence)}"
    if evidence.sure_area < _SIZE[0]:
        return f"no large part is in sure dispute ({evidence.sure_area:.0%} of the person): the outline, or doubt"
    if evidence.sureness >= _SURENESS[1]:
        return f"the model is sure, but nothing else speaks against the label{_edges_in_words(evidence)}"
    return f"the model is sure of only {evidence.sureness:.0%} of what is in dispute{_edges_in_words(evidence)}"


def _edges_in_words(evidence: Evidence) -> str:
    if evidence.label_on_edges is None or evidence.prediction_on_edges is None:
        return ""
    return (
        f"; there {evidence.label_on_edges:.0%} of the label's outline lies on edges of the image, "
        f"{evidence.prediction_on_edges:.0%} of the prediction's"
    )


def _compact(disagreement: Mask) -> Mask:
    """The parts of a disagreement into which a square of some size fits; what the frame cuts may be thinner."""
    side = max(3, round(_COMPACT_FRACTION * max(disagreement.shape)))
    kernel = np.ones((side, side), np.uint8)
    opened: Alpha = cv2.morphologyEx(
        disagreement.view(np.uint8), cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_REPLICATE
    )
    return opened.astype(np.bool_)


def _on_edges(image: Image, label: Mask, prediction: Mask) -> tuple[float | None, float | None]:
    """The shares of label's and prediction's outlines that lie on edges of the image, where the outlines part."""
    edges = _edges_of(image)
    ours, theirs = _outline(label), _outline(prediction)
    near = np.ones((2 * _PART_PX + 1, 2 * _PART_PX + 1), np.uint8)
    ours_alone = ours & ~cv2.dilate(theirs.view(np.uint8), near).view(np.bool_)
    theirs_alone = theirs & ~cv2.dilate(ours.view(np.uint8), near).view(np.bool_)
    return _share(edges, ours_alone), _share(edges, theirs_alone)


def _edges_of(image: Image) -> Mask:
    """Pixels within one pixel of the strongest fifth of the image's gradients."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.0)
    planes = [soft[..., channel] for channel in range(3)]
    across = [cv2.Sobel(plane, cv2.CV_32F, 1, 0) for plane in planes]
    down = [cv2.Sobel(plane, cv2.CV_32F, 0, 1) for plane in planes]
    gradient = np.max([cv2.magnitude(x, y) for x, y in zip(across, down, strict=True)], axis=0)
    strong = gradient > max(4.0, float(np.quantile(gradient, _STRONG_QUANTILE)))
    widened: Alpha = cv2.dilate(strong.view(np.uint8), np.ones((3, 3), np.uint8))
    return widened.astype(np.bool_)


def _outline(mask: Mask) -> Mask:
    """A mask's own pixels beside its background; the frame is no outline."""
    inside: Alpha = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8))
    outline: Mask = np.logical_and(mask, inside == 0)
    return outline


def _share(edges: Mask, outline: Mask) -> float | None:
    pixels = np.count_nonzero(outline)
    return np.count_nonzero(edges & outline) / pixels if pixels >= _FEWEST_PX else None


def _contradiction(label: Mask, prediction: Mask, sure: Mask) -> str:
    person, size = np.count_nonzero(label), label.size
    if person <= _EMPTY_FRACTION * size and np.count_nonzero(prediction & sure) >= _SEEN_FRACTION * size:
        return "empty"
    if size - person <= _EMPTY_FRACTION * size and np.count_nonzero(~prediction & sure) >= _SEEN_FRACTION * size:
        return "full"
    inverted, as_given = _iou(~label, prediction), _iou(label, prediction)
    return "inverted" if inverted >= _INVERTED_IOU and inverted > as_given else ""


def _iou(one: Mask, other: Mask) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def _ramp(value: float, ends: tuple[float, float]) -> float:
    """0 up to the first end, 1 from the second on, straight in between."""
    low, high = ends
    return min(1.0, max(0.0, (value - low) / (high - low)))
