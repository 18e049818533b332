"""The picture beside an ablation's table: how each row learned, and where each of its seeds ended."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from segdata.imaging.encode import tag_png
from segdata.report.style import default_style


@dataclass(frozen=True)
class Line:
    """A row of the ablation.

    Attributes:
        name: the row's.
        curves: for each seed its points (epoch, val mIoU).
        test: for each seed its test mIoU, the mean over images.
    """

    name: str
    curves: tuple[tuple[tuple[int, float], ...], ...]
    test: tuple[float, ...]


def ablation_picture(lines: Sequence[Line], dpi: int = 130) -> bytes:
    """A PNG: on the left val mIoU by epoch, the mean over the seeds; on the right every seed's test mIoU, row by row.

    Args:
        lines: in the order of the table.
        dpi: pixels an inch, of 11 x 4 inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with default_style():
        figure = Figure(figsize=(11, 4), layout="constrained")
        FigureCanvasAgg(figure)
        learning, ending = figure.subplots(1, 2)
        for number, line in enumerate(lines):
            colour = f"C{number}"
            points = mean_curve(line.curves)
            learning.plot([epoch for epoch, _ in points], [value for _, value in points], color=colour, label=line.name)
            ending.scatter(line.test, [number] * len(line.test), color=colour, s=22, zorder=3)
            if line.test:
                ending.scatter(sum(line.test) / len(line.test), number, color=colour, marker="|", s=300)
        learning.set(xlabel="epoch", ylabel="val mIoU, mean of images", title="Learning")
        learning.legend(fontsize="small")
        ending.set(xlabel="test mIoU, mean of images", title="A point each seed, a bar their mean")
        ending.set_yticks(range(len(lines)), [line.name for line in lines])
        ending.invert_yaxis()
        for axes in (learning, ending):
            axes.grid(alpha=0.3)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
    return tag_png(file.getvalue())


def mean_curve(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The mean of several curves at each epoch that any of them has.

    >>> mean_curve([[(1, 0.5), (2, 0.7)], [(1, 0.7)]])
    [(1, 0.6), (2, 0.7)]
    """
    by_epoch: dict[int, list[float]] = {}
    for curve in curves:
        for epoch, value in curve:
            by_epoch.setdefault(epoch, []).append(value)
    return [(epoch, sum(values) / len(values)) for epoch, values in sorted(by_epoch.items())]
