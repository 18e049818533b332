"""Charts as SVG that any browser parses, and pictures whose every pixel is worked out by hand."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from segdata.imaging import figures
from segdata.report.charts import Series, histogram_chart, line_chart, nice_ticks, sparkline
from segdata.report.summaries import Histogram, histogram

GREY = np.full((4, 4, 3), 100, np.uint8)


def parsed(svg: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg))


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_are_few_rise_and_cover_the_range(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    slack = 1e-6 * max(1.0, abs(low), span)
    assert ticks[0] <= low + slack and ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 8 and list(ticks) == sorted(set(ticks))


def test_a_line_has_a_point_with_a_tooltip_for_each_value_and_its_name_at_the_end() -> None:
    svg = parsed(line_chart([Series("test", "latest", ((0, 0.9), (1, 0.95)))], [(0, "m0"), (1, "m1")], "t"))
    assert [title.text for title in svg.iter("title")] == ["test · 0: 0.9000", "test · 1: 0.9500"]
    assert [text.text for text in svg.iter("text")][-1] == "test"
    line = next(svg.iter("polyline"))
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert heights[1] < heights[0], "more is further up"


def test_a_chart_without_points_is_empty() -> None:
    assert line_chart([Series("test", "latest", ())], [], "t") == ""
    assert sparkline([0.9], "t") == ""


def test_names_of_lines_that_end_together_do_not_overlap() -> None:
    lines = [Series(f"m{index}", f"c{index}", ((0, 0.5), (1, 0.9))) for index in range(4)]
    svg = parsed(line_chart(lines, [], "t"))
    ends = sorted(float(text.attrib["y"]) for text in svg.iter("text") if "end" in text.attrib["class"])
    assert min(np.diff(ends)) >= 14


def test_a_name_with_markup_is_text() -> None:
    svg = line_chart([Series("<script>", "latest", ((0, 1.0),))], [(0, "<b>")], '"><script>')
    assert "<script" not in svg and parsed(svg).attrib["aria-label"] == '"><script>'


def bars(data: Histogram, scale: str) -> list[ElementTree.Element]:
    return [one for one in parsed(histogram_chart(data, scale, "t")).iter("rect") if "bar" in one.attrib["class"]]


def test_bars_left_of_the_cut_are_marked_and_empty_bins_have_none() -> None:
    data = histogram([0.71, 0.79, 0.81, 0.99, 0.99], [], 0.8)
    assert data is not None
    assert [bar.attrib["class"] for bar in bars(data, "linear")] == ["bar under", "bar under", "bar", "bar"]
    heights = [float(bar.attrib["height"]) for bar in bars(data, "linear")]
    assert heights[3] == pytest.approx(2 * heights[0], abs=0.2)


def test_a_log_scale_keeps_a_single_image_in_sight_beside_thousands() -> None:
    data = histogram([0.75] + [0.99] * 5000, [0.75, 0.6], 0.8)
    assert data is not None
    assert float(bars(data, "linear")[0].attrib["height"]) < 1
    assert float(bars(data, "auto")[0].attrib["height"]) > 10
    assert all(float(bar.attrib["y"]) >= 0 for bar in bars(data, "log"))


def test_shrinking_keeps_the_shape_and_never_enlarges() -> None:
    assert figures.shrink(np.zeros((80, 60, 3), np.uint8), 40).shape == (40, 30, 3)
    assert figures.shrink(np.zeros((80, 60), np.uint8), 400).shape == (80, 60)
    assert figures.shrink(np.zeros((1000, 2), np.uint8), 100).shape == (100, 1)


def test_over_the_tint_the_foreground_keeps_its_colours_and_a_hole_does_not() -> None:
    alpha = np.full((4, 4), 255, np.uint8)
    alpha[1, 2] = 0
    picture = figures.over_tint(GREY, alpha, (200, 0, 0), 4)
    # 0.82 of the tint and 0.18 of the grey: 164 + 18, 0 + 18, 0 + 18
    assert picture[1, 2].tolist() == [182, 18, 18]
    alpha[1, 2] = 255
    assert (figures.over_tint(GREY, alpha, (200, 0, 0), 4) == GREY).all()


def test_each_kind_of_error_has_its_colour_and_agreement_is_grey() -> None:
    label = np.array([[True, True, False, False]])
    prediction = np.array([[True, False, True, False]])
    picture = figures.disagreement(GREY[:1], label, prediction, 4)[0]
    both, missed, invented, neither = (tuple(int(value) for value in pixel) for pixel in picture)
    assert (missed, invented) == (figures.FALSE_NEGATIVE_RGB, figures.FALSE_POSITIVE_RGB)
    assert (both, neither) == ((140, 140, 140), (34, 34, 34))


def test_a_strand_one_pixel_wide_is_still_seen_when_shrunk_to_a_quarter() -> None:
    image, label = np.full((64, 64, 3), 100, np.uint8), np.zeros((64, 64), bool)
    label[:, 30] = True
    picture = figures.disagreement(image, label, np.zeros_like(label), 16)
    assert picture.max(axis=1)[:, 2].min() > 100, "blue, far from the dark of agreed background"


def test_the_arrays_given_are_left_alone() -> None:
    image, alpha = GREY.copy(), np.full((4, 4), 7, np.uint8)
    figures.over_tint(image, alpha, (1, 2, 3), 2)
    figures.disagreement(image, alpha > 0, alpha > 9, 2)
    assert (image == GREY).all() and (alpha == 7).all()


def _simulated(rgb: tuple[int, int, int], matrix: list[list[float]]) -> np.ndarray:
    linear = (np.asarray(rgb) / 255.0) ** 2.2
    return np.clip(np.asarray(matrix) @ linear, 0, 1) ** (1 / 2.2) * 255


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    ],
    ids=["protanopia", "deuteranopia", "tritanopia"],
)
def test_the_error_colours_are_told_apart_with_a_colour_vision_deficiency(matrix: list[list[float]]) -> None:
    # Machado, Oliveira & Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009
    positive = _simulated(figures.FALSE_POSITIVE_RGB, matrix)
    negative = _simulated(figures.FALSE_NEGATIVE_RGB, matrix)
    assert np.abs(positive - negative).max() > 80
