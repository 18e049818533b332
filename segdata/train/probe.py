"""How long a training step takes on this machine: measured, where no earlier training says it."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

from segdata.inference.model_folder import build_network, read_spec
from segdata.train.device import launch
from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import plan_steps
from segdata.train.trainer import Trainer

_BATCH = 4
_STEPS = 3


def seconds_per_sample(spec_folder: Path, recipe: TrainRecipe) -> float:
    """The network's share of a training step, for one sample: the faster of two small batches after a first.

    Decoding and augmenting go on beside the steps and are not in it.

    Args:
        spec_folder: whose `model.toml` says the network; its weights are random here.
        recipe: size, precision and accelerator.

    Raises:
        CheckpointError: The spec can't be read.
    """
    import torch

    from segdata.train.dataset import Batch

    spec = read_spec(spec_folder)
    height, width = recipe.size or spec.input_hw
    few = recipe.model_copy(update={"batch_size": _BATCH, "accumulate": 1, "max_steps": None, "epochs": 1})
    with torch.random.fork_rng():
        network = build_network(spec.model_copy(update={"pretrained": False}))
        trainer = Trainer(launch(few), network, few, plan_steps(_BATCH * _STEPS, few), (spec.mean, spec.std))
        images = torch.randint(0, 255, (_BATCH, height, width, 3), dtype=torch.uint8)
        batch = Batch(images, images[..., 0].clone(), torch.ones(_BATCH))
        moments: list[float] = []
        trainer.train_epoch(1, iter([batch] * _STEPS), lambda *_: moments.append(time.perf_counter()))
    return min(later - earlier for earlier, later in pairwise(moments)) / _BATCH
