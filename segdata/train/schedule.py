"""How many steps a training takes, and the learning rate at each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from segdata.train.recipe import TrainRecipe


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The steps of a training: `per_epoch` in each epoch but the last, which `max_steps` may cut short.

    Attributes:
        batch: samples a step, over all processes.
        per_epoch: steps that show every sample at least once.
        total: steps of the whole training.
    """

    batch: int
    per_epoch: int
    total: int

    @property
    def epochs(self) -> int:
        """Epochs begun."""
        return math.ceil(self.total / self.per_epoch)

    def in_epoch(self, epoch: int) -> int:
        """Steps of one epoch, counted from 1."""
        return min(self.per_epoch, self.total - (epoch - 1) * self.per_epoch)


def plan_steps(samples: int, recipe: TrainRecipe) -> StepPlan:
    """Cut an epoch of samples into equal batches.

    The last batch of an epoch is filled up with samples from the epoch's beginning: a batch of one has no variance
    to normalise by, and dropping the rest would leave out a fifth of a small set at every epoch.

    >>> plan_steps(samples=21, recipe=TrainRecipe(epochs=3, batch_size=8))
    StepPlan(batch=8, per_epoch=3, total=9)
    >>> plan_steps(samples=5, recipe=TrainRecipe(epochs=3, batch_size=8, max_steps=2))
    StepPlan(batch=5, per_epoch=1, total=2)
    """
    batch = min(recipe.batch_size, samples)
    per_epoch = math.ceil(samples / batch)
    total = per_epoch * recipe.epochs
    return StepPlan(batch, per_epoch, total if recipe.max_steps is None else min(total, recipe.max_steps))


def lr_factor(step: int, total: int, recipe: TrainRecipe) -> float:
    """Share of the highest learning rate at a step: linear warm-up, then (1 - t) ** power ("poly").

    Args:
        step: from 0 to total - 1.
        total: steps of the whole training.
        recipe: schedule, poly_power, warmup_fraction.

    Source:
        Yu et al., "BiSeNet", ECCV 2018, section 4.1, after Chen et al., "DeepLab"; the warm-up is ours.

    >>> recipe = TrainRecipe(warmup_fraction=0.2, poly_power=1.0)
    >>> [round(lr_factor(step, 10, recipe), 3) for step in range(10)]
    [0.333, 0.667, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    """
    warmup = round(total * recipe.warmup_fraction)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return 1.0
    remaining = 1.0 - (step - warmup) / max(1, total - warmup)
    return float(max(0.0, remaining) ** recipe.poly_power)
