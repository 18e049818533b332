"""`segdata run`: ingest, fuse, train, then mine and retrain until a round no longer helps, and the report.

The loop keeps no state of its own: each stage finds in the catalog what it has done already. A loop that was killed is
started again with the same call, passes quickly over what is there, and goes on where it was. A round that is done is
passed over as it was made, whatever was judged since: a verdict changes the rounds that come after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segdata.catalog import models
from segdata.catalog.training_sets import catalog_selection, newest_verdicts
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.pipeline.backgrounds import has_backgrounds
from segdata.pipeline.commands import fuse_into, mine_with, train_first
from segdata.pipeline.control import Proof, prove
from segdata.pipeline.forecast import forecast
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.retrain import plan_retraining
from segdata.pipeline.rounds import Round, find_round, keep_round, round_key
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import train_version

_METRICS = ("miou_image", "miou_dataset", "boundary_iou")


def run_loop(session: Session, review: bool = False) -> Record:
    """The whole loop as one run of the journal.

    The result holds `rounds`, the first being the training before any mining, `stopped_because`, and the report's path;
    in a dry run the plan, with the seconds that each part is expected to take.

    Args:
        session: the workspace and recipe.
        review: after mining, stop until somebody has looked at the selection; the same call then goes on.

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
        record.result |= {"rounds": [], "stopped_because": "dry run"}
        if context.dry_run:
            record.result |= {**forecast(context, recipe).to_json(), "review": review}
            return record
        if recipe.train.fusion == "rendered" and has_backgrounds(context):
            # The first training has no version before it that could veto: the same whenever this call is repeated.
            record.result["fuse"] = fuse_into(context.limited(None), recipe, None)
        trained, _ = train_first(context, recipe)
        assert trained is not None
        rounds = record.result["rounds"]
        rounds.append(_told(Round(0, 0, trained)))
        start = models.require_promoted(context.catalog) if trained.refused else trained.model
        record.result["stopped_because"] = _Loop(context, recipe, review).go(start, rounds)
        record.result["path"] = run_report(context, recipe.report).to_json()["path"]
    return record


@dataclass(frozen=True)
class _Loop:
    """The rounds of a call.

    Attributes:
        context, recipe: of the run.
        review: whether it waits for verdicts.
    """

    context: RunContext
    recipe: Recipe
    review: bool

    def go(self, model: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
        """Mine and retrain until something says stop; appends to `rounds` and returns why it stopped."""
        for number in range(1, self.recipe.loop.rounds + 1):
            found = self._round(number, model)
            if isinstance(found, str):
                return found
            rounds.append(_told(found))
            if found.trained.refused:
                name = found.trained.model["name"]
                return f"round {number}: the guard refused the new version; segdata models show {name} says why"
            if number < self.recipe.loop.rounds and (reason := self._no_longer_helps(found)):
                return reason
            model = found.trained.model
        return "1 round done" if self.recipe.loop.rounds == 1 else f"{self.recipe.loop.rounds} rounds done"

    def _round(self, number: int, model: dict[str, Any]) -> Round | str:
        """One round, as it was made before or made now; or why there is none."""
        context, recipe = self.context, self.recipe
        key = round_key(context, recipe, model)
        if known := find_round(context, key, number):
            return known
        try:
            mined = mine_with(context, recipe, context.workspace.resolve(model["uri"])).to_json()
        except TooFewSamplesError as error:
            return str(error)
        if self.review and (wait := self._waits(number, model, mined)):
            return wait
        if not mined["hard"] and not self._judged_hard(mined["selection"]):
            return f"round {number}: nothing hard was found that is not a suspect label"
        rendered = recipe.train.fusion == "rendered" and has_backgrounds(context)
        fused = fuse_into(context.limited(None), recipe, model) if rendered else {}
        plan = plan_retraining(context, recipe, model, mined["selection"])
        trained = train_version(context, recipe, plan)
        proof, reason = None, None
        if recipe.loop.control:
            try:
                proof = prove(context, recipe, plan, trained)
            except TooFewSamplesError as error:
                reason = str(error)
        veto = fused.get("veto") or trained.model["metrics"].get("veto")
        made = Round(number, mined["hard"], trained, _kept(proof), reason, veto)
        keep_round(context, key, made)
        return made

    def _judged_hard(self, selection: str) -> bool:
        """Whether a reviewer called any suspect of a selection hard: then there is something to train on."""
        verdicts = newest_verdicts(self.context.catalog.read("verdicts").to_pylist())
        rows = catalog_selection(self.context.workspace, selection)
        return any(verdicts.get((row["sample_id"], row["image_sha256"], row["alpha_sha256"])) == "hard" for row in rows)

    def _waits(self, number: int, model: dict[str, Any], mined: dict[str, Any]) -> str | None:
        """What somebody has to do first; None once there is a verdict on what this version has scored.

        Verdicts on a selection can take rows out of it, so it is all that the version scored that counts.
        """
        if not mined["selected"]:
            return None
        scored = self.context.catalog.read(
            "scores", ["sample_id", "image_sha256", "alpha_sha256"], f"scorer_id = '{mined['scorer_id']}'"
        )
        keys = {tuple(row.values()) for row in scored.to_pylist()}
        verdicts = self.context.catalog.read("verdicts").to_pylist()
        since = model["created_at"]
        if any(
            row["verdict"]
            and row["at"] > since
            and (row["sample_id"], row["image_sha256"], row["alpha_sha256"]) in keys
            for row in verdicts
        ):
            return None
        return (
            f"round {number} waits for verdicts: {mined['hard']} hard cases and {mined['suspect_label']} suspect "
            f"labels in {mined['selection']}. Look at them with segdata review, bring the verdicts back with segdata "
            "review --pull, and give the same command again; without --review it goes on at once"
        )

    def _no_longer_helps(self, made: Round) -> str | None:
        """Why another round is not worth it: by val alone, since test is only reported."""
        gain, against = self.recipe.loop.gain, "its control"
        value = None if made.proof is None else made.proof["val"]
        if value is None:
            against = "the version before it"
            value = None if made.trained.judgement is None else made.trained.judgement.gain
        if value is None or value > gain:
            return None
        told = f"round {made.number}: {value:+.4f} mIoU on val against {against}, not more than loop.gain ({gain:g})"
        return f"{told}; {made.control_missing}" if made.control_missing else told


def _kept(proof: Proof | None) -> dict[str, Any] | None:
    """What a round keeps of its proof: the difference on val, which the loop goes by, and what is told of test."""
    if proof is None:
        return None
    told = proof.to_json()
    return {
        "val": None if proof.val is None else proof.val.overall.mean,
        **{key: told[key] for key in ("control", "difference", "seeds", "claim")},
    }


def _told(made: Round) -> dict[str, Any]:
    """What is said of a round; `promoted` is the verdict of its own time, whatever was promoted since."""
    model = made.trained.model
    proof = {} if made.proof is None else {key: value for key, value in made.proof.items() if key != "val"}
    return {
        "round": made.number,
        "selected": made.selected,
        "model_id": model["model_id"],
        "name": model["name"],
        "metrics": {key: model["metrics"]["test"].get(key) for key in _METRICS},
        "val": {key: model["metrics"]["val"].get(key) for key in _METRICS},
        "promoted": not made.trained.refused,
        **({"veto": made.veto} if made.number else {}),
        **proof,
        **({"control_missing": made.control_missing} if made.control_missing else {}),
    }
