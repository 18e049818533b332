"""How many backgrounds with a person whom nobody annotated are found, and how many without anybody are lost?

    python benchmarks/people.py [--work DIR] [--model FOLDER] [--lost 0.01 0.02 0.05]

The real COCO photos, 186 annotated without people and 84 with. Each round hides six of those with people among the
others, as if nobody had annotated them, and asks segdata's own code, which knows the remaining 78 as photos with people
and lays as many of 300 portraits over backgrounds, or, in the second part, has portraits alone. In fourteen rounds each
of the 84 is hidden once, and no regression that judges a photo was fitted with it; three such rows of rounds. Recall
and AUC are by the share of the photo that people cover, by COCO's masks. With `--model`, a trained version's word on
the same photos: `person_probability` of the whole photo, and the largest of it and of 4 or 13 overlapping tiles, each
at a threshold that loses 3 % of the photos without people.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pycocotools.coco import COCO

from segdata.catalog.workspace import RunContext, open_workspace
from segdata.imaging.arrays import Image
from segdata.imaging.decode import read_image
from segdata.inference.gathering import gather_pictures
from segdata.inference.model_folder import read_spec
from segdata.inference.predict import predict_images
from segdata.inference.presence import Pictures, auc_of, log_odds_of, threshold_of
from segdata.inference.runtimes import open_runtime
from segdata.metrics.image_scores import score_image
from segdata.storage.files import sha256_of

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
SIZES = (0.0, 0.01, 0.1, 0.3)
HIDDEN = 6
SEEDS = 3
PORTRAITS = 300


def main() -> None:
    options = arguments()
    if not DATA.is_dir():
        print(f"people.py: no photographs in {DATA}")
        return
    shares = shares_of_people()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        context = RunContext(open_workspace(work), run_id="people")
        print("| learned from | lost at most, asked | lost | found: " + " | ".join(f"{s:.0%} and more" for s in SIZES)
              + " | AUC: " + " | ".join(f"{s:.0%} and more" for s in SIZES) + " |")  # fmt: skip
        for learned in ("photos", "portraits"):
            measure(context, shares, learned, options.lost)
    if options.model:
        ask_version(options.model, shares)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="a folder that keeps the embeddings")
    parser.add_argument("--model", type=Path, help="a trained version's folder")
    parser.add_argument("--lost", type=float, nargs="+", default=[0.01, 0.02, 0.05])
    return parser.parse_args()


def shares_of_people() -> dict[Path, float]:
    """The share of each annotated photo that people cover; 0 where there are none, and NaN-free."""
    told = COCO(str(DATA / "coco" / "instances.json"))
    person = told.getCatIds(catNms=["person"])[0]
    found = {}
    for number, image in told.imgs.items():
        annotations = told.loadAnns(told.getAnnIds(imgIds=number))
        mask = np.zeros((image["height"], image["width"]), bool)
        people = [one for one in annotations if one["category_id"] == person]
        for one in people:
            mask |= told.annToMask(one).astype(bool)
        if annotations:
            found[DATA / "coco" / "images" / image["file_name"]] = max(mask.mean(), 1e-9) if people else 0.0
    return found


def measure(context: RunContext, shares: dict[Path, float], learned: str, asked: list[float]) -> None:
    """One table's rows: segdata's answers to all rounds."""
    hashes = {path: sha256_of(path.read_bytes()) for path in shares}
    pictures = embedded(context, shares, hashes, learned)
    with_people = [path for path, share in shares.items() if share]
    free = {hashes[path] for path, share in shares.items() if not share}
    lost: Counter[float] = Counter()
    found: dict[float, list[bool]] = {one: [] for one in asked}
    above, covered, rounds = [], [], 0
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(with_people))
        for start in range(0, len(order), HIDDEN):
            hidden = [with_people[one] for one in order[start : start + HIDDEN]]
            judged = log_odds_of(with_hidden(pictures, free, {hashes[path] for path in hidden}))
            assert judged is not None
            clean = np.array([judged.backgrounds[name] for name in free])
            ours = np.array([judged.backgrounds[hashes[path]] for path in hidden])
            above += [auc_of(np.array([one]), clean) for one in ours]
            covered += [shares[path] for path in hidden]
            rounds += 1
            for share in asked:
                threshold = threshold_of(judged.free, share)
                lost[share] += int((clean >= threshold).sum())
                found[share] += (ours >= threshold).tolist()
    large = [np.array(covered) >= size for size in SIZES]
    for share in asked:
        recalls = " | ".join(f"{np.array(found[share])[some].mean():.2f}" for some in large)
        aucs = " | ".join(f"{np.array(above)[some].mean():.3f}" for some in large)
        print(f"| {learned} | {share} | {lost[share] / rounds / len(free):.3f} | {recalls} | {aucs} |", flush=True)


def embedded(context: RunContext, shares: dict[Path, float], hashes: dict[Path, str], learned: str) -> Pictures:
    """All photos' embeddings, those with people among the backgrounds too, so that they can be hidden there."""
    rows = [background(path, hashes[path]) for path in shares]
    portraits = [portrait(path) for path in sorted((DATA / "portraits").glob("*.jpg"))[:PORTRAITS]]
    known = [] if learned == "portraits" else [path for path, share in shares.items() if share]
    free = [row for row, share in zip(rows, shares.values(), strict=True) if not share]
    begun = time.process_time()
    over = free if learned == "photos" else rows
    gathered = gather_pictures(context, pa.Table.from_pylist(over), known, pa.Table.from_pylist(portraits))
    others = gather_pictures(context, pa.Table.from_pylist(rows), [], pa.Table.from_pylist(portraits))
    assert gathered is not None
    assert others is not None
    if looked := gathered.looked + others.looked:
        print(f"{looked} pictures looked at: {(time.process_time() - begun) / looked * 1000:.0f} ms of one core each")
    return replace(others.pictures, people=gathered.pictures.people)


