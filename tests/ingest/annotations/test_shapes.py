"""Shapes are bounded before they are drawn, and drawn as pycocotools and OpenCV draw what lies in the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from segdata.ingest.annotations.shapes import (
    MOST_POINTS,
    Polygon,
    Runs,
    ShapeError,
    clip_polygon,
    decode_counts,
    points_of,
)

SIZE = (20, 30)


def drawn(shape: Polygon | Runs, size_hw: tuple[int, int] = SIZE) -> np.ndarray:
    shape.validate(size_hw)
    label = np.zeros(size_hw, np.uint8)
    shape.draw(label)
    return label > 0


def polygon(*points: tuple[float, float], **more: str) -> Polygon:
    return Polygon(np.array(points, np.float64), **more)  # type: ignore[arg-type]  # vertices


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_point_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ShapeError, match="a point is not finite"):
        polygon((0, 0), (5, 0), (5, bad)).validate(SIZE)


@pytest.mark.parametrize("point", [(1e9, 5), (-1e9, 5), (5, 1e9), (60.1, 5), (-30.1, 5), (5, 40.1), (5, -20.1)])
def test_a_point_more_than_a_width_or_height_outside_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(ShapeError, match="more than one image width or height outside the image"):
        polygon((0, 0), (5, 0), point).validate(SIZE)


def test_a_point_at_most_a_width_and_height_outside_is_clipped() -> None:
    everything = polygon((-30, -20), (60, -20), (60, 40), (-30, 40))
    assert drawn(everything).all()
    assert drawn(polygon((-30, -20), (60, -20), (60, 40), (-30, 40), vertices="pixels")).all()
    assert not drawn(polygon((31, 0), (60, 0), (60, 40))).any(), "all of it lies outside"


@pytest.mark.parametrize("count", [0, 1, 2, MOST_POINTS + 1])
def test_too_few_and_too_many_points_are_refused(count: int) -> None:
    with pytest.raises(ShapeError, match="points; 3 to"):
        Polygon(np.zeros((count, 2))).validate(SIZE)


def test_an_outline_longer_than_the_image_has_pixels_is_refused() -> None:
    corners = np.tile(np.array([[0.0, 0.0], [30.0, 20.0]]), (100_000, 1))
    with pytest.raises(ShapeError, match="outline is longer"):
        Polygon(corners).validate(SIZE)


def test_coordinates_beyond_all_floats_are_not_finite() -> None:
    with pytest.raises(ShapeError, match="not finite"):
        Polygon(points_of([0, 0, 5, 0, 10**400, 5])).validate(SIZE)
    with pytest.raises(ShapeError, match="of 5 coordinates"):
        points_of([0, 0, 5, 0, 1])


POINTS = st.lists(st.tuples(st.floats(-29, 59), st.floats(-19, 39)), min_size=3, max_size=8)


@given(POINTS)
def test_a_clipped_polygon_shows_what_pycocotools_shows_of_the_whole_one(points: list[tuple[float, float]]) -> None:
    flat = [value for point in points for value in point]
    whole = coco.decode(coco.frPyObjects([flat], *SIZE))[:, :, 0] > 0
    # coordinates of cuts are rounded to fifths of a pixel, so single pixels on the outline may differ
    outline = cv2.morphologyEx(whole.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    different = drawn(Polygon(np.array(points))) != whole
    assert not (different & ~outline).any()
    assert different.sum() <= 0.05 * whole.size


@given(st.lists(st.tuples(st.integers(-29, 59), st.integers(-19, 39)), min_size=3, max_size=8))
def test_a_polygon_of_pixels_is_drawn_as_opencv_draws_it(points: list[tuple[int, int]]) -> None:
    whole = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(whole, [np.array(points, np.int32)], 255)
    assert np.array_equal(drawn(Polygon(np.array(points, np.float64), "pixels")), whole > 0)


def test_a_polygon_inside_the_image_is_pycocotools_own() -> None:
    points = np.array([[3.2, 4.7], [22.9, 2.1], [17.5, 18.3]])
    expected = coco.decode(coco.frPyObjects([points.ravel().tolist()], *SIZE))[:, :, 0] > 0
    assert np.array_equal(drawn(Polygon(points)), expected)
    assert clip_polygon(points, SIZE) is points


def test_a_bay_that_is_open_to_the_border_stays_empty() -> None:
    bay = [(-10.0, 2.0), (20.0, 2.0), (20.0, 17.0), (-10.0, 17.0), (-10.0, 12.0), (10.0, 12.0), (10.0, 7.0), (-10, 7)]
    for vertices in ("corners", "pixels"):
        label = drawn(polygon(*bay, vertices=vertices))
        assert label[3:6, 0].all() and label[13:16, 0].all()
        assert not label[9:11, :9].any(), "the cut along the border is not drawn"


@pytest.mark.parametrize(
    "counts",
    [
        (2**63, 2**63),
        (2**64 + 6,),
        (-1, 7),
        (7,),
        (3, 2),
        (),
        (2**63 - 1, 2**63 - 1, 8),  # sums to 6 in 64 bits
        (0, 10**30),
    ],
)
def test_runs_that_do_not_fill_their_box_are_refused_before_anything_is_allocated(counts: tuple[int, ...]) -> None:
    for order in ("rows", "columns"):
        with pytest.raises(ShapeError, match="runs don't fill its 3x2 pixels"):
            Runs(counts, 0, 0, 3, 2, order).validate(SIZE)  # type: ignore[arg-type]  # order


@pytest.mark.parametrize(
    "box",
    [
        *((-1, 0, 3, 2), (0, -1, 3, 2), (28, 0, 3, 2), (0, 19, 3, 2), (0, 0, 0, 2), (0, 0, 3, -2)),
        *((0, 0, 10**9, 10**9), (10**20, 0, 3, 2)),
    ],
)
def test_a_box_that_leaves_the_image_is_refused_whatever_size_it_claims(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ShapeError, match="leaves the image"):
        Runs((box[2] * box[3],), *box, "rows").validate(SIZE)


def test_runs_go_by_rows_or_by_columns() -> None:
    by_rows, by_columns = (drawn(Runs((1, 2, 3), 4, 5, 3, 2, order)) for order in ("rows", "columns"))  # type: ignore[arg-type]  # order
    assert by_rows[5:7, 4:7].tolist() == [[False, True, True], [False, False, False]]
    assert by_columns[5:7, 4:7].tolist() == [[False, True, False], [True, False, False]]
    assert by_rows.sum() == by_columns.sum() == 2


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**81 - 1))
def test_compressed_runs_are_decoded_as_pycocotools_encodes_them(height: int, width: int, bits: int) -> None:
    mask = np.array([bits >> place & 1 for place in range(height * width)], np.uint8).reshape(height, width)
    counts = decode_counts(coco.encode(np.asfortranarray(mask))["counts"].decode())
    assert sum(counts) == mask.size
    assert np.array_equal(drawn(Runs(counts, 0, 0, width, height, "columns"), (height, width)), mask > 0)


def test_large_compressed_runs_are_decoded_too() -> None:
    mask = np.zeros((3000, 4000), np.uint8)
    mask[700:2900, 11:3500] = 1
    mask[800:900, 100:200] = 0
    counts = decode_counts(coco.encode(np.asfortranarray(mask))["counts"].decode())
    assert np.array_equal(drawn(Runs(counts, 0, 0, 4000, 3000, "columns"), mask.shape), mask > 0)


@pytest.mark.parametrize("text", ["P", "PPPPPPPPP0", "\0", "é", "5 2", "o" * 100, "5\U0001f600"])
def test_damaged_compressed_runs_are_refused(text: str) -> None:
    with pytest.raises(ShapeError, match="compressed runs are damaged"):
        decode_counts(text)


@given(st.text(max_size=40))
def test_no_text_gives_runs_that_are_drawn_outside_the_image(text: str) -> None:
    try:
        shape = Runs(decode_counts(text), 0, 0, 5, 4, "columns")
        shape.validate((4, 5))
    except ShapeError:
        return
    shape.draw(np.zeros((4, 5), np.uint8))
