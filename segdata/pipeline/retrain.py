"""Retrain with what was mined, refuse what got worse, and with a control arm say what the mining was worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

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
from segdata.errors import GateRefusedError, TooFewSamplesError
from segdata.metrics.bootstrap import paired_bootstrap
from segdata.pipeline.commands import find_model
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import Plan, Trained, train_version

_METRICS = ("miou_image", "miou_dataset", "boundary_iou")


def retrain(session: Session, selection: str | None = None, model: str | None = None, control: bool = False) -> Record:
    """Retrain a version with a selection's accepted hard cases.

    Args:
        session: the workspace and recipe.
        selection: its name; by default the newest that was mined with that version.
        model: the version to start from; the promoted one by default.
        control: also train the same recipe with as many random images of the same eligible pool.

    Raises:
        TooFewSamplesError: Nothing was trained or mined yet, or nothing was hard.
        GateRefusedError: The new version is worse on val; it is kept, and not promoted.
    """
    with session.record("retrain") as record:
        parent = find_model(record.context, model)
        name = selection or newest_selection(record.context, parent)
        trained, record.result = retrain_with(record.context, session.recipe, parent, name)
        if control and trained is not None:
            record.result |= control_arm(record.context, session.recipe, parent, trained)
        if trained is not None:
            refuse_if_worse(trained, record.result)
    return record


def retrain_with(
    context: RunContext, recipe: Recipe, parent: dict[str, Any], selection: str
) -> tuple[Trained | None, dict[str, Any]]:
    """Retrain from `parent` with a selection and those of its ancestors, as part of a run."""
    names = [*selections_of_lineage(context.workspace, parent["model_id"]), selection]
    samples = training_set(context.workspace, names, recipe.train.fusion == "rendered", recipe.train.licences)
    if not catalog_selection(context.workspace, selection):
        raise TooFewSamplesError(f"retrain: selection {selection!r} is empty: nothing to add; run segdata mine")
    if context.dry_run:
        return None, {**samples.counts(), "hard": samples.hard}
    round_number = int(parent["metrics"].get("round", 0)) + 1
    trained = train_version(context, recipe, Plan(samples, parent, selection, round_number))
    return trained, {**trained.to_json(len(samples.leaks)), "selection": selection, "parent": parent["model_id"]}


def newest_selection(context: RunContext, model: dict[str, Any]) -> str:
    """The selection that was last mined with a version.

    Raises:
        TooFewSamplesError: None was.
    """
    scorers = context.catalog.read("scores", ["scorer_id"], f"model_id = '{model['model_id']}'")
    mine = set(scorers["scorer_id"].to_pylist())
    rows = context.catalog.read("selections", ["selection", "scorer_id", "run_id"]).to_pylist()
    found = sorted((row["run_id"], row["selection"]) for row in rows if row["scorer_id"] in mine)
    if not found:
        raise TooFewSamplesError(
            f"retrain: nothing was mined with {model['name']}, or nothing was hard; run: segdata mine"
        )
    return str(found[-1][1])


def refuse_if_worse(trained: Trained, result: dict[str, Any]) -> None:
    """Raise where the guard refused a version.

    Raises:
        GateRefusedError: It carries the result, which is printed all the same.
    """
    if trained.judgement is None or not trained.judgement.refused:
        return
    worse = [one for one in trained.judgement.comparisons if one.worse]
    told = "; ".join(f"{one.slice}: {one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for one in worse)
    raise GateRefusedError(
        f"guard: {trained.model['name']} is worse than the promoted version on val ({told}); it is kept in "
        f"{trained.model['uri']} and not promoted. Look at the report, or raise guard.tolerance",
        result,
    )


def control_arm(context: RunContext, recipe: Recipe, parent: dict[str, Any], mined: Trained) -> dict[str, Any]:
    """Train with as many random eligible images instead of the mined ones; the difference is what mining is worth.

    Same start, same number of steps, same seed; the images come from what could have been mined: no leaks, no
    suspects, nothing that was trained on. With one seed no claim is made: the interval is over images only.
    """
    samples, drawn = control_set(context, recipe, parent, mined)
    plan = Plan(samples, parent, None, int(mined.model["metrics"]["round"]), arm="control-0")
    control = train_version(context, recipe, plan)
    scorers = [arm.model["metrics"]["test"]["scorer_id"] for arm in (mined, control)]
    ours, theirs = (_test_miou(context, scorer) for scorer in scorers)
    shared = sorted(set(ours) & set(theirs))
    interval = paired_bootstrap(np.array([ours[name] - theirs[name] for name in shared]), seed=recipe.seed)
    metrics = control.model["metrics"]["test"]
    return {
        "control": {
            "model_id": control.model["model_id"],
            "metrics": {key: metrics.get(key) for key in _METRICS},
            "images": drawn,
        },
        "difference": {"mean": interval.mean, "low": interval.low, "high": interval.high},
        "seeds": 1,
        "claim": "none: fewer than 3 seeds",
    }


def control_set(context: RunContext, recipe: Recipe, parent: dict[str, Any], mined: Trained) -> tuple[TrainingSet, int]:
    """The training set of the control arm, and how many images were drawn for it.

    Raises:
        TooFewSamplesError: The eligible pool holds fewer images than were mined.
    """
    workspace = context.workspace
    lineage = selections_of_lineage(workspace, parent["model_id"])
    before = training_set(workspace, lineage, recipe.train.fusion == "rendered", recipe.train.licences)
    wanted = mined.model["metrics"]["selected"] - before.hard
    eligible, _ = minable(workspace, workspace.resolve(parent["uri"]))
    suspects = {
        row["sample_id"]
        for row in catalog_selection(workspace, mined.model["selection"])
        if row["triage"] == "suspect_label"
    }
    leaked = {leak.sample_id for leak in leaks_into(workspace, eligible)}
    rows = [
        row
        for row in eligible.to_pylist()
        if row["sample_id"] not in suspects | leaked and is_allowed(row["licence"], recipe.train.licences)
    ]
    if len(rows) < wanted:
        raise TooFewSamplesError(
            f"retrain --control: {wanted} images were mined and only {len(rows)} can be drawn instead; ingest a larger "
            "pool, or mine fewer"
        )
    order = sorted(rows, key=lambda row: unit_hash("control", recipe.seed, row["sample_id"]))
    drawn = [{**row, "weight": 1.0} for row in order[:wanted]]
    table = pa.concat_tables([before.rows, pa.Table.from_pylist(drawn, schema=before.rows.schema)])
    return replace(before, rows=table.sort_by("sample_id"), hard=before.hard + wanted), wanted


def _test_miou(context: RunContext, scorer: str) -> dict[str, float]:
    test = set(
        context.catalog.read("samples", ["sample_id"], "split = 'test' AND status = 'present'")["sample_id"].to_pylist()
    )
    rows = context.catalog.read("scores", ["sample_id", "miou"], f"scorer_id = '{scorer}' AND status = 'scored'")
    return {row["sample_id"]: row["miou"] for row in rows.to_pylist() if row["sample_id"] in test}
