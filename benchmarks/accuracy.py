"""What a choice of the recipe is worth: short trainings that differ in it alone, judged on the same val images.

    python benchmarks/accuracy.py WORKSPACE ["train.loss=ce" "train.fusion=none fuse.ratio=0" ...] [--recipe FILE]
                                  [--val 192] [--seed 0]

Each argument is one training, by what it sets anew; the empty string trains the recipe as it is. Val are the portraits
whose ids have the smallest SHA-256; test is never looked at. All trainings take 10 epochs at 256x192 unless their
settings say otherwise. Given besides the mean is the median, since a few wrong labels weigh more than most choices do.
WORKSPACE is one that has ingested; nothing stays in it but cut-out portraits. Without it nothing is done.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.catalog.pixels import read_pair
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.inference.model_folder import read_spec
from segdata.inference.predict import predict_images
from segdata.inference.runtimes import open_runtime
from segdata.metrics.confusion import confusion, miou
from segdata.pipeline.recipe import Recipe, load_recipe
from segdata.records import LABEL_CUT
from segdata.train.job import TrainingJob
from segdata.train.run import run

SHORT = ("train.epochs=10", "train.size=[256, 192]", "train.ema_decay=0.99", "train.flip_average=false")
COLUMNS = ("settings", "mean mIoU", "median", "training loss")


def main() -> None:
    options = arguments()
    if options.workspace is None:
        print("accuracy.py: give a workspace that has ingested portraits and backgrounds")
        return
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for settings in options.settings or [""]:
        recipe = load_recipe(options.workspace / options.recipe, options.recipe, [*SHORT, *settings.split()])
        scores, loss = outcome(options.workspace, recipe, options.val, options.seed)
        print(
            f"| {settings or 'the recipe'} | {np.mean(scores):.4f} | {np.median(scores):.4f} | {loss:.3f} |", flush=True
        )


def outcome(root: Path, recipe: Recipe, val_images: int, seed: int) -> tuple[list[float], float]:
    """The mIoU of each val image, and the loss of the last epoch."""
    workspace = Workspace(root, Catalog(root / recipe.catalog.uri))
    where = "kind = 'portrait' AND status = 'present' AND split IN ('train', 'val')"
    portraits = sorted(workspace.catalog.read("samples", where=where).to_pylist(), key=by_id)
    backgrounds = workspace.catalog.read("samples", where="kind = 'background' AND status = 'present'")
    val, training = portraits[:val_images], portraits[val_images:]
    with tempfile.TemporaryDirectory() as name:
        job = TrainingJob(
            name="arm",
            spec_folder=workspace.models / recipe.model.spec,
            start=None,
            training_key=f"accuracy-{hashlib.sha256(repr((recipe, seed)).encode()).hexdigest()[:16]}",
            training=pa.Table.from_pylist([{**row, "weight": 1.0} for row in training]),
            val=backgrounds.slice(0, 0),  # the last epoch is judged, not the best: as many tries for each
            backgrounds=backgrounds,
            fusion=recipe.fuse.settings(),
            card=(),
            destination=Path(name) / "arm",
            fusion_ratio=recipe.fuse.ratio,
            fusion_people=recipe.fuse.people_range,
        )
        result = run(RunContext(workspace, "accuracy", seed=seed), recipe.train, job)
        return mious(workspace, result.folder, val), result.epochs[-1].train_loss


def mious(workspace: Workspace, folder: Path, rows: list[dict[str, Any]]) -> list[float]:
    pairs = [read_pair(workspace, row) for row in rows]
    predictions = predict_images(open_runtime(folder), read_spec(folder), (image for image, _ in pairs))
    return [
        float(miou(confusion(alpha >= LABEL_CUT, probability >= 0.5)))
        for (_, alpha), probability in zip(pairs, predictions, strict=True)
    ]


def by_id(row: dict[str, Any]) -> str:
    return hashlib.sha256(row["sample_id"].encode()).hexdigest()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path, nargs="?")
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--recipe", default="pipelines/accurate.toml")
    parser.add_argument("--val", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


main()
