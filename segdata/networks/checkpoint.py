"""Weights from a file, without ever running what a file says: safetensors, or PyTorch's with `weights_only`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from segdata.errors import CheckpointError

_OVERFLOW_MARK = "saptial_path."  # so spelt in every checkpoint of that layout
_OVERFLOW_MODULES = {
    "saptial_path.convblock1.conv1": "spatial_path.0.conv",
    "saptial_path.convblock1.bn": "spatial_path.0.norm",
    "saptial_path.convblock2.conv1": "spatial_path.1.conv",
    "saptial_path.convblock2.bn": "spatial_path.1.norm",
    "saptial_path.convblock3.conv1": "spatial_path.2.conv",
    "saptial_path.convblock3.bn": "spatial_path.2.norm",
    "attention_refinement_module1.conv": "attention16.conv",
    "attention_refinement_module1.bn": "attention16.norm",
    "attention_refinement_module2.conv": "attention32.conv",
    "attention_refinement_module2.bn": "attention32.norm",
    "feature_fusion_module.convblock.conv1": "fusion.block.conv",
    "feature_fusion_module.convblock.bn": "fusion.block.norm",
    "feature_fusion_module.conv1": "fusion.conv1",
    "feature_fusion_module.conv2": "fusion.conv2",
    "supervision1": "auxiliary16",
    "supervision2": "auxiliary32",
    "conv": "head",
}
_HEADS = ("auxiliary16", "auxiliary32", "head")
_BACKBONE_PARTS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from a `.safetensors` file or a PyTorch checkpoint.

    Raises:
        CheckpointError: No such file, not weights, damaged, or a pickle that would run code; the file is named.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the path of a .safetensors or .pth file")
    loaded: Mapping[str, object] = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    inner = loaded.get("state_dict")
    named = inner if isinstance(inner, Mapping) else loaded
    weights = {_plain(str(name)): value for name, value in named.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise CheckpointError(f"{path}: holds no tensors; give a file of weights")
    return weights


def load_into(network: torch.nn.Module, path: Path) -> None:
    """Load a file's weights into a network, all of them and nothing else.

    Raises:
        CheckpointError: The file can't be read, or is another network's; the first difference is named.
    """
    weights = load_weights(path)
    if is_overflow_layout(weights):
        weights = from_overflow_layout(weights)
    wanted = network.state_dict()
    if missing := [name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")]:
        raise CheckpointError(f"{path}: another network's weights: {missing[0]} is not in it; check model.toml")
    for name, tensor in wanted.items():
        if name in weights and weights[name].shape != tensor.shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(weights[name].shape)}, the network of model.toml needs "
                f"{tuple(tensor.shape)}"
            )
    network.load_state_dict({name: weights.get(name, tensor) for name, tensor in wanted.items()})


def holds_whole_network(path: Path) -> bool:
    """Whether a file holds a whole BiSeNet, in our layout or ooooverflow's, and not a backbone alone.

    Raises:
        CheckpointError: It is there and can't be read.
    """
    if not path.is_file():
        return False
    weights = load_weights(path)
    return is_overflow_layout(weights) or any(name.startswith("spatial_path.") for name in weights)


def is_overflow_layout(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is named as in ooooverflow/BiSeNet and its many copies."""
    return any(name.startswith(_OVERFLOW_MARK) for name in weights)


def from_overflow_layout(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename a state dict of the ooooverflow/BiSeNet layout to ours.

    Heads of two classes, (background, person), become one logit by their difference, which softmax over the two and
    sigmoid of the one agree on. The result fits `BiSeNet(backbone, fusion_channels=<number of classes>)`.

    Raises:
        CheckpointError: A head of another number of classes: which of them is the person is not known.
    """
    found: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        module, _, leaf = name.rpartition(".")
        if module in _OVERFLOW_MODULES:
            ours = _OVERFLOW_MODULES[module]
            found[f"{ours}.{leaf}"] = _one_logit(name, tensor) if ours in _HEADS else tensor
        elif name.startswith("context_path.") and name.split(".")[1] in _BACKBONE_PARTS:
            found[f"backbone.features.{name.removeprefix('context_path.')}"] = tensor
    return found


def _one_logit(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.shape[0] == 1:
        return tensor
    if tensor.shape[0] != 2:
        raise CheckpointError(
            f"{name}: a head of {tensor.shape[0]} classes; only (background, person) can be converted"
        )
    return tensor[1:] - tensor[:1]


def _plain(name: str) -> str:
    """Without the prefix that data-parallel training leaves."""
    return name.removeprefix("module.")


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); restore it, or train again"
        ) from error
    return weights


def _read_torch(path: Path) -> dict[str, object]:
    import pickle

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: refused: a pickle that holds more than weights, or none at all, and loading it could run code; "
            "save it as safetensors where it comes from"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not a readable checkpoint ({first}); restore it, or train again") from error
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path}: holds a {type(loaded).__name__} and no state dict")
    return dict(loaded)
