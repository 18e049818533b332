"""Charts as inline SVG, drawn by hand so that they follow the page's colours, light or dark. Pure.

Colours are CSS classes (`c0`, `c1`, … and `latest`, `first`), never values; every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from segdata.report.summaries import Histogram
from segdata.report.text import visible

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 52, 14, 36
_CUT_LABEL_PX = 230  # at the size that phones get
_LABEL_GAP = 17


@dataclass(frozen=True)
class Frame:
    """A chart's size in its own pixels: it scales to the width it is given, its letters with it."""

    width: int
    height: int

    @property
    def floor(self) -> int:
        """Where the x axis lies."""
        return self.height - _BOTTOM


NARROW, WIDE = Frame(440, 290), Frame(720, 320)


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: written at its end, and in its points' tooltips.
        css: the class that gives its colour.
        points: (x, y), x rising.
        dashed: drawn dashed, so that two lines differ without colour.
    """

    name: str
    css: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start_px + (value - self.low) / (self.high - self.low) * (self.end_px - self.start_px)


def nice_ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """Round numbers that cover a range, about as many as wanted; a flat range is widened.

    >>> nice_ticks(0.81, 0.97)
    (0.8, 0.85, 0.9, 0.95, 1.0)
    """
    if high - low < 1e-9:
        low, high = low - 0.01, high + 0.01
    rough = (high - low) / max(1, wanted - 1)
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(size * magnitude for size in (1.0, 2.0, 2.5, 5.0, 10.0) if size * magnitude >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(index * step, 10) for index in range(first, last + 1))


def line_chart(
    series: Sequence[Series], x_ticks: Sequence[tuple[float, str]], title: str, points: bool = True
) -> Markup:
    """Lines with their names at their ends; empty without any point.

    Args:
        series: drawn in this order.
        x_ticks: (x, text) below the chart.
        title: for those who can't see it.
        points: a dot and a tooltip at each point.
    """
    drawn = [one for one in series if one.points]
    if not drawn:
        return Markup()
    values = [y for one in drawn for _, y in one.points]
    ticks = nice_ticks(min(values), max(values))
    xs = [x for one in drawn for x, _ in one.points] + [x for x, _ in x_ticks]
    low, high = min(xs), max(xs)
    if high - low < 1e-9:
        low, high = low - 1, high + 1
    x_axis = Axis(low, high, _LEFT + 8, NARROW.width - _RIGHT)
    y_axis = Axis(ticks[0], ticks[-1], NARROW.floor, _TOP)
    parts = [_grid(y_axis, ticks), _x_labels(x_axis, x_ticks, NARROW)]
    parts += [_line(one, x_axis, y_axis, points) for one in drawn]
    parts.append(_end_labels(drawn, x_axis, y_axis))
    return _svg(parts, title, NARROW)


def histogram_chart(data: Histogram, scale: str, title: str) -> Markup:
    """Bars of the latest scorer, a stepped outline of the first, and the selection's cut.

    Args:
        data: the bins.
        scale: linear, log, or auto: log where the tallest bar is 12 times the median one.
        title: for those who can't see it.
    """
    log = scale == "log" or (scale == "auto" and _lopsided(data.latest))
    x_axis = Axis(data.edges[0], data.edges[-1], _LEFT + 8, WIDE.width - 16)
    tallest = max(1, *data.latest, *data.first)
    ticks = _log_ticks(tallest) if log else tuple(tick for tick in nice_ticks(0, tallest) if tick == int(tick))
    top = math.log10(tallest) + 0.1 if log else float(ticks[-1])
    # on a log scale a single image must still be seen: the floor lies a little under one
    count_axis = Axis(-0.3 if log else 0.0, top, WIDE.floor, _TOP)

    def y_of(number: float) -> float:
        if not log:
            return count_axis(number)
        return count_axis(math.log10(number)) if number > 0 else WIDE.floor

    parts = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick" x="{}" y="{}">{}</text>').format(
            _LEFT, WIDE.width - 16, _px(y_of(tick)), _px(y_of(tick)), _LEFT - 8, _px(y_of(tick) + 4), f"{tick:g}"
        )
        for tick in ticks
    ]
    parts.append(_cut(data, x_axis))
    parts += _bars(data, x_axis, y_of)
    parts.append(_outline(data, x_axis, y_of))
    labels = [edge for edge in data.edges if abs(edge * 10 - round(edge * 10)) < 1e-6]
    parts.append(_x_labels(x_axis, [(edge, f"{edge:.1f}") for edge in labels], WIDE))
    return _svg(parts, title, WIDE)


def sparkline(values: Sequence[float], title: str) -> Markup:
    """A small line without axes, its last point marked; empty for fewer than two values."""
    if len(values) < 2:
        return Markup()
    low, high = min(values), max(values)
    spread = max(high - low, 1e-9)
    xs = [4 + index * 112 / (len(values) - 1) for index in range(len(values))]
    ys = [30 - (value - low) / spread * 24 if high - low > 1e-9 else 18 for value in values]
    path = " ".join(f"{_px(x)},{_px(y)}" for x, y in zip(xs, ys, strict=True))
    return Markup(
        '<svg class="spark" viewBox="0 0 120 36" role="img" aria-label="{}"><polyline points="{}"/>'
        '<circle cx="{}" cy="{}" r="3.5"/></svg>'
    ).format(title, path, _px(xs[-1]), _px(ys[-1]))


def _line(one: Series, x_axis: Axis, y_axis: Axis, points: bool) -> Markup:
    places = [(x_axis(x), y_axis(y), x, y) for x, y in one.points]
    path = " ".join(f"{_px(x)},{_px(y)}" for x, y, _, _ in places)
    line = Markup('<polyline class="line {}{}" points="{}"/>').format(one.css, " dashed" if one.dashed else "", path)
    shown = places if points else places[-1:]
    dots = Markup("").join(
        Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"><title>{} · {}: {}</title></circle>').format(
            one.css, _px(x), _px(y), visible(one.name), f"{x_value:g}", f"{y_value:.4f}"
        )
        for x, y, x_value, y_value in shown
    )
    return line + dots


def _end_labels(drawn: Sequence[Series], x_axis: Axis, y_axis: Axis) -> Markup:
    """Names beside the last points, pushed apart where they would overlap."""
    ends = [(y_axis(one.points[-1][1]), x_axis(one.points[-1][0]), one) for one in drawn]
    wanted = sorted(ends, key=lambda end: end[0])
    placed: list[float] = []
    for y, _, _ in wanted:
        placed.append(max(y, placed[-1] + _LABEL_GAP) if placed else y)
    overshoot = max(0.0, placed[-1] - NARROW.floor)
    return Markup("").join(
        Markup('<text class="end {}" x="{}" y="{}">{}</text>').format(
            one.css, _px(x + 9), _px(y - overshoot + 4), visible(one.name)
        )
        for y, (_, x, one) in zip(placed, wanted, strict=True)
    )


def _grid(y_axis: Axis, ticks: Sequence[float]) -> Markup:
    digits = max(_digits(tick) for tick in ticks)
    return Markup("").join(
        Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick" x="{}" y="{}">{}</text>').format(
            _LEFT,
            NARROW.width - _RIGHT,
            _px(y_axis(tick)),
            _px(y_axis(tick)),
            _LEFT - 8,
            _px(y_axis(tick) + 4),
            f"{tick:.{digits}f}",
        )
        for tick in ticks
    )


def _digits(value: float) -> int:
    return len(f"{value:.6f}".rstrip("0").split(".")[1])


def _x_labels(x_axis: Axis, ticks: Sequence[tuple[float, str]], frame: Frame) -> Markup:
    # more labels than fit are thinned out, the last one always stays
    step = max(1, math.ceil(len(ticks) / 11))
    shown = [tick for index, tick in enumerate(ticks) if (len(ticks) - 1 - index) % step == 0]
    return Markup("").join(
        Markup('<text class="tick x" x="{}" y="{}">{}</text>').format(_px(x_axis(x)), frame.floor + 22, visible(text))
        for x, text in shown
    )


def _lopsided(counts: Sequence[int]) -> bool:
    filled = sorted(number for number in counts if number)
    return bool(filled) and filled[-1] >= 12 * filled[(len(filled) - 1) // 2]


def _log_ticks(tallest: int) -> tuple[float, ...]:
    return tuple(10.0**power for power in range(math.floor(math.log10(tallest)) + 1))


def _bars(data: Histogram, x_axis: Axis, y_of: Callable[[float], float]) -> list[Markup]:
    bars = []
    for index, number in enumerate(data.latest):
        if number == 0:
            continue
        left, right = x_axis(data.edges[index]), x_axis(data.edges[index + 1])
        under = data.cut is not None and data.edges[index + 1] <= data.cut + 1e-9
        bars.append(
            Markup(
                '<rect class="bar{}" x="{}" y="{}" width="{}" height="{}"><title>{} to {}: {}</title></rect>'
            ).format(
                " under" if under else "",
                _px(left + 1),
                _px(y_of(number)),
                _px(right - left - 2),
                _px(WIDE.floor - y_of(number)),
                f"{data.edges[index]:.2f}",
                f"{data.edges[index + 1]:.2f}",
                number,
            )
        )
    return bars


def _outline(data: Histogram, x_axis: Axis, y_of: Callable[[float], float]) -> Markup:
    if not data.first:
        return Markup()
    corners = []
    for index, number in enumerate(data.first):
        corners += [(x_axis(data.edges[index]), y_of(number)), (x_axis(data.edges[index + 1]), y_of(number))]
    return Markup('<polyline class="outline first" points="{}"/>').format(
        " ".join(f"{_px(x)},{_px(y)}" for x, y in corners)
    )


def _cut(data: Histogram, x_axis: Axis) -> Markup:
    if data.cut is None or not data.edges[0] <= data.cut <= data.edges[-1]:
        return Markup()
    x = x_axis(data.cut)
    after = x - x_axis.start_px < _CUT_LABEL_PX  # no room on its left: it would lie over the counts of the axis
    return Markup(
        '<rect class="taken" x="{}" y="{}" width="{}" height="{}"/><line class="cut" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="cut{}" x="{}" y="{}">mIoU &lt; {} is mined</text>'
    ).format(
        _px(x_axis.start_px), _TOP, _px(x - x_axis.start_px), WIDE.floor - _TOP,
        _px(x), _px(x), _TOP, WIDE.floor,
        " after" if after else "", _px(x + 8 if after else x - 8), _TOP + 12, f"{data.cut:g}",
    )  # fmt: skip


def _svg(parts: Sequence[Markup], title: str, frame: Frame) -> Markup:
    return Markup('<svg class="chart{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        " wide" if frame is WIDE else "", frame.width, frame.height, escape(title), Markup("").join(parts)
    )


def _px(value: float) -> str:
    return f"{value:.1f}"
