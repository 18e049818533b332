"""`segdata train`: one version folder from training samples, resumable after every epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segdata.catalog.label_statistics import has_empty_label
from segdata.catalog.layers import LayerCache
from segdata.catalog.training_sets import SAMPLE_FILES
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError, UsageError
from segdata.inference.model_folder import ModelSpec, build_network, load_network, model_id_of, read_spec, write_version
from segdata.train.cache import ArrayCache
from segdata.train.card import CardFacts, model_card
from segdata.train.dataset import TrainingSamples
from segdata.train.device import launch
from segdata.train.job import EpochRecord, TrainingJob, TrainResult
from segdata.train.logs import TrainingLog
from segdata.train.negatives import Negatives
from segdata.train.online import OnlineFusion
from segdata.train.recipe import TrainRecipe
from segdata.train.sampling import shares_of
from segdata.train.schedule import plan_steps
from segdata.train.session import Course, Parts, train_epochs
from segdata.train.state import TrainingFolder
from segdata.train.trainer import Trainer
from segdata.train.validation import Validation

__all__ = ["EpochRecord", "TrainResult", "TrainingJob", "run"]

_log = logging.getLogger("segdata.train")


def run(context: RunContext, recipe: TrainRecipe, job: TrainingJob) -> TrainResult:
    """Train a version and write its folder.

    After each epoch the state is kept under `models/.training/<training_key>/`: the same call after a kill goes on
    from there to the same result, and removes it in the end; with `job.keep_state` it stays until `discard_state`, and
    the call can be repeated at no cost. The epoch with the best val mIoU is what is written;
    the weights that a retraining starts from are no candidate. Without val samples it is the last epoch.

    Args:
        context: workspace, seed, threads and progress.
        recipe: how to train.
        job: what on, from which weights, into which folder.

    Raises:
        TooFewSamplesError: Fewer than two training samples; or online fusion without backgrounds.
        DataError: The loss is no longer a number, or a sample can't be read; the finished epochs are kept.
        KeyboardInterrupt: As pressed; the finished epochs are kept.
    """
    import torch

    _check_job(recipe, job)
    spec = trained_spec(read_spec(job.spec_folder), recipe)
    fabric = launch(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(context.seed)
        network = build_network(spec) if job.start is None else load_network(job.start)
        plan = plan_steps(job.training.num_rows, recipe)
        _check_share(plan.batch, fabric.world_size, recipe.accumulate)
        weighted = _is_weighted(job) and recipe.sampling != "hard"
        trainer = Trainer(fabric, network, recipe, plan, (spec.mean, spec.std), weighted=weighted)
        parts = _parts(context, recipe, job, spec, trainer)
        if fabric.is_global_zero:
            tables = training_hashes(job.training), training_hashes(job.backgrounds)
            parts.folder.note_samples(dict(zip(SAMPLE_FILES, tables, strict=True)))
        logs = context.workspace.reports / "tensorboard" / job.destination.name
        course = train_epochs(parts, lambda step: TrainingLog(logs, fabric.is_global_zero, step))
        return _finish(context, recipe, job, spec, parts, course)


def discard_state(context: RunContext, job: TrainingJob) -> None:
    """Remove what an interrupted training would go on from: nothing that depends on it is missing any more."""
    _state_folder(context, job).remove()


def _state_folder(context: RunContext, job: TrainingJob) -> TrainingFolder:
    return TrainingFolder(context.workspace.models / ".training" / job.training_key)


def _check_job(recipe: TrainRecipe, job: TrainingJob) -> None:
    if job.training.num_rows < 2:
        raise TooFewSamplesError(
            f"train: {job.training.num_rows} training samples, at least 2 are needed (batch norm has no variance in "
            "one); run segdata ingest with a source that has a training split"
        )
    if recipe.fusion == "online" and (job.fusion is None or job.fusion_ratio is None):
        raise UsageError("train.fusion: online needs the settings and the ratio of [fuse], and the job has none")
    if recipe.fusion == "online" and job.backgrounds.num_rows == 0:
        raise TooFewSamplesError(
            "train.fusion: online, and the catalog has no backgrounds; ingest a source of person-free photos "
            "(segdata ingest coco), or say --set train.fusion=none"
        )
    if job.val.num_rows == 0:
        _log.warning("train: no val samples, so the last epoch is kept; train.val_fraction > 0 cuts some off")


def trained_spec(spec: ModelSpec, recipe: TrainRecipe) -> ModelSpec:
    """The spec of what is trained: the recipe's size, aspect, flip averaging and enlargement, if any.

    >>> trained_spec(ModelSpec(name="x"), TrainRecipe(size=(384, 288))).input_hw
    (384, 288)
    """
    said = {
        "input_hw": recipe.size,
        "resize": recipe.aspect,
        "flip": recipe.flip_average,
        "upsample": recipe.upsample,
    }
    return spec.model_copy(update={key: value for key, value in said.items() if value is not None})


def _check_share(batch: int, processes: int, parts: int) -> None:
    shares = processes * parts
    if batch % shares or batch // shares < 2:
        raise UsageError(
            f"train.batch_size: {batch} samples a step can't be shared out over {processes} processes and {parts} "
            f"accumulated parts, at least 2 and equally many in each; give a multiple of {shares} that is no more than "
            "the training samples"
        )


def _is_weighted(job: TrainingJob) -> bool:
    weights = job.training["weight"].to_pylist() if "weight" in job.training.column_names else []
    return any(weight not in (None, 1.0) for weight in weights)


def _parts(context: RunContext, recipe: TrainRecipe, job: TrainingJob, spec: ModelSpec, trainer: Trainer) -> Parts:
    workspace, input_hw = context.workspace, (spec.input_hw[0], spec.input_hw[1])
    at_network = recipe.augment_at == "network"
    cache = ArrayCache(recipe.cache_mib << 20)
    rows, backgrounds = job.training.to_pylist(), job.backgrounds.to_pylist()
    online = None
    if recipe.fusion == "online" and job.fusion is not None and job.fusion_ratio is not None:
        online = OnlineFusion(
            workspace=workspace,
            layers=LayerCache(workspace, job.fusion.layer),
            settings=job.fusion,
            ratio=job.fusion_ratio,
            backgrounds=backgrounds,
            companions=[row for row in rows if _may_stand_beside(row)],
            people=job.fusion_people,
            cache=cache,
            input_hw=input_hw if at_network else None,
            aspect=spec.resize,
        )
    negatives = None
    if recipe.negatives and backgrounds:
        size = input_hw if at_network else None
        negatives = Negatives(workspace, backgrounds, recipe.negatives, cache, size, spec.resize)
    return Parts(
        trainer=trainer,
        samples=TrainingSamples(
            workspace, rows, recipe, context.seed, (input_hw, spec.resize), cache, online, negatives
        ),
        validation=Validation(workspace, job.val.to_pylist(), spec, context.workers, cache),
        folder=_state_folder(context, job),
        seed=context.seed,
        threads=context.workers,
        patience=recipe.patience,
        progress=context.progress,
        shares=shares_of(rows, recipe.sampling),
    )


def _finish(
    context: RunContext, recipe: TrainRecipe, job: TrainingJob, spec: ModelSpec, parts: Parts, course: Course
) -> TrainResult:
    """Write the version folder, then remove the state; other processes of DDP wait for the first."""
    fabric = parts.trainer.fabric
    precision = {"32-true": "fp32", "16-mixed": "fp16"}.get(fabric.strategy.precision.precision, "bf16")
    card = card_facts(recipe, job, spec, course, context.seed)
    if fabric.is_global_zero:
        parts.trainer.network.load_state_dict(parts.folder.best_weights(course.best_epoch))
        network = parts.trainer.network.to("cpu").eval()
        hashes = training_hashes(job.training), training_hashes(job.backgrounds)
        write_version(job.destination, network, spec, model_card(card), *hashes)
        if not job.keep_state:
            parts.folder.remove()
    fabric.barrier()
    return TrainResult(
        folder=job.destination,
        model_id=model_id_of(job.destination),
        best_epoch=course.best_epoch,
        epochs=course.records,
        resumed_from=course.resumed_from,
        steps=parts.trainer.step,
        precision=precision,
        device=fabric.device.type,
        card=card,
    )


def card_facts(recipe: TrainRecipe, job: TrainingJob, spec: ModelSpec, course: Course, seed: int) -> CardFacts:
    """What the version's card says when it has been trained; test metrics are added by whoever evaluates it."""
    height, width = spec.input_hw
    best = next(record for record in course.records if record.epoch == course.best_epoch)
    reason = "the last: no val samples" if best.val_miou is None else "best val mIoU"
    training: dict[str, Any] = {
        "start": "the spec's pretrained weights" if job.start is None else job.start.name,
        "epochs": len(course.records),
        "kept epoch": f"{course.best_epoch} ({reason})",
        "training loss of that epoch": best.train_loss,
        "seconds": round(sum(record.seconds for record in course.records), 1),
        "seed": seed,
        "training samples": job.training.num_rows,
        "val samples": job.val.num_rows,
    }
    return CardFacts(
        name=job.name,
        network=f"{spec.network}, {spec.backbone}, {height}x{width} (height x width)",
        lineage=job.card,
        recipe=recipe.model_dump(),
        training=training,
        metrics={} if best.val_miou is None else {"val": {"miou_image": best.val_miou}},
    )


def training_hashes(training: pa.Table) -> pa.Table:
    """What training.parquet and backgrounds.parquet hold: the exact samples and their bytes' hashes, sorted by id."""
    return training.select(["sample_id", "image_sha256", "alpha_sha256"]).sort_by("sample_id")


def _may_stand_beside(row: Mapping[str, Any]) -> bool:
    return row["kind"] == "portrait" and row["split"] == "train" and not has_empty_label(row.get("foreground_fraction"))
