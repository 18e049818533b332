"""The moving average of the weights: its arithmetic, and that the network's own come back."""

import torch
from torch import nn

from segdata.train.average import WeightAverage


def network_of(value: float) -> nn.Module:
    network = nn.BatchNorm1d(2)
    with torch.no_grad():
        network.weight.fill_(value)
    return network


def test_the_first_steps_average_quickly_and_later_ones_with_the_decay() -> None:
    network = network_of(0.0)
    average = WeightAverage(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(11.0)
    average.update(1)  # d = min(0.5, 2 / 11)
    assert torch.allclose(average.state_dict()["weight"], torch.full((2,), 9.0))
    average.update(1000)  # d = 0.5
    assert torch.allclose(average.state_dict()["weight"], torch.full((2,), 10.0))


def test_counters_are_copied_and_statistics_averaged() -> None:
    network = network_of(1.0)
    average = WeightAverage(network, decay=0.9)
    network(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
    average.update(1)
    assert average.state_dict()["num_batches_tracked"] == 1
    expected = (2 / 11) * torch.zeros(2) + (9 / 11) * network.state_dict()["running_mean"]
    assert torch.allclose(average.state_dict()["running_mean"], expected)


def test_the_networks_own_weights_come_back_also_after_an_error() -> None:
    network = network_of(3.0)
    average = WeightAverage(network, decay=0.9)
    with torch.no_grad():
        network.weight.fill_(5.0)
    try:
        with average.applied():
            assert network.state_dict()["weight"].tolist() == [3.0, 3.0]
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert network.state_dict()["weight"].tolist() == [5.0, 5.0]
