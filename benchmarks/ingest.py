"""Ingest: a plain loop of PIL, MD5 and pHash against ours, a second ingest, and what decoding alone would take.

Run: python benchmarks/ingest.py [--portraits 200] [--rounds 3]
Draws the portraits once; files are in the page cache from then on. Prints medians over rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import segdata
from segdata.draw.run import DrawCounts
from segdata.draw.run import run as draw
from segdata.engines.local import map_threads
from segdata.imaging.decode import decode_alpha, decode_image
from segdata.pipeline.init import init


def plain_loop(pairs: list[tuple[Path, Path]]) -> int:
    """What is often written: PIL, MD5, a 64 bit DCT hash, and NumPy for the label's figures, one after the other."""
    seen = 0
    for image_path, alpha_path in pairs:
        image, alpha = Image.open(image_path).convert("RGB"), np.asarray(Image.open(alpha_path))[..., -1]
        for path in (image_path, alpha_path):
            hashlib.md5(path.read_bytes()).hexdigest()
        small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float32)
        low = cv2.dct(small)[:8, :8]
        seen += int((low > np.median(low)).sum() > 0) + int((alpha >= 128).mean() > 0)
    return seen


def decode_only(pairs: list[tuple[Path, Path]], threads: int) -> None:
    """Both files of every pair, decoded by as many threads as the ingest gets."""

    def one(pair: tuple[Path, Path]) -> None:
        decode_image(pair[0].read_bytes())
        decode_alpha(pair[1].read_bytes(), 3)

    for _ in map_threads(one, pairs, threads):
        pass


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median of repeated calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, workers = Path(folder), os.cpu_count() or 1
        draw(root / "data", DrawCounts(1, options.portraits, 1), workers=workers)
        tree = root / "data" / "aisegment"
        images = sorted((tree / "clip_img").rglob("*.jpg"))
        mattes = sorted((tree / "matting").rglob("*.png"))
        pairs = list(zip(images, mattes, strict=True))

        def ingest_anew() -> None:
            shutil.rmtree(root / "work" / "catalog", ignore_errors=True)
            workspace.ingest("aisegment")

        init(root / "work", {"aisegment": str(tree)})
        workspace = segdata.open(root / "work", workers=workers)
        rows = (
            ("plain loop", seconds(lambda: plain_loop(pairs), options.rounds)),
            ("segdata ingest", seconds(ingest_anew, options.rounds)),
            ("decoding alone", seconds(lambda: decode_only(pairs, workers), options.rounds)),
            ("a second ingest", seconds(lambda: workspace.ingest("aisegment"), options.rounds)),
        )
        print(f"{len(pairs)} pairs of 600x800, JPEG and RGBA PNG, {workers} threads")
        for name, took in rows:
            print(f"  {name:16} {len(pairs) / took:8.1f} pairs a second  {rows[0][1] / took:6.2f}x")


if __name__ == "__main__":
    main()
