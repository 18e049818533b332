"""The guard: is a new version worse than the promoted one, overall or on a slice that people care about?

Both are compared image by image on val. A difference counts only where the interval of its mean lies wholly below minus
the tolerance, and still does after Holm's correction over all slices: noise refuses nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.catalog.tables import Catalog
from segdata.metrics.bootstrap import holm, paired_bootstrap
from segdata.pipeline.recipe import GuardRecipe
from segdata.pipeline.slices import slices_of


@dataclass(frozen=True)
class Comparison:
    """New minus old mIoU on one slice.

    Attributes:
        slice: `overall`, `holes`, `small subjects`, `soft edges` or `dataset <name>`.
        images: how many there are in it.
        mean, low, high: of the difference, with its interval.
        worse: whether the slice refuses the new version.
    """

    slice: str
    images: int
    mean: float
    low: float
    high: float
    worse: bool


@dataclass(frozen=True)
class Judgement:
    """What the guard found."""

    comparisons: tuple[Comparison, ...]

    @property
    def refused(self) -> bool:
        """Whether any slice refuses."""
        return any(comparison.worse for comparison in self.comparisons)

    @property
    def gain(self) -> float:
        """The mean difference over all images; 0 without any."""
        return next((one.mean for one in self.comparisons if one.slice == "overall"), 0.0)

    def to_json(self) -> dict[str, Any]:
        """As kept with the model."""
        return {"refused": self.refused, "comparisons": [asdict(one) for one in self.comparisons]}

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> Judgement:
        """What `to_json` kept."""
        return Judgement(tuple(Comparison(**one) for one in kept["comparisons"]))


def judge(catalog: Catalog, val: pa.Table, scorers: tuple[str, str], recipe: GuardRecipe, seed: int) -> Judgement:
    """Compare two scorers, old and new, on the val samples that both have scored."""
    old, new = (_miou_by_sample(catalog, scorer) for scorer in scorers)
    rows = [row for row in val.to_pylist() if row["sample_id"] in old and row["sample_id"] in new]
    differences = {row["sample_id"]: new[row["sample_id"]] - old[row["sample_id"]] for row in rows}
    return judge_differences(rows, differences, recipe, seed)


def judge_differences(
    rows: list[dict[str, Any]], differences: Mapping[str, float], recipe: GuardRecipe, seed: int
) -> Judgement:
    """The pure part: rows of `samples` and each one's new minus old mIoU."""
    found = []
    for name, belongs in slices_of(rows).items():
        values = np.array([differences[row["sample_id"]] for row in rows if belongs(row)])
        if values.size >= (2 if name == "overall" else recipe.slice_size):
            interval = paired_bootstrap(values, seed=seed, null=-recipe.tolerance, confidence=recipe.confidence)
            found.append((name, values, interval))
    if not found:
        return Judgement(())
    adjusted = holm([interval.p_below for _, _, interval in found])
    return Judgement(
        tuple(
            Comparison(
                slice=name,
                images=int(values.size),
                mean=round(interval.mean, 6),
                low=round(interval.low, 6),
                high=round(interval.high, 6),
                worse=p_value < (1 - recipe.confidence) / 2,  # as much as the interval leaves out above it
            )
            for (name, values, interval), p_value in zip(found, adjusted, strict=True)
        )
    )


def _miou_by_sample(catalog: Catalog, scorer: str) -> dict[str, float]:
    quoted = scorer.replace("'", "''")
    rows = catalog.read("scores", ["sample_id", "miou"], f"scorer_id = '{quoted}' AND status = 'scored'")
    return dict(zip(rows["sample_id"].to_pylist(), rows["miou"].to_pylist(), strict=True))
