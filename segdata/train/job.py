"""What a training is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from segdata.imaging.fusion import FusionSettings
    from segdata.train.card import CardFacts


@dataclass(frozen=True)
class TrainingJob:
    """One version to train: from which weights, on which samples, into which folder.

    Attributes:
        name: the version's name, for people.
        spec_folder: holds the `model.toml` to train.
        start: the version folder whose weights to start from; None for the spec's pretrained ones.
        training_key: hash of everything that decides the weights; an interrupted training is found again by it.
        training: rows of `samples` with alpha, and a column `weight` (float; 1 where it is missing or null).
        val: rows of `samples` that decide which epoch is kept; never trained on.
        backgrounds: rows of `samples` of kind background, used when `fusion = "online"`.
        fusion: how the online fusion draws; None unless `fusion = "online"`.
        card: lines about data and lineage for CARD.md.
        destination: the version folder to create.
        fusion_ratio: probability that a fetch is fused online: `[fuse] ratio`; None unless `fusion = "online"`.
        fusion_people: the fewest and the most people of a fused fetch: `[fuse] people`.
        keep_state: leave the last checkpoint, so that the version can be written again at no cost.
    """

    name: str
    spec_folder: Path
    start: Path | None
    training_key: str
    training: pa.Table
    val: pa.Table
    backgrounds: pa.Table
    fusion: FusionSettings | None
    card: tuple[str, ...]
    destination: Path
    fusion_ratio: float | None = None
    fusion_people: tuple[int, int] = (1, 1)
    keep_state: bool = False


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, as it went.

    Attributes:
        epoch: from 1 on.
        train_loss: mean over the epoch's steps.
        val_miou: mean over val images of their mIoU at the label's size; None without val samples.
        seconds: wall time, validation included.
        lr: learning rate of its last step.
        waiting_seconds: part of `seconds` in which a step waited for its input.
    """

    epoch: int
    train_loss: float
    val_miou: float | None
    seconds: float
    lr: float
    waiting_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The record as plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class TrainResult:
    """A trained version.

    Attributes:
        folder: the version folder: weights.safetensors, model.toml, CARD.md, training.parquet.
        model_id: hash of its weights and model.toml.
        best_epoch: the epoch whose weights were kept.
        epochs: every epoch, those of an interrupted earlier call included.
        resumed_from: the last epoch that an earlier call had finished; None if this one began at the beginning.
        steps: optimizer steps in all.
        precision: bf16 or fp32.
        device: cpu or cuda.
        card: what CARD.md says: `model_card(replace(card, metrics=...))` writes it again with test metrics.
    """

    folder: Path
    model_id: str
    best_epoch: int
    epochs: tuple[EpochRecord, ...]
    resumed_from: int | None
    steps: int
    precision: str
    device: str
    card: CardFacts

    @property
    def best_val_miou(self) -> float | None:
        """The kept epoch's val mIoU; None without val samples."""
        return next((record.val_miou for record in self.epochs if record.epoch == self.best_epoch), None)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values, for `--json` and the runs table."""
        return {
            "model_id": self.model_id,
            "path": str(self.folder),
            "best_epoch": self.best_epoch,
            "best_val_miou": self.best_val_miou,
            "steps": self.steps,
            "resumed_from": self.resumed_from,
            "precision": self.precision,
            "device": self.device,
            "epochs": [record.to_json() for record in self.epochs],
        }
