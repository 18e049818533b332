"""A training from rows to a version folder: resumed, kept by val, refused with a message."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.errors import DataError, PixelError, TooFewSamplesError, UsageError
from segdata.imaging.fusion import FusionSettings
from segdata.inference.model_folder import model_id_of, read_spec
from segdata.records import Progress
from segdata.train.recipe import TrainRecipe
from segdata.train.run import TrainingJob, TrainResult, run

RECIPE = TrainRecipe(epochs=3, batch_size=4, learning_rate=1e-3, precision="fp32", accelerator="cpu")
NOTHING = SCHEMAS["samples"].empty_table()


def job_of(studio: Any, name: str = "tiny-1", **changes: Any) -> TrainingJob:
    job = TrainingJob(
        name=name,
        spec_folder=studio.spec_folder,
        start=None,
        training_key=f"key-{name}",
        training=studio.portraits(range(10), weight=1.0),
        val=studio.portraits(range(100, 104), "val"),
        backgrounds=NOTHING,
        fusion=None,
        card=("parent: none",),
        destination=studio.workspace.models / name,
    )
    return replace(job, **changes)


def weights(result: TrainResult) -> dict[str, torch.Tensor]:
    return load_file(str(result.folder / "weights.safetensors"))


def same(first: TrainResult, second: TrainResult) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Interrupt:
    """A watcher who presses Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, progress: Progress) -> None:
        if progress.done == self.step:
            raise KeyboardInterrupt


def test_a_version_holds_weights_spec_card_and_the_exact_samples(studio: Callable[..., Any]) -> None:
    made = studio()
    seen: list[Progress] = []
    result = run(made.context(progress=seen.append), RECIPE, job_of(made))
    assert {path.name for path in result.folder.iterdir()} == {
        "weights.safetensors",
        "model.toml",
        "CARD.md",
        "training.parquet",
    }
    assert result.model_id == model_id_of(result.folder)
    assert (result.steps, len(result.epochs), result.resumed_from) == (9, 3, None)
    rows = pq.read_table(result.folder / "training.parquet")
    assert rows.column_names == ["sample_id", "image_sha256", "alpha_sha256"]
    assert rows.num_rows == 10
    card = (result.folder / "CARD.md").read_text(encoding="utf-8")
    assert "training samples: 10" in card
    assert "parent: none" in card
    assert f"| val | {result.best_val_miou:.4f} |" in card
    assert not (made.workspace.models / ".training" / "key-tiny-1").exists()
    assert (seen[-1].task, seen[-1].done, seen[-1].total, seen[-1].unit) == ("epoch 3/3", 9, 9, "steps")
    assert "loss" in seen[-1].note
    assert "val mIoU" in seen[-1].note


@pytest.mark.parametrize("fusion", ["none", "rendered", "online"])
def test_backgrounds_are_shown_without_a_person_under_every_fusion_and_named(
    studio: Callable[..., Any], fusion: str
) -> None:
    made = studio()
    backgrounds = rows_to_table("samples", [made.background(seed) for seed in range(3)])
    online = {"fusion": FusionSettings(), "fusion_ratio": 0.5} if fusion == "online" else {}
    recipe = RECIPE.model_copy(update={"epochs": 1, "negatives": 0.5, "fusion": fusion})
    result = run(made.context(), recipe, job_of(made, backgrounds=backgrounds, **online))
    seen = pq.read_table(result.folder / "backgrounds.parquet")
    assert seen.column_names == ["sample_id", "image_sha256", "alpha_sha256"]
    assert seen["sample_id"].to_pylist() == [f"photos/background-{seed}" for seed in range(3)]
    assert pq.read_table(result.folder / "training.parquet").num_rows == 10
    off = RECIPE.model_copy(update={"epochs": 1, "negatives": 0.0, "fusion": fusion})
    without = run(made.context(), off, job_of(made, "off", backgrounds=backgrounds, **online))
    assert not same(result, without)


def test_the_kept_epoch_is_the_one_with_the_best_val_miou(studio: Callable[..., Any]) -> None:
    result = run((made := studio()).context(), RECIPE, job_of(made))
    by_epoch = {record.epoch: record.val_miou for record in result.epochs}
    assert by_epoch[result.best_epoch] == max(value for value in by_epoch.values() if value is not None)


