"""A training under way: epoch after epoch, each one logged, judged on val, and kept."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segdata.records import Progress, ProgressCallback
from segdata.train.dataset import TrainingSamples, batches
from segdata.train.job import EpochRecord
from segdata.train.logs import TrainingLog
from segdata.train.sampling import epoch_order
from segdata.train.state import TrainingFolder
from segdata.train.trainer import Trainer
from segdata.train.validation import Validation

_PICTURES = 4  # val images that TensorBoard shows

_log = logging.getLogger("segdata.train")


@dataclass(frozen=True)
class Parts:
    """What a session works with.

    Attributes:
        trainer: the network and its optimizer.
        samples: what is trained on.
        validation: what decides which epoch is kept.
        folder: where the state is kept.
        seed: of the epochs' orders.
        threads: that fetch samples.
        patience: stop after so many epochs without a better val mIoU; 0 for never.
        progress: told each step.
        shares: the probability of each sample; None shows each once an epoch.
    """

    trainer: Trainer
    samples: TrainingSamples
    validation: Validation
    folder: TrainingFolder
    seed: int
    threads: int
    patience: int
    progress: ProgressCallback
    shares: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Course:
    """How far a training has come.

    Attributes:
        records: an entry for each finished epoch.
        best_epoch: whose weights are kept; 0 before the first.
        resumed_from: the last epoch of an interrupted earlier call, if there was one.
    """

    records: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0
    resumed_from: int | None = None

    def with_epoch(self, record: EpochRecord) -> Course:
        """The course one epoch further: the best is the highest val mIoU, the earliest of equals, or else the last.

        >>> course = Course()
        >>> for epoch, val in enumerate([0.5, 0.7, 0.7], 1):
        ...     course = course.with_epoch(EpochRecord(epoch, 1.0, val, 1.0, 0.1))
        >>> course.best_epoch
        2
        """
        best = next((old.val_miou for old in self.records if old.epoch == self.best_epoch), None)
        better = record.val_miou is None or best is None or record.val_miou > best
        return replace(self, records=(*self.records, record), best_epoch=record.epoch if better else self.best_epoch)

    def stops(self, patience: int, epochs: int) -> bool:
        """Whether the last epoch is reached, or the best one lies `patience` epochs back."""
        done = len(self.records)
        return done >= epochs or (patience > 0 and done - self.best_epoch >= patience)


def train_epochs(parts: Parts, log_from: Callable[[int], TrainingLog]) -> Course:
    """Take up where an interrupted call stopped, and train until the end.

    Args:
        parts: what to work with.
        log_from: opens the log at a step.
    """
    trainer = parts.trainer
    course = _resume(parts)
    with closing(log_from(trainer.step)) as log:
        while not course.stops(parts.patience, trainer.plan.epochs):
            record = _epoch(parts, len(course.records) + 1, course, log)
            course = course.with_epoch(record)
            if trainer.fabric.is_global_zero:
                parts.folder.save(trainer.state(record.epoch, course.records, course.best_epoch))
            trainer.fabric.barrier()
            log.epoch(record, trainer.step)
            if log.wants_pictures(record.epoch):
                log.pictures(parts.validation.pictures(trainer, _PICTURES), trainer.step)
            _tell(parts, course, record.train_loss)
    return course


def _resume(parts: Parts) -> Course:
    state = parts.folder.load()
    parts.trainer.fabric.barrier()  # nobody writes before all have read
    if state is None:
        return Course()
    parts.trainer.restore(state)
    _log.info("train: going on after epoch %d of %d", state.epoch, parts.trainer.plan.epochs)
    course = Course(state.records, state.best_epoch, state.epoch)
    _tell(parts, course, state.records[-1].train_loss)
    return course


def _epoch(parts: Parts, epoch: int, course: Course, log: TrainingLog) -> EpochRecord:
    trainer, started = parts.trainer, time.perf_counter()

    def on_step(step: int, loss: float) -> None:
        if not math.isnan(loss):
            log.step(step - 1, loss)
        _tell(parts, course, loss)

    order = _share(parts, epoch)
    share = trainer.plan.batch // trainer.fabric.world_size
    with closing(batches(parts.samples, epoch, order, share, parts.threads)) as feed:
        steps = trainer.train_epoch(epoch, feed, on_step)
    val_miou = parts.validation.mean_miou(trainer)
    seconds = time.perf_counter() - started
    return EpochRecord(epoch, steps.loss, val_miou, seconds, steps.lr, steps.waiting_seconds)


def _share(parts: Parts, epoch: int) -> list[int]:
    """This process's part of each of the epoch's batches, one after the other."""
    fabric, plan = parts.trainer.fabric, parts.trainer.plan
    order = epoch_order(len(parts.samples), plan, parts.seed, epoch, parts.shares)
    share = plan.batch // fabric.world_size
    starts = range(fabric.global_rank * share, len(order), plan.batch)
    return [index for start in starts for index in order[start : start + share]]


def _tell(parts: Parts, course: Course, loss: float) -> None:
    trainer = parts.trainer
    if not trainer.fabric.is_global_zero:
        return
    epoch = min(trainer.plan.epochs, math.ceil(max(1, trainer.step) / trainer.plan.per_epoch))
    note = [] if math.isnan(loss) else [f"loss {loss:.3f}"]
    if course.records and course.records[-1].val_miou is not None:
        note.append(f"val mIoU {course.records[-1].val_miou:.4f}")
    task = f"epoch {epoch}/{trainer.plan.epochs}"
    parts.progress(Progress("train", task, trainer.step, trainer.plan.total, "steps", ", ".join(note)))
