"""Is the image hard, or the label wrong? The evidence of `evidence.py`, weighed into a suspicion and told in words.

    logit = 1.5 ln(size + 0.01) + 2 sureness + 8 edges + 4 cut + 2 contradiction + 3 (2 agreement - 1)
    suspicion = 1 / (1 + exp(-logit))

`cut` goes from 0 at 3 % of the longer side to 1 at 15 %; `contradiction` is 1 where the label contradicts the picture
as a whole: it is empty, full, or inverted, and the network is sure of the opposite; the last term is 0 without further
opinions. A label is suspected where more speaks against it than for it: from a suspicion of 0.5 on.

The first four weights are near those of a logistic regression on labels with known errors, the last two are set by
hand. How that was done, on which photographs, and what came out on others, stands in reports/triage.md.

A network that is unsure where it disagrees says that the image is hard; one that is only wrong along an outline which
the image's edges follow, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from segdata.imaging.arrays import Alpha, Image, Probability
from segdata.mine.evidence import Evidence, weigh
from segdata.mine.recipe import TriageRecipe
from segdata.records import Triage

_SIZE, _SURENESS, _EDGES, _CUT, _CONTRADICTION, _AGREEMENT = 1.5, 2.0, 8.0, 4.0, 2.0, 3.0
_NO_SIZE = 0.01  # about what outlines that agree still differ by
_CUT_FROM, _CUT_TO = 0.03, 0.15
_SMALL = 0.02  # less of the person in sure dispute is an outline
_SURE, _UNSURE = 0.6, 0.4
_EDGES_TELL = 0.1


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


def triage_case(
    image: Image,
    alpha: Alpha,
    probability: Probability,
    recipe: TriageRecipe | None = None,
    opinions: Sequence[Probability] = (),
) -> Triaged:
    """Weigh one case.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, the label.
        probability: (h, w) float32 in [0, 1], the prediction over the whole photo, at any size.
        recipe: the thresholds.
        opinions: what other networks say, likewise; none of them may have been trained on this label.
    """
    recipe = recipe or TriageRecipe()
    evidence = weigh(image, alpha, probability, recipe.confident_from, opinions)
    suspicion = suspicion_of(evidence)
    triage: Triage = "suspect_label" if suspicion >= recipe.suspect_from else "hard"
    return Triaged(triage, suspicion, in_words(evidence, triage))


def suspicion_of(evidence: Evidence) -> float:
    """The suspicion that the label is wrong, in [0, 1]; the formula is the module's."""
    logit = _SIZE * log(evidence.size + _NO_SIZE) + _SURENESS * evidence.sureness + _EDGES * evidence.edges
    logit += _CUT * min(1.0, max(0.0, (evidence.cut - _CUT_FROM) / (_CUT_TO - _CUT_FROM)))
    logit += _CONTRADICTION * bool(evidence.contradiction)
    if evidence.agreement is not None:
        logit += _AGREEMENT * (2 * evidence.agreement - 1)
    return 1 / (1 + exp(-logit))


def in_words(evidence: Evidence, triage: Triage) -> str:
    """Why, as a reader would say it."""
    reasons = _against(evidence) if triage == "suspect_label" else _for(evidence)
    return "; ".join([*reasons, *_by_others(evidence)])


def _against(evidence: Evidence) -> list[str]:
    """What speaks against the label, the gravest first."""
    if evidence.contradiction:
        return [f"the label is {evidence.contradiction} and the model is sure of the opposite"]
    part = "lacks" if evidence.missing >= evidence.invented else "invents"
    share = max(evidence.missing, evidence.invented)
    reasons = [
        f"the label {part} {share:.0%} of the person, and the model is sure of {evidence.sureness:.0%} of what is in "
        "dispute"
    ]
    if evidence.edges >= _EDGES_TELL:
        reasons.append(f"edges of the image follow the prediction's outline and not the label's{_strengths(evidence)}")
    if evidence.cut > _CUT_FROM:
        reasons.append(
            f"a straight piece of the label's outline, {evidence.cut:.0%} of the picture long, follows nothing in it"
        )
    return reasons


def _for(evidence: Evidence) -> list[str]:
    """What speaks for a hard image."""
    if evidence.size < _SMALL:
        return [f"no large part is in sure dispute ({evidence.size:.0%} of the person): the outline, or doubt"]
    if evidence.sureness < _UNSURE:
        return [f"the model is sure of only {evidence.sureness:.0%} of what is in dispute"]
    if evidence.edges <= -_EDGES_TELL:
        return [f"the model is sure, but edges of the image follow the label's outline{_strengths(evidence)}"]
    how = "sure" if evidence.sureness >= _SURE else "half sure"
    return [f"the model is {how}, but nothing else speaks against the label{_strengths(evidence)}"]


def _by_others(evidence: Evidence) -> list[str]:
    if evidence.agreement is None:
        return []
    who = "another model contradicts" if evidence.opinions == 1 else f"{evidence.opinions} other models contradict"
    return [f"{who} the label in {evidence.agreement:.0%} of that"]


def _strengths(evidence: Evidence) -> str:
    if evidence.label_on_edges is None or evidence.prediction_on_edges is None:
        return ""
    ours, theirs = evidence.label_on_edges, evidence.prediction_on_edges
    return f" (strength {theirs:.2f} along the prediction's, {ours:.2f} along the label's)"
