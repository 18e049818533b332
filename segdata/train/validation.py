"""How good the network is on val after an epoch: the mean over images of their mIoU, at the label's own size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segdata.catalog.pixels import read_pair
from segdata.catalog.workspace import Workspace
from segdata.engines.local import map_threads
from segdata.imaging.arrays import Image, Mask
from segdata.imaging.frame import alpha_into_frame
from segdata.inference.model_folder import ModelSpec
from segdata.inference.predict import network_probabilities, prepare, restore
from segdata.metrics.confusion import confusion, miou
from segdata.records import LABEL_CUT
from segdata.train.cache import ArrayCache

if TYPE_CHECKING:
    from segdata.train.trainer import Trainer

Row = dict[str, Any]
_BATCH = 8


@dataclass(frozen=True)
class ValSample:
    """One val image at network size, its label's mask, and the photo where it is needed once more."""

    image: Image
    label: Mask
    photo: Image | None = None


class Validation:
    """Val samples, decoded once and kept as long as the budget lasts.

    Args:
        workspace: resolves their URIs.
        rows: of `samples`.
        spec: how images become network input.
        threads: that decode and compare.
        cache: for small images and packed masks.
    """

    def __init__(
        self, workspace: Workspace, rows: Sequence[Row], spec: ModelSpec, threads: int, cache: ArrayCache
    ) -> None:
        self._workspace, self._rows, self._spec, self._threads = workspace, rows, spec, threads
        self._cache = cache

    def __len__(self) -> int:
        return len(self._rows)

    def mean_miou(self, trainer: Trainer) -> float | None:
        """Mean mIoU of the trainer's network; None without val samples.

        Under DDP each process takes its share of the images. They are counted together, so that all processes
        agree on which epoch is the best.
        """
        import torch

        if not self._rows:
            return None
        fabric = trainer.fabric
        mine = self._rows[fabric.global_rank :: fabric.world_size]
        total = torch.zeros(2, dtype=torch.float64)
        with trainer.judged():
            for value in self._mious(trainer, mine):
                total += torch.tensor([value, 1.0], dtype=torch.float64)
        if fabric.world_size > 1:
            total = fabric.all_reduce(total.to(fabric.device), reduce_op="sum").cpu()
        return float(total[0] / total[1])

    def pictures(self, trainer: Trainer, count: int) -> list[Image]:
        """The first images, each beside its label and its prediction, at network size: (h, 3w, 3) uint8 RGB."""
        samples = [self._load(row) for row in self._rows[:count]]
        if not samples:
            return []
        with trainer.judged():
            probabilities = network_probabilities(trainer, self._spec, np.stack([sample.image for sample in samples]))
        labels = [
            alpha_into_frame(sample.label.astype(np.uint8) * np.uint8(255), self._spec.input_hw, self._spec.resize)
            for sample in samples
        ]
        told = [np.rint(probability * 255).astype(np.uint8) for probability in probabilities]
        return [
            np.hstack([sample.image, *(np.repeat(grey[..., None], 3, axis=2) for grey in greys)])
            for sample, *greys in zip(samples, labels, told, strict=True)
        ]

    def _mious(self, trainer: Trainer, rows: Sequence[Row]) -> Iterator[float]:
        samples = map_threads(self._load, rows, self._threads)
        while taken := list(islice(samples, _BATCH)):
            probabilities = network_probabilities(trainer, self._spec, np.stack([sample.image for sample in taken]))
            yield from map_threads(partial(_score, self._spec), zip(taken, probabilities, strict=True), self._threads)

    def _load(self, row: Row) -> ValSample:
        def make() -> tuple[NDArray[np.uint8], ...]:
            image, alpha = read_pair(self._workspace, row)
            label = alpha >= LABEL_CUT
            photo = [image] if self._spec.upsample == "guided" else []
            return (
                prepare(image, self._spec),
                np.packbits(label),
                np.array(label.shape, np.int64).view(np.uint8),
                *photo,
            )

        image, packed, shape, *photo = self._cache.get(("val", row["sample_id"]), make)
        height, width = shape.view(np.int64)
        label = np.unpackbits(packed, count=height * width).reshape(height, width).astype(bool)
        return ValSample(image, label, *photo)


def _score(spec: ModelSpec, pair: tuple[ValSample, NDArray[np.float32]]) -> float:
    sample, probability = pair
    height, width = sample.label.shape
    prediction = restore(probability, (height, width), spec, sample.photo) >= 0.5
    return float(miou(confusion(sample.label, prediction)))
