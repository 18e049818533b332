"""What a training step eats: samples, decoded, fused, augmented and shrunk by threads, ahead of the step.

Every draw comes from (seed, epoch, index) alone: not from the thread, the process, or what came before. So a training
that goes on after a kill sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from segdata.catalog.pixels import read_pair
from segdata.catalog.workspace import Workspace
from segdata.engines.local import map_threads
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.frame import Aspect, alpha_into_frame, frame_of, into_frame
from segdata.train.augment import Augment, portrait_augmentation
from segdata.train.cache import ArrayCache
from segdata.train.negatives import Negatives
from segdata.train.online import OnlineFusion
from segdata.train.recipe import TrainRecipe
from segdata.train.resize import shrink_pair, typical_scale
from segdata.train.sampling import weight_of

if TYPE_CHECKING:
    import torch

Row = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """The input of one step in one process.

    Attributes:
        images: (N, H, W, 3) uint8 RGB at network size.
        alphas: (N, H, W) uint8, 255 is person.
        weights: (N,) float32, by which each sample's loss counts.
    """

    images: torch.Tensor
    alphas: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Fetched:
    """One sample, ready."""

    image: Image
    alpha: Alpha
    weight: float


class TrainingSamples:
    """Samples by (epoch, index).

    Args:
        workspace: resolves their URIs.
        rows: of `samples`, each with its `weight`.
        recipe: augment, augment_at, crop and sampling.
        seed: decides every draw.
        frame: network size, and whether photos are stretched to it or keep their aspect ratio.
        cache: for pairs at network size.
        online: lays portraits over new backgrounds; None for never.
        negatives: shows photos without a person instead of a share of them; None for never.
    """

    def __init__(
        self,
        workspace: Workspace,
        rows: Sequence[Row],
        recipe: TrainRecipe,
        seed: int,
        frame: tuple[tuple[int, int], Aspect],
        cache: ArrayCache,
        online: OnlineFusion | None = None,
        negatives: Negatives | None = None,
    ) -> None:
        self._workspace, self._rows, self._seed = workspace, rows, seed
        self._input_hw, self._aspect = frame
        self._cache, self._online, self._negatives = cache, online, negatives
        self._at_network = recipe.augment_at == "network"
        scale = typical_scale(rows, self._input_hw) if self._at_network else None
        self._augment: Augment | None = portrait_augmentation(scale, recipe.crop) if recipe.augment else None
        self._weighs_loss = recipe.sampling != "hard"

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, epoch: int, index: int) -> Fetched:
        """One sample as this epoch sees it.

        Raises:
            PixelError: It can't be decoded; the message names the sample.
            StorageError: A file can't be read.
        """
        rng = np.random.default_rng([self._seed, epoch, index])
        row = self._rows[index]
        image, alpha = self._negative(row, rng) or self._pair(row, rng)
        if self._augment is not None:
            image, alpha = self._augment(image, alpha, int(rng.integers(2**31)))
        image = into_frame(image, self._input_hw, self._aspect)
        alpha = alpha_into_frame(alpha, self._input_hw, self._aspect)
        return Fetched(image, alpha, weight_of(row) if self._weighs_loss else 1.0)

    def _negative(self, row: Row, rng: np.random.Generator) -> tuple[Image, Alpha] | None:
        """A photo without a person in the sample's place, if this fetch is one: without negatives nothing is drawn."""
        cut = None if self._negatives is None else self._negatives.draw(rng)
        return None if self._negatives is None or cut is None else self._negatives.pair(cut, row)

    def _pair(self, row: Row, rng: np.random.Generator) -> tuple[Image, Alpha]:
        """The sample or a composite of it, at network size or its own, as `augment_at` says."""
        drawn = None if self._online is None else self._online.draw(row, rng)
        if self._online is not None and drawn is not None:
            return self._online.fuse(drawn)
        if not self._at_network:
            return read_pair(self._workspace, row)

        window = frame_of((row["height"], row["width"]), self._input_hw, self._aspect)

        def make() -> tuple[Image, Alpha]:
            return shrink_pair(*read_pair(self._workspace, row), (window.height, window.width))

        image, alpha = self._cache.get(("pair", row["sample_id"]), make)
        return image, alpha


def batches(
    samples: TrainingSamples, epoch: int, order: Sequence[int], batch: int, threads: int
) -> Generator[Batch, None, None]:
    """Batches of an order, fetched by threads, up to two batches ahead of the step that takes them.

    Args:
        samples: fetched from.
        epoch: which epoch's draws.
        order: indices, a multiple of `batch` long.
        batch: samples in each.
        threads: at least two are used, so that fetching never runs in the step's own thread.
    """
    threads = max(2, threads)
    look_ahead = max(2, -(-2 * batch // threads))
    fetched = map_threads(lambda index: samples.fetch(epoch, index), order, threads, look_ahead)
    while taken := list(islice(fetched, batch)):
        yield collate(taken)


def collate(taken: Sequence[Fetched]) -> Batch:
    """Samples as one batch of tensors."""
    import torch

    return Batch(
        torch.from_numpy(np.stack([sample.image for sample in taken])),
        torch.from_numpy(np.stack([sample.alpha for sample in taken])),
        torch.tensor([sample.weight for sample in taken], dtype=torch.float32),
    )
