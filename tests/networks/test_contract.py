"""What every backbone must hold to: any size, gradients everywhere, saved and loaded, exported and the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from segdata.export.network import check_parity, export_network
from segdata.inference.model_folder import ModelSpec, load_network, write_version
from segdata.networks.bisenet import BiSeNet
from segdata.networks.losses import segmentation_loss

QUICK = ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100"]
SLOW = ["resnet101", "regnety_002", "convnext_atto", "hgnetv2_b0", "repvgg_a0"]
BACKBONES = [*QUICK, *(pytest.param(name, marks=pytest.mark.stress) for name in SLOW)]

EXPORTED = [
    QUICK[0],
    *(pytest.param(name, marks=pytest.mark.stress) for name in [*QUICK[1:], *SLOW]),
]  # ten seconds each


def network_of(backbone: str) -> BiSeNet:
    """Random weights; some backbones begin with norms that scale by nought, through which nothing would flow."""
    torch.manual_seed(0)
    network = BiSeNet(backbone, fusion_channels=8)
    with torch.no_grad():
        for value in network.parameters():
            if value.ndim == 1:
                value.add_(torch.rand_like(value), alpha=0.2)
    return network


@pytest.mark.parametrize("backbone", BACKBONES)
def test_logits_have_the_size_of_the_input_whatever_it_is(backbone: str) -> None:
    network = network_of(backbone)
    with torch.no_grad():
        for size_hw in [(64, 64), (75, 50), (33, 97)]:
            images = torch.rand(2, 3, *size_hw)
            assert network.eval()(images).shape == (2, 1, *size_hw)
            assert [tuple(logits.shape) for logits in network.train()(images)] == [(2, 1, *size_hw)] * 3


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_gradient_reaches_every_parameter(backbone: str) -> None:
    network = network_of(backbone).train()
    segmentation_loss(network(torch.rand(2, 3, 64, 64)), torch.rand(2, 1, 64, 64)).backward()
    gradients = {name: value.grad for name, value in network.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    # a bias before batch norm has no effect, and so a gradient of nought; every kernel has one
    kernels = {name: gradient for name, gradient in gradients.items() if gradient is not None and gradient.ndim == 4}
    assert [name for name, gradient in kernels.items() if not bool(gradient.abs().max() > 0)] == []
    assert all(bool(gradient.isfinite().all()) for gradient in kernels.values())


@pytest.mark.parametrize("backbone", EXPORTED)
def test_what_is_saved_and_exported_answers_as_the_network_did(backbone: str, tmp_path: Path) -> None:
    spec = ModelSpec(name="contract", backbone=backbone, fusion_channels=8, input_hw=(64, 96))
    network = network_of(backbone)
    with torch.no_grad():
        network.train()(torch.rand(4, 3, 64, 96))  # so that batch norm has statistics of its own
    training = pa.table({"sample_id": ["a/1"], "image_sha256": ["0"], "alpha_sha256": ["0"]})
    write_version(tmp_path / "version", network.eval(), spec, "# contract\n", training)
    images = torch.rand(2, 3, 75, 50)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path / "version")(images), network(images))
    exported, *_ = export_network(tmp_path / "version", "onnx", False, tmp_path / "onnx")
    photos = list(np.random.default_rng(0).integers(0, 256, (3, 70, 90, 3), dtype=np.uint8))
    parity = check_parity(tmp_path / "version", exported, photos)
    assert parity.passed
    assert parity.max_difference < 1e-4
