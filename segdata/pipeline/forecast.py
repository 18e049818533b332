"""What `segdata run` would do, and how long it would take: by earlier trainings, or else by a measured step."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow.compute as pc

from segdata.catalog import models
from segdata.catalog.training_sets import training_set
from segdata.catalog.workspace import RunContext
from segdata.pipeline.commands import with_val_cut
from segdata.pipeline.jobs import Plan, job_of, spec_folder
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.rounds import find_round, round_key

_HARD = 0.1  # share of the pool that is taken to be hard where nothing was mined yet
_FORWARD = 1 / 3  # of a training step: the backward pass costs about two forward ones


@dataclass(frozen=True)
class Step:
    """One part of the plan.

    Attributes:
        what: such as `round 1: train`.
        samples: how many are trained on or scored.
        epochs: passes over them; 1 for what is scored.
        times: how many such trainings: arms times seeds.
        seconds: what it is expected to take; 0 where it is done.
        done: whether it was done before and is only found again.
    """

    what: str
    samples: int
    epochs: int
    times: int
    seconds: float
    done: bool = False


@dataclass(frozen=True)
class Forecast:
    """The plan of a loop.

    Attributes:
        steps: in their order.
        measured_by: where the rates come from.
        hard_share: of the pool that is taken to be hard.
    """

    steps: tuple[Step, ...]
    measured_by: str
    hard_share: float

    def to_json(self) -> dict[str, Any]:
        """The keys that `run --dry-run --json` has; `estimated_seconds` is null where nothing is ingested yet."""
        known = any(step.samples for step in self.steps)
        return {
            "plan": [asdict(step) for step in self.steps],
            "estimated_seconds": round(sum(step.seconds for step in self.steps), 1) if known else None,
            "estimated_by": self.measured_by,
            "assumed_hard_share": round(self.hard_share, 4),
        }


@dataclass(frozen=True)
class _Rates:
    """Seconds for one sample."""

    train: float
    score: float
    measured_by: str


def forecast(context: RunContext, recipe: Recipe) -> Forecast:
    """Plan the loop without doing any of it.

    What a round finds is not known before: it is taken to be the share of the pool that was hard when it was last
    mined, or a tenth; and that every round is gone through.
    """
    context = with_val_cut(context, recipe)
    rates = _rates(context, recipe)
    samples = training_set(context.workspace, (), recipe.train.fusion == "rendered", recipe.train.licences)
    first, base = _first_version(context, recipe, samples), samples.rows.num_rows
    pool = context.catalog.read("samples", ["sample_id"], "kind = 'portrait' AND split = 'pool' AND status = 'present'")
    share = _hard_share(context)
    steps = [_training("first training", base, recipe.train.epochs, 1, rates, first is not None)]
    epochs, hard = recipe.for_retraining().train.epochs, round(pool.num_rows * share)
    arms = 1 + (2 * recipe.retrain.seeds - 1) * recipe.loop.control
    model, left = first, pool.num_rows
    for number in range(1, recipe.loop.rounds + 1):
        made = None if model is None else find_round(context, round_key(context, recipe, model), number)
        done = made is not None
        steps.append(Step(f"round {number}: mine", left, 1, 1, 0.0 if done else left * rates.score, done))
        found = made.selected if made is not None else min(hard, left)
        base, left = base + found, left - found
        steps.append(_training(f"round {number}: retrain", base, epochs, arms, rates, done))
        model = made.trained.model if made is not None else None
    return Forecast(tuple(steps), rates.measured_by, share)


def _training(what: str, samples: int, epochs: int, times: int, rates: _Rates, done: bool) -> Step:
    return Step(what, samples, epochs, times, 0.0 if done else samples * epochs * times * rates.train, done)


def _first_version(context: RunContext, recipe: Recipe, samples: Any) -> dict[str, Any] | None:
    """The first version, if it was trained before."""
    if samples.rows.num_rows == 0 or not models.all_models(context.catalog):
        return None
    portraits = context.catalog.read("samples", where="kind = 'portrait' AND status = 'present'")
    val = portraits.filter(pc.equal(portraits["split"], "val"))
    job, _ = job_of(context, recipe, Plan(samples), val)
    return models.model_of_training(context.catalog, job.training_key)


def _rates(context: RunContext, recipe: Recipe) -> _Rates:
    """By the newest training of the same spec; else a step is measured now."""
    own = [row for row in models.all_models(context.catalog) if row["spec"] == recipe.model.spec]
    rates = [rate for row in reversed(own) if (rate := _rate_of(row)) is not None]
    if rates:
        train, by = rates[0], "the newest training of this spec"
    else:
        from segdata.train.probe import seconds_per_sample

        train = seconds_per_sample(spec_folder(context, recipe), recipe.train)
        by = "a step measured now, on this machine, without decoding"
    mined = _mining_rate(context, {row["model_id"] for row in own})
    return _Rates(train, train * _FORWARD if mined is None else mined, by)


def _rate_of(model: dict[str, Any]) -> float | None:
    """Seconds for one sample and epoch of a training, validation included."""
    curves, samples = model["metrics"].get("curves") or [], model["metrics"].get("training_samples") or 0
    seconds = sum(point["seconds"] for point in curves)
    return seconds / (len(curves) * samples) if curves and samples else None


def _mined(context: RunContext) -> list[tuple[float, dict[str, Any]]]:
    """Seconds and result of every mining that scored something, the newest last."""
    where = "command = 'mine' AND status = 'done' AND result IS NOT NULL"
    rows = context.catalog.read("runs", ["run_id", "seconds", "result"], where).to_pylist()
    found = [(row["seconds"], json.loads(row["result"])) for row in sorted(rows, key=lambda row: row["run_id"])]
    return [(seconds, result) for seconds, result in found if result.get("scored")]


def _mining_rate(context: RunContext, own: set[str]) -> float | None:
    rates = [seconds / result["scored"] for seconds, result in _mined(context) if result.get("model_id") in own]
    return rates[-1] if rates else None


def _hard_share(context: RunContext) -> float:
    shares = [result["hard"] / (result["scored"] + result["reused"]) for _, result in _mined(context)]
    return float(shares[-1]) if shares else _HARD
