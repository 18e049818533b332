"""From a plan to a recorded version: the training, the evaluation, the guard, the promotion.

Every decision is a function of the catalog and the recipe, and a version carries the hash of all that decides its
weights. So a command that was killed is simply run again: what is there is found and not made twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog import models
from segdata.catalog.splits import check_test_pin
from segdata.catalog.training_sets import TrainingSet
from segdata.catalog.workspace import RunContext
from segdata.pipeline.backgrounds import fusing_with
from segdata.pipeline.cards import METRICS, write_card
from segdata.pipeline.gaps import warn_of_gaps
from segdata.pipeline.guard import Judgement, judge
from segdata.pipeline.jobs import Plan, job_of, leaks_to_json
from segdata.pipeline.recipe import Recipe

_TAUGHT: dict[str, tuple[str, ...]] = {"": (), "all_data": ("val",), "include_test": ("val", "test")}
"""The held-out splits that a version was trained on: it can't be measured on these."""


@dataclass(frozen=True)
class Trained:
    """A version in the catalog.

    Attributes:
        model: its row of `models`, `metrics` parsed.
        reused: whether it was there already.
        judgement: what the guard said; None where there was nothing to compare with.
    """

    model: dict[str, Any]
    reused: bool
    judgement: Judgement | None

    @property
    def refused(self) -> bool:
        """Whether the guard kept it from being promoted."""
        return self.judgement is not None and self.judgement.refused

    def to_json(self, samples: TrainingSet) -> dict[str, Any]:
        """The keys of `train --json` and `retrain --json`.

        Args:
            samples: what it was trained on.
        """
        metrics = self.model["metrics"]
        return {
            "model_id": self.model["model_id"],
            "path": self.model["uri"],
            "metrics": {key: metrics["test"].get(key) for key in METRICS},
            "val": {key: metrics["val"].get(key) for key in METRICS},
            "promoted": bool(self.model["promoted"]),
            "leaks_removed": len(samples.leaks),
            "leaks": leaks_to_json(samples),
            "capped": samples.capped,
            "unlicensed": metrics.get("unlicensed", 0),
            "training_samples": metrics["training_samples"],
            "hard": metrics["selected"],
            "reused": self.reused,
            "guard": None if self.judgement is None else self.judgement.to_json(),
            **({"veto": metrics["veto"]} if "veto" in metrics else {}),
        }


def train_version(context: RunContext, recipe: Recipe, plan: Plan) -> Trained:
    """Train what the plan says, evaluate it, and promote it unless the guard refuses.

    A kill loses nothing: the training's last checkpoint stays until the version is measured, judged and promoted or
    not, and the same call takes up whatever of that is missing.

    Raises:
        TooFewSamplesError: Nothing to train on, or no background of an allowed licence for online fusion.
        RecipeError: No such spec.
        CatalogError: The test split has changed since the first model.
    """
    catalog = context.catalog
    recipe = recipe if plan.parent is None else recipe.for_retraining()
    portraits = catalog.read("samples", where="kind = 'portrait' AND status = 'present'")
    held = {split: _of_split(portraits, split) for split in ("val", "test")}
    pin = check_test_pin(_pin_to_keep(context), held["test"])
    for split in _TAUGHT[plan.final]:
        held[split] = held[split].slice(0, 0)
    if not (plan.arm or plan.final):
        warn_of_gaps(catalog, "train", ("backgrounds", "test"))
    job, veto = job_of(context, recipe, plan, held["val"])
    known = models.model_of_training(catalog, job.training_key)
    if known is not None and _serves(known, plan) and context.workspace.resolve(known["uri"]).is_dir():
        return Trained(known, True, _recalled(known))
    from segdata.train.run import discard_state
    from segdata.train.run import run as train

    result = train(context, fusing_with(recipe, job.backgrounds).train, job)
    there = next((row for row in models.all_models(catalog) if row["model_id"] == result.model_id), None)
    if there is not None and plan.arm and not there["metrics"].get("arm"):
        discard_state(context, job)  # another recipe came to the very weights of a version of the line: it stays that
        return Trained(there, True, _recalled(there))
    row = {
        "model_id": result.model_id,
        "name": job.name,
        "spec": recipe.model.spec,
        "uri": context.workspace.uri_of(result.folder),
        "training_key": job.training_key,
        "parent_model_id": plan.parent["model_id"] if plan.parent else None,
        "selection": plan.selection,
        "test_pin": pin,
        "metrics": {
            **{split: evaluate(context, recipe, result.folder, rows) for split, rows in held.items()},
            **_facts(result, plan, job.training.num_rows),
            **({} if veto is None else {"veto": veto}),
            **({} if there is None or "guard" not in there["metrics"] else {"guard": there["metrics"]["guard"]}),
        },
        "promoted": there is not None and there["promoted"],
        "created_at": datetime.now(UTC) if there is None else there["created_at"],
        "run_id": context.run_id,
    }
    models.record_model(catalog, row)
    judgement = None if plan.arm or plan.final else _settle(context, recipe, row, held["val"])
    settled = _mark_settled(context, job.training_key, result)
    discard_state(context, job)
    return Trained(settled, False, judgement)


