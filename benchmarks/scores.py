"""What scoring an image costs, and how that compares with scikit-learn and torchmetrics, in one run.

    python benchmarks/scores.py [--rounds 15] [--photos FOLDER]

Each figure is the median over rounds of a pass over the same masks of 600x800, on one thread, in processor time;
`least` is the quickest pass, which a busy machine disturbs less. Without photographs the masks are drawn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.metrics import jaccard_score
from torchmetrics.functional.classification import multiclass_jaccard_index

from segdata.metrics.boundary import boundary_iou
from segdata.metrics.confusion import confusion, miou
from segdata.metrics.holes import holes
from segdata.metrics.image_scores import score_image
from segdata.metrics.matting import sad_and_mse

PHOTOS = Path(__file__).resolve().parents[1] / "../shared/data/portraits"


def drawn_alpha(seed: int) -> np.ndarray:
    """A head on shoulders with an arm that leaves a gap."""
    generator = np.random.default_rng(seed)
    alpha = np.zeros((800, 600), np.uint8)
    centre = int(generator.integers(260, 340))
    cv2.ellipse(alpha, (centre, 280), (110, 150), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (centre, 800), (240, 390), 0, 0, 360, 255, -1)
    cv2.circle(alpha, (centre - 150, 650), 40, 0, -1)
    return cv2.GaussianBlur(alpha, (0, 0), 2)


def boundary_by_20_erosions(label: np.ndarray, prediction: np.ndarray) -> float:
    """Boundary IoU as published: as many erosions by 3x3 as the band has pixels."""
    bands = []
    for mask in (label, prediction):
        framed = cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        for _ in range(20):
            framed = cv2.erode(framed, np.ones((3, 3), np.uint8))
        bands.append(mask & (framed[1:-1, 1:-1] == 0))
    return float(np.count_nonzero(bands[0] & bands[1]) / max(1, np.count_nonzero(bands[0] | bands[1])))


def measure(work: Callable[[], object], images: int, rounds: int) -> dict[str, float]:
    """Milliseconds an image."""
    work()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return {
        "median_ms": round(1e3 * statistics.median(seconds) / images, 3),
        "least_ms": round(1e3 * min(seconds) / images, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    mattes = sorted(args.photos.glob("*_matte.png"))[::80]
    alphas = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in mattes] or [drawn_alpha(i) for i in range(10)]
    soft = [cv2.GaussianBlur(alpha, (0, 0), 6).astype(np.float32) / 255 for alpha in alphas]
    pairs = [(alpha >= 128, p >= 0.5) for alpha, p in zip(alphas, soft, strict=True)]
    tensors = [(torch.from_numpy(p.astype(np.int64)), torch.from_numpy(a.astype(np.int64))) for a, p in pairs]

    def each(function: Callable[..., object], items: list) -> Callable[[], object]:
        return lambda: [function(*item) for item in items]

    works = {
        "all scores of an image": each(lambda a, p: score_image(a, p, "soft"), list(zip(alphas, soft, strict=True))),
        "mIoU": each(lambda a, p: miou(confusion(a, p)), pairs),
        "mIoU, scikit-learn": each(lambda a, p: jaccard_score(a.ravel(), p.ravel(), average="macro"), pairs),
        "mIoU, torchmetrics": each(lambda p, a: multiclass_jaccard_index(p, a, 2), tensors),
        "boundary IoU": each(boundary_iou, pairs),
        "boundary IoU, 20 erosions": each(boundary_by_20_erosions, pairs),
        "holes of one mask": each(holes, [(a,) for a, _ in pairs]),
        "SAD and MSE": each(sad_and_mse, list(zip(alphas, soft, strict=True))),
    }
    found = {name: measure(work, len(alphas), args.rounds) for name, work in works.items()}
    ours, bands = found["mIoU"]["least_ms"], found["boundary IoU"]["least_ms"]
    ratios = {
        "scikit-learn / mIoU": round(found["mIoU, scikit-learn"]["least_ms"] / ours, 1),
        "torchmetrics / mIoU": round(found["mIoU, torchmetrics"]["least_ms"] / ours, 1),
        "20 erosions / boundary IoU": round(found["boundary IoU, 20 erosions"]["least_ms"] / bands, 1),
    }
    print(json.dumps({"images": len(alphas), "figures": found, "ratios": ratios}, indent=1))


if __name__ == "__main__":
    main()
