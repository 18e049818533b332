"""Compositing: the plain float64 way against ours, how much of a whole composite is codec, scaling, and memory.

Run: python benchmarks/compositing.py [--size 800 600] [--repeats 40] [--composites 10000]
Prints medians of interleaved runs in one thread, after a first one that compiles; then the rate of whole composites on
one and on two processes; then the peak memory of `segdata fuse` itself for 100 and for `--composites` small ones.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from segdata.catalog.layers import LayerCache
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.fuse.recipe import FuseRecipe
from segdata.fuse.run import run as run_fuse
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.composite import composite_over
from segdata.imaging.decode import decode_alpha, decode_image
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.imaging.foreground import estimate_foreground
from segdata.imaging.fusion import FusionSettings, fuse_layers, plan_fusion
from segdata.imaging.placement import cover
from segdata.storage.files import sha256_of


def plain(image: Image, background: Image, alpha: Alpha) -> Image:
    """What is often written: float64, alpha twice, truncated."""
    share = alpha[..., None] / 255.0
    cut_out = image * share
    blended: Image = (cut_out * share + background * (1 - share)).astype(np.uint8)
    return blended


def milliseconds(*calls: Callable[[], object], repeats: int) -> list[float]:
    """The median of each call, taken in turns: a machine that slows down meanwhile slows all of them."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [1000 * statistics.median(taken) for taken in times]


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
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(800, 600), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--composites", type=int, default=10000, help="of the longer run whose memory is measured")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before anything was measured")
    image, alpha, small = scene(*options.size)
    background = cover(small, (options.size[0], options.size[1]))
    _blend_table(image, alpha, background, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), image, alpha, small)
        _whole_table(work, options.repeats)
        _scaling_table(work, options.repeats)
    _memory_table(options.composites)


