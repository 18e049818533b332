"""Backgrounds with an unlabelled person, found by what the annotations of all the others teach: confident learning.

    photos annotated with people, portraits laid over backgrounds --+
                                                                     +--> embeddings --> logistic regression --> p
    backgrounds, annotated as without anybody -----------------------+

A person whom nobody annotated is in the backgrounds themselves. So a background is only ever judged by a regression
that was not fitted with it (five folds), and how sure one has to be follows from where most of the backgrounds lie:
from their median and fourth quintile, which a few people among them don't move.

Source:
    Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021: probabilities
    out of fold, from labels that are partly wrong. The threshold is not theirs, the mean probability of a class: that
    one does not say how many backgrounds are lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from segdata.catalog.embeddings import Embedding, Shown
from segdata.inference.logistic import Floats, Logistic, fit_logistic

FOLDS = 5
MOST = 400
"""Photos with people, portraits over backgrounds, and backgrounds that are fitted with, each; others are judged."""
LEAST = 40
"""With fewer pictures of a class nobody is judged: chance would."""
_UPPER = 0.8
LEAST_AUC = 0.8
"""A regression that tells people from their absence worse than this, out of fold, is not believed."""


@dataclass(frozen=True)
class Presence:
    """What was found about the backgrounds.

    Attributes:
        photos: photos annotated with people that were fitted with.
        portraits: portraits laid over a background that were fitted with.
        free: backgrounds that were fitted with.
        auc: probability that a photo with people scores higher than a background, both out of fold; where there are
            too few such photos, that a portrait over a background does.
        recall: the share of the same that are seen, out of fold.
        threshold: probability of a person from which a background is vetoed.
        judged: how many backgrounds.
        seen: in how many a person is seen.
        vetoed: sample_id and probability of what is not to be used, the surest first; empty where it is not believed.
    """

    photos: int
    portraits: int
    free: int
    auc: float
    recall: float
    threshold: float
    judged: int
    seen: int
    vetoed: tuple[tuple[str, float], ...]

    @property
    def trusted(self) -> bool:
        """Whether it is believed: it tells people from their absence."""
        return self.auc >= LEAST_AUC

    def to_json(self) -> dict[str, Any]:
        """For `--json` and the journal."""
        rounded = {name: round(getattr(self, name), 4) for name in ("auc", "recall", "threshold")}
        counts = {name: getattr(self, name) for name in ("photos", "portraits", "free", "judged", "seen", "trusted")}
        vetoed = [{"sample_id": name, "person_probability": round(p, 4)} for name, p in self.vetoed]
        return {**counts, **rounded, "vetoed": vetoed}


@dataclass(frozen=True)
class Pictures:
    """What is fitted with and judged, each picture with its embedding.

    Attributes:
        people: photos with people, and portraits laid over backgrounds.
        backgrounds: by the hash of their bytes.
        names: each background's sample_id with that hash; several may show the same.
    """

    people: dict[Shown, Embedding]
    backgrounds: dict[str, Embedding]
    names: Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class LogOdds:
    """The log-odds of a person, each of a regression that was fitted without that picture.

    Attributes:
        photos: (N,) of the photos with people that were fitted with.
        portraits: (L,) of the portraits over backgrounds that were fitted with.
        free: (M,) of the backgrounds that were fitted with.
        backgrounds: of all backgrounds, by the hash of their bytes.
    """

    photos: Floats
    portraits: Floats
    free: Floats
    backgrounds: dict[str, float]


def judge_presence(pictures: Pictures, lost: float) -> Presence | None:
    """Which backgrounds show a person; None where there are too few pictures to tell.

    Args:
        pictures: with their embeddings.
        lost: the share of backgrounds without anybody that may be lost, if they lie as a normal distribution does.
    """
    found = log_odds_of(pictures)
    if found is None:
        return None
    threshold = threshold_of(found.free, lost)
    scores = ((name, found.backgrounds[shown]) for name, shown in pictures.names)
    seen = [(name, _probability(score)) for name, score in scores if score >= threshold]
    known = found.photos if len(found.photos) >= LEAST else found.portraits
    told = Presence(
        photos=len(found.photos),
        portraits=len(found.portraits),
        free=len(found.free),
        auc=auc_of(known, found.free),
        recall=float((known >= threshold).mean()),
        threshold=_probability(threshold),
        judged=len(pictures.names),
        seen=len(seen),
        vetoed=tuple(sorted(seen, key=lambda one: (-one[1], one[0]))),
    )
    return told if told.trusted else replace(told, vetoed=())


def log_odds_of(pictures: Pictures) -> LogOdds | None:
    """The log-odds of a person in each background; None where there are too few pictures to tell."""
    free = fitted_with(pictures.backgrounds)
    people = sorted(pictures.people, key=lambda one: (one[1] is not None, *one))  # the photos first
    photos = sum(over is None for _, over in people)
    if len(free) < LEAST or max(photos, len(people) - photos) < LEAST:
        return None
    features = np.stack([*(pictures.people[one] for one in people), *(pictures.backgrounds[one] for one in free)])
    positive = np.arange(len(features)) < len(people)
    # A portrait laid over a background falls with it: no fold knows the scene that it judges.
    folds = np.array([_fold_of(over or image) for image, over in people] + [_fold_of(name) for name in free])
    fits = [fit_logistic(features[folds != fold], positive[folds != fold]) for fold in range(FOLDS)]
    found = np.empty(len(features))
    for fold, fit in enumerate(fits):
        found[folds == fold] = fit.logits(features[folds == fold])
    fitted = dict(zip(free, found[len(people) :].tolist(), strict=True))
    others = {name: one for name, one in pictures.backgrounds.items() if name not in fitted}
    parts = found[:photos], found[photos : len(people)], found[len(people) :]
    return LogOdds(*parts, fitted | _of_the_others(others, fits))


def fitted_with(hashes: Iterable[str]) -> list[str]:
    """The backgrounds that are fitted with: at most `MOST`, those of the smallest hashes, which is a draw for good."""
    return sorted(hashes)[:MOST]


def threshold_of(logits: Floats, lost: float) -> float:
    """From which log-odds on a background is taken to show a person: more likely than not, and further out than all
    but the share `lost` of a normal distribution with the median and the fourth quintile of the backgrounds.

    People among the backgrounds, as long as they are a few, move neither, where a plain quantile would be one of
    theirs. The spread is that of the upper side, since the lower one is narrower: with the median distance from the
    median for a spread, twice as many of the real photos were lost as asked for.

    >>> round(threshold_of(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), lost=0.02), 2)
    2.93
    >>> threshold_of(np.array([-8.0, -9.0, -10.0]), lost=0.02)
    0.0
    """
    middle, upper = np.quantile(logits, [0.5, _UPPER])
    normal = NormalDist()
    return max(0.0, float(middle + normal.inv_cdf(1 - lost) / normal.inv_cdf(_UPPER) * (upper - middle)))


def auc_of(positives: Floats, negatives: Floats) -> float:
    """The probability that a positive scores higher than a negative, ties counted half.

    Source:
        Hanley & McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.

    >>> auc_of(np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    0.625
    """
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.mean() / 2 / len(ordered))


def _of_the_others(backgrounds: dict[str, Embedding], fits: Sequence[Logistic]) -> dict[str, float]:
    """Of backgrounds that no regression was fitted with: the mean of what all of them say."""
    names = list(backgrounds)
    found: dict[str, float] = {}
    for start in range(0, len(names), MOST):
        some = names[start : start + MOST]
        features = np.stack([backgrounds[name] for name in some])
        found |= zip(some, np.mean([fit.logits(features) for fit in fits], axis=0).tolist(), strict=True)
    return found


def _fold_of(sha256: str) -> int:
    return int(sha256[:8], 16) % FOLDS


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
