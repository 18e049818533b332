"""The page's charts as PNG files, for papers and slides: drawn by Matplotlib from the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from segdata.imaging.encode import tag_png
from segdata.report.style import default_style
from segdata.report.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from segdata.report.page import PageFacts
    from segdata.report.proofs import Gap
    from segdata.report.summaries import Histogram
    from segdata.report.versions import Version

_BLUE, _ORANGE, _GREY = "#0b5cad", "#c96a12", "#8a8478"
_CYCLE = (_BLUE, "#b4661c", "#0b7a5c", "#8a4a9e", "#7d7a72", "#b3aea3")
_DPI = 150
_LONGEST = 40  # characters of a name: a longer one leaves no room for the chart


def plots_of(facts: PageFacts) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each chart that has something to show.

    Args:
        facts: what the page says.
    """
    with default_style():
        plots = list(_plots_of(facts))
    return iter(plots)


def _plots_of(facts: PageFacts) -> Iterator[tuple[str, bytes]]:
    if any("miou_image" in (*version.test, *version.val) for version in facts.versions):
        yield "rounds", _png(_rounds(facts.versions))
    for name, column in (("val-miou", "val_miou"), ("training-loss", "train_loss")):
        if any(getattr(epoch, column) is not None for version in facts.versions for epoch in version.curve):
            yield name, _png(_curves(facts.versions, column))
    if facts.pool is not None:
        names = facts.pool.latest, facts.pool.first
        yield "pool", _png(_histogram(facts.pool.histogram, names, facts.histogram_scale, "pool"))
        for number, (name, bins, images) in enumerate(facts.pool.by_dataset, 1):
            title = f"{name}: {images} images"
            yield (
                f"pool-{number}-{_file_name(name)}",
                _png(_histogram(bins, (None, None), facts.histogram_scale, title)),
            )
    if facts.selection is not None:
        for name, pairs in (("triage", facts.selection.triage), ("failure-modes", facts.selection.failure_modes)):
            if pairs:
                yield name, _png(_bars(pairs, "samples of the selection"))
    if facts.change is not None:
        counts = [(name, len(getattr(facts.change, name))) for name in ("came", "stayed", "learned", "went")]
        yield "since-the-last-round", _png(_bars(counts, "cases, against the selection before"))
    if facts.proof is not None and facts.proof.gaps:
        yield "mined-minus-control", _png(_gaps(facts.proof.gaps))


def _rounds(versions: Sequence[Version]) -> Figure:
    figure, axes = _axes("mIoU per image, by version")
    for name, colour, dash in (("test", _BLUE, "-"), ("val", _GREY, ":")):
        points = [
            (index, metrics["miou_image"])
            for index, version in enumerate(versions)
            if "miou_image" in (metrics := version.test if name == "test" else version.val)
        ]
        if points:
            axes.plot(*zip(*points, strict=True), dash, marker="o", color=colour, label=name)
    axes.set_xticks(range(len(versions)), [version.label for version in versions])
    axes.legend(frameon=False)
    return figure


def _curves(versions: Sequence[Version], column: str) -> Figure:
    figure, axes = _axes(f"{column.replace('_', ' ')}, by epoch")
    for age, version in enumerate([version for version in reversed(versions) if version.curve][: len(_CYCLE)]):
        points = [(one.epoch, value) for one in version.curve if (value := getattr(one, column)) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), color=_CYCLE[age], label=version.label)
    axes.set_xlabel("epoch")
    axes.legend(frameon=False)
    return figure


def _histogram(bins: Histogram, names: tuple[str | None, str | None], scale: str, title: str) -> Figure:
    figure, axes = _axes(f"images by mIoU, {_shown(title)}")
    axes.stairs(bins.latest, bins.edges, fill=True, color="#7fa3c4", label=_shown(names[0]) or None)
    if bins.first:
        axes.stairs(bins.first, bins.edges, color="#1c1b19", label=_shown(names[1]) or None)
    if bins.cut is not None:
        axes.axvline(bins.cut, color=_ORANGE, linestyle="--", label=f"mIoU < {bins.cut:g} is mined")
    if scale == "log":
        axes.set_yscale("log")
    axes.set_xlabel("mIoU")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)
    return figure


def _bars(pairs: Sequence[tuple[str, int]], title: str) -> Figure:
    figure, axes = _axes(title)
    names = [_shown(name).replace("_", " ") for name, _ in reversed(pairs)]
    axes.barh(range(len(names)), [number for _, number in reversed(pairs)], color="#7fa3c4")
    axes.set_yticks(range(len(names)), names)
    return figure


def _gaps(gaps: Sequence[Gap]) -> Figure:
    figure, axes = _axes("mined minus control, 95 % intervals; dark where it is more than luck")
    for place, gap in enumerate(reversed(gaps)):
        axes.plot((gap.low, gap.high), (place, place), color=_BLUE if gap.differs else _GREY, linewidth=3)
        axes.plot(gap.mean, place, "o", color=_BLUE if gap.differs else _GREY)
    axes.axvline(0.0, color="#1c1b19", linewidth=0.8)
    axes.set_yticks(range(len(gaps)), [f"{_shown(gap.slice)}, {_shown(gap.metric)}" for gap in reversed(gaps)])
    return figure


def _axes(title: str) -> tuple[Figure, Any]:
    # Not pyplot: that keeps every figure until it is told otherwise, and asks for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return tag_png(out.getvalue())


def _shown(text: str | None) -> str:
    """Text that Matplotlib takes as it is: a dollar sign would begin a formula."""
    return "" if text is None else visible(text)[:_LONGEST].replace("$", r"\$")


def _file_name(name: str) -> str:
    """A name that any file system takes.

    >>> _file_name("p/../x, pool")
    'p-x-pool'
    """
    plain = "".join(character if character.isascii() and character.isalnum() else " " for character in name)
    return "-".join(plain.split())[:60] or "dataset"