def _blend_table(image: Image, alpha: Alpha, background: Image, repeats: int) -> None:
    share = alpha[..., None] / 255.0
    exact = np.rint(image * share + background * (1 - share))
    print(f"blend {image.shape[0]}x{image.shape[1]}")
    slow, fast, copied = milliseconds(
        lambda: plain(image, background, alpha),
        lambda: composite_over(image, background, alpha),
        lambda: (image.copy(), background.copy()),
        repeats=repeats,
    )
    for name, took, result in (
        ("float64, alpha twice", slow, plain(image, background, alpha)),
        ("composite_over", fast, composite_over(image, background, alpha)),
    ):
        error = int(np.abs(result - exact).max())
        print(f"  {name:22} {took:8.3f} ms  {slow / took:6.1f}x  largest error {error} of 255")
    print(f"  {'two copies of an image':22} {copied:8.3f} ms  {slow / copied:6.1f}x")
    for method in ("multilevel", "blur_fusion"):
        (took,) = milliseconds(
            lambda method=method: estimate_foreground(image, alpha, method), repeats=max(3, repeats // 8)
        )
        print(f"  foreground, {method:10} {took:8.1f} ms, once per portrait")


class Work:
    """A composite from file bytes to file bytes, its layer cached, and the codecs of it alone.

    Args:
        folder: gets the cached layer.
        image: the portrait.
        alpha: its alpha.
        scenery: the background.
    """

    def __init__(self, folder: Path, image: Image, alpha: Alpha, scenery: Image) -> None:
        settings = FusionSettings()
        self._plan = plan_fusion(settings, "portrait", "background", 0)
        self._row = {"image_sha256": "portrait", "alpha_sha256": "matte"}
        self._files = encode_jpeg(image, 95), encode_png(alpha), encode_jpeg(scenery, 90)
        self._cache = LayerCache(Workspace(folder, Catalog(folder / "catalog")), settings.layer)
        layer = self._cache.layer(self._row, image, alpha)
        self._image, self._alpha = image, alpha
        self._made = fuse_layers([layer], scenery, self._plan)

    def codecs(self) -> None:
        """Decode three files, read the cached layer, encode two."""
        portrait, matte, behind = self._files
        photo, label = decode_image(portrait), decode_alpha(matte, None)
        decode_image(behind)
        self._cache.layer(self._row, photo, label)
        encode_jpeg(self._made[0], 95)
        encode_png(self._made[1])

    def whole(self) -> None:
        """The same, and the fusion."""
        portrait, matte, behind = self._files
        photo, label = decode_image(portrait), decode_alpha(matte, None)
        layer = self._cache.layer(self._row, photo, label)
        fused, mixed = fuse_layers([layer], decode_image(behind), self._plan)
        encode_jpeg(fused, 95)
        encode_png(mixed)

    def layer(self) -> None:
        """The cached layer alone."""
        self._cache.layer(self._row, self._image, self._alpha)

    def repeat(self, count: int) -> None:
        """So many whole composites."""
        cv2.setNumThreads(1)
        for _ in range(count):
            self.whole()


def _whole_table(work: Work, repeats: int) -> None:
    codec, whole, reading = milliseconds(work.codecs, work.whole, work.layer, repeats=repeats)
    print("whole composite")
    print(f"  codecs alone           {codec:8.2f} ms, of which the cached layer {reading:.2f} ms")
    print(f"  codecs and fusion      {whole:8.2f} ms: {100 * (whole / codec - 1):.0f} % above the codecs")


def _scaling_table(work: Work, repeats: int) -> None:
    """Composites a second on one and on two processes, both started before the clock, in turns."""
    spawn = multiprocessing.get_context("spawn")
    rates = {}
    for processes in (1, 2, 1, 2):
        with spawn.Pool(processes) as pool:
            pool.map(work.repeat, [3] * processes, chunksize=1)  # imports, compiled code, warm caches
            start = time.perf_counter()
            pool.map(work.repeat, [2 * repeats] * processes, chunksize=1)
            rate = 2 * repeats * processes / (time.perf_counter() - start)
            rates[processes] = max(rate, rates.get(processes, 0.0))
    print("scaling")
    print(f"  1 process              {rates[1]:8.1f} composites/s")
    print(f"  2 processes            {rates[2]:8.1f} composites/s: {rates[2] / rates[1]:.2f}x")


def _memory_table(composites: int) -> None:
    """Each run in a process of its own, since a peak never sinks again."""
    spawn = multiprocessing.get_context("spawn")
    print("peak memory of a fuse, 96x72")
    for number in (100, 1000, composites):
        with spawn.Pool(1) as pool:
            megabytes, seconds = pool.apply(_peak_of, (number,))
        print(f"  {number:6} composites      {megabytes:8.0f} MB in {seconds:.0f} s")


def _peak_of(composites: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        workspace = Workspace(root, Catalog(root / "catalog"))
        rows = [_small_sample(root, kind, number) for kind in ("portrait", "background") for number in range(50)]
        workspace.catalog.merge("samples", rows_to_table("samples", rows))
        parents = (workspace.catalog.read("samples", where=f"kind = '{k}'") for k in ("portrait", "background"))
        start = time.perf_counter()
        recipe = FuseRecipe(ratio=1, composites=composites // 50)
        result = run_fuse(RunContext(workspace, "bench", workers=2), recipe, *parents)
        assert result.written == composites
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter() - start


def _small_sample(root: Path, kind: str, number: int) -> dict[str, object]:
    image, alpha, _ = scene(96, 72)
    image = np.roll(image, number, axis=1)
    row: dict[str, object] = {"sample_id": f"{kind}/{number}", "kind": kind, "status": "present", "hole_count": 0}
    for name, data in (("image", encode_png(image)), ("alpha", encode_png(alpha))):
        if name == "alpha" and kind == "background":
            continue
        path = root / f"{kind}{number}_{name}.png"
        path.write_bytes(data)
        row |= {f"{name}_uri": path.name, f"{name}_sha256": sha256_of(data)}
    return {**row, "split": "train" if kind == "portrait" else "none", "height": 96, "width": 72}


if __name__ == "__main__":
    main()
