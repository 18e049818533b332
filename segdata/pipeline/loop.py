"""`segdata run`: ingest, fuse, train, then mine and retrain until a round no longer helps, and the report.

The loop keeps no state of its own: each stage finds in the catalog what it has done already. A loop that was killed is
started again with the same call, passes quickly over what is there, and goes on where it was.
"""

from __future__ import annotations

from typing import Any

from segdata.catalog import models
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.pipeline.commands import fuse_into, mine_with, train_first
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.retrain import retrain_with
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import Trained


def run_loop(session: Session) -> Record:
    """The whole loop as one run of the journal.

    The result holds `rounds`, the first being the training before any mining, `stopped_because`, and the report's path.

    Raises:
        SegdataError: What the stages raise; a version that the guard refuses stops the loop and raises nothing.
    """
    from segdata.ingest.run import IngestOptions
    from segdata.ingest.run import run as run_ingest
    from segdata.report.run import run as run_report

    recipe = session.recipe
    with session.record("run") as record:
        context = record.context
        if recipe.sources:
            ingested = run_ingest(context, list(recipe.sources), IngestOptions())
            record.result["ingest"] = ingested.to_json()
        if recipe.train.fusion == "rendered":
            # The first training has no version before it that could veto: the same whenever this call is repeated.
            record.result["fuse"] = fuse_into(context.limited(None), recipe, None)
        record.result |= {"rounds": [], "stopped_because": "dry run"}
        if context.dry_run:
            return record
        trained, _ = train_first(context, recipe)
        assert trained is not None
        rounds = record.result["rounds"]
        rounds.append(_round(0, 0, trained))
        record.result["stopped_because"] = _go_round(context, recipe, _start(context, trained), rounds)
        record.result["path"] = run_report(context, recipe.report).to_json()["path"]
    return record


def _go_round(context: RunContext, recipe: Recipe, model: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
    """Mine and retrain until something says stop; appends to `rounds` and returns why it stopped."""
    for number in range(1, recipe.loop.rounds + 1):
        try:
            mined = mine_with(context, recipe, model)
        except TooFewSamplesError as error:
            return str(error)
        if not mined["hard"]:
            return f"round {number}: nothing hard was found that is not a suspect label"
        fused = fuse_into(context.limited(None), recipe, model) if recipe.train.fusion == "rendered" else {}
        trained, _ = retrain_with(context, recipe, model, mined["selection"])
        assert trained is not None
        veto = fused.get("veto") or trained.model["metrics"].get("veto")
        rounds.append({**_round(number, mined["hard"], trained), "veto": veto})
        if trained.refused:
            return f"round {number}: the guard refused the new version"
        if trained.judgement is not None and trained.judgement.gain <= recipe.loop.gain and number < recipe.loop.rounds:
            return f"round {number}: gained {trained.judgement.gain:+.4f} mIoU on val, not more than loop.gain"
        model = trained.model
    return "1 round done" if recipe.loop.rounds == 1 else f"{recipe.loop.rounds} rounds done"


def _start(context: RunContext, trained: Trained) -> dict[str, Any]:
    """The version that mining begins with: the first training, unless the guard refused it for an older one."""
    if trained.refused:
        return models.require_promoted(context.catalog)
    return trained.model


def _round(number: int, selected: int, trained: Trained) -> dict[str, Any]:
    """What is said of a round; `promoted` is the verdict of its own time, whatever was promoted since."""
    model = trained.model
    return {
        "round": number,
        "selected": selected,
        "model_id": model["model_id"],
        "name": model["name"],
        "metrics": {key: model["metrics"]["test"].get(key) for key in ("miou_image", "miou_dataset", "boundary_iou")},
        "val": {key: model["metrics"]["val"].get(key) for key in ("miou_image", "miou_dataset", "boundary_iou")},
        "promoted": not trained.refused,
    }
