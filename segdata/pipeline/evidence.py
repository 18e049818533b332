"""What a comparison of arms shows, and in one sentence, what it supports. Pure: scores in, numbers and words out.

The question is asked once: is the mean over all images of mIoU higher with mined images than with as many random ones?
Slices and other metrics say where; of so many questions some come out by luck, so Holm's correction is laid over them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segdata.metrics.bootstrap import Interval, holm, paired_bootstrap
from segdata.pipeline.arms import METRICS, Measured
from segdata.pipeline.slices import slices_of

ENOUGH_SEEDS = 3
LEVEL = 0.05
_NAMES = {"miou": "mIoU", "boundary_iou": "boundary IoU", "hole_recall": "hole recall"}


@dataclass(frozen=True)
class Difference:
    """One arm minus another, on one slice, by one metric.

    Attributes:
        slice: as `slices_of` calls it.
        metric: a column of `scores`.
        images, seeds: how many it is over.
        mean, low, high: with its 95 % interval.
        p_value: two-sided; corrected by Holm over all but the first question.
        differs: whether it is more than luck.
    """

    slice: str
    metric: str
    images: int
    seeds: int
    mean: float
    low: float
    high: float
    p_value: float
    differs: bool

    @property
    def told(self) -> str:
        """Such as `+0.0123 mIoU [+0.0021, +0.0225]`."""
        return f"{self.mean:+.4f} {_NAMES[self.metric]} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Comparison:
    """One arm against another.

    Attributes:
        new, old: the arms' names; differences are new minus old.
        differences: the first question first, then slice by slice.
    """

    new: str
    old: str
    differences: tuple[Difference, ...]

    @property
    def overall(self) -> Difference:
        """The answer to the first question."""
        return self.differences[0]

    def to_json(self) -> dict[str, Any]:
        """As kept with the model and printed."""
        return {"new": self.new, "old": self.old, "differences": [asdict(one) for one in self.differences]}


def compare_arms(measured: Measured, new: str, old: str, slice_size: int, seed: int) -> Comparison | None:
    """Compare two arms on every slice that is large enough, by every metric; None without two images.

    Args:
        measured: both arms; with as many seeds, which are paired, or one of them with a single version.
        new, old: their names.
        slice_size: slices of fewer images are left out.
        seed: of the bootstrap's draws.
    """
    if len(measured.rows) < 2:
        return None
    found: list[tuple[str, str, int, Interval]] = []
    seeds = max(len(measured.scores[name]["miou"]) for name in (new, old))
    for name, metric, values in _questions(measured, new, old, slice_size):
        found.append((name, metric, values.shape[1], paired_bootstrap(values, seed=seed)))
    corrected = [found[0][3].p_value, *holm([interval.p_value for *_, interval in found[1:]])]
    return Comparison(
        new,
        old,
        tuple(
            Difference(
                slice=name,
                metric=metric,
                images=images,
                seeds=seeds,
                mean=round(interval.mean, 6),
                low=round(interval.low, 6),
                high=round(interval.high, 6),
                p_value=round(p_value, 6),
                differs=p_value < LEVEL,
            )
            for (name, metric, images, interval), p_value in zip(found, corrected, strict=True)
        ),
    )


def _questions(measured: Measured, new: str, old: str, slice_size: int) -> list[tuple[str, str, Any]]:
    """Slice, metric and (seeds, images) differences of all that is asked, mIoU over all images first."""
    asked = []
    for name, belongs in slices_of(measured.rows).items():
        inside = np.array([belongs(row) for row in measured.rows], bool)
        for metric in METRICS:
            if metric == "hole_recall" and name != "holes":
                continue
            values = measured.scores[new][metric] - measured.scores[old][metric]
            values = values[:, inside & np.isfinite(values).all(axis=0)]
            if values.shape[1] >= (2 if name == "overall" else slice_size):
                asked.append((name, metric, values))
    return asked


def conclude(comparison: Comparison | None, seeds: int) -> str:
    """One plain sentence on what mined images, against as many random ones, are shown to be worth."""
    if comparison is None:
        return "No claim: there are no test images that both arms have scored."
    overall = comparison.overall
    what = f"mined minus random is {overall.told} over {overall.images} test images"
    if seeds < ENOUGH_SEEDS:
        plural = "s" if seeds > 1 else ""
        return (
            f"No claim: {seeds} seed{plural}, fewer than 3 seeds can't tell mining from luck; {what}. "
            "Run it again with --seeds 3."
        )
    where = _where(comparison)
    if not overall.differs:
        return f"Not shown to help: {what} and {seeds} seeds, which may be luck{where or '; nor on any slice'}."
    verdict = "Mining helped" if overall.mean > 0 else "Mining hurt"
    return f"{verdict}: {what} and {seeds} seeds, more than luck{where}."


def _where(comparison: Comparison) -> str:
    """The slices that differ after correction, the largest difference first."""
    differing = [one for one in comparison.differences[1:] if one.differs]
    differing.sort(key=lambda one: -abs(one.mean))
    told = [f"{'' if one.slice == 'overall' else f'on {one.slice} '}{one.told}" for one in differing[:4]]
    return f"; beyond luck also {', '.join(told)}" if told else ""
