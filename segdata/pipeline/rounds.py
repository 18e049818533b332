"""A round of the loop as it was made: kept with its version, so that the same call passes over it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from segdata.catalog import models
from segdata.catalog.workspace import RunContext
from segdata.pipeline.guard import Judgement
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.training import Trained

_DECIDE = ("mine", "train", "retrain", "fuse", "guard")
"""The sections of the recipe that a round depends on."""


@dataclass(frozen=True)
class Round:
    """A round of mining and retraining; number 0 is the training before any.

    Attributes:
        number: counted from the first training.
        selected: hard cases that mining found.
        trained: the version.
        proof: against its control: `val`, `control`, `difference`, `seeds`, `claim`; None without a control.
        control_missing: why there is no control though one was wanted.
        veto: what was said about the backgrounds.
    """

    number: int
    selected: int
    trained: Trained
    proof: dict[str, Any] | None = None
    control_missing: str | None = None
    veto: dict[str, Any] | None = None


def round_key(context: RunContext, recipe: Recipe, parent: dict[str, Any]) -> str:
    """The hash of all that decides a round but for verdicts: its parent, the recipe, the seed, and the samples.

    What was judged after a round was made does not unmake it.
    """
    columns = ["sample_id", "image_sha256", "alpha_sha256", "split"]
    samples = context.catalog.read("samples", columns, "status = 'present' AND kind <> 'composite'")
    document = recipe.to_json()
    decides = {
        "parent": parent["model_id"],
        "seed": recipe.seed,
        "control": recipe.loop.control,
        "spec": recipe.model.spec,
        "limit": context.limit,
        **{section: document[section] for section in _DECIDE},
        "samples": sorted([[str(value) for value in row.values()] for row in samples.to_pylist()]),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def find_round(context: RunContext, key: str, number: int) -> Round | None:
    """The round of a key, if it was made and its version's folder is still there."""
    for row in models.all_models(context.catalog):
        kept = row["metrics"].get("loop")
        if kept is not None and kept["key"] == key and context.workspace.resolve(row["uri"]).is_dir():
            guard = row["metrics"].get("guard")
            trained = Trained(row, True, None if guard is None else Judgement.from_json(guard))
            return Round(
                number, kept["selected"], trained, kept["proof"], kept["control_missing"], row["metrics"].get("veto")
            )
    return None


def keep_round(context: RunContext, key: str, made: Round) -> None:
    """Write a round into its version's metrics."""
    row = models.model_of_training(context.catalog, made.trained.model["training_key"])
    assert row is not None
    kept = {
        "key": key,
        "selected": made.selected,
        "proof": made.proof,
        "control_missing": made.control_missing,
    }
    metrics = {**row["metrics"], "loop": kept, **({} if made.veto is None else {"veto": made.veto})}
    models.record_model(context.catalog, {**row, "metrics": metrics})
