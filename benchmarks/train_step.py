"""What a training step and a prediction cost, and how near that is to what the machine can do, in one run.

    python benchmarks/train_step.py [--spec bisenet_resnet101] [--spec bisenet_lite0] [--batch 8] [--rounds 5]

The plain step is the usual loop: the network and its loss in float32, in PyTorch's own memory layout, and AdamW. The
other is the trainer's, its bf16 autocast, channels_last and normalising of uint8 images included. The two take turns,
and each figure is the quickest of its rounds, which other work on the machine disturbs least. The peak is the fastest
of a large bf16 matrix product and two 3x3 convolutions, oneDNN's through PyTorch; what a network needs is counted by
PyTorch's own counter, a multiply-add as two.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch.utils.flop_counter import FlopCounterMode

from segdata.inference.model_folder import ModelSpec, build_network, read_spec, write_version
from segdata.inference.runtimes import open_runtime
from segdata.networks.losses import segmentation_loss
from segdata.storage.shipped import shipped
from segdata.train.dataset import Batch
from segdata.train.device import launch
from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import StepPlan
from segdata.train.trainer import Trainer

OURS = "the trainer's step"


def main() -> None:
    options = arguments()
    for name in options.spec or ["bisenet_resnet101", "bisenet_lite0"]:
        spec = read_spec(shipped("models") / name).model_copy(update={"pretrained": False})
        report(spec, options.batch, options.rounds)


def report(spec: ModelSpec, batch: int, rounds: int) -> None:
    torch.manual_seed(0)
    height, width = spec.input_hw
    print(f"{spec.name}, {height}x{width}, batch {batch}, {torch.get_num_threads()} threads")
    images = torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8)
    alphas = torch.randint(0, 256, (batch, height, width), dtype=torch.uint8)
    steps = {"plain step": plain_step(spec, images, alphas), OURS: trainers_step(spec, images, alphas)}
    step, peak = quickest(steps, rounds), peak_flops(rounds)
    forward = flops_of_forward(spec, batch)
    needed = 3 * forward  # backwards as much again for the weights, and for what came in
    print(f"  peak of bf16: {peak / 1e9:.0f} GFLOP/s")
    for name, seconds in step.items():
        print(f"  {name}: {seconds:.3f} s, {batch / seconds:.1f} images/s, {needed / seconds / peak:.0%} of the peak")
    print(f"  the trainer's is {step['plain step'] / step[OURS]:.2f} times as fast")
    predictions = quickest(predicting(spec, images.numpy()), rounds)
    for name, seconds in predictions.items():
        print(f"  {name}: {batch / seconds:.1f} images/s, {forward / seconds / peak:.0%} of the peak")


def plain_step(spec: ModelSpec, images: torch.Tensor, alphas: torch.Tensor) -> Callable[[], None]:
    network = build_network(spec).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (spec.mean, spec.std))

    def step() -> None:
        optimizer.zero_grad()
        inputs = ((images.permute(0, 3, 1, 2).float() - mean) / std).contiguous()
        segmentation_loss(network(inputs), alphas[:, None].float() / 255).backward()
        optimizer.step()

    return step


def trainers_step(spec: ModelSpec, images: torch.Tensor, alphas: torch.Tensor) -> Callable[[], None]:
    recipe = TrainRecipe(batch_size=len(images), learning_rate=1e-4)
    plan = StepPlan(batch=len(images), per_epoch=1, total=1_000_000)
    trainer = Trainer(launch(recipe), build_network(spec), recipe, plan, (tuple(spec.mean), tuple(spec.std)))
    feed = itertools.repeat(Batch(images, alphas, torch.ones(len(images))))

    def step() -> None:
        trainer.train_epoch(1, feed, silent)

    return step


def silent(step: int, loss: float) -> None:
    """Nobody watches."""


def predicting(spec: ModelSpec, images: np.ndarray) -> dict[str, Callable[[], object]]:
    """Ways to predict a batch: plain PyTorch in float32, and what `segdata mine` opens on this machine."""
    network = build_network(spec).eval()
    inputs = torch.rand(len(images), 3, *spec.input_hw)

    def plain() -> None:
        with torch.no_grad():
            network(inputs)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "version"
        write_version(folder, build_network(spec), spec, "", pa.table({"sample_id": []}))
        runtime = open_runtime(folder)
    return {
        "plain prediction": plain,
        f"prediction by {runtime.name}, {runtime.precision}": lambda: runtime.probabilities(images),
    }


def quickest(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each work's quickest round; they take turns, after one that does not count."""
    least = dict.fromkeys(works, float("inf"))
    for number in range(rounds + 1):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if number:
                least[name] = min(least[name], time.perf_counter() - started)
    return least


def peak_flops(rounds: int) -> float:
    """The most floating-point operations a second that this machine was seen to do in bf16."""
    half = {"dtype": torch.bfloat16}
    a, b = torch.rand(2048, 2048, **half), torch.rand(2048, 2048, **half)
    works: dict[str, Callable[[], object]] = {"matrix": lambda: a @ b}
    flops = {"matrix": 2 * 2048**3}
    for channels, side in ((256, 56), (512, 28)):
        name = f"convolution {channels}"
        image = torch.rand(8, channels, side, side, **half).contiguous(memory_format=torch.channels_last)
        kernel = torch.rand(channels, channels, 3, 3, **half).contiguous(memory_format=torch.channels_last)
        works[name] = lambda image=image, kernel=kernel: torch.nn.functional.conv2d(image, kernel, padding=1)
        flops[name] = 2 * 9 * channels * channels * side * side * 8
    with torch.no_grad():
        seconds = quickest(works, 3 * rounds)
    return max(flops[name] / seconds[name] for name in works)


def flops_of_forward(spec: ModelSpec, batch: int) -> float:
    """Floating-point operations of a prediction's convolutions and products."""
    network = build_network(spec).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(batch, 3, *spec.input_hw))
    return float(counter.get_total_flops())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", action="append", help="a folder under models/; both shipped ones by default")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


main()
