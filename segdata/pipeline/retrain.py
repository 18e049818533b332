"""Retrain with what was mined, refuse what got worse, and with a control arm say what the mining was worth."""

from __future__ import annotations

from typing import Any

from segdata.catalog.training_sets import Mix, catalog_selection, selections_of_lineage, training_set
from segdata.catalog.workspace import RunContext
from segdata.errors import GateRefusedError, TooFewSamplesError, UsageError
from segdata.pipeline.commands import find_model
from segdata.pipeline.control import prove
from segdata.pipeline.jobs import Final, Plan, refuse_leaks
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import Trained, train_version

_SPLITS: dict[Final, tuple[str, ...]] = {
    "": ("train",),
    "all_data": ("train", "val", "pool"),
    "include_test": ("train", "val", "pool", "test"),
}


def retrain(
    session: Session,
    selection: str | None = None,
    model: str | None = None,
    control: bool = False,
    final: Final = "",
) -> Record:
    """Retrain a version with a selection's accepted hard cases.

    Args:
        session: the workspace and recipe.
        selection: its name; by default the newest that was mined with that version.
        model: the version to follow; the promoted one by default.
        control: also train the same recipe with as many random images of the same eligible pool.
        final: train the last of the line instead, on all that there is: `all_data` keeps test apart, `include_test`
            keeps nothing apart.

    Raises:
        TooFewSamplesError: Nothing was trained or mined yet, or nothing was hard.
        UsageError: A control of a final version, which nothing is left to measure by; or a parent that is one.
        GateRefusedError: The new version is worse on val; it is kept, and not promoted. Or leaks, where none may be.
    """
    if final and control:
        raise UsageError("retrain: --control needs held-out images to compare on; leave --all-data or --include-test")
    with session.record("retrain") as record:
        parent = find_model(record.context, model)
        _refuse_final(parent)
        if control and model is None:
            parent, selection = _taken_up(record.context, parent, selection)
        name = _selection(record, parent, selection, final)
        plan = plan_retraining(record.context, session.recipe, parent, name, final)
        if session.dry_run:
            record.result = {**plan.training.counts(), "hard": plan.training.hard}
            return record
        trained = train_version(record.context, session.recipe, plan)
        record.result = retrained(plan, trained)
        if control:
            record.result |= prove(record.context, session.recipe, plan, trained).to_json()
        refuse_if_worse(trained, record.result)
    return record


def _taken_up(
    context: RunContext, promoted: dict[str, Any], selection: str | None
) -> tuple[dict[str, Any], str | None]:
    """The version to follow and the selection to add, where the same command was stopped before its control was done.

    The mined version was promoted by then: it is what lacks a control, and not what is to be followed.
    """
    its_own = promoted["selection"]
    unproved = its_own is not None and promoted["parent_model_id"] is not None and "proof" not in promoted["metrics"]
    if not unproved or selection not in (None, its_own) or _mined_with(context, promoted):
        return promoted, selection
    return find_model(context, promoted["parent_model_id"]), its_own


def _selection(record: Record, parent: dict[str, Any], wanted: str | None, final: Final) -> str | None:
    """The selection to add; a final version does without where nothing was mined with its parent."""
    if wanted is not None:
        return wanted
    try:
        return newest_selection(record.context, parent)
    except TooFewSamplesError:
        if final:
            return None
        raise


def _refuse_final(parent: dict[str, Any]) -> None:
    if parent["metrics"].get("final"):
        raise UsageError(
            f"retrain: {parent['name']} was trained on held-out samples and is the last of its line; give --model "
            "another version"
        )


def plan_retraining(
    context: RunContext, recipe: Recipe, parent: dict[str, Any], selection: str | None, final: Final = ""
) -> Plan:
    """What a retraining from `parent` is: with a selection and those of its ancestors, mixed as `[retrain]` says.

    Raises:
        TooFewSamplesError: The selection is empty.
        UsageError: The parent was trained on held-out samples: nothing that follows it could be judged.
        GateRefusedError: `guard.strict_leaks`, and there are leaks.
    """
    _refuse_final(parent)
    if selection is not None and not catalog_selection(context.workspace, selection):
        raise TooFewSamplesError(f"retrain: selection {selection!r} is empty: nothing to add; run segdata mine")
    names = [*selections_of_lineage(context.workspace, parent["model_id"]), *([selection] if selection else [])]
    rules = recipe.retrain
    mix = Mix(rules.hard_share, rules.hard_weight, rules.replay if not final else 1.0, recipe.seed, _SPLITS[final])
    samples = training_set(context.workspace, names, recipe.train.fusion == "rendered", recipe.train.licences, mix)
    refuse_leaks(samples, recipe)
    number = int(parent["metrics"].get("round", 0)) + 1
    return Plan(samples, parent, selection, number, scratch=rules.start == "pretrained", final=final)


def retrained(plan: Plan, trained: Trained) -> dict[str, Any]:
    """The keys of `retrain --json`."""
    assert plan.parent is not None
    return {
        **trained.to_json(plan.training),
        "selection": plan.selection,
        "parent": plan.parent["model_id"],
        **({"final": plan.final} if plan.final else {}),
    }


def newest_selection(context: RunContext, model: dict[str, Any]) -> str:
    """The selection that was last mined with a version.

    Raises:
        TooFewSamplesError: None was.
    """
    found = _mined_with(context, model)
    if not found:
        raise TooFewSamplesError(
            f"retrain: nothing was mined with {model['name']}, or nothing was hard; run: segdata mine"
        )
    return found[-1]


def _mined_with(context: RunContext, model: dict[str, Any]) -> list[str]:
    """The selections that were mined with a version, the newest last."""
    scorers = context.catalog.read("scores", ["scorer_id"], f"model_id = '{model['model_id']}'")
    its = set(scorers["scorer_id"].to_pylist())
    rows = context.catalog.read("selections", ["selection", "scorer_id", "run_id"]).to_pylist()
    return [name for _, name in sorted((row["run_id"], row["selection"]) for row in rows if row["scorer_id"] in its)]


def refuse_if_worse(trained: Trained, result: dict[str, Any]) -> None:
    """Raise where the guard refused a version.

    Raises:
        GateRefusedError: It carries the result, which is printed all the same.
    """
    if trained.judgement is None or not trained.judgement.refused:
        return
    worse = [one for one in trained.judgement.comparisons if one.worse]
    told = "; ".join(f"{one.slice}: {one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for one in worse)
    name, against = trained.model["name"], trained.model["metrics"]["guard"].get("against") or "OLD"
    raise GateRefusedError(
        f"guard: {name} is worse than the promoted version on val ({told}); it is kept in {trained.model['uri']} and "
        f"not promoted. Look at it: segdata models compare {against} {name} shows each slice, segdata report the "
        "images that worsened most. Then mine again, raise guard.tolerance, or promote it by hand: segdata models "
        f"promote {name}",
        result,
    )
