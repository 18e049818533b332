"""Depthwise convolutions in float32, where the rest of a training computes in bf16 on a CPU.

Going backwards, PyTorch 2.14's bf16 kernels for them take up to ten times as long as those for float32 (144 channels,
5x5 at stride 2: 48 and 4 ms); the two conversions cost far less. `benchmarks/train_step.py` shows what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def keep_depthwise_in_float32(network: torch.nn.Module) -> int:
    """Take a network's depthwise convolutions out of CPU autocast; weights, and what they are called, stay.

    Returns:
        How many there are.
    """
    from torch import nn

    found = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels
    ]
    for module in found:
        # a partial, and no closure: a deep copy of the network then calls its own convolution, not this one
        module.forward = partial(_in_float32, type(module).forward, module)  # type: ignore[method-assign]  # only where it computes changes
    return len(found)


def _in_float32(
    forward: Callable[[torch.nn.Conv2d, torch.Tensor], torch.Tensor], module: torch.nn.Conv2d, features: torch.Tensor
) -> torch.Tensor:
    """The convolution of (N, C, H, W), whose result has the type that came in."""
    import torch

    with torch.autocast("cpu", enabled=False):
        return forward(module, features.float()).to(features.dtype)
