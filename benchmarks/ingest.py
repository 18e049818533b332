"""Ingest: a plain loop of PIL, MD5, imagehash and pandas against ours; decoding and hashing alone; a second ingest.

Run: python benchmarks/ingest.py [--pairs 600] [--rounds 3] [--tree 34000] [--data PATH]
PATH holds NNNNN.jpg with NNNNN_matte.png; without it portraits of 600x800 are drawn. The large tree is made of hard
links to 200 of the pairs. Files are in the page cache. Rounds alternate, so that a busy machine disturbs all rows
alike; the quickest of each is told.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pandas as pd
from PIL import Image as Pillow

import segdata
from segdata.draw.run import DrawCounts
from segdata.draw.run import run as draw
from segdata.engines.local import map_threads
from segdata.imaging.appearance import thumbnail_of
from segdata.imaging.arrays import Image, Luma
from segdata.imaging.decode import decode_alpha, decode_image, decode_luma
from segdata.imaging.phash import phash, phash_of
from segdata.metrics.labels import measure_label
from segdata.pipeline.init import init
from segdata.storage.files import sha256_of

Pairs = list[tuple[Path, Path]]
_DISTINCT = 200


def plain_loop(pairs: Pairs) -> pd.DataFrame:
    """What is often written: one pair after the other, and a table at the end."""
    rows = []
    for image_path, alpha_path in pairs:
        image = Pillow.open(image_path).convert("RGB")
        alpha = np.asarray(Pillow.open(alpha_path))
        alpha = alpha[..., -1] if alpha.ndim == 3 else alpha
        rows.append(
            {
                "image": str(image_path),
                "width": image.width,
                "height": image.height,
                "image_md5": hashlib.md5(image_path.read_bytes()).hexdigest(),
                "alpha_md5": hashlib.md5(alpha_path.read_bytes()).hexdigest(),
                "phash": str(imagehash.phash(image)),
                "foreground": float((alpha >= 128).mean()),
            }
        )
    return pd.DataFrame(rows)


def decode_and_hash(
    pairs: Pairs, threads: int, channel: int | None, decode: Callable[[bytes], Image | Luma] = decode_image
) -> None:
    """Decode both files, SHA-256 of both, pHash: no checks, no measures of the label, no catalog."""

    def one(pair: tuple[Path, Path]) -> int:
        image_bytes, alpha_bytes = pair[0].read_bytes(), pair[1].read_bytes()
        sha256_of(image_bytes)
        sha256_of(alpha_bytes)
        decode_alpha(alpha_bytes, channel)
        return phash_of(thumbnail_of(decode(image_bytes)))

    for _ in map_threads(one, pairs, threads):
        pass


def by_opencv(pairs: Pairs, threads: int) -> None:
    """The same by bare OpenCV, which takes what is damaged for whole."""

    def one(pair: tuple[Path, Path]) -> int:
        image_bytes, alpha_bytes = pair[0].read_bytes(), pair[1].read_bytes()
        sha256_of(image_bytes)
        sha256_of(alpha_bytes)
        cv2.imdecode(np.frombuffer(alpha_bytes, np.uint8), cv2.IMREAD_UNCHANGED)
        return phash(cv2.imdecode(np.frombuffer(image_bytes, np.uint8), cv2.IMREAD_COLOR_RGB))

    for _ in map_threads(one, pairs, threads):
        pass


def quickest(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """The quickest call of each: seconds on the clock, and seconds of processor time, which a busy machine spares."""
    best = dict.fromkeys(work, (float("inf"), float("inf")))
    for _ in range(rounds):
        for name, call in work.items():
            start, spent = time.perf_counter(), time.process_time()
            call()
            took = time.perf_counter() - start, time.process_time() - spent
            best[name] = (min(best[name][0], took[0]), min(best[name][1], took[1]))
    return best


def originals(root: Path, data: Path | None, workers: int) -> tuple[Pairs, int | None]:
    """Distinct pairs, and the channel of alpha in their mattes."""
    if data is not None:
        mattes = sorted(data.glob("*_matte.png"))[:_DISTINCT]
        copies = [
            shutil.copy(one, root) for matte in mattes for one in (matte.with_name(matte.name[:-10] + ".jpg"), matte)
        ]
        return list(zip(map(Path, copies[::2]), map(Path, copies[1::2]), strict=True)), None  # links stay on one disk
    draw(root / "drawn", DrawCounts(1, _DISTINCT, 1), workers=workers)
    tree = root / "drawn" / "aisegment"
    images, mattes = sorted((tree / "clip_img").rglob("*.jpg")), sorted((tree / "matting").rglob("*.png"))
    return list(zip(images, mattes, strict=True)), 3


def link_tree(root: Path, pairs: Pairs, count: int) -> Pairs:
    """A tree of `count` pairs for the folder reader: hard links, so that each costs what a real one does."""
    made = []
    for number, pair in enumerate(islice(cycle(pairs), count)):
        batch = f"{number // 1000:04d}"
        places = (root / "images" / batch / f"{number}.jpg", root / "masks" / batch / f"{number}.png")
        for source, place in zip(pair, places, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, place)
        made.append(places)
    return made


def open_workspace(folder: Path, tree: Path, workers: int, channel: int | None) -> segdata.api.OpenWorkspace:
    """A workspace that ingests the tree."""
    init(folder, {})
    told = f'[[sources]]\nname = "tree"\nreader = "folder"\nroot = "{tree}"\n'
    recipe = told + ("" if channel is None else f"alpha_channel = {channel}\n")
    (folder / "pipelines" / "portrait.toml").write_text(recipe)
    return segdata.open(folder, workers=workers)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tree", type=int, default=34_000)
    parser.add_argument("--data", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, workers = Path(folder), os.cpu_count() or 1
        distinct, channel = originals(root, options.data, workers)
        pairs = link_tree(root / "some", distinct, options.pairs)
        some = open_workspace(root / "ws", root / "some", workers, channel)

        def ingest_anew() -> None:
            shutil.rmtree(root / "ws" / "catalog", ignore_errors=True)
            assert some.ingest()["sources"]["tree"]["added"] == len(pairs)

        took = quickest(
            {
                "plain loop, one thread": lambda: plain_loop(pairs),
                f"segdata ingest, {workers} threads": ingest_anew,
                "decode, SHA-256, pHash alone": lambda: decode_and_hash(pairs, workers, channel),
                "the same of luma alone": lambda: decode_and_hash(pairs, workers, channel, decode_luma),
                "the same by bare OpenCV": lambda: by_opencv(pairs, workers),
            },
            options.rounds,
        )
        plain, ours, *alone = took.values()
        print(f"{len(pairs)} pairs, {workers} threads; the quickest of {options.rounds} rounds")
        for name, (seconds, cpu) in took.items():
            rate, each = len(pairs) / seconds, 1000 * cpu / len(pairs)
            print(f"  {name:30} {rate:8.1f} a second {plain[0] / seconds:6.2f}x, {each:6.2f} ms of processor a pair")
        for name, other in zip(("by our own functions", "of luma", "by OpenCV"), alone, strict=True):
            clock, cpu = (one / its - 1 for one, its in zip(ours, other, strict=True))
            print(
                f"  ingest over decoding and hashing alone, {name}: {clock:+.1%} on the clock, {cpu:+.1%} of processor"
            )
        tell_parts(distinct, channel)
        second_ingest(root, distinct, options.tree, ours[0] / len(pairs), channel)


def tell_parts(pairs: Pairs, channel: int | None) -> None:
    """Print what a pair's processor time goes to, one after the other in one thread."""
    read = [(image.read_bytes(), alpha.read_bytes()) for image, alpha in pairs]
    lumas, alphas = [decode_luma(one) for one, _ in read], [decode_alpha(one, channel) for _, one in read]
    work: dict[str, Callable[[], object]] = {
        "luma of the photo": lambda: [decode_luma(one) for one, _ in read],
        "alpha": lambda: [decode_alpha(one, channel) for _, one in read],
        "both hashes": lambda: [(sha256_of(one), sha256_of(other)) for one, other in read],
        "thumbnail and pHash": lambda: [phash_of(thumbnail_of(luma)) for luma in lumas],
        "the label's measures": lambda: [measure_label(alpha) for alpha in alphas],
    }
    told = (f"{name} {1000 * cpu / len(pairs):.2f}" for name, (_, cpu) in quickest(work, 5).items())
    print(f"  ms of processor a pair: {', '.join(told)}")


def second_ingest(root: Path, distinct: Pairs, count: int, seconds_a_pair: float, channel: int | None) -> None:
    """Measure a second ingest of `count` pairs against the first one at the rate that was measured."""
    link_tree(root / "tree", distinct, count)
    large = open_workspace(root / "large", root / "tree", os.cpu_count() or 1, channel)
    start = time.perf_counter()
    large.ingest()
    first = time.perf_counter() - start
    second, cpu = quickest({"again": large.ingest}, 3)["again"]
    print(f"{count} pairs: first ingest {first:.1f} s, {count * seconds_a_pair:.1f} s at the rate above")
    share = second / (count * seconds_a_pair)
    print(f"  second ingest {second:.2f} s ({cpu:.2f} s of processor): {share:.2%} of the first at that rate")


if __name__ == "__main__":
    main()
