"""TensorBoard curves of a training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from segdata.imaging.arrays import Image
from segdata.train.job import EpochRecord

_PICTURES_EVERY = 5

_log = logging.getLogger("segdata.train")


class TrainingLog:
    """Scalars under a folder: loss by step, mIoU, learning rate and seconds by epoch; and what val images look like.

    Curves are not worth a training: where they can't be written, that is said once, and the training goes on.

    Args:
        folder: one for each version, so that versions are curves beside each other.
        enabled: False for the processes that are not the first, which write nothing.
        from_step: what an interrupted call logged from this step on is shown no more.
    """

    def __init__(self, folder: Path, enabled: bool, from_step: int) -> None:
        self._writer: Any = None
        if enabled:
            from torch.utils.tensorboard.writer import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self._writer = SummaryWriter(str(folder), purge_step=from_step)

    def step(self, step: int, loss: float) -> None:
        """The loss of one step."""
        self._attempt(lambda writer: writer.add_scalar("train/loss", loss, step))

    def epoch(self, record: EpochRecord, step: int) -> None:
        """What an epoch came to."""
        values = {
            "epoch/train_loss": record.train_loss,
            "epoch/val_miou": record.val_miou,
            "epoch/lr": record.lr,
            "epoch/seconds": record.seconds,
            "epoch/waiting_seconds": record.waiting_seconds,
        }

        def write(writer: Any) -> None:
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name, value, step)
            writer.flush()

        self._attempt(write)

    def wants_pictures(self, epoch: int) -> bool:
        """Whether this epoch's are shown: the first's, and then every fifth's, since pictures are large."""
        return self._writer is not None and (epoch == 1 or epoch % _PICTURES_EVERY == 0)

    def pictures(self, pictures: Sequence[Image], step: int) -> None:
        """Val images, each beside its label and its prediction."""

        def write(writer: Any) -> None:
            for number, picture in enumerate(pictures):
                writer.add_image(f"val/image, label, prediction {number}", picture, step, dataformats="HWC")
            writer.flush()

        self._attempt(write)

    def close(self) -> None:
        """Write what is buffered."""
        self._attempt(lambda writer: writer.close())

    def _attempt(self, write: Callable[[Any], None]) -> None:
        if self._writer is None:
            return
        try:
            write(self._writer)
        except OSError as error:
            self._writer = None
            _log.warning("train: TensorBoard's curves end here: they can't be written (%s)", error.strerror or error)
