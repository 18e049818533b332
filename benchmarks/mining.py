"""How much of the network's own rate a whole `segdata mine` reaches, and what the plain way does, in one run.

    python benchmarks/mining.py [--images 384] [--rounds 3] [--specs bisenet_resnet101:224 bisenet_lite0:320]

bare    the network alone, on batches that lie ready, in the same runtime and precision
mine    `segdata mine` on a pool of photographs: decoding, network, scores, commits, selection, triage of a twentieth
plain   a DataLoader, the eager network in fp32, scikit-learn's metrics, pandas

Rounds alternate; a rate is the median over rounds, the ratio that of each round's own rates. On a machine with other
work on it only the processor's time tells anything: where all cores are busy, rates go as its inverse. Opening the
network, once for a pool of any size, is left out and told apart; so is the contact sheet. A pool of some hundred is
mined, and a quarter of it: what the rest costs more is what an image costs in a pool of any size, `fixed_s` what comes
on top once, and the rate is that of a pool of 34,000. Weights are random, which
takes as long as others; what they answer is replaced by the outline of a person, since to score noise costs more.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import torch

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.drawn.portrait import draw_portrait
from segdata.engines.local import map_threads
from segdata.inference.model_folder import build_network, load_network, read_spec, write_version
from segdata.inference.runtimes import Runtime, open_for_many, ways_for
from segdata.mine.recipe import MineRecipe
from segdata.mine.run import run as mine
from segdata.storage.files import sha256_of

SPECS = Path(__file__).resolve().parents[1] / "models"
PHOTOS = Path(__file__).resolve().parents[1] / "../shared/data/portraits"
BATCH = 8
MANY = 34_000


def pool(root: Path, photos: Path, count: int) -> list[dict[str, Any]]:
    """Rows of `samples`: photographs, or drawn portraits where there are none, as often as it takes."""
    (root / "data").mkdir(parents=True)
    names = sorted(path.stem for path in photos.glob("*.jpg"))[:count]
    for number in range(0 if names else min(count, 60)):
        drawn = draw_portrait(number)
        cv2.imwrite(str(root / "data" / f"{number}.jpg"), drawn.image[..., ::-1])
        cv2.imwrite(str(root / "data" / f"{number}_matte.png"), drawn.alpha)
    folder = photos.resolve() if names else root / "data"
    names = names or sorted(path.stem for path in folder.glob("*.jpg"))
    rows = []
    for number in range(count):
        row = {"sample_id": f"pool/{number:06d}", "dataset": "pool", "kind": "portrait", "split": "pool",
               "status": "present", "alpha_kind": "hard", "path": f"{number}.jpg"}  # fmt: skip
        for role, end in (("image", ".jpg"), ("alpha", "_matte.png")):
            path = folder / f"{names[number % len(names)]}{end}"
            state = path.stat()
            row |= {f"{role}_uri": str(path), f"{role}_size": state.st_size, f"{role}_mtime_ns": state.st_mtime_ns}
            row[f"{role}_sha256"] = sha256_of(path.read_bytes())
        rows.append(row)
    return rows


class Answering:
    """A runtime that computes as long as the network takes, and answers with a person's outline."""

    def __init__(self, runtime: Runtime, side: int) -> None:
        self._runtime, self.name, self.precision = runtime, runtime.name, runtime.precision
        self.at_once = runtime.at_once
        outline = np.zeros((side, side), np.float32)
        cv2.ellipse(outline, (side // 2, side // 3), (side // 6, side // 5), 0, 0, 360, 1.0, -1)
        cv2.ellipse(outline, (side // 2, side), (side // 3, side // 2), 0, 0, 360, 1.0, -1)
        self._outline = cv2.GaussianBlur(outline, (0, 0), 2)

    def probabilities(self, batch: np.ndarray) -> np.ndarray:
        """The outline, for each."""
        return self.describe(batch)[0]

    def describe(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The outline for each, and the network's own features."""
        return np.repeat(self._outline[None], len(batch), axis=0), self._runtime.describe(batch)[1]


def version(root: Path, spec_name: str, side: int) -> Path:
    """A version of random weights."""
    spec = read_spec(SPECS / spec_name).model_copy(update={"input_hw": (side, side), "pretrained": False})
    folder = root / f"{spec_name}-{side}"
    training = pa.table({name: pa.array([], pa.string()) for name in ("sample_id", "image_sha256", "alpha_sha256")})
    write_version(folder, build_network(spec), spec, "random weights", training)
    return folder


Cost = tuple[float, float]
"""Seconds on the clock and of the processor, an image."""


def bare(runtime: Runtime, side: int, images: int) -> Cost:
    """The network alone."""
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    runtime.describe(batch)
    took = stopwatch(images // BATCH * BATCH)
    for _ in map_threads(runtime.describe, [batch] * (images // BATCH), runtime.at_once):
        pass
    return took()


def mined(root: Path, folder: Path, rows: list[dict[str, Any]], runtime: Runtime) -> Cost:
    """A whole mine into an empty catalog, with a network that is open already."""
    with tempfile.TemporaryDirectory(dir=root) as catalog:
        context = RunContext(Workspace(root, Catalog(Path(catalog))), "bench", workers=2)
        way = {"runtime": runtime.name, "precision": runtime.precision}
        recipe = MineRecipe.model_validate(
            {"where": "true", "budget": max(1, len(rows) // 20), "batch": BATCH, "sheet": 0, **way}
        )
        samples = rows_to_table("samples", rows)
        took = stopwatch(len(rows))
        result = mine(context, recipe, folder, samples, 0, opener=lambda *_: runtime)
        cost = took()
        assert result.scored == len(rows)
        return cost


def of_many(work: Callable[[list[dict[str, Any]]], Cost], rows: list[dict[str, Any]]) -> tuple[Cost, float]:
    """What an image costs in a pool of `MANY`, and the seconds of the processor that a pool of any size costs once."""
    few, whole = rows[: len(rows) // 4], rows
    some, all_ = ([cost * len(part) for cost in work(part)] for part in (few, whole))
    each = [(more - less) / (len(whole) - len(few)) for less, more in zip(some, all_, strict=True)]
    once = [less - one * len(few) for less, one in zip(some, each, strict=True)]
    clock, processor = (one + fixed / MANY for one, fixed in zip(each, once, strict=True))
    return (clock, processor), once[1]


def plain(folder: Path, rows: list[dict[str, Any]], side: int) -> Cost:
    """The plain way."""
    import pandas as pd
    from PIL import Image
    from sklearn.metrics import jaccard_score
    from torch.utils.data import DataLoader, Dataset

    spec, network = read_spec(folder), load_network(folder)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.mean, spec.std))

    class Pool(Dataset[Any]):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> Any:
            image = Image.open(rows[index]["image_uri"]).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
            label = np.array(Image.open(rows[index]["alpha_uri"]).convert("L")) >= 128
            tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
            return (tensor - mean) / std, torch.from_numpy(label)

    table = []
    took = stopwatch(len(rows))
    with torch.no_grad():
        for images, labels in DataLoader(Pool(), batch_size=BATCH):
            logits = torch.nn.functional.interpolate(network(images), size=labels.shape[1:], mode="bilinear")
            for likely, label in zip(logits.sigmoid()[:, 0], labels, strict=True):
                found, truth = likely.numpy().ravel() >= 0.5, label.numpy().ravel()
                table.append({"miou": jaccard_score(truth, found, average="macro")})
    frame = pd.DataFrame(table)
    frame[frame["miou"] < 0.8].to_csv(folder / "hard.csv")
    return took()


def stopwatch(images: int) -> Callable[[], Cost]:
    """Starts now; gives the cost of an image when called."""
    clock, processor = time.perf_counter(), time.process_time()
    return lambda: ((time.perf_counter() - clock) / images, (time.process_time() - processor) / images)


def compare(root: Path, rows: list[dict[str, Any]], wanted: str, rounds: int, with_plain: bool) -> dict[str, Any]:
    """Rates and their ratios for one network."""
    name, _, side = wanted.partition(":")
    folder, (how, precision) = version(root, name, int(side)), ways_for("auto", "auto")[0]
    start = time.perf_counter()
    runtime = Answering(open_for_many(folder, how, precision), int(side))
    opening = time.perf_counter() - start
    mined(root, folder, rows[: 4 * BATCH], runtime)  # to warm up
    fixed: list[float] = []

    def mine_of_many() -> Cost:
        cost, once = of_many(lambda some: mined(root, folder, some, runtime), rows)
        fixed.append(once)
        return cost

    works: dict[str, Callable[[], Cost]] = {"bare": lambda: bare(runtime, int(side), len(rows)), "mine": mine_of_many}
    if with_plain:
        works["plain"] = lambda: plain(folder, rows[: max(16, len(rows) // 6)], int(side))
    costs: dict[str, list[Cost]] = {work: [] for work in works}
    peaks = []
    for _ in range(rounds):
        for work, measure in works.items():
            costs[work].append(measure())
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    ratios = {
        f"mine / {other}, {name}": [
            round(theirs[which] / ours[which], 3) for ours, theirs in zip(costs["mine"], costs[other], strict=True)
        ]
        for other in costs
        if other != "mine"
        for which, name in enumerate(("clock", "processor"))
    }
    return {
        "runtime": f"{how} {precision}",
        "opening_s": round(opening, 1),
        "images_a_second": {
            work: round(1 / statistics.median(c for c, _ in found), 1) for work, found in costs.items()
        },
        "processor_ms": {work: round(1e3 * statistics.median(p for _, p in found), 1) for work, found in costs.items()},
        "fixed_s": round(statistics.median(fixed), 2),
        "rates": ratios,
        "peak_mib_after_each_round": peaks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--specs", nargs="+", default=["bisenet_resnet101:224", "bisenet_lite0:320"])
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = pool(root, args.photos, args.images)
        found = {wanted: compare(root, rows, wanted, args.rounds, "resnet" in wanted) for wanted in args.specs}
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
