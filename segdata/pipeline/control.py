"""The control: the same training with as many random images as were mined. What differs is what mining is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from segdata.catalog import models
from segdata.catalog.licences import is_allowed
from segdata.catalog.splits import unit_hash
from segdata.catalog.training_sets import (
    TrainingSet,
    catalog_selection,
    leaks_into,
    minable,
    selections_of_lineage,
    training_set,
)
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.pipeline.arms import HEADLINES, Arm, measure, seeded
from segdata.pipeline.evidence import Comparison, compare_arms, conclude
from segdata.pipeline.jobs import Plan
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.training import Trained, train_version

Row = dict[str, Any]

OLD, MINED, CONTROL = "old", "mined", "control"
_SPLITS = ("test", "val")


@dataclass(frozen=True)
class Proof:
    """What mining was worth, by comparison with its control.

    Attributes:
        arms: old, mined and control.
        images: how many random ones the control has.
        seeds: how many trainings each of the two has.
        test: mined against control, mined against old, control against old, on test: what is reported.
        val: mined against control on val: what the loop goes by, which never looks at test. None without val.
        claim: what the evidence supports, in a sentence.
    """

    arms: tuple[Arm, ...]
    images: int
    seeds: int
    test: tuple[Comparison, ...]
    val: Comparison | None
    claim: str

    def to_json(self) -> dict[str, Any]:
        """The keys that `retrain --control --json` has besides those of `retrain`."""
        control = self.arms[-1].models[0]
        overall = self.test[0].overall if self.test else None
        return {
            "control": {
                "model_id": control["model_id"],
                "metrics": {key: control["metrics"]["test"].get(key) for key in HEADLINES},
                "images": self.images,
            },
            "difference": None if overall is None else {"mean": overall.mean, "low": overall.low, "high": overall.high},
            "seeds": self.seeds,
            "claim": self.claim,
            "evidence": {
                "arms": [arm.to_json() for arm in self.arms],
                "test": [one.to_json() for one in self.test],
                "val": None if self.val is None else self.val.to_json(),
            },
        }


def prove(context: RunContext, recipe: Recipe, plan: Plan, mined: Trained) -> Proof:
    """Train the arms that are missing, measure all of them on test and val, and keep what came out with the version.

    Args:
        context: of the run.
        recipe: `retrain.seeds` says how many trainings each arm has.
        plan: of the mined version.
        mined: the version itself: the mined arm's first seed.

    Raises:
        TooFewSamplesError: The eligible pool holds fewer images than were mined.
    """
    assert plan.parent is not None
    eligible = eligible_for_control(context, recipe, plan)
    arms: dict[str, list[Row]] = {MINED: [mined.model], CONTROL: []}
    for number in range(recipe.retrain.seeds):
        its_context, its_recipe = seeded(context, recipe, number)
        if number:
            again = replace(plan, arm=f"{MINED}-{number}")
            arms[MINED].append(train_version(its_context, its_recipe, again).model)
        drawn = replace(plan, training=control_set(eligible, plan, its_recipe), selection=None)
        control = replace(drawn, arm=f"{CONTROL}-{number}")
        arms[CONTROL].append(train_version(its_context, its_recipe, control).model)
    sides = (Arm(OLD, (plan.parent,)), *(Arm(name, tuple(rows)) for name, rows in arms.items()))
    return _compare(context, recipe, sides, len(eligible.new))


def _compare(context: RunContext, recipe: Recipe, arms: tuple[Arm, ...], images: int) -> Proof:
    measured = {}
    for split in _SPLITS:
        where = f"kind = 'portrait' AND split = '{split}' AND status = 'present'"
        measured[split] = measure(context, recipe, arms, context.catalog.read("samples", where=where))
    least, seed = recipe.guard.slice_size, recipe.seed
    pairs = ((MINED, CONTROL), (MINED, OLD), (CONTROL, OLD))
    test = [compare_arms(measured["test"], new, old, least, seed) for new, old in pairs]
    proof = Proof(
        arms=arms,
        images=images,
        seeds=recipe.retrain.seeds,
        test=tuple(one for one in test if one is not None),
        val=compare_arms(measured["val"], MINED, CONTROL, least, seed),
        claim=conclude(test[0], recipe.retrain.seeds),
    )
    keep(context, arms[1].models[0], proof)
    return proof


def keep(context: RunContext, mined: Row, proof: Proof) -> None:
    """Write what came out into the version's metrics, where the report finds it."""
    row = models.model_of_training(context.catalog, mined["training_key"])
    assert row is not None
    kept = {key: value for key, value in proof.to_json().items() if key != "control"}
    if row["metrics"].get("proof") != kept:
        models.record_model(context.catalog, {**row, "metrics": {**row["metrics"], "proof": kept}})


@dataclass(frozen=True)
class Eligible:
    """What a control may be drawn from, and instead of what.

    Attributes:
        rows: of `samples`: what could have been mined: no leaks, no suspects, nothing that was trained on.
        new: the sample_ids that mining added.
    """

    rows: tuple[Row, ...]
    new: frozenset[str]


def eligible_for_control(context: RunContext, recipe: Recipe, plan: Plan) -> Eligible:
    """The images that a control of a plan is drawn from.

    Raises:
        TooFewSamplesError: There are fewer than were mined.
    """
    workspace, parent = context.workspace, plan.parent
    assert parent is not None
    before = training_set(
        workspace, selections_of_lineage(workspace, parent["model_id"]), rendered=False, licences=recipe.train.licences
    )
    ours = {row["sample_id"]: row["split"] for row in plan.training.rows.to_pylist()}
    earlier = set(before.rows["sample_id"].to_pylist())
    new = frozenset(name for name, split in ours.items() if split == "pool" and name not in earlier)
    rows, _ = minable(workspace, workspace.resolve(parent["uri"]))
    selected = catalog_selection(workspace, plan.selection or "")
    suspects = {row["sample_id"] for row in selected if row["triage"] == "suspect_label"} - new
    leaked = {leak.sample_id for leak in leaks_into(workspace, rows)}
    out = suspects | leaked | (ours.keys() - new)
    left = tuple(
        row
        for row in rows.to_pylist()
        if row["sample_id"] not in out and is_allowed(row["licence"], recipe.train.licences)
    )
    if len(left) < len(new):
        raise TooFewSamplesError(
            f"control: {len(new)} images were mined and only {len(left)} can be drawn instead; ingest a larger pool, "
            "or mine fewer (mine.budget)"
        )
    return Eligible(left, new)


def control_set(eligible: Eligible, plan: Plan, recipe: Recipe) -> TrainingSet:
    """The plan's training set with random images instead of those that mining added; the recipe's seed draws them."""
    rows = plan.training.rows
    kept = [row for row in rows.to_pylist() if row["sample_id"] not in eligible.new]
    order = sorted(eligible.rows, key=lambda row: unit_hash("control", recipe.seed, row["sample_id"]))
    drawn = [{**row, "weight": recipe.retrain.hard_weight} for row in order[: len(eligible.new)]]
    table = pa.Table.from_pylist([*kept, *drawn], schema=rows.schema).sort_by("sample_id")
    return replace(plan.training, rows=table, hard=plan.training.hard - len(drawn))