def with_hidden(pictures: Pictures, free: set[str], hidden: set[str]) -> Pictures:
    """The pictures as segdata would have them, if nobody had annotated the people of those hidden."""
    backgrounds = {name: one for name, one in pictures.backgrounds.items() if name in free | hidden}
    people = {
        (image, over): one
        for (image, over), one in pictures.people.items()
        if image not in hidden and (over is None or over in backgrounds)
    }
    return replace(pictures, people=people, backgrounds=backgrounds, names=[(name, name) for name in backgrounds])


def background(path: Path, name: str) -> dict[str, Any]:
    return {"sample_id": path.stem, "image_sha256": name, "image_uri": str(path)}


def portrait(path: Path) -> dict[str, Any]:
    matte = path.with_name(f"{path.stem}_matte.png")
    return {
        "sample_id": path.stem, "image_uri": str(path), "alpha_uri": str(matte), "alpha_channel": None,
        "image_sha256": sha256_of(path.read_bytes()),
    }  # fmt: skip


def ask_version(folder: Path, shares: dict[Path, float]) -> None:
    """What a trained version's probability finds, of the whole photo and of tiles."""
    spec, runtime = read_spec(folder), open_runtime(folder)
    scores: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for path in shares:
        photo = read_image(path)
        best = 0.0
        for tiles, some in scores.items():
            for tile in tiles_of(photo, tiles):
                probability = next(iter(predict_images(runtime, spec, [tile])))
                told = score_image(np.zeros(tile.shape[:2], np.uint8), probability, "none")
                best = max(best, told["person_probability"])
            some.append(best)
    covered = np.array(list(shares.values()))
    for tiles, some in scores.items():
        values = np.array(some)
        free, cut = values[covered == 0], np.quantile(values[covered == 0], 0.97)
        ours = [values[(covered > 0) & (covered >= size)] for size in SIZES]
        recalls = " | ".join(f"{(one > cut).mean():.2f}" for one in ours)
        print(
            f"| version, {tiles}x{tiles} | {recalls} | " + " | ".join(f"{auc_of(one, free):.3f}" for one in ours) + " |"
        )


def tiles_of(photo: Image, number: int) -> list[Image]:
    """A grid of tiles that overlap by half: number² of them, each 2 / (number + 1) of the photo long and wide."""
    height, width = photo.shape[:2]
    high, wide = (2 * side // (number + 1) for side in (height, width))
    steps = [(y * high // 2, x * wide // 2) for y in range(number) for x in range(number)]
    return [photo[y : y + high, x : x + wide] for y, x in steps]


if __name__ == "__main__":
    main()
