"""From a training set to a recorded version: the job, the training, the evaluation, the guard, the promotion.

Every decision is a function of the catalog and the recipe, and a version carries the hash of all that decides its
weights. So a command that was killed is simply run again: what is there is found and not made twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog import models
from segdata.catalog.splits import check_test_pin
from segdata.catalog.training_sets import TrainingSet
from segdata.catalog.workspace import RunContext
from segdata.errors import RecipeError, TooFewSamplesError
from segdata.pipeline.backgrounds import training_backgrounds
from segdata.pipeline.guard import Judgement, judge
from segdata.pipeline.recipe import Recipe

# These decide which samples are trained on, and so the weights only through them; or nothing at all.
_DECIDED_BY_SAMPLES = {"cache_mib", "accelerator", "val_fraction", "licences"}
_KEY_VERSION = 2  # raise it when the trainer changes so that the same recipe gives other weights
_METRICS = ("miou_image", "miou_dataset", "boundary_iou")


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        training: the samples.
        parent: the row of the model whose weights it starts from; None for the spec's pretrained ones.
        selection: the selection whose hard cases are new in it.
        round: 0 for a first training, then the round of mining.
        arm: "" or what sets it apart, such as `control-0`; an arm is never promoted.
    """

    training: TrainingSet
    parent: dict[str, Any] | None = None
    selection: str | None = None
    round: int = 0
    arm: str = ""


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

    def to_json(self, leaks: int) -> dict[str, Any]:
        """The keys of `train --json` and `retrain --json`."""
        metrics = self.model["metrics"]
        return {
            "model_id": self.model["model_id"],
            "path": self.model["uri"],
            "metrics": {key: metrics["test"].get(key) for key in _METRICS},
            "val": {key: metrics["val"].get(key) for key in _METRICS},
            "promoted": bool(self.model["promoted"]),
            "leaks_removed": leaks,
            "unlicensed": metrics.get("unlicensed", 0),
            "training_samples": metrics["training_samples"],
            "hard": metrics["selected"],
            "reused": self.reused,
            "guard": None if self.judgement is None else self.judgement.to_json(),
            **({"veto": metrics["veto"]} if "veto" in metrics else {}),
        }


def train_version(context: RunContext, recipe: Recipe, plan: Plan) -> Trained:
    """Train what the plan says, evaluate it, and promote it unless the guard refuses.

    Raises:
        TooFewSamplesError: Nothing to train on, or no backgrounds for online fusion.
        RecipeError: No such spec.
        CatalogError: The test split has changed since the first model.
    """
    catalog = context.catalog
    recipe = recipe if plan.parent is None else recipe.for_retraining()
    portraits = catalog.read("samples", where="kind = 'portrait' AND status = 'present'")
    held = {split: _of_split(portraits, split) for split in ("val", "test")}
    pins = [row["test_pin"] for row in models.all_models(catalog)]
    pin = check_test_pin(pins[-1] if pins else None, held["test"])
    job, veto = _job(context, recipe, plan, held["val"])
    known = models.model_of_training(catalog, job.training_key)
    if known is not None and context.workspace.resolve(known["uri"]).is_dir():
        return Trained(known, True, _recalled(known))
    from segdata.train.run import run as train

    result = train(context, recipe.train, job)
    metrics = {
        **{split: evaluate(context, recipe, result.folder, rows) for split, rows in held.items()},
        "curves": [record.to_json() for record in result.epochs],
        "best_epoch": result.best_epoch,
        "selected": plan.training.hard,
        "round": plan.round,
        "arm": plan.arm,
        "training_samples": job.training.num_rows,
        "leaks_removed": len(plan.training.leaks),
        "unlicensed": plan.training.unlicensed,
        **({} if veto is None else {"veto": veto}),
    }
    row = {
        "model_id": result.model_id,
        "name": job.name,
        "spec": recipe.model.spec,
        "uri": context.workspace.uri_of(result.folder),
        "training_key": job.training_key,
        "parent_model_id": plan.parent["model_id"] if plan.parent else None,
        "selection": plan.selection,
        "test_pin": pin,
        "metrics": metrics,
        "promoted": False,
        "created_at": datetime.now(UTC),
        "run_id": context.run_id,
    }
    models.record_model(catalog, row)
    judgement = None if plan.arm else _settle(context, recipe, row, held["val"])
    settled = models.model_of_training(catalog, job.training_key)
    assert settled is not None
    _write_card(context, result, settled)
    return Trained(settled, False, judgement)


def evaluate(context: RunContext, recipe: Recipe, folder: Path, samples: pa.Table) -> dict[str, Any]:
    """A version's metrics on some samples, each scored once per scorer and kept in the catalog."""
    from segdata.inference.scoring import evaluate as summarize
    from segdata.inference.scoring import score_samples
    from segdata.mine.run import scoring_options

    result = score_samples(context.limited(None), folder, samples, scoring_options(recipe.mine))
    return {**summarize(context.catalog, result.scorer_id, samples), "scorer_id": result.scorer_id}


def spec_folder(context: RunContext, recipe: Recipe) -> Path:
    """The folder of the spec to train.

    Raises:
        RecipeError: There is none of that name; the message lists those there are.
    """
    folder = context.workspace.models / recipe.model.spec
    if not (folder / "model.toml").is_file():
        known = sorted(path.parent.name for path in context.workspace.models.glob("*/model.toml"))
        raise RecipeError(
            f"model.spec: no {folder / 'model.toml'}; this workspace has {', '.join(known) or 'no specs: segdata init'}"
        )
    return folder


