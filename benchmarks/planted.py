"""Drawn portraits with a planted weakness: the first training set has no hole, a part of pool and test large ones.

    python benchmarks/planted.py DEST [--train 160] [--test 160] [--pool 240] [--backgrounds 60] [--share 0.25]

Trees as `segdata draw` lays them out. Training portraits are plain, and their labels have no hole. Those of pool and
test are drawn alike, from the wider range; in a share of them the arms enclose a gap of 1 % of the photo or more, the
others have no hole. A version trained on the first has never seen through a person, and fills what it should leave;
`reports/proof.md` shows what mining makes of that. Without DEST nothing is done.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np

from segdata.draw.run import DrawCounts, run
from segdata.drawn.portrait import Difficulty, draw_portrait
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.metrics.holes import holes
from segdata.records import LABEL_CUT

LARGE = 0.01
SMALL_HW = (200, 150)  # at which seeds are looked through: a quarter of the time, and the same poses


def main() -> None:
    options = arguments()
    if options.dest is None:
        print("planted.py: give a folder to draw in")
        return
    run(options.dest, DrawCounts(0, 0, options.backgrounds), seed=options.seed, workers=options.workers)
    shutil.rmtree(options.dest / "portrait2000")
    seeds = count(options.seed * 1_000_000)
    whole = list(islice(with_holes(seeds, "plain", wanted=False), options.train))
    write_portraits(options.dest / "portrait2000" / "training", whole, "plain")
    write_portraits(options.dest / "portrait2000" / "testing", mixed(seeds, options.test, options.share), "wide")
    write_pool(options.dest / "aisegment", mixed(seeds, options.pool, options.share))


def with_holes(seeds: Iterator[int], difficulty: Difficulty, wanted: bool) -> Iterator[int]:
    """The seeds whose portraits have large holes, or those whose portraits have none."""
    for seed in seeds:
        alpha = draw_portrait(seed, SMALL_HW, difficulty=difficulty, camera=False).alpha
        fraction = holes(alpha >= LABEL_CUT).fraction
        if (fraction >= LARGE) if wanted else fraction == 0:
            yield seed


def mixed(seeds: Iterator[int], number: int, share: float) -> list[int]:
    """So many seeds of the wider range, of which a share has large holes."""
    holed = round(share * number)
    whole = list(islice(with_holes(seeds, "wide", wanted=False), number - holed))
    found = [*islice(with_holes(seeds, "wide", wanted=True), holed), *whole]
    print(f"{holed} of {number} portraits have holes of {LARGE:.0%} of the photo or more")
    return found


def write_portraits(folder: Path, seeds: list[int], difficulty: Difficulty) -> None:
    """As Portrait2000 has them: photo and a matte of three equal channels."""
    folder.mkdir(parents=True)
    for number, seed in enumerate(seeds, 1):
        drawn = draw_portrait(seed, difficulty=difficulty)
        (folder / f"{number:05d}.png").write_bytes(encode_png(drawn.image))
        (folder / f"{number:05d}_matte.png").write_bytes(encode_png(drawn.alpha))


def write_pool(root: Path, seeds: list[int]) -> None:
    """As AiSegment has them: JPEG, and the matte as the alpha of a PNG."""
    for index, seed in enumerate(seeds):
        drawn = draw_portrait(seed, difficulty="wide")
        place = f"1803151818/{{}}_{index // 100:08d}/1803151818-{index:08d}"
        image, matte = (
            root / kind / place.format(name) for kind, name in (("clip_img", "clip"), ("matting", "matting"))
        )
        for path in (image, matte):
            path.parent.mkdir(parents=True, exist_ok=True)
        image.with_suffix(".jpg").write_bytes(encode_jpeg(drawn.image))
        matte.with_suffix(".png").write_bytes(encode_png(np.dstack([drawn.image, drawn.alpha])))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path, nargs="?")
    for name, value in (("train", 160), ("test", 160), ("pool", 240), ("backgrounds", 60), ("seed", 1), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--share", type=float, default=0.25)
    return parser.parse_args()


if __name__ == "__main__":
    main()
