"""What an interrupted training goes on from: a checkpoint an epoch, written whole, checked when read.

A checkpoint file is the SHA-256 of what follows (32 bytes), then what `torch.save` wrote: torch itself does not
notice a flipped bit. The last two are kept, so that a damaged one costs one epoch. The best epoch's weights lie
beside them, in a file named by their epoch: replaying an epoch writes the same file again. training.parquet and
backgrounds.parquet name the samples that the training sees, as they do in a version's folder.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from segdata.errors import CheckpointError
from segdata.storage.files import atomic_write, read_bytes
from segdata.train.job import EpochRecord

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

_log = logging.getLogger("segdata.train")
_DIGEST_BYTES = 32
_KEPT = 2


@dataclass(frozen=True)
class TrainingState:
    """Everything that decides how a training goes on after an epoch.

    Attributes:
        epoch: the last finished one, from 1 on.
        step: optimizer steps done.
        network: its `state_dict()`, on the CPU.
        optimizer: its `state_dict()`.
        random: states of torch's generators, by device.
        records: one for each finished epoch.
        best_epoch: whose weights are kept so far.
        average: the moving average of the weights, where there is one: then it is what is judged and kept.
        scaler: how fp16's loss is scaled by now; empty in other precisions.
    """

    epoch: int
    step: int
    network: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, Any]
    random: Mapping[str, torch.Tensor]
    records: tuple[EpochRecord, ...]
    best_epoch: int
    average: Mapping[str, torch.Tensor] | None = None
    scaler: Mapping[str, Any] | None = None


class TrainingFolder:
    """The checkpoints of one training, by its key.

    Args:
        folder: made with the first checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._best_of: dict[int, int] = {}

    def save(self, state: TrainingState) -> None:
        """Keep a finished epoch, and the best epoch's weights if it is this one.

        Raises:
            StorageError: The disk is full or read-only; the epochs kept before are still there.
        """
        if state.best_epoch == state.epoch:
            _write(self._best(state.epoch), {"network": dict(state.average or state.network)})
        values = dict(vars(state)) | {"records": [record.to_json() for record in state.records]}
        average = None if state.average is None else dict(state.average)
        _write(self._epoch(state.epoch), {**values, "network": dict(state.network), "average": average})
        self._best_of[state.epoch] = state.best_epoch
        self._sweep(state.epoch)

    def note_samples(self, seen: Mapping[str, pa.Table]) -> None:
        """Keep which samples the training sees, by file name, so that `segdata forget` finds the state by them.

        Raises:
            StorageError: The disk is full or read-only.
        """
        for name, table in seen.items():
            buffer = io.BytesIO()
            pq.write_table(table, buffer)
            atomic_write(self.folder / name, buffer.getvalue())

    def load(self) -> TrainingState | None:
        """The newest checkpoint that can be read whole; None if there is none to go on from.

        A damaged one is named in a warning and passed over.
        """
        for path in sorted(self.folder.glob("epoch-*.pt"), reverse=True):
            try:
                values = _read(path)
                _read(self._best(values["best_epoch"]))
                records = tuple(EpochRecord(**record) for record in values.pop("records"))
                state = TrainingState(**values, records=records)
            except (CheckpointError, KeyError, TypeError) as error:
                _log.warning("%s; going on from the epoch before it, or from the beginning", error)
                continue
            self._best_of[state.epoch] = state.best_epoch
            return state
        return None

    def best_weights(self, epoch: int) -> dict[str, torch.Tensor]:
        """The weights that were kept at an epoch.

        Raises:
            CheckpointError: The file is damaged.
            StorageError: It is gone.
        """
        weights: dict[str, torch.Tensor] = _read(self._best(epoch))["network"]
        return weights

    def remove(self) -> None:
        """Remove the folder: the version is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _epoch(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.pt"

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch:05d}.pt"

    def _sweep(self, epoch: int) -> None:
        """Remove what none of the last checkpoints needs."""
        for path in self.folder.glob("epoch-*.pt"):
            if _number(path) <= epoch - _KEPT:
                path.unlink(missing_ok=True)
        needed = {self._best_of.get(kept) for kept in range(epoch - _KEPT + 1, epoch + 1)}
        for path in self.folder.glob("best-*.pt"):
            if _number(path) not in needed:
                path.unlink(missing_ok=True)


def _number(path: Path) -> int:
    found = re.search(r"-(\d+)$", path.stem)
    return int(found.group(1)) if found else -1


def _write(path: Path, values: dict[str, Any]) -> None:
    import torch

    buffer = io.BytesIO()
    torch.save(values, buffer)
    data = buffer.getvalue()
    atomic_write(path, hashlib.sha256(data).digest() + data)


def _read(path: Path) -> dict[str, Any]:
    import torch

    if not path.exists():
        raise CheckpointError(f"{path}: this checkpoint is missing")
    data = read_bytes(path, most=None)
    digest, payload = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise CheckpointError(f"{path}: this checkpoint is damaged (its checksum differs)")
    values: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return values
