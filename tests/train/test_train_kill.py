"""Trainings that are killed, or run out of room, go on to the weights of an undisturbed one, bit by bit."""

from __future__ import annotations

import logging
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from segdata.catalog.schemas import SCHEMAS
from segdata.errors import DataError
from segdata.networks import losses
from segdata.train.job import EpochRecord, TrainingJob
from segdata.train.logs import TrainingLog
from segdata.train.recipe import TrainRecipe
from segdata.train.run import run
from segdata.train.state import TrainingFolder

RECIPE = TrainRecipe(epochs=3, batch_size=4, precision="fp32", accelerator="cpu", ema_decay=0.9)
WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def job_of(made: Any, name: str) -> TrainingJob:
    return TrainingJob(
        name=name,
        spec_folder=made.spec_folder,
        start=None,
        training_key=f"key-{name}",
        training=made.portraits(range(10), weight=1.0),
        val=made.portraits(range(100, 103), "val"),
        backgrounds=SCHEMAS["samples"].empty_table(),
        fusion=None,
        card=(),
        destination=made.workspace.models / name,
    )


def call(made: Any, job: TrainingJob) -> list[str]:
    (made.workspace.root / "call.pickle").write_bytes(pickle.dumps((made.context(), RECIPE, job)))
    return [sys.executable, str(WORKER), str(made.workspace.root)]


def ran(command: list[str], *options: object) -> subprocess.CompletedProcess[str]:
    line = [*command, *map(str, options)]
    return subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False)


def weights(job: TrainingJob) -> dict[str, torch.Tensor]:
    return load_file(str(job.destination / "weights.safetensors"))


def same(first: TrainingJob, second: TrainingJob) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_training_killed_at_a_step_ends_with_the_weights_of_an_undisturbed_one(studio: Callable[..., Any]) -> None:
    made = studio()
    straight, killed = job_of(made, "straight"), job_of(made, "killed")
    run(made.context(), RECIPE, straight)
    assert ran(call(made, killed), "--step", 5).returncode == -signal.SIGKILL
    assert not killed.destination.exists()
    assert run(made.context(), RECIPE, killed).resumed_from == 1
    assert same(straight, killed)


def test_a_disk_that_is_full_is_told_and_the_epoch_before_stays(studio: Callable[..., Any]) -> None:
    made = studio()
    straight, stopped = job_of(made, "straight"), job_of(made, "stopped")
    run(made.context(), RECIPE, straight)
    done = ran(call(made, stopped), "--file-size", 100_000)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("StorageError: ")
    assert "File too large" in done.stdout and "run it again" in done.stdout
    kept = TrainingFolder(made.workspace.models / ".training" / stopped.training_key).load()
    assert kept is not None and kept.epoch == 1
    assert run(made.context(), RECIPE, stopped).resumed_from == 1
    assert same(straight, stopped)


@pytest.mark.parametrize("after", [4, 7])
def test_a_loss_that_is_no_number_stops_the_training_and_the_epochs_before_stay(
    studio: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    made = studio()
    straight, stopped = job_of(made, "straight"), job_of(made, "stopped")
    run(made.context(), RECIPE, straight)
    real, steps = losses.segmentation_loss, 0

    def poisoned(*given: Any, **options: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return real(*given, **options) * (float("nan") if steps == after else 1)

    with monkeypatch.context() as patch:
        patch.setattr(losses, "segmentation_loss", poisoned)
        with pytest.raises(DataError, match=f"the loss became nan in epoch {after // 3 + 1}"):
            run(made.context(), RECIPE, stopped)
    assert not stopped.destination.exists()
    assert run(made.context(), RECIPE, stopped).resumed_from == after // 3
    assert same(straight, stopped)


def test_weights_that_are_no_numbers_are_never_kept_though_the_last_loss_was_one(
    studio: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An infinite gradient at an epoch's last step: its loss is fine, and what is left behind is not."""
    made = studio()
    job = job_of(made, "overflown")
    real, steps = losses.segmentation_loss, 0

    def steep(*given: Any, **options: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        loss = real(*given, **options)
        if steps == 6:
            loss.register_hook(lambda gradient: gradient * float("inf"))
        return loss

    monkeypatch.setattr(losses, "segmentation_loss", steep)
    with pytest.raises(DataError, match="no longer finite in epoch 2"):
        run(made.context(), RECIPE, job)
    kept = TrainingFolder(made.workspace.models / ".training" / job.training_key).load()
    assert kept is not None and kept.epoch == 1


class FullDisk:
    """A writer of curves on a disk without room."""

    def add_scalar(self, *given: Any) -> None:
        raise OSError(28, "No space left on device")


def test_curves_that_cannot_be_written_are_told_once_and_stop_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = TrainingLog(tmp_path, enabled=False, from_step=0)
    log._writer = FullDisk()
    with caplog.at_level(logging.WARNING, "segdata.train"):
        log.step(1, 0.5)
        log.step(2, 0.5)
        log.epoch(EpochRecord(1, 0.5, 0.9, 1.0, 0.1), 2)
        log.close()
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_a_training_killed_at_any_step_and_any_sync_ends_with_the_same_weights(studio: Callable[..., Any]) -> None:
    made = studio()
    straight = job_of(made, "straight")
    run(made.context(), RECIPE, straight)
    for option, number in [("--step", step) for step in range(1, 10)] + [("--sync", sync) for sync in range(1, 12)]:
        job = job_of(made, f"killed{option}-{number}")
        assert ran(call(made, job), option, number).returncode == -signal.SIGKILL
        run(made.context(), RECIPE, job)
        assert same(straight, job), f"killed at {option} {number}"


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_a_training_killed_again_and_again_at_random_times_ends_with_the_same_weights(
    studio: Callable[..., Any],
) -> None:
    made = studio()
    straight, job = job_of(made, "straight"), job_of(made, "killed")
    started = time.monotonic()
    assert ran(call(made, straight)).returncode == 0
    whole = time.monotonic() - started
    draw = random.Random(0)
    kills = 0
    while kills < 10 and not job.destination.exists():
        process = subprocess.Popen(call(made, job), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=draw.uniform(0.3, 1.0) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += process.wait() == -signal.SIGKILL
    assert ran(call(made, job)).returncode == 0
    assert kills > 0
    assert same(straight, job)
