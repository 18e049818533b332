"""Checkpoints of the widely copied ooooverflow/BiSeNet layout: a made-up one of exactly its names and shapes.

What they mean is computed here by plain functions over the named tensors, which share no code with our network.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torchvision.models import resnet101

from segdata.errors import CheckpointError
from segdata.inference.model_folder import ModelSpec, build_network

Weights = dict[str, torch.Tensor]

_CONVOLUTIONS = {
    "saptial_path.convblock1.conv1": (64, 3, 3, 3),
    "saptial_path.convblock2.conv1": (128, 64, 3, 3),
    "saptial_path.convblock3.conv1": (256, 128, 3, 3),
    "feature_fusion_module.convblock.conv1": (2, 3328, 3, 3),  # 256 + 1,024 + 2,048 channels
}
_BIASED = {
    "attention_refinement_module1.conv": (1024, 1024, 1, 1),
    "attention_refinement_module2.conv": (2048, 2048, 1, 1),
    "supervision1": (2, 1024, 1, 1),
    "supervision2": (2, 2048, 1, 1),
    "feature_fusion_module.conv1": (2, 2, 1, 1),
    "feature_fusion_module.conv2": (2, 2, 1, 1),
    "conv": (2, 2, 1, 1),
}
_NORMS = {
    "saptial_path.convblock1.bn": 64,
    "saptial_path.convblock2.bn": 128,
    "saptial_path.convblock3.bn": 256,
    "attention_refinement_module1.bn": 1024,
    "attention_refinement_module2.bn": 2048,
    "feature_fusion_module.convblock.bn": 2,
}
_PARTS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")


def checkpoint(resnet: torch.nn.Module) -> Weights:
    """Random weights under the layout's names; the context path has its ResNet twice, as it has there."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.05

    found: Weights = {}
    for name, shape in (_CONVOLUTIONS | _BIASED).items():
        found[f"{name}.weight"] = drawn(*shape)
    for name, shape in _BIASED.items():
        found[f"{name}.bias"] = drawn(shape[0])
    for name, channels in _NORMS.items():
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + drawn(channels), drawn(channels)
        found[f"{name}.running_mean"], found[f"{name}.running_var"] = drawn(channels), 1 + drawn(channels).abs()
        found[f"{name}.num_batches_tracked"] = torch.tensor(7)
    for name, tensor in resnet.state_dict().items():
        found[f"context_path.features.{name}"] = tensor
        if name.split(".")[0] in _PARTS:
            found[f"context_path.{name}"] = tensor
    return found


def answers(weights: Weights, resnet: torch.nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """The probability of class 1 by the main head and by the two others, at stride 8: each (N, H / 8, W / 8)."""

    def norm(name: str, features: torch.Tensor) -> torch.Tensor:
        mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        return functional.batch_norm(features, mean, var, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def conv(name: str, features: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(features, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def block(name: str, features: torch.Tensor, stride: int) -> torch.Tensor:
        return norm(f"{name}.bn", functional.conv2d(features, weights[f"{name}.conv1.weight"], None, stride, 1)).relu()

    def refined(number: int, features: torch.Tensor) -> torch.Tensor:
        name = f"attention_refinement_module{number}"
        pooled = functional.adaptive_avg_pool2d(features, 1)
        return features * norm(f"{name}.bn", conv(f"{name}.conv", pooled)).sigmoid()

    detail = images
    for number in (1, 2, 3):
        detail = block(f"saptial_path.convblock{number}", detail, 2)
    at4 = resnet.layer1(resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(images)))))
    at16 = resnet.layer3(resnet.layer2(at4))
    at32 = resnet.layer4(at16)
    tail = at32.mean(3, keepdim=True).mean(2, keepdim=True)
    size = detail.shape[-2:]
    context = [refined(1, at16), refined(2, at32) * tail]
    wide = [functional.interpolate(one, size=size, mode="bilinear") for one in context]
    fused = block("feature_fusion_module.convblock", torch.cat([detail, *wide], 1), 1)
    pooled = functional.adaptive_avg_pool2d(fused, 1)
    weighed = fused * conv("feature_fusion_module.conv2", conv("feature_fusion_module.conv1", pooled).relu()).sigmoid()
    logits = [conv("conv", fused + weighed), conv("supervision1", wide[0]), conv("supervision2", wide[1])]
    return [one.softmax(1)[:, 1] for one in logits]


@pytest.fixture(scope="module")
def resnet() -> torch.nn.Module:
    """Random weights, with statistics of its own layers' outputs: without them a hundred layers grow beyond bounds."""
    torch.manual_seed(1)
    network = resnet101(weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.rand(4, 3, 64, 64))
    return network.eval()


def spec_of(path: Path, **changes: object) -> ModelSpec:
    plain = {"name": "old", "backbone": "resnet101", "fusion_channels": 2, "pretrained": str(path)}
    return ModelSpec.model_validate(plain | changes)


def test_a_whole_checkpoint_of_the_layout_answers_as_it_did_there(resnet: torch.nn.Module, tmp_path: Path) -> None:
    weights = checkpoint(resnet)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, tmp_path / "old.pth")
    network = build_network(spec_of(tmp_path / "old.pth")).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        theirs = answers(weights, resnet, images)
        # 8 x 8 logits are enlarged to 64 x 64 bilinearly; before that they are compared, where no pixel is mixed
        _, at16, at32, _ = network._paths(images)
        fused = network.fusion(torch.cat((network.spatial_path(images), at16, at32), dim=1))
        ours = [network.head(fused), network.auxiliary16(at16), network.auxiliary32(at32)]
        whole = functional.interpolate(network.head(fused), size=(64, 64), mode="bilinear")
        assert torch.equal(network(images), whole)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one[:, 0].sigmoid(), other, atol=1e-5)
        assert other.std() > 1e-4  # it is no constant that they agree on


def test_another_backbone_or_width_than_the_checkpoints_is_told(resnet: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(checkpoint(resnet), tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match=r"old\.pth: fusion\.block\.conv\.weight has shape \(2, 3328, 3, 3\)"):
        build_network(spec_of(tmp_path / "old.pth", fusion_channels=128))
    with pytest.raises(CheckpointError, match=r"old\.pth: "):
        build_network(spec_of(tmp_path / "old.pth", backbone="resnet18"))


def test_a_file_with_the_backbone_alone_still_is_its_start(tmp_path: Path) -> None:
    import timm

    backbone = timm.create_model("resnet18", features_only=True)
    torch.save(backbone.state_dict(), tmp_path / "backbone.pth")
    spec = spec_of(tmp_path / "backbone.pth", backbone="resnet18", fusion_channels=8)
    assert torch.equal(build_network(spec).backbone.features.conv1.weight, backbone.state_dict()["conv1.weight"])
