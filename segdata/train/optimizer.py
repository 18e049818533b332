"""The optimizer, and which weights decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import lr_factor

if TYPE_CHECKING:
    import torch


def build_optimizer(network: torch.nn.Module, recipe: TrainRecipe) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum 0.9; norms and biases, which are vectors, do not decay."""
    import torch

    weights = [parameter for parameter in network.parameters() if parameter.requires_grad and parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.requires_grad and parameter.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9)


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, total: int, recipe: TrainRecipe) -> float:
    """Set the learning rate of a step, and return it."""
    rate = recipe.learning_rate * lr_factor(step, total, recipe)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
