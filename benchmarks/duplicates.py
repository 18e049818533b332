"""The search for duplicates: all pairs of many pictures, a small test set against very many, and what it finds.

    python benchmarks/duplicates.py [--pictures 34000] [--million 1000000] [--data FOLDER] [--threads 2]

Each picture is two crops at random of drawn portraits (or of the JPEG files in FOLDER), one shining through the other:
so they have the frequencies of real ones, and are strangers to each other. One in a hundred is a copy of another,
changed as copies are. Only thumbnails are searched: ingest has made them.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.catalog.lookalikes import lookalikes, lookalikes_within
from segdata.drawn.portrait import draw_portrait
from segdata.imaging.appearance import SIDE, thumbnail_of

Pictures = NDArray[np.uint8]

CHANGES: dict[str, Callable[[Pictures], Pictures]] = {
    "encoded again": lambda image: image,
    "resized": lambda image: cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "cropped": lambda image: np.ascontiguousarray(
        image[image.shape[0] // 12 :, image.shape[1] // 20 : -(image.shape[1] // 20)]
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=34_000)
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    originals = read(given.data) if given.data else [draw_portrait(seed, (200, 150)).image for seed in range(200)]
    quality(originals, given.threads)
    made = invent(originals, given.pictures, np.random.default_rng(0))
    lookalikes_within(made[:600], given.threads)  # compiles
    seconds, cpu, found = timed(lambda: lookalikes_within(made, given.threads))
    print(f"all pairs of {len(made)}: {seconds:.1f} s ({cpu:.1f} s of CPU), {len(found)} pairs")
    rng = np.random.default_rng(1)
    many = np.concatenate([made] * (given.million // len(made) + 1))[: given.million]
    for start in range(0, len(many), 4096):  # other brightness: the same work, other bytes
        some = many[start : start + 4096].astype(np.int16)
        many[start : start + 4096] = np.clip(some + rng.integers(-9, 10, (len(some), 1, 1), np.int16), 0, 255)
    test = invent(originals, given.test, np.random.default_rng(2))
    seconds, cpu, found = timed(lambda: lookalikes(many, test, given.threads))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(test)} against {len(many)}: {seconds:.1f} s ({cpu:.1f} s of CPU), {len(found)} pairs")
    print(f"peak memory {peak:.1f} GiB, of which the thumbnails {many.nbytes / 2**30:.1f} GiB")


def read(folder: Path) -> list[Pictures]:
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in sorted(folder.glob("*.jpg"))]


def quality(originals: list[Pictures], threads: int) -> None:
    """Recall by change, at JPEG quality 70; and pairs of different originals."""
    first = np.array([thumbnail_of(image) for image in originals])
    for name, change in CHANGES.items():
        second = np.array([thumbnail_of(compressed(change(image))) for image in originals])
        found = lookalikes(first, second, threads)
        right = sum(pair.first == pair.second for pair in found)
        print(f"{name}: {right} of {len(originals)} found, {len(found) - right} pairs of others")


def compressed(image: Pictures) -> Pictures:
    found: Pictures = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    return found


def invent(originals: list[Pictures], count: int, rng: np.random.Generator) -> Pictures:
    """Thumbnails of pictures made of the originals; one in 100 is a copy of the one before it."""
    small = [cv2.resize(image, (150, 200), interpolation=cv2.INTER_AREA) for image in originals]
    pictures = np.empty((count, SIDE, SIDE), np.uint8)
    picture = small[0]
    for index in range(count):
        if index % 100 == 99:
            change = list(CHANGES.values())[index // 100 % len(CHANGES)]
            pictures[index] = thumbnail_of(change(picture))
            continue
        picture = cv2.addWeighted(crop(small, rng), 0.5, crop(small, rng), 0.5, 0)
        pictures[index] = thumbnail_of(picture)
    return pictures


def crop(small: list[Pictures], rng: np.random.Generator) -> Pictures:
    """A part of one of the pictures, at half their size, mirrored half of the time."""
    whole = small[int(rng.integers(len(small)))]
    height, width = (int(side * rng.uniform(0.5, 1)) for side in whole.shape[:2])
    top, left = int(rng.integers(whole.shape[0] - height + 1)), int(rng.integers(whole.shape[1] - width + 1))
    part = cv2.resize(whole[top : top + height, left : left + width], (75, 100), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def timed(work: Callable[[], list[object]]) -> tuple[float, float, list[object]]:
    start, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - start, time.process_time() - cpu, found


if __name__ == "__main__":
    main()
