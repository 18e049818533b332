"""Foregrounds against the truth: drawn portraits, whose alpha, foreground and old background are known.

Run: python benchmarks/foregrounds.py [--portraits 24] [--picture docs/images/foregrounds.png] [--report]

Measured is the composite over a new background against the true one, in the soft band 0.02 < alpha < 0.98: the mean
absolute difference of the channels, of 255. But for alpha applied twice it is alpha times the error of the foreground's
colour, so that the new background has no say. Printed is Markdown; `--report` writes it to reports/foregrounds.md.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.drawn.portrait import DrawnPortrait, draw_portrait
from segdata.imaging.arrays import Alpha, Image, Mask
from segdata.imaging.composite import composite_over
from segdata.imaging.foreground import estimate_foreground
from segdata.imaging.layer import Layer, LayerSettings, estimate_layer
from segdata.imaging.multilevel import estimate_foreground_multilevel

ROOT = Path(__file__).resolve().parents[1]
SIZE_HW = (800, 600)
LIGHT, DARK = 215, 35
APART = 60  # of 255, mean over the channels: from here on a foreground and its old background are far apart
METHODS = ("alpha twice", "observed", "blur_fusion", "multilevel", "PyMatting's defaults")
KINDS = ("soft edges", "contours", "thin hair", "dense hair")
CONTRASTS = ("light on dark", "dark on light", f"less than {APART} apart")


@dataclass(frozen=True)
class Truth:
    """A portrait and what is true about it."""

    image: Image
    foreground: Image
    background: Image
    alpha: Alpha

    @property
    def band(self) -> Mask:
        """The pixels that are neither person nor background: 0.02 < alpha < 0.98."""
        share = self.alpha / 255
        return (share > 0.02) & (share < 0.98)


def wall(level: int, seed: int) -> Image:
    """A wall of one brightness, unevenly lit and slightly rough."""
    height, width = SIZE_HW
    rng = np.random.default_rng(seed)
    shades = cv2.resize(rng.normal(0, 14, (8, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(level + shades + rng.normal(0, 4, (height, width, 1)), 0, 255).astype(np.uint8)


def portraits(count: int, camera: bool = False) -> Iterator[tuple[int, DrawnPortrait]]:
    """Each seed before a light wall, a dark one, and whatever was drawn for it."""
    for seed in range(count):
        for background in (wall(LIGHT, seed), wall(DARK, seed), None):
            yield seed, draw_portrait(seed, SIZE_HW, background, camera=camera)


def truth_of(portrait: DrawnPortrait) -> Truth:
    """The parts of a drawn portrait."""
    return Truth(portrait.image, portrait.foreground, portrait.background, portrait.alpha)


def defocused(truth: Truth, sigma_px: float) -> Truth:
    """The same portrait out of focus: colour and coverage blurred together, as a lens does."""
    share = truth.alpha[..., None] / 255
    seen = cv2.GaussianBlur(truth.foreground * share, (0, 0), sigma_px)
    blurred = cv2.GaussianBlur(share, (0, 0), sigma_px)
    foreground = np.rint(np.clip(seen / np.maximum(blurred, 1 / 510)[..., None], 0, 255)).astype(np.uint8)
    alpha = np.rint(255 * blurred).astype(np.uint8)
    return Truth(composite_over(foreground, truth.background, alpha), foreground, truth.background, alpha)


def kinds_of(truth: Truth) -> dict[str, Mask]:
    """The soft band of a sharp portrait, sorted by what lies around a pixel, in windows of 15x15.

    Thin hair: less than 35 % is covered. Dense hair: more is, and a quarter of the window is soft. Contours: the rest.
    """
    band = truth.band
    covered = cv2.blur(truth.alpha / 255, (15, 15))
    soft = cv2.blur(band.astype(np.float64), (15, 15))
    thin = band & (covered < 0.35)
    dense = band & ~thin & (soft > 0.25)
    return {"contours": band & ~thin & ~dense, "thin hair": thin, "dense hair": dense}


def contrasts_of(truth: Truth) -> dict[str, Mask]:
    """Pixels by how foreground and old background differ there."""
    signed = truth.foreground.astype(float) - truth.background
    apart, lighter = np.abs(signed).mean(axis=-1) >= APART, signed.mean(axis=-1) > 0
    return dict(zip(CONTRASTS, (apart & lighter, apart & ~lighter, ~apart), strict=True))


def laid_over(truth: Truth, background: Image) -> dict[str, Image]:
    """The composite that each method makes of a portrait."""
    share = truth.alpha[..., None] / 255
    twice = (truth.image * share * share + background * (1 - share)).astype(np.uint8)
    ml = estimate_foreground_multilevel(_unit(truth.image), _unit(truth.alpha), gradient_weight=1, big_iterations=2)
    foregrounds = {
        "observed": truth.image,
        "blur_fusion": estimate_foreground(truth.image, truth.alpha, "blur_fusion"),
        "multilevel": estimate_foreground(truth.image, truth.alpha, "multilevel"),
        "PyMatting's defaults": np.rint(255 * ml).astype(np.uint8),
    }
    over = {name: composite_over(one, background, truth.alpha) for name, one in foregrounds.items()}
    return {"alpha twice": twice, **over}


def _unit(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return levels.astype(np.float32) / np.float32(255)


class Means:
    """Sums of errors by row and column."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str], float] = defaultdict(float)
        self.pixels: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, row: str, column: str, error: NDArray[np.float64], where: Mask) -> None:
        """The error at the pixels where it counts."""
        self.sums[row, column] += float(error[where].sum())
        self.pixels[row, column] += int(where.sum())

    def mean(self, row: str, column: str) -> float:
        """Its mean; not a number without a pixel."""
        return self.sums[row, column] / self.pixels[row, column] if self.pixels[row, column] else float("nan")


