"""The training loop: steps, epochs, and the state between two epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError
from segdata.train.average import WeightAverage
from segdata.train.depthwise import keep_depthwise_in_float32
from segdata.train.job import EpochRecord
from segdata.train.optimizer import build_optimizer, set_learning_rate
from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import StepPlan
from segdata.train.state import TrainingState

if TYPE_CHECKING:
    import torch
    from lightning.fabric import Fabric

    from segdata.train.dataset import Batch

StepCallback = Callable[[int, float], None]
"""Told the steps done in all, and the loss of the step before the last (NaN at the first)."""


@dataclass(frozen=True)
class EpochRun:
    """What the steps of an epoch amounted to.

    Attributes:
        loss: mean over the steps.
        lr: learning rate of the last step.
        waiting_seconds: how long steps waited for their batches.
    """

    loss: float
    lr: float
    waiting_seconds: float


class Trainer:
    """A network, its optimizer, and how far they have come.

    Args:
        fabric: launched.
        network: with the weights to start from; moved to the device.
        recipe: loss, optimizer and schedule.
        plan: how many steps.
        mean_std: the spec's, by which images in [0, 1] are normalised.
        weighted: whether any sample's loss weighs other than 1.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: torch.nn.Module,
        recipe: TrainRecipe,
        plan: StepPlan,
        mean_std: tuple[tuple[float, ...], tuple[float, ...]],
        weighted: bool = False,
    ) -> None:
        import torch

        self.fabric, self.recipe, self.plan = fabric, recipe, plan
        self.network = network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a memory format is in no overload
        if fabric.device.type == "cpu":
            keep_depthwise_in_float32(self.network)
        self.optimizer = build_optimizer(self.network, recipe)
        self._wrapped, self._wrapped_optimizer = fabric.setup(self.network, self.optimizer)
        self._mean_std = [torch.tensor(values, device=fabric.device).view(1, 3, 1, 1) * 255 for values in mean_std]
        self._weighted = weighted
        self.average = WeightAverage(self.network, recipe.ema_decay) if recipe.ema_decay else None
        self.step = 0

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Images as the network takes them: (N, H, W, 3) uint8 -> (N, 3, H, W) float32, channels last in memory."""
        mean, std = self._mean_std
        return (images.to(self.fabric.device, non_blocking=True).permute(0, 3, 1, 2) - mean) / std

    def train_epoch(self, epoch: int, batches: Iterator[Batch], on_step: StepCallback) -> EpochRun:
        """Take the epoch's steps.

        Raises:
            DataError: The loss is no longer a number, or a weight is none.
        """
        self._wrapped.train()
        losses: list[float] = []
        waiting, rate, pending = 0.0, 0.0, None
        for _ in range(self.plan.in_epoch(epoch)):
            asked = time.perf_counter()
            batch = next(batches)
            waiting += time.perf_counter() - asked
            rate = set_learning_rate(self.optimizer, self.step, self.plan.total, self.recipe)
            loss = self._take_step(batch)
            # a step's loss is read while the next one runs: reading at once would make a GPU wait for us
            if pending is not None:
                losses.append(self._checked(pending, epoch))
            pending = loss
            self.step += 1
            if self.average is not None:
                self.average.update(self.step)
            on_step(self.step, losses[-1] if losses else math.nan)
        losses.append(self._checked(pending, epoch))
        self._check_weights(epoch)
        return EpochRun(self._mean_over_processes(sum(losses) / len(losses)), rate, waiting)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network thinks of images at network size: (N, H, W, 3) uint8 -> (N, H, W) float32 in [0, 1]."""
        import torch

        self.network.eval()
        # the bare network: the wrapped one would make all processes take as many batches
        with torch.inference_mode(), self.fabric.autocast():
            logits = self.network(self.normalise(torch.from_numpy(images)))
        probability: NDArray[np.float32] = logits.float().sigmoid().squeeze(1).cpu().numpy()
        return probability

    @contextmanager
    def judged(self) -> Iterator[None]:
        """The network as it is judged and kept: with the moving average of its weights, where there is one."""
        with nullcontext() if self.average is None else self.average.applied():
            yield

    def state(self, epoch: int, records: tuple[EpochRecord, ...], best_epoch: int) -> TrainingState:
        """What to go on from after an epoch."""
        import torch

        random = {"cpu": torch.get_rng_state()}
        if self.fabric.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        network = _on_cpu(self.network.state_dict())
        average = None if self.average is None else _on_cpu(self.average.state_dict())
        optimizer = self.optimizer.state_dict()
        scaler = dict(self.fabric.strategy.precision.state_dict())
        return TrainingState(epoch, self.step, network, optimizer, random, records, best_epoch, average, scaler)

    def restore(self, state: TrainingState) -> None:
        """Go on from a state, as if nothing had happened."""
        import torch

        self.network.load_state_dict(dict(state.network))
        self.optimizer.load_state_dict(dict(state.optimizer))
        if self.average is not None and state.average is not None:
            self.average.load_state_dict(state.average)
        if state.scaler:
            self.fabric.strategy.precision.load_state_dict(dict(state.scaler))
        self.step = state.step
        torch.set_rng_state(state.random["cpu"])
        if self.fabric.device.type == "cuda" and "cuda" in state.random:
            torch.cuda.set_rng_state(state.random["cuda"], self.fabric.device)

    def _take_step(self, batch: Batch) -> torch.Tensor:
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        parts = self.recipe.accumulate
        pieces = [tensor.chunk(parts) for tensor in (batch.images, batch.alphas, batch.weights)]
        total = torch.zeros((), device=self.fabric.device)
        for number, (images, alphas, weights) in enumerate(zip(*pieces, strict=True), 1):
            # DDP exchanges gradients once a step, with the last part
            with self.fabric.no_backward_sync(self._wrapped, enabled=number < parts):
                alpha = alphas.to(self.fabric.device, non_blocking=True).unsqueeze(1).float() / 255
                loss = self._loss(self._wrapped(self.normalise(images)), alpha, weights) / parts
                self.fabric.backward(loss)
            total += loss.detach()
        if self.recipe.clip_norm:
            self.fabric.clip_gradients(self._wrapped, self._wrapped_optimizer, max_norm=self.recipe.clip_norm)
        self._wrapped_optimizer.step()
        return total

    def _loss(self, outputs: Any, alpha: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The batch's loss; or with weights, the mean of each sample's loss times its weight.

        Dice over a batch counts its pixels together, small subjects least, and over those of all processes. Weights
        need a Dice for each sample, so a training that has any uses that throughout. Cross-entropy is the same either
        way.
        """
        import torch

        from segdata.networks.losses import segmentation_loss

        kind, aux = self.recipe.loss, self.recipe.aux_weight
        if not self._weighted:
            return segmentation_loss(outputs, alpha, kind=kind, aux_weight=aux, pool=self._pooled)
        each = [
            weight
            * segmentation_loss(tuple(o[i : i + 1] for o in outputs), alpha[i : i + 1], kind=kind, aux_weight=aux)
            for i, weight in enumerate(weights.tolist())
        ]
        return torch.stack(each).mean()

    def _pooled(self, sums: torch.Tensor) -> torch.Tensor:
        """Sums over the whole batch, of which each process of DDP has a part.

        DDP averages gradients over W processes, each of which only knows that of its own part of the sum: times W, the
        average is the gradient of the whole.
        """
        if self.fabric.world_size == 1:
            return sums
        whole = self.fabric.all_reduce(sums.detach().clone(), reduce_op="sum")
        pooled: torch.Tensor = whole + (sums - sums.detach()) * self.fabric.world_size
        return pooled

    def _mean_over_processes(self, value: float) -> float:
        """One number that all processes of DDP agree on."""
        import torch

        if self.fabric.world_size == 1:
            return value
        here = torch.tensor(value, dtype=torch.float32, device=self.fabric.device)
        return float(self.fabric.all_reduce(here, reduce_op="mean"))

    def _check_weights(self, epoch: int) -> None:
        """The last step's loss was a number and its gradient need not have been: such weights are never kept.

        Raises:
            DataError: Some weight is no number.
        """
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise DataError(self._advice(f"{name} is no longer finite", epoch))

    def _checked(self, loss: torch.Tensor | None, epoch: int) -> float:
        value = math.nan if loss is None else float(loss)
        if not math.isfinite(value):
            raise DataError(self._advice(f"the loss became {value}", epoch))
        return value

    def _advice(self, trouble: str, epoch: int) -> str:
        return (
            f"train: {trouble} in epoch {epoch}, near step {self.step}; lower train.learning_rate (now "
            f"{self.recipe.learning_rate:g}), or set train.clip_norm = 1.0 or train.precision = 'fp32'; the epochs "
            "before it are kept"
        )


def _on_cpu(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}