def _facts(result: Any, plan: Plan, training_samples: int) -> dict[str, Any]:
    """What is kept with a version besides its metrics."""
    return {
        "curves": [record.to_json() for record in result.epochs],
        "best_epoch": result.best_epoch,
        "selected": plan.training.hard,
        "round": plan.round,
        "arm": plan.arm,
        "final": plan.final,
        "training_samples": training_samples,
        "leaks_removed": len(plan.training.leaks),
        "unlicensed": plan.training.unlicensed,
        "settled": False,
    }


def _serves(known: Mapping[str, Any], plan: Plan) -> bool:
    """Whether a version can stand for a plan: nothing of it is missing, and it is no arm unless an arm is wanted.

    An arm was never judged and its card says so: as a version of the line it is made again.
    """
    metrics = known["metrics"]
    return bool(metrics.get("settled", True)) and (bool(plan.arm) or not metrics.get("arm"))


def _mark_settled(context: RunContext, training_key: str, result: Any) -> dict[str, Any]:
    """The last of what a training does: its card, and the word that nothing is missing."""
    row = models.model_of_training(context.catalog, training_key)
    assert row is not None
    write_card(result, row, context.run_id)
    settled = {**row, "metrics": {**row["metrics"], "settled": True}}
    models.record_model(context.catalog, settled)
    return settled


def evaluate(context: RunContext, recipe: Recipe, folder: Path, samples: pa.Table) -> dict[str, Any]:
    """A version's metrics on some samples, each scored once per scorer and kept in the catalog; none of no samples."""
    from segdata.inference.scoring import evaluate as summarize
    from segdata.inference.scoring import score_samples
    from segdata.mine.run import scoring_options

    if samples.num_rows == 0:
        return {}
    result = score_samples(context.limited(None), folder, samples, scoring_options(recipe.mine))
    return {**summarize(context.catalog, result.scorer_id, samples), "scorer_id": result.scorer_id}


def _settle(context: RunContext, recipe: Recipe, row: Mapping[str, Any], val: pa.Table) -> Judgement | None:
    """Compare with the promoted version, keep what the guard said with the model, and then promote it or not.

    What the guard said is kept with whom it compared with: a call that was killed before the promotion makes up for
    it, unless another one was promoted meanwhile.
    """
    judgement, guard = _recalled(row), row["metrics"].get("guard") or {}
    against = guard.get("against")
    if judgement is None:
        promoted = models.promoted_model(context.catalog)
        if promoted is None or promoted["model_id"] == row["model_id"]:
            models.promote(context.catalog, row["model_id"], None)
            return None
        against = promoted["model_id"]
        old = evaluate(context, recipe, context.workspace.resolve(promoted["uri"]), val)
        scorers = (old.get("scorer_id", ""), row["metrics"]["val"].get("scorer_id", ""))
        judgement = judge(context.catalog, val, scorers, recipe.guard, recipe.seed)
        kept = {**judgement.to_json(), "against": against}
        models.record_model(context.catalog, {**row, "metrics": {**row["metrics"], "guard": kept}})
    if not judgement.refused:
        models.promote(context.catalog, row["model_id"], against)
    return judgement


def _recalled(model: Mapping[str, Any]) -> Judgement | None:
    kept = model["metrics"].get("guard")
    return None if kept is None else Judgement.from_json(kept)


def _pin_to_keep(context: RunContext) -> str | None:
    """The test split of the newest version that is still there: one whose folder is gone is compared with nobody."""
    rows = models.all_models(context.catalog)
    there = [row for row in rows if context.workspace.resolve(row["uri"]).is_dir()]
    return next((str(row["test_pin"]) for row in reversed(there or rows)), None)


def _of_split(portraits: pa.Table, split: str) -> pa.Table:
    import pyarrow.compute as pc

    return portraits.filter(pc.equal(portraits["split"], split))
