"""The head that is found is the one that was drawn; where there is none to measure, the reason is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.errors import PixelError
from segdata.imaging.head import Head, HeadNotFoundError, find_faces, find_head

SEEDS = range(12)


@pytest.fixture(scope="module")
def drawn(draw_head: Callable[[int], Any]) -> list[Any]:
    return [draw_head(seed) for seed in SEEDS]


def found(one: Any) -> Head | str:
    try:
        return find_head(one.image, one.alpha)
    except HeadNotFoundError as error:
        return str(error)


def test_heads_of_drawn_portraits_are_found_and_as_high_as_they_were_drawn(drawn: list[Any]) -> None:
    heads = [found(one) for one in drawn]
    errors = [
        abs(head.height_px / (one.chin_y - one.crown_y) - 1)
        for one, head in zip(drawn, heads, strict=True)
        if isinstance(head, Head)
    ]
    assert len(errors) >= 0.75 * len(SEEDS)
    assert np.median(errors) < 0.03
    assert max(errors) < 0.12


def test_the_head_is_where_it_was_drawn(drawn: list[Any]) -> None:
    for one in drawn:
        head = found(one)
        if isinstance(head, Head):
            height = one.chin_y - one.crown_y
            assert head.crown_y == pytest.approx(one.crown_y, abs=0.03 * height)
            assert head.centre_x == pytest.approx(one.centre_x, abs=0.12 * height)
            assert head.people == 1


def test_the_same_head_is_found_in_the_photo_at_twice_the_size(drawn: list[Any]) -> None:
    one = drawn[0]
    large = find_head(*(cv2.resize(array, None, fx=2, fy=2) for array in (one.image, one.alpha)))
    head = find_head(one.image, one.alpha)
    assert large.height_px == pytest.approx(2 * head.height_px, rel=0.04)


def test_two_people_side_by_side_are_two(drawn: list[Any]) -> None:
    one, two = drawn[0], drawn[2]
    both = find_head(np.hstack([one.image, two.image]), np.hstack([one.alpha, two.alpha]))
    assert both.people == 2


def test_a_face_of_the_background_is_nobody(drawn: list[Any]) -> None:
    one, two = drawn[0], drawn[2]
    nobody = np.zeros_like(two.alpha)
    assert find_head(np.hstack([one.image, two.image]), np.hstack([one.alpha, nobody])).people == 1


def test_a_head_that_the_frame_cuts_is_told(drawn: list[Any]) -> None:
    one = drawn[0]
    cut = round(one.crown_y) + 10
    with pytest.raises(HeadNotFoundError, match="the frame cuts the top of the head"):
        find_head(one.image[cut:], one.alpha[cut:])


def test_a_person_without_a_face_is_told(drawn: list[Any]) -> None:
    one = drawn[0]
    with pytest.raises(HeadNotFoundError, match="no frontal face"):
        find_head(np.full_like(one.image, 120), one.alpha)


def test_an_empty_picture_is_told() -> None:
    with pytest.raises(HeadNotFoundError, match="nobody"):
        find_head(np.zeros((80, 60, 3), np.uint8), np.zeros((80, 60), np.uint8))


def test_arrays_of_two_sizes_are_refused() -> None:
    with pytest.raises(PixelError, match="one size"):
        find_head(np.zeros((80, 60, 3), np.uint8), np.zeros((60, 60), np.uint8))


def test_inputs_are_left_alone_and_the_same_call_finds_the_same(drawn: list[Any]) -> None:
    one = drawn[2]
    image, alpha = one.image.copy(), one.alpha.copy()
    assert find_head(image, alpha) == find_head(one.image, one.alpha)
    assert np.array_equal(image, one.image) and np.array_equal(alpha, one.alpha)
    assert find_faces(image, alpha >= 128) == find_faces(image, alpha >= 128)


def test_threads_find_what_one_thread_finds(drawn: list[Any]) -> None:
    alone = [found(one) for one in drawn]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(found, drawn)) == alone