def measure(count: int, camera: bool = False) -> Means:
    """Errors of the composites by method, kind of edge and contrast."""
    means = Means()
    new = draw_portrait(999, SIZE_HW).background
    for _, portrait in portraits(count, camera):
        sharp = truth_of(portrait)
        # a camera's grain lies on the image, not on its parts: it can't be blurred away with them
        jobs = [(sharp, kinds_of(sharp))] if camera else [(sharp, kinds_of(sharp)), _blurred_job(sharp)]
        for truth, kinds in jobs:
            true = composite_over(truth.foreground, new, truth.alpha).astype(float)
            contrasts = contrasts_of(truth)
            for method, composite in laid_over(truth, new).items():
                error = np.abs(composite - true).mean(axis=-1)
                for kind, pixels in kinds.items():
                    for contrast, there in contrasts.items():
                        means.add(f"{kind} | {contrast}", method, error, pixels & there)
    return means


def _blurred_job(sharp: Truth) -> tuple[Truth, dict[str, Mask]]:
    blurred = defocused(sharp, 3.0)
    return blurred, {"soft edges": blurred.band}


def method_table(means: Means, kinds: tuple[str, ...] = KINDS) -> list[str]:
    """Markdown: a row for each kind of edge and contrast."""
    lines = [f"| edge | person and old background | pixels | {' | '.join(METHODS)} |", "|---|---|---|" + "---|" * 5]
    for kind in kinds:
        for contrast in CONTRASTS:
            row = f"{kind} | {contrast}"
            values = " | ".join(f"{means.mean(row, method):.2f}" for method in METHODS)
            lines.append(f"| {row} | {means.pixels[row, METHODS[0]]} | {values} |")
    return lines


LABELS: dict[str, Callable[[Alpha], Alpha]] = {
    "exact": lambda label: label,
    "2 px too wide": lambda label: cv2.dilate(label, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))),
    "drawn without hair": lambda label: cv2.morphologyEx(
        label, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    ),
}


def hard_table(count: int) -> list[str]:
    """Markdown: what feathering and refining do to the edge of labels that know only 0 and 255."""
    means = Means()
    new = draw_portrait(999, SIZE_HW).background
    for _, portrait in portraits(count, camera=True):
        truth = truth_of(portrait)
        true = composite_over(truth.foreground, new, truth.alpha).astype(float)
        for name, spoil in LABELS.items():
            label = spoil(np.where(truth.alpha >= 128, 255, 0).astype(np.uint8))
            for edge in ("none", "feather", "refine"):
                layer = estimate_layer(truth.image, label, LayerSettings(hard_edge=edge))  # type: ignore[arg-type]  # of these
                row = f"{name} | {edge}"
                for column, error, where in _hard_errors(truth, layer, true, new):
                    means.add(row, column, error, where)
    columns = ("colour", "alpha", "composite")
    lines = [
        "| label | `hard_edge` | old background carried along | alpha | composite |",
        "|---|---|---|---|---|",
    ]
    for name in LABELS:
        for edge in ("none", "feather", "refine"):
            row = f"{name} | {edge}"
            lines.append(f"| {row} | {' | '.join(f'{means.mean(row, column):.2f}' for column in columns)} |")
    return lines


