"""The arms of a comparison: each is one training or several that differ in their seed, measured on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.catalog.workspace import RunContext
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.training import evaluate

Row = dict[str, Any]
Scores = NDArray[np.float64]

METRICS = ("miou", "boundary_iou", "hole_recall")
"""Columns of `scores` that arms are compared by; the last has a value only where the label has a hole."""
HEADLINES = ("miou_image", "miou_dataset", "boundary_iou", "hole_recall")


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Attributes:
        name: such as `mined`.
        models: rows of `models`, one for each seed; all that differs between them is luck.
    """

    name: str
    models: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Its versions, and their test metrics: the mean over the seeds."""
        return {
            "name": self.name,
            "model_ids": [model["model_id"] for model in self.models],
            "metrics": {key: self._mean(key) for key in HEADLINES},
            "training_samples": self.models[0]["metrics"]["training_samples"],
        }

    def _mean(self, key: str) -> float | None:
        values = [model["metrics"]["test"].get(key) for model in self.models]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None


@dataclass(frozen=True)
class Measured:
    """Arms measured on the same images.

    Attributes:
        rows: of `samples`: the images that every version of every arm has scored.
        scores: arm name -> metric -> (seeds, images); NaN where an image has no such score.
    """

    rows: tuple[Row, ...]
    scores: Mapping[str, Mapping[str, Scores]]


def seeded(context: RunContext, recipe: Recipe, number: int) -> tuple[RunContext, Recipe]:
    """The same work with another seed; number 0 is as it was."""
    other = recipe.with_seed(number)
    return replace(context, seed=other.seed), other


def measure(context: RunContext, recipe: Recipe, arms: Sequence[Arm], samples: pa.Table) -> Measured:
    """Score every version of every arm on the samples, all by the same runtime; what is scored is not scored again."""
    found = {arm.name: [_scores(context, recipe, model, samples) for model in arm.models] for arm in arms}
    everyone = [scores for versions in found.values() for scores in versions]
    rows = [row for row in samples.to_pylist() if all(row["sample_id"] in scores for scores in everyone)]
    return Measured(
        tuple(rows),
        {name: {metric: _matrix(versions, rows, metric) for metric in METRICS} for name, versions in found.items()},
    )


def _scores(context: RunContext, recipe: Recipe, model: Row, samples: pa.Table) -> dict[str, Row]:
    from segdata.inference.scoring import scores_of

    scorer = evaluate(context, recipe, context.workspace.resolve(model["uri"]), samples).get("scorer_id", "")
    return {row["sample_id"]: row for row in scores_of(context.catalog, scorer, samples).to_pylist()}


def _matrix(versions: Sequence[Mapping[str, Row]], rows: Sequence[Row], metric: str) -> Scores:
    values = [[_number(scores[row["sample_id"]][metric]) for row in rows] for scores in versions]
    return np.array(values, np.float64).reshape(len(versions), len(rows))


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
