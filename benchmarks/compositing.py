"""Compositing: the plain float64 way against ours, and how much of a whole composite is codec.

Run: python benchmarks/compositing.py [--size 800 600] [--repeats 40]
Prints medians of repeated runs in one thread, after a first one that compiles.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from segdata.catalog.foregrounds import ForegroundCache
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.composite import composite_over
from segdata.imaging.decode import decode_alpha, decode_image
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.imaging.foreground import estimate_foreground
from segdata.imaging.fusion import FusionSettings, fuse_pair, plan_fusion
from segdata.imaging.placement import cover


def plain(image: Image, background: Image, alpha: Alpha) -> Image:
    """What is often written: float64, alpha twice, truncated."""
    share = alpha[..., None] / 255.0
    cut_out = image * share
    blended: Image = (cut_out * share + background * (1 - share)).astype(np.uint8)
    return blended


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """The median of repeated calls."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def scene(height: int, width: int) -> tuple[Image, Alpha, Image]:
    """A smooth portrait with a soft edge, and a background of COCO's usual size: content that codecs know."""
    rng = np.random.default_rng(0)

    def photo(rows: int, columns: int) -> Image:
        coarse = cv2.resize(rng.integers(0, 256, (24, 18, 3), dtype=np.uint8), (columns, rows))
        noisy: Image = cv2.add(coarse, rng.integers(0, 12, (rows, columns, 3), dtype=np.uint8))
        return noisy

    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.hypot((x - width / 2) / (0.3 * width), (y - 0.6 * height) / (0.45 * height))
    alpha = np.rint(255 * np.clip((1 - radius) * 15 + 0.5, 0, 1)).astype(np.uint8)
    return photo(height, width), alpha, photo(480, 640)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(800, 600), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    image, alpha, small = scene(*options.size)
    background = cover(small, (options.size[0], options.size[1]))
    _blend_table(image, alpha, background, options.repeats)
    _whole_table(image, alpha, small, options.repeats)


def _blend_table(image: Image, alpha: Alpha, background: Image, repeats: int) -> None:
    share = alpha[..., None] / 255.0
    exact = np.rint(image * share + background * (1 - share))
    print(f"blend {image.shape[0]}x{image.shape[1]}")
    slow = milliseconds(lambda: plain(image, background, alpha), repeats)
    fast = milliseconds(lambda: composite_over(image, background, alpha), repeats)
    for name, took, result in (
        ("float64, alpha twice", slow, plain(image, background, alpha)),
        ("composite_over", fast, composite_over(image, background, alpha)),
    ):
        error = int(np.abs(result - exact).max())
        print(f"  {name:22} {took:8.3f} ms  {slow / took:6.1f}x  largest error {error} of 255")
    for method in ("multilevel", "blur_fusion"):
        took = milliseconds(lambda method=method: estimate_foreground(image, alpha, method), max(3, repeats // 8))
        print(f"  foreground, {method:10} {took:8.1f} ms, once per portrait")


def _whole_table(image: Image, alpha: Alpha, scenery: Image, repeats: int) -> None:
    """A composite from file bytes to file bytes, and its parts; the cached foreground's read counts as a codec."""
    portrait, matte, photo_behind = encode_jpeg(image, 95), encode_png(alpha), encode_jpeg(scenery, 90)
    settings = FusionSettings()
    plan = plan_fusion(settings, "portrait", "background", 0)
    row = {"image_sha256": "portrait", "alpha_sha256": "matte"}
    with tempfile.TemporaryDirectory() as folder:
        cache = ForegroundCache(Workspace(Path(folder), Catalog(Path(folder) / "catalog")), settings)
        foreground = cache.foreground(row, image, alpha)
        composite, blended = fuse_pair(image, alpha, foreground, scenery, plan)

        def codecs() -> None:
            photo, label = decode_image(portrait), decode_alpha(matte, None)
            decode_image(photo_behind)
            cache.foreground(row, photo, label)
            encode_jpeg(composite, 95)
            encode_png(blended)

        def whole() -> None:
            photo, label = decode_image(portrait), decode_alpha(matte, None)
            known = cache.foreground(row, photo, label)
            fused, mixed = fuse_pair(photo, label, known, decode_image(photo_behind), plan)
            encode_jpeg(fused, 95)
            encode_png(mixed)

        codec, all_of_it = milliseconds(codecs, repeats), milliseconds(whole, repeats)
        reading = milliseconds(lambda: cache.foreground(row, image, alpha), repeats)
    print("whole composite")
    print(f"  codecs alone           {codec:8.2f} ms, of which the cached foreground {reading:.2f} ms")
    print(f"  codecs and fusion      {all_of_it:8.2f} ms: {100 * (all_of_it / codec - 1):.0f} % above the codecs")


if __name__ == "__main__":
    main()
