"""Backgrounds in which a trained version sees a person: whoever is fused over one gets a wrong label.

Annotations miss people. A version's `person_probability` of a background (see `metrics.image_scores`) is kept in
`scores` like any other score, so that a background is looked at once by each version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.catalog.workspace import RunContext
from segdata.inference.scoring import ScoringOptions, score_samples, scores_of

if TYPE_CHECKING:
    import pyarrow as pa

TRUSTED_SHARE = 0.2
"""A version that sees people in more than this share of the backgrounds is wrong more often than the annotations.

Whoever was trained on portraits alone has never seen a picture without a person: a `bisenet_lite0` after 6 epochs on
181 real portraits (test mIoU 0.91) saw one in half of the person-free photos, and told those with a person from those
without no better than chance. With `train.negatives` it saw none in 60 that it had not been shown, at 0.9, and is
believed; but it vetoes only whom it knows, people who fill half of the photo as in a portrait: 4 of 84 photos with
people. reports/accuracy.md has the figures.
"""


@dataclass(frozen=True)
class Veto:
    """What a version said about backgrounds.

    Attributes:
        model_id: the version's.
        scorer_id: names the scores.
        threshold: person_probability from which a background is vetoed.
        judged: how many backgrounds it has scored.
        vetoed: sample_id and person_probability of what is not to be used, the surest first; empty where the version
            is not trusted.
        seen: in how many it sees a person.
    """

    model_id: str
    scorer_id: str
    threshold: float
    judged: int
    vetoed: tuple[tuple[str, float], ...]
    seen: int

    @property
    def trusted(self) -> bool:
        """Whether its word counts: it does not see people nearly everywhere."""
        return self.seen <= TRUSTED_SHARE * self.judged

    def left(self, backgrounds: pa.Table) -> pa.Table:
        """The backgrounds that may be used."""
        gone = {sample_id for sample_id, _ in self.vetoed}
        return backgrounds.filter([name not in gone for name in backgrounds["sample_id"].to_pylist()])

    def to_json(self) -> dict[str, Any]:
        """For `--json` and the journal."""
        return {
            "model_id": self.model_id,
            "scorer_id": self.scorer_id,
            "threshold": self.threshold,
            "judged": self.judged,
            "seen": self.seen,
            "trusted": self.trusted,
            "vetoed": [{"sample_id": name, "person_probability": round(p, 4)} for name, p in self.vetoed],
        }


def veto_backgrounds(
    context: RunContext,
    model_folder: Path,
    backgrounds: pa.Table,
    threshold: float,
    options: ScoringOptions | None = None,
) -> Veto:
    """Score the backgrounds that this version has not seen, and say which ones show a person.

    Args:
        context: in a dry run only what is scored already counts.
        model_folder: a trained version's.
        backgrounds: rows of `samples`.
        threshold: person_probability in (0, 1].
        options: how the network is run.

    Raises:
        CheckpointError: The model can't be used.
    """
    result = score_samples(context.limited(None), model_folder, backgrounds, options)
    scored = [
        (str(row["sample_id"]), float(row["person_probability"]))
        for row in scores_of(context.catalog, result.scorer_id, backgrounds, ["person_probability"]).to_pylist()
        if row["person_probability"] is not None
    ]
    return judge_people(result.model_id, result.scorer_id, scored, threshold)


def judge_people(model_id: str, scorer_id: str, scored: list[tuple[str, float]], threshold: float) -> Veto:
    """Which backgrounds a version's scores veto.

    >>> calm = [(name, 0.1) for name in "bcde"]
    >>> judge_people("m", "s", [("a", 0.95), *calm], threshold=0.9).vetoed
    (('a', 0.95),)
    >>> judge_people("m", "s", [("a", 0.95), ("f", 0.93), *calm], threshold=0.9).vetoed
    ()
    """
    seen = sorted((one for one in scored if one[1] >= threshold), key=lambda one: (-one[1], one[0]))
    trusted = len(seen) <= TRUSTED_SHARE * len(scored)
    return Veto(model_id, scorer_id, threshold, len(scored), tuple(seen) if trusted else (), len(seen))
