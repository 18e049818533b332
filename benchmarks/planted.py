"""Drawn portraits with a planted weakness: the first training set has no holes, and the pool and the test split do.

    python benchmarks/planted.py DEST [--train 160] [--test 140] [--pool 420] [--backgrounds 60] [--share 0.25]

What `segdata draw` lays out, less every training portrait whose label has a hole, and less so many of the pool's that
have one that these are the given share of it: what is to be mined is worth mining for because it is not everywhere. A
version trained on that has never seen the gap between an arm and a body; `reports/proof.md` shows what mining makes of
it. Without DEST nothing is done.
"""

from __future__ import annotations

import argparse
from itertools import count
from pathlib import Path

from segdata.draw.run import DrawCounts, run
from segdata.imaging.decode import read_alpha
from segdata.metrics.holes import holes
from segdata.records import LABEL_CUT


def main() -> None:
    options = arguments()
    if options.dest is None:
        print("planted.py: give a folder to draw in")
        return
    # `draw` keeps a fifth for test, and two thirds of what it draws for training have no hole
    portraits = max(5 * options.test, 2 * options.train * 5 // 4)
    counts = DrawCounts(portraits, options.pool, options.backgrounds)
    run(options.dest, counts, seed=options.seed, workers=options.workers)
    without_holes(options.dest / "portrait2000" / "training", options.train)
    with_few_holes(options.dest / "aisegment", options.share)


def without_holes(folder: Path, wanted: int) -> None:
    """Remove the pairs of a training folder that have a hole, and those beyond the number that is wanted."""
    kept = count(1)
    for matte in sorted(folder.glob("*_matte.png")):
        if has_hole(matte) or next(kept) > wanted:
            matte.unlink()
            matte.with_name(matte.name.replace("_matte", "")).unlink()
    print(f"{len(list(folder.glob('*_matte.png')))} training portraits without a hole are left in {folder}")


def with_few_holes(folder: Path, share: float) -> None:
    """Remove pairs of the pool that have a hole until those that are left are `share` of it."""
    mattes = sorted((folder / "matting").rglob("*.png"))
    holed = [matte for matte in mattes if has_hole(matte, channel=3)]
    wanted = round(share / (1 - share) * (len(mattes) - len(holed)))
    for matte in holed[wanted:]:
        place = matte.relative_to(folder / "matting")
        image = folder / "clip_img" / str(place).replace("matting_", "clip_")
        image.with_suffix(".jpg").unlink()
        matte.unlink()
    print(f"{len(holed[:wanted])} of {len(mattes) - len(holed[wanted:])} portraits of the pool have a hole")


def has_hole(matte: Path, channel: int | None = None) -> bool:
    """Whether a label has a hole of the size that counts."""
    return holes(read_alpha(matte, channel) >= LABEL_CUT).count > 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path, nargs="?")
    for name, value in (("train", 160), ("test", 140), ("pool", 420), ("backgrounds", 60), ("seed", 0), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--share", type=float, default=0.25)
    return parser.parse_args()


if __name__ == "__main__":
    main()
