"""A pool that is scored already, mined again: `segdata mine` as a process of its own; its time and memory by pool size.

    python benchmarks/mining_again.py [--rows 3400 34000] [--rounds 2]

The rows are made up as an ingest and a first mine leave them: a pool of so many, 1,700 to train on, 300 to test, each
with its thumbnail, and for the pool scores and predictions. One case in a hundred is selected. They share the same
photographs, which triage and the contact sheet read. All that the command does is measured: start-up, what the version
may be asked about (near-duplicates of what it was trained on and of the test split are looked for), selection, triage,
the sheet, the journal. Each figure is the least of the rounds, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from segdata.catalog.models import record_model
from segdata.catalog.packing import pack_mask, pack_probability
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.drawn.portrait import draw_portrait
from segdata.inference.features import pack_features
from segdata.inference.model_folder import build_network, read_spec, write_version
from segdata.inference.scoring import identify
from segdata.mine.recipe import MineRecipe
from segdata.mine.run import scoring_options
from segdata.pipeline.init import init

PHOTOS = Path(__file__).resolve().parents[1] / "../shared/data/portraits"
TRAIN, TEST, SHARD = 1700, 300, 2000
WAY = {"runtime": "openvino", "precision": "bf16"}


def photographs(root: Path, photos: Path) -> list[tuple[Path, Path]]:
    """Forty photographs with their labels, or drawn ones where there are none."""
    found = sorted(photos.glob("*.jpg"))[:40]
    if found:
        return [(path.resolve(), path.with_name(f"{path.stem}_matte.png").resolve()) for path in found]
    (root / "data").mkdir()
    for number in range(40):
        drawn = draw_portrait(number)
        cv2.imwrite(str(root / "data" / f"{number}.jpg"), drawn.image[..., ::-1])
        cv2.imwrite(str(root / "data" / f"{number}_matte.png"), drawn.alpha)
    return [(path, path.with_name(f"{path.stem}_matte.png")) for path in sorted((root / "data").glob("*.jpg"))]


def sample(number: int, split: str, files: tuple[Path, Path]) -> dict[str, Any]:
    """A row of `samples`; the bytes are said to differ from row to row."""
    row = {
        "sample_id": f"aisegment/clip_img/{number // 2000:08d}/clip_00000000/{split}-{number:06d}",
        "dataset": "aisegment", "kind": "portrait", "split": split, "status": "present", "alpha_kind": "hard",
        "path": f"clip_img/{number // 2000:08d}/clip_00000000/{number:06d}.jpg", "width": 600, "height": 800,
        "foreground_fraction": 0.4, "hole_count": 0, "licence": "research", "run_id": "ingest",
    }  # fmt: skip
    for role, path in zip(("image", "alpha"), files, strict=True):
        row |= {f"{role}_uri": str(path), f"{role}_size": path.stat().st_size, f"{role}_mtime_ns": 0}
        row[f"{role}_sha256"] = hashlib.sha256(f"{split} {number} {role}".encode()).hexdigest()
    return row


def made_up(root: Path, pool: int, photos: Path) -> None:
    """A workspace with a promoted version, and a pool that it has scored."""
    init(root, {})
    catalog, files = Catalog(root / "catalog"), photographs(root, photos)
    draw = np.random.default_rng(0)
    spec = read_spec(root / "models" / "bisenet_lite0").model_copy(update={"pretrained": False})
    train = [sample(number, "train", files[number % len(files)]) for number in range(TRAIN)]
    training = rows_to_table("samples", train).select(["sample_id", "image_sha256", "alpha_sha256"])
    folder = root / "models" / "bisenet_lite0-0"
    model_id = write_version(folder, build_network(spec), spec, "random weights", training)
    now = datetime.datetime.now(datetime.UTC)
    model = {"model_id": model_id, "name": folder.name, "spec": spec.name, "uri": f"models/{folder.name}"}
    record_model(catalog, {**model, "metrics": {}, "promoted": True, "created_at": now, "run_id": "train"})
    scorer = identify(folder, scoring_options(MineRecipe(**WAY)), catalog)
    same = {
        "probability": pack_probability(draw.random((224, 224), np.float32)),
        "network_height": 224,
        "network_width": 224,
        "mask": pack_mask(draw.random((800, 600)) < 0.001),
        "height": 800,
        "width": 600,
        "features": pack_features(draw.random((1, 128), np.float32))[0],
    }
    kept = {"scorer_id": scorer.scorer_id, "run_id": "mine"}
    whose = {**kept, "model_id": model_id, **WAY, "status": "scored"}
    figures = dict.fromkeys(("iou_foreground", "iou_background", "boundary_iou", "confidence"), 0.9)
    add_samples(catalog, train, draw)
    add_samples(catalog, [sample(number, "test", files[number % len(files)]) for number in range(TEST)], draw)
    for start in range(0, pool, SHARD):
        rows = [sample(number, "pool", files[number % len(files)]) for number in range(start, min(pool, start + SHARD))]
        add_samples(catalog, rows, draw)
        keys = [{name: row[name] for name in ("sample_id", "image_sha256", "alpha_sha256")} for row in rows]
        low = [{"miou": 0.5 if n % 100 == 0 else 0.9, "failure_mode": "edge"} for n in range(len(rows))]
        scores = [{**whose, **figures, **key, **score} for key, score in zip(keys, low, strict=True)]
        catalog.append("predictions", rows_to_table("predictions", [{**kept, **same, **key} for key in keys]))
        catalog.append("scores", rows_to_table("scores", scores))


def add_samples(catalog: Catalog, rows: list[dict[str, Any]], draw: np.random.Generator) -> None:
    """Samples, and thumbnails of which no two are alike."""
    catalog.merge("samples", rows_to_table("samples", rows))
    pixels = draw.integers(0, 256, (len(rows), 8, 8), np.uint8)
    thumbnails = [cv2.resize(picture, (32, 32), interpolation=cv2.INTER_CUBIC).tobytes() for picture in pixels]
    hashes = [row["image_sha256"] for row in rows]
    looks = pa.table({"image_sha256": hashes, "thumbnail": thumbnails, "run_id": ["ingest"] * len(rows)})
    catalog.append("appearances", looks)


def mined(root: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """What `segdata mine` prints, and what its process took."""
    sets = [part for name, value in WAY.items() for part in ("--set", f"mine.{name}={value}")]
    call = [sys.executable, "-c", "from segdata.cli.main import entry; entry()", "mine", "-w", str(root), "--json"]
    began = time.perf_counter()
    process = subprocess.Popen([*call, *sets], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    told = json.loads(process.stdout.read())
    _, _, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    return told, {"s": seconds, "processor_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[3400, 34000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--keep", type=Path, help="a folder for the workspaces, used again where it has them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for pool in args.rows:
            root = (args.keep or Path(temporary)) / str(pool)
            if not root.exists():
                made_up(root, pool, args.photos)
            least: dict[str, float] = {}
            for _ in range(args.rounds):
                told, took = mined(root)
                assert (told["scored"], told["reused"]) == (0, pool), told
                least = {name: round(min(least.get(name, 1e9), value), 2) for name, value in took.items()}
            print(json.dumps({"pool": pool, "selected": told["selected"], **least}), flush=True)


if __name__ == "__main__":
    main()
