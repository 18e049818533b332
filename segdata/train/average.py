"""A moving average of the weights while they are trained: less noisy than any one step's, and often better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class WeightAverage:
    """An exponential moving average of a network's weights and of batch norm's statistics.

    After step n it is average ← d · average + (1 - d) · weights, with d = min(decay, (1 + n) / (10 + n)): at the
    beginning the average would else be mostly the weights that the training started from. Counters are copied.

    Args:
        network: its weights now are where the average starts.
        decay: in [0, 1); 0.999 remembers about a thousand steps.

    Source:
        Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; the warm-up as in TensorFlow's
        `ExponentialMovingAverage(num_updates)`.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self._network, self._decay = network, decay
        self._average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        import torch

        decay = min(self._decay, (1 + step) / (10 + step))
        now = self._network.state_dict()
        floats = [name for name, tensor in now.items() if tensor.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([self._average[name] for name in floats], [now[name] for name in floats], 1 - decay)
            for name in now.keys() - set(floats):
                self._average[name].copy_(now[name])

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The average, as the network's `state_dict()`; not a copy."""
        return dict(self._average)

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a kept average."""
        for name, tensor in self._average.items():
            tensor.copy_(state[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network with the average as its weights; its own come back afterwards."""
        own = {name: tensor.detach().clone() for name, tensor in self._network.state_dict().items()}
        self._network.load_state_dict(self._average)
        try:
            yield
        finally:
            self._network.load_state_dict(own)
