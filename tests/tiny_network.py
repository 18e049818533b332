"""The smallest network that trains, for tests in which the network does not matter."""

from __future__ import annotations

from pathlib import Path

TINY = """name = "tiny"
network = "bisenet"
backbone = "test_efficientnet"
pretrained = false
fusion_channels = 8
input_hw = [64, 64]
"""
"""A model.toml."""


def write_tiny_spec(workspace: Path) -> None:
    """Put the spec "tiny" into a workspace."""
    folder = workspace / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(TINY)


def train_tiny_network(workspace: Path) -> None:
    """Let the workspace's recipe train the spec "tiny", and mine without OpenVINO, whose compiler takes seconds."""
    write_tiny_spec(workspace)
    recipe = workspace / "pipelines" / "portrait.toml"
    text = recipe.read_text()
    for old, new in (('spec = "bisenet_lite0"', 'spec = "tiny"'), ("[mine]\n", '[mine]\nruntime = "torch"\n')):
        assert text.count(old) == 1
        text = text.replace(old, new)
    recipe.write_text(text)