def _hard_errors(truth: Truth, layer: Layer, true: NDArray[np.float64], new: Image) -> list[tuple[str, NDArray, Mask]]:
    """Errors along the true edge: of the colours that are laid down, of alpha, and of the composite."""
    near = cv2.dilate(truth.band.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    colour = np.abs(layer.foreground.astype(float) - truth.foreground).mean(axis=-1) * layer.alpha / 255
    composite = composite_over(layer.foreground, new, layer.alpha).astype(float)
    return [
        ("colour", colour, near),
        ("alpha", np.abs(layer.alpha.astype(float) - truth.alpha), near),
        ("composite", np.abs(composite - true).mean(axis=-1), near),
    ]


def speed_table() -> list[str]:
    """Markdown: how long an estimate takes, beside PyMatting's with the same arguments."""
    from pymatting import estimate_foreground_ml

    portrait = draw_portrait(0, SIZE_HW)
    image, alpha = _unit(portrait.image), _unit(portrait.alpha)
    label = np.where(portrait.alpha >= 128, 255, 0).astype(np.uint8)
    theirs = {"gradient_weight": 0.1, "n_big_iterations": 6, "return_background": False}
    jobs: dict[str, Callable[[], object]] = {
        "multi-level, segdata, one thread": lambda: estimate_foreground_multilevel(image, alpha),
        "multi-level, PyMatting with the same arguments": lambda: estimate_foreground_ml(image, alpha, **theirs),
        "blur-fusion": lambda: estimate_foreground(portrait.image, portrait.alpha, "blur_fusion"),
        "a hard label feathered and continued": lambda: estimate_layer(portrait.image, label),
        "a hard label refined, then multi-level": lambda: estimate_layer(
            portrait.image, label, LayerSettings(hard_edge="refine")
        ),
    }
    lines = ["| work, 600x800 | ms |", "|---|---|"]
    for name, job in jobs.items():
        job()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            job()
            times.append(time.perf_counter() - start)
        lines.append(f"| {name} | {1000 * min(times):.0f} |")
    return lines


def picture(path: Path, zoom: int = 4, side: int = 96) -> None:
    """Four ways and the truth side by side at hair, enlarged: from a light wall, and from a dark one."""
    rows = []
    for seed, level, new in ((19, LIGHT, (46, 92, 116)), (39, DARK, (226, 222, 214))):
        truth = truth_of(draw_portrait(seed, SIZE_HW, wall(level, seed), camera=False))
        background = np.full_like(truth.image, new)
        made = laid_over(truth, background)
        contrasts = contrasts_of(truth)
        far = (truth.alpha < 250) & truth.band & (contrasts[CONTRASTS[0]] | contrasts[CONTRASTS[1]])
        top, left = _busiest(far, side)
        pictures = [*(made[name] for name in METHODS[:4]), composite_over(truth.foreground, background, truth.alpha)]
        crops = [one[top : top + side, left : left + side] for one in pictures]
        rows.append([cv2.resize(one, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST) for one in crops])
    width, gap = side * zoom, 8
    names = ("alpha twice", "observed", "blur-fusion", "multi-level", "the truth")
    sheet = np.full((34 + 2 * (width + gap), len(names) * (width + gap) - gap, 3), 255, np.uint8)
    for column, name in enumerate(names):
        at = (column * (width + gap) + 2, 24)
        cv2.putText(sheet, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (40, 40, 40), 1, cv2.LINE_AA)
        for row in range(2):
            y, x = 34 + row * (width + gap), column * (width + gap)
            sheet[y : y + width, x : x + width] = rows[row][column]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _busiest(mask: Mask, side: int) -> tuple[int, int]:
    """Top and left of the window that holds most of a mask."""
    sums = cv2.boxFilter(mask.astype(np.float32), -1, (side, side), anchor=(0, 0), normalize=False)
    whole = sums[: mask.shape[0] - side + 1, : mask.shape[1] - side + 1]
    top, left = np.unravel_index(int(np.argmax(whole)), whole.shape)
    return int(top), int(left)


def report(count: int) -> str:
    """The whole page."""
    return _PAGE.format(
        count=count,
        methods="\n".join(method_table(measure(count))),
        noisy="\n".join(method_table(measure(max(4, count // 3), camera=True), KINDS[1:])),
        hard="\n".join(hard_table(max(3, count // 4))),
        speed="\n".join(speed_table()),
    )


_PAGE = """# Foregrounds against the truth

```console
$ python benchmarks/foregrounds.py --portraits {count} --report
```

{count} drawn portraits of 600x800, whose alpha, foreground and old background are known, each before a light wall, a
dark wall and a drawn backdrop. Measured is the composite over a new background against the true one, in the soft band
0.02 < alpha < 0.98: the mean absolute difference of the channels, of 255. But for alpha applied twice that is alpha
times the error of the foreground's colour, so that the new background has no say. `multilevel` is the default;
PyMatting's own defaults are the same method with another weight and fewer sweeps. Soft edges are whole portraits out
of focus (σ = 3 px); contours, thin and dense hair are parts of sharp ones.

{methods}

## With a camera's grain and compression

{noisy}

## Labels that know only 0 and 255

What `fuse.hard_edge` does to three kinds of label: exact (the true alpha cut at one half), 2 px too wide, and drawn
without hair. Errors along the true edge, 4 px to either side of its soft band, of 255. *Old background carried along*
is the error of the colours that are laid down times the alpha that they are laid with: the halo. *Alpha* and
*composite* are distances from the true ones; an alpha that differs from the truth is no fault in training, since the
composite is blended with that very alpha, but hair that a label lacks is then missing from the composite too.

{hard}

## Time

Best of five, in one run.

{speed}
"""


def main() -> None:
    """Print the tables, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=int, default=12)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--report", action="store_true", help="write reports/foregrounds.md")
    options = parser.parse_args()
    if options.picture:
        picture(options.picture)
        return
    text = report(options.portraits)
    print(text)
    if options.report:
        (ROOT / "reports" / "foregrounds.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
