"""Drawn portraits and scenes: what is called true of them is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.drawn.portrait import draw_portrait, has_hole
from segdata.drawn.scenes import draw_scene
from segdata.imaging.composite import composite_over
from segdata.metrics.holes import holes

SIZE_HW = (240, 180)
SEEDS = range(60)


@pytest.mark.parametrize("difficulty", ["plain", "wide"])
def test_without_a_camera_a_portrait_is_exactly_the_composite_of_its_parts(difficulty: str) -> None:
    for seed in SEEDS:
        drawn = draw_portrait(seed, SIZE_HW, difficulty=difficulty, camera=False)  # type: ignore[arg-type]  # one of two literals
        assert np.array_equal(composite_over(drawn.foreground, drawn.background, drawn.alpha), drawn.image), seed


def test_a_given_background_is_what_shows_where_nobody_is() -> None:
    background = draw_scene(3, SIZE_HW)
    drawn = draw_portrait(0, SIZE_HW, background, camera=False)
    gain = drawn.background.astype(float).mean() / background.mean()
    nobody = drawn.alpha == 0
    assert np.array_equal(drawn.image[nobody], drawn.background[nobody])
    assert gain == pytest.approx(drawn.attributes["gain"], abs=0.05)


def test_a_background_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"background \(8, 8, 3\) must be"):
        draw_portrait(0, SIZE_HW, np.zeros((8, 8, 3), np.uint8))


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    assert np.array_equal(draw_portrait(7, SIZE_HW).image, draw_portrait(7, SIZE_HW).image)
    assert not np.array_equal(draw_portrait(7, SIZE_HW).image, draw_portrait(8, SIZE_HW).image)
    assert np.array_equal(draw_scene(7, SIZE_HW), draw_scene(7, SIZE_HW))
    assert not np.array_equal(draw_scene(7, SIZE_HW), draw_scene(8, SIZE_HW))


def test_alphas_are_soft_and_people_are_of_a_size() -> None:
    drawn = [draw_portrait(seed, SIZE_HW) for seed in SEEDS]
    soft = np.array([((one.alpha > 0) & (one.alpha < 255)).mean() for one in drawn])
    area = np.array([(one.alpha >= 128).mean() for one in drawn])
    assert soft.min() > 0.002
    assert np.median(soft) < 0.2
    assert area.min() > 0.03
    assert area.max() < 0.95


def test_the_wide_ones_have_more_people_and_more_holes_than_the_plain() -> None:
    plain, wide = ([draw_portrait(seed, SIZE_HW, difficulty=kind) for seed in range(150)] for kind in ("plain", "wide"))
    assert {one.people for one in wide} == {1, 2, 3}
    assert sum(one.people > 1 for one in wide) > 2 * sum(one.people > 1 for one in plain)
    assert sum(one.has_hole for one in wide) > 2 * sum(one.has_hole for one in plain) > 0


def test_every_hole_is_one_to_the_metrics_too() -> None:
    """They find more: what is nearly enclosed, which `has_hole` does not count."""
    drawn = [draw_portrait(seed, difficulty="wide", camera=False) for seed in SEEDS]
    with_hole = [one for one in drawn if one.has_hole]
    assert len(with_hole) >= 10
    assert all(holes(one.alpha >= 128).areas for one in with_hole)


def test_a_closed_ring_has_a_hole_and_one_open_to_the_top_has_none() -> None:
    ring = np.zeros((60, 60), np.uint8)
    ring[10:50, 10:50] = 255
    ring[20:40, 20:40] = 0
    assert has_hole(ring)
    ring[:20, 25:35] = 0
    assert not has_hole(ring)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(32, 24), (90, 160), (427, 640)]))
def test_scenes_come_in_any_size_and_are_no_plain_fields(seed: int, size_hw: tuple[int, int]) -> None:
    scene = draw_scene(seed, size_hw)
    assert scene.shape == (*size_hw, 3)
    assert scene.dtype == np.uint8
    assert scene.std() > 8
