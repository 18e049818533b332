"""Depthwise convolutions stay out of bf16 autocast, and a network is otherwise what it was."""

import copy

import torch
from torch import nn

from segdata.train.depthwise import keep_depthwise_in_float32


def small_network() -> nn.Sequential:
    """An ordinary, a grouped and a depthwise convolution."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=4), nn.Conv2d(8, 8, 3, groups=8))


def test_only_the_depthwise_convolution_computes_in_float32() -> None:
    network, seen = small_network(), []
    assert keep_depthwise_in_float32(network) == 1
    for layer in network:
        inner = layer._conv_forward
        layer._conv_forward = lambda *args, inner=inner: seen.append(torch.is_autocast_enabled("cpu")) or inner(*args)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(torch.rand(2, 3, 8, 8))
    assert seen == [True, True, False]
    assert out.dtype == torch.bfloat16  # what follows goes on in bf16


def test_in_float32_nothing_changes() -> None:
    images = torch.rand(2, 3, 8, 8)
    plain, kept = small_network(), small_network()
    keep_depthwise_in_float32(kept)
    for network in (plain, kept):
        network(images).square().sum().backward()
    assert plain.state_dict().keys() == kept.state_dict().keys()
    for one, other in zip(plain.parameters(), kept.parameters(), strict=True):
        assert one.grad is not None and torch.equal(one.grad, other.grad)


def test_a_copy_convolves_with_its_own_weights() -> None:
    network = small_network()
    keep_depthwise_in_float32(network)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin[2].weight.zero_()
        twin[2].bias.zero_()
    assert not twin(torch.rand(1, 3, 8, 8)).any()
    assert network(torch.rand(1, 3, 8, 8)).any()