def test_without_val_samples_the_last_epoch_is_kept_and_that_is_said(
    studio: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = studio()
    with caplog.at_level(logging.WARNING, "segdata.train"):
        result = run(made.context(), RECIPE, job_of(made, val=NOTHING))
    assert result.best_epoch == 3
    assert result.best_val_miou is None
    assert "no val samples, so the last epoch is kept" in caplog.text
    assert "the last: no val samples" in (result.folder / "CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", [4, 7])
def test_a_training_stopped_in_the_middle_of_an_epoch_goes_on_to_the_same_weights(
    studio: Callable[..., Any], step: int
) -> None:
    made = studio()
    straight = run(made.context(), RECIPE, job_of(made, "straight"))
    with pytest.raises(KeyboardInterrupt):
        run(made.context(progress=Interrupt(step)), RECIPE, job_of(made, "stopped"))
    stopped = run(made.context(), RECIPE, job_of(made, "stopped"))
    assert stopped.resumed_from == (step - 1) // 3
    assert [record.train_loss for record in stopped.epochs] == [record.train_loss for record in straight.epochs]
    assert same(straight, stopped)
    assert stopped.model_id == straight.model_id


@pytest.mark.parametrize("changes", [{"ema_decay": 0.9}, {"accumulate": 2}, {"sampling": "hard", "crop": 0.2}])
def test_options_of_the_trainer_go_on_to_the_same_weights_too(
    studio: Callable[..., Any], changes: dict[str, Any]
) -> None:
    made = studio()
    recipe = RECIPE.model_copy(update=changes)
    straight = run(made.context(), recipe, job_of(made, "straight"))
    with pytest.raises(KeyboardInterrupt):
        run(made.context(progress=Interrupt(5)), recipe, job_of(made, "stopped"))
    stopped = run(made.context(), recipe, job_of(made, "stopped"))
    assert stopped.resumed_from == 1
    assert same(straight, stopped)
    assert not same(straight, run(made.context(), RECIPE, job_of(made, "plain")))


def test_size_aspect_and_flip_averaging_become_the_versions_own(studio: Callable[..., Any]) -> None:
    made = studio()
    changes = {"size": (96, 64), "aspect": "keep", "flip_average": True, "epochs": 1}
    result = run(made.context(), RECIPE.model_copy(update=changes), job_of(made))
    spec = read_spec(result.folder)
    assert (spec.input_hw, spec.resize, spec.flip) == ((96, 64), "keep", True)
    assert "96x64" in (result.folder / "CARD.md").read_text(encoding="utf-8")


def test_the_average_is_what_is_judged_and_kept(studio: Callable[..., Any]) -> None:
    made = studio()
    # an average that hardly moves stays near the start, whatever the weights do
    still = RECIPE.model_copy(update={"ema_decay": 0.0, "epochs": 1})
    moved = run(made.context(), still, job_of(made, "moved"))
    averaged = run(made.context(), still.model_copy(update={"ema_decay": 0.999}), job_of(made, "averaged"))
    name = "head.weight"
    assert not torch.equal(weights(moved)[name], weights(averaged)[name])


def test_parts_that_a_batch_cannot_be_cut_into_are_refused(studio: Callable[..., Any]) -> None:
    made = studio()
    with pytest.raises(UsageError, match=r"train\.batch_size: 4 samples .* 3 accumulated parts"):
        run(made.context(), RECIPE.model_copy(update={"accumulate": 3}), job_of(made))


def test_fp16_needs_a_gpu(studio: Callable[..., Any]) -> None:
    made = studio()
    with pytest.raises(UsageError, match="fp16 is for GPUs"):
        run(made.context(), RECIPE.model_copy(update={"precision": "fp16"}), job_of(made))


def test_another_seed_gives_other_weights(studio: Callable[..., Any]) -> None:
    made = studio()
    recipe = RECIPE.model_copy(update={"epochs": 1})
    first, second = (run(made.context(seed=seed), recipe, job_of(made, f"seed-{seed}")) for seed in (0, 1))
    assert not same(first, second)


def test_a_damaged_checkpoint_is_said_and_costs_an_epoch_not_the_training(
    studio: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = studio()
    straight = run(made.context(), RECIPE, job_of(made, "straight"))
    with pytest.raises(KeyboardInterrupt):
        run(made.context(progress=Interrupt(8)), RECIPE, job_of(made, "stopped"))
    newest = made.workspace.models / ".training" / "key-stopped" / "epoch-00002.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING, "segdata.train"):
        stopped = run(made.context(), RECIPE, job_of(made, "stopped"))
    assert stopped.resumed_from == 1
    assert "epoch-00002.pt: this checkpoint is damaged" in caplog.text
    assert same(straight, stopped)


def test_a_retraining_starts_from_a_versions_weights_and_epoch_0_is_no_candidate(studio: Callable[..., Any]) -> None:
    made = studio()
    first = run(made.context(), RECIPE, job_of(made))
    harmless = RECIPE.model_copy(update={"epochs": 1, "learning_rate": 1e-9, "weight_decay": 0.0})
    second = run(made.context(), harmless, job_of(made, "tiny-2", start=first.folder))
    assert second.best_epoch == 1
    before, after = weights(first), weights(second)
    moved = [name for name in before if "running" not in name and "batches" not in name]
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in moved)


def test_one_training_sample_is_too_few(studio: Callable[..., Any]) -> None:
    made = studio()
    with pytest.raises(TooFewSamplesError, match="1 training samples, at least 2 are needed"):
        run(made.context(), RECIPE, job_of(made, training=made.portraits(range(1))))


def test_online_fusion_without_backgrounds_says_what_to_ingest(studio: Callable[..., Any]) -> None:
    made = studio()
    recipe = RECIPE.model_copy(update={"fusion": "online"})
    with pytest.raises(UsageError, match="needs the settings and the ratio of"):
        run(made.context(), recipe, job_of(made))
    with pytest.raises(TooFewSamplesError, match="the catalog has no backgrounds"):
        run(made.context(), recipe, job_of(made, fusion=object(), fusion_ratio=0.5))


def test_a_loss_that_is_no_number_names_the_learning_rate_and_keeps_the_epochs(studio: Callable[..., Any]) -> None:
    made = studio()
    wild = RECIPE.model_copy(update={"learning_rate": 1e30, "optimizer": "sgd", "warmup_fraction": 0.0})
    with pytest.raises(DataError, match=r"the loss became .* lower train\.learning_rate \(now 1e\+30\)"):
        run(made.context(), wild, job_of(made))
    assert not job_of(made).destination.exists()


def test_an_unreadable_image_is_named_and_the_finished_epochs_stay(studio: Callable[..., Any]) -> None:
    made = studio()
    job = job_of(made)
    recipe = RECIPE.model_copy(update={"cache_mib": 0})
    photo: Path = made.workspace.root / "photos" / "train-3_image.png"
    good = photo.read_bytes()

    def spoil(progress: Progress) -> None:
        if progress.done == 4:
            photo.write_bytes(b"no picture")

    with pytest.raises(PixelError, match="train-3"):
        run(made.context(progress=spoil), recipe, job)
    assert (made.workspace.models / ".training" / job.training_key / "epoch-00001.pt").exists()
    photo.write_bytes(good)
    assert (run(made.context(), recipe, job).resumed_from or 0) >= 1


def test_early_stopping_waits_so_many_epochs_for_a_better_one(studio: Callable[..., Any]) -> None:
    made = studio()
    still = RECIPE.model_copy(update={"epochs": 9, "patience": 2, "learning_rate": 1e-12, "augment": False})
    result = run(made.context(), still, job_of(made))
    assert len(result.epochs) == result.best_epoch + 2 or len(result.epochs) == 9


def test_the_small_task_is_learned(studio: Callable[..., Any]) -> None:
    made = studio()
    recipe = RECIPE.model_copy(update={"epochs": 12, "learning_rate": 2e-3})
    result = run(made.context(), recipe, job_of(made))
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss
    assert result.best_val_miou is not None
    assert result.best_val_miou > 0.85


def test_every_sample_weighs_as_its_weight_says(studio: Callable[..., Any]) -> None:
    made = studio()
    recipe = RECIPE.model_copy(update={"max_steps": 1, "loss": "ce", "augment": False})
    one, two = (
        run(made.context(), recipe, job_of(made, f"w{weight:g}", training=made.portraits(range(10), weight=weight)))
        for weight in (1.0, 2.0)
    )
    assert math.isclose(two.epochs[0].train_loss, 2 * one.epochs[0].train_loss, rel_tol=1e-5)