def _job(context: RunContext, recipe: Recipe, plan: Plan, val: pa.Table) -> tuple[Any, dict[str, Any] | None]:
    """The job, and what was said about the backgrounds that it does not use."""
    from segdata.train.job import TrainingJob

    training = plan.training.rows
    if training.num_rows == 0:
        raise TooFewSamplesError("train: no portraits with split train; run: segdata ingest")
    online = recipe.train.fusion == "online"
    # Not the promoted version is asked but the one that it starts from: the same job, whatever was promoted since.
    backgrounds, veto = training_backgrounds(context, recipe, plan.parent)
    folder = spec_folder(context, recipe)
    key = training_key(recipe, plan, training, (val, backgrounds), (folder / "model.toml").read_bytes())
    name = f"{recipe.model.spec}-{key[:8]}"
    job = TrainingJob(
        name=name,
        spec_folder=folder,
        start=context.workspace.resolve(plan.parent["uri"]) if plan.parent else None,
        training_key=key,
        training=training,
        val=val,
        backgrounds=backgrounds,
        fusion=recipe.fuse.settings() if online else None,
        card=card_lines(plan, training, val, backgrounds),
        destination=context.workspace.models / name,
        fusion_ratio=recipe.fuse.ratio if online else None,
        fusion_people=recipe.fuse.people_range,
    )
    return job, veto


def training_key(recipe: Recipe, plan: Plan, training: pa.Table, others: tuple[pa.Table, ...], spec: bytes) -> str:
    """The hash of all that decides a version's weights: 64 hexadecimal digits."""
    columns = ("sample_id", "image_sha256", "alpha_sha256", "weight")
    tables = [[[row.get(column) for column in columns] for row in table.to_pylist()] for table in (training, *others)]
    decides = {
        "version": _KEY_VERSION,
        "seed": recipe.seed,
        "arm": plan.arm,
        "train": recipe.train.model_dump(mode="json", exclude=_DECIDED_BY_SAMPLES),
        "fuse": recipe.fuse.model_dump(mode="json") if recipe.train.fusion == "online" else None,
        "start": plan.parent["model_id"] if plan.parent else None,
        "spec": hashlib.sha256(spec).hexdigest(),
        "samples": tables,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def card_lines(plan: Plan, training: pa.Table, val: pa.Table, backgrounds: pa.Table) -> tuple[str, ...]:
    """What CARD.md says about data and lineage."""
    behind = Counter(backgrounds["dataset"].to_pylist())
    counts = Counter(training["dataset"].to_pylist())
    licences = sorted({name for table in (training, backgrounds) for name in table["licence"].to_pylist() if name})
    return (
        f"Training samples: {training.num_rows} ({_listed(counts)})",
        f"Backgrounds, fused with or shown without a person: {backgrounds.num_rows}"
        + (f" ({_listed(behind)})" if behind else ""),
        f"Mined hard cases among them: {plan.training.hard}",
        f"Left out as near-duplicates of held-out samples: {len(plan.training.leaks)}",
        f"Left out by licence: {plan.training.unlicensed}",
        f"Validation samples: {val.num_rows}",
        f"Starts from: {plan.parent['name'] if plan.parent else 'the pretrained weights of its spec'}",
        f"Selection: {plan.selection or 'none'}",
        f"Licences of the data: {', '.join(licences) or 'not stated'}",
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _settle(context: RunContext, recipe: Recipe, row: Mapping[str, Any], val: pa.Table) -> Judgement | None:
    """Compare with the promoted version, promote or not, and keep what the guard said with the model."""
    promoted = models.promoted_model(context.catalog)
    if promoted is None:
        models.promote(context.catalog, row["model_id"], None)
        return None
    old = evaluate(context, recipe, context.workspace.resolve(promoted["uri"]), val)
    judgement = judge(
        context.catalog, val, (old["scorer_id"], row["metrics"]["val"]["scorer_id"]), recipe.guard, recipe.seed
    )
    models.record_model(context.catalog, {**row, "metrics": {**row["metrics"], "guard": judgement.to_json()}})
    if not judgement.refused:
        models.promote(context.catalog, row["model_id"], promoted["model_id"])
    return judgement


def _recalled(model: Mapping[str, Any]) -> Judgement | None:
    kept = model["metrics"].get("guard")
    return None if kept is None else Judgement.from_json(kept)


def _write_card(context: RunContext, result: Any, model: Mapping[str, Any]) -> None:
    """The card again, with the metrics in it: the model's id does not depend on it."""
    from segdata.storage.files import atomic_write
    from segdata.train.card import model_card

    shown = (*_METRICS, "hole_recall", "images")
    metrics = {split: {key: model["metrics"][split].get(key) for key in shown} for split in ("test", "val")}
    named = (
        *result.card.lineage,
        f"Model id: {model['model_id']}; test split: {model['test_pin'][:16]}; run: {context.run_id}",
    )
    card = model_card(replace(result.card, metrics=metrics, lineage=named))
    atomic_write(result.folder / "CARD.md", card.encode())


def _of_split(portraits: pa.Table, split: str) -> pa.Table:
    import pyarrow.compute as pc

    return portraits.filter(pc.equal(portraits["split"], split))
