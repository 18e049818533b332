"""Is a training step ever kept waiting for its input?

    python benchmarks/train_input.py [--photos FOLDER] [--spec models/bisenet_lite0] [--samples 96] [--batch 16]

Prints, for pictures of 600x800: how many samples a second the input gives (first epoch, which decodes; later epochs,
from memory; and augmented at the photo's own size), how many the network eats, and the share of a real epoch's time
that steps waited. FOLDER holds NAME.jpg or NAME.png beside NAME_matte.png; without it, pictures are made up.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.inference.model_folder import build_network, read_spec
from segdata.storage.shipped import shipped
from segdata.train.cache import ArrayCache
from segdata.train.dataset import Batch, TrainingSamples, batches
from segdata.train.device import launch
from segdata.train.recipe import TrainRecipe
from segdata.train.sampling import epoch_order
from segdata.train.schedule import plan_steps
from segdata.train.trainer import Trainer

Row = dict[str, Any]


def main() -> None:
    options = arguments()
    spec = read_spec(options.spec)
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name), Catalog(Path(name) / "catalog"))
        rows = (
            photo_rows(options.photos, options.samples) if options.photos else made_up_rows(workspace, options.samples)
        )
        recipe = TrainRecipe(batch_size=options.batch, epochs=2)
        plan = plan_steps(len(rows), recipe)
        input_hw = (spec.input_hw[0], spec.input_hw[1])
        print(f"{len(rows)} samples, batch {plan.batch}, {input_hw[0]}x{input_hw[1]}, {options.threads} threads")

        at_network = TrainingSamples(workspace, rows, recipe, 0, (input_hw, "stretch"), ArrayCache(2 << 30))
        at_image_recipe = recipe.model_copy(update={"augment_at": "image"})
        at_image = TrainingSamples(workspace, rows, at_image_recipe, 0, (input_hw, "stretch"), ArrayCache(0))
        order = epoch_order(len(rows), plan, 0, 1)
        for title, samples in (("first epoch", at_network), ("later epochs", at_network), ("at the photo", at_image)):
            started = time.perf_counter()
            for _ in batches(samples, 1, order, plan.batch, options.threads):
                pass
            print(f"input, {title}: {len(order) / (time.perf_counter() - started):.0f} samples/s")

        network = build_network(spec)
        trainer = Trainer(launch(recipe), network, recipe, plan, (tuple(spec.mean), tuple(spec.std)))
        one = next(batches(at_network, 1, order, plan.batch, options.threads))
        alone = seconds_of_epoch(trainer, itertools.repeat(one))
        print(f"network alone: {len(order) / alone:.1f} samples/s, {plan.per_epoch / alone:.2f} steps/s")
        feed = batches(at_network, 2, order, plan.batch, options.threads)
        started = time.perf_counter()
        trainer.step = 0
        epoch = trainer.train_epoch(1, feed, silent)
        together = time.perf_counter() - started
        waited = epoch.waiting_seconds / together
        print(f"together: {len(order) / together:.1f} samples/s; waited {waited:.1%} of the time")


def seconds_of_epoch(trainer: Trainer, feed: Iterator[Batch]) -> float:
    trainer.train_epoch(1, itertools.islice(feed, trainer.plan.per_epoch), silent)
    trainer.step = 0
    started = time.perf_counter()
    trainer.train_epoch(1, itertools.islice(feed, trainer.plan.per_epoch), silent)
    return time.perf_counter() - started


def silent(step: int, loss: float) -> None:
    """Nobody watches."""


def photo_rows(folder: Path, count: int) -> list[Row]:
    mattes = sorted(folder.glob("*_matte.png"))[:count]
    pairs = [(photo, matte) for matte in mattes if (photo := photo_of(matte)) is not None]
    return [row_of(photo, matte) for photo, matte in pairs]


def photo_of(matte: Path) -> Path | None:
    stem = matte.stem.removesuffix("_matte")
    return next((path for suffix in (".jpg", ".png") if (path := matte.with_name(stem + suffix)).exists()), None)


def made_up_rows(workspace: Workspace, count: int) -> list[Row]:
    rng = np.random.default_rng(0)
    rows = []
    for index in range(count):
        coarse = rng.integers(0, 255, (40, 30, 3), np.uint8)
        image, matte = workspace.root / f"{index}.jpg", workspace.root / f"{index}_matte.png"
        cv2.imwrite(str(image), cv2.resize(coarse, (600, 800), interpolation=cv2.INTER_CUBIC))
        cv2.imwrite(str(matte), cv2.resize(coarse[..., 0], (600, 800)))
        rows.append(row_of(image, matte))
    return rows


def row_of(image: Path, matte: Path) -> Row:
    return {
        "sample_id": image.stem,
        "kind": "portrait",
        "image_uri": str(image),
        "alpha_uri": str(matte),
        "alpha_channel": None,
        "height": 800,
        "width": 600,
        "weight": 1.0,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--spec", type=Path, default=shipped("models") / "bisenet_lite0")
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


main()
