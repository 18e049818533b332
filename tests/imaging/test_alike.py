"""The loops against plain NumPy, and what laying one thumbnail over another is worth."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.imaging.alike import Wholes, Windows, fine_similarity, propose, similarities
from segdata.imaging.appearance import (
    EVEN,
    LENGTH,
    WHOLE,
    WINDOWS,
    frequencies_of,
    grey_square,
    signatures_of,
    thumbnail_of,
)
from tests.imaging.test_appearance import photo


def every_agreement(windows: np.ndarray, wholes: np.ndarray, least: float) -> dict[tuple[int, int, bool], float]:
    """What `propose` should find, by plain NumPy."""
    flipped = wholes * np.where(np.arange(LENGTH) < EVEN, 1, -1)
    return {
        (int(i), int(j), mirrored): float(scores[i, j])
        for mirrored, scores in ((False, windows @ wholes.T), (True, windows @ flipped.T))
        for i, j in np.argwhere(scores > least)
    }


def proposed(windows: np.ndarray, wholes: np.ndarray, least: float) -> dict[tuple[int, int, bool], float]:
    found = propose(Windows.of(windows), Wholes.of(wholes), least)
    return {(int(i), int(j), bool(m)): float(score) for i, j, score, m in zip(*vars(found).values(), strict=True)}


def test_proposals_are_all_pairs_whose_signatures_agree() -> None:
    pictures = np.array([thumbnail_of(photo(seed % 290)) for seed in range(300)])
    pictures[290:] = pictures[290:, :, ::-1]
    signatures = signatures_of(frequencies_of(pictures))
    expected = every_agreement(signatures, signatures, 0.6)
    assert set(proposed(signatures, signatures, 0.6)) == set(expected)
    assert len(expected) > 300


@given(seed=st.integers(0, 2**32 - 1), least=st.floats(0.3, 0.97), counts=st.tuples(*[st.integers(1, 150)] * 2))
def test_what_the_outlines_leave_out_agrees_by_less(seed: int, least: float, counts: tuple[int, int]) -> None:
    """Signatures of any direction, near ones and mirrored ones; some lie mostly in what an outline lacks, or has."""
    rng = np.random.default_rng(seed)
    windows, wholes = (rng.normal(size=(count, LENGTH)) for count in counts)
    windows[:, rng.random(LENGTH) < 0.3] *= rng.choice([0, 1, 9])
    near = rng.integers(len(windows), size=len(wholes) // 2)
    wholes[: len(near)] = windows[near] + rng.normal(0, rng.uniform(0, 0.4), (len(near), LENGTH))
    wholes[: len(near) // 2, EVEN:] *= -1
    unit = [
        (one / np.maximum(np.linalg.norm(one, axis=1), 1e-9)[:, None]).astype(np.float32) for one in (windows, wholes)
    ]
    unit[1][-1] = 0  # a picture without contrast
    expected, found = every_agreement(*unit, least), proposed(*unit, least)
    at_the_edge = {key for key in set(expected) ^ set(found) if abs({**expected, **found}[key] - least) < 1e-5}
    assert set(expected) - at_the_edge == set(found) - at_the_edge
    assert all(abs(found[key] - expected[key]) < 1e-5 for key in set(found) & set(expected))


def agree(first: np.ndarray, second: np.ndarray, window: int = 0, mirrored: bool = False) -> float:
    at = np.zeros(1, np.int32)
    values = similarities(
        thumbnail_of(first)[None], thumbnail_of(second)[None], (at, at), np.array([mirrored]), np.array([window])
    )
    return float(values[0])


def test_a_picture_agrees_with_itself_and_with_its_mirror_image() -> None:
    image = photo(5)
    assert agree(image, image) > 0.999
    assert agree(image, image[:, ::-1].copy(), mirrored=True) > 0.999
    assert agree(image, image[:, ::-1].copy()) < 0.6


def test_a_crop_is_found_though_no_window_is_exactly_there() -> None:
    image = photo(6)
    cut = image[33:, 15:-15]
    start = next(index for index, window in enumerate(WINDOWS) if np.allclose(window, (0.05, 0.1, 0.95, 1.0)))
    assert agree(image, cut, start) > 0.95


def test_brighter_and_grey_copies_agree_and_strangers_do_not() -> None:
    image = photo(7)
    brighter = np.clip(image * 0.7 + 60, 0, 255).astype(np.uint8)
    assert agree(image, brighter) > 0.98
    assert agree(image, photo(8)) < 0.6


def test_pictures_without_detail_agree_with_nothing() -> None:
    flat = np.full((60, 40, 3), 90, np.uint8)
    assert agree(flat, flat) == 0


def test_at_larger_size_a_change_of_one_part_shows() -> None:
    image = photo(9)
    other = image.copy()
    other[100:220, 90:210] = photo(10)[100:220, 90:210]
    one, two = grey_square(image, 192), grey_square(other, 192)
    assert fine_similarity(one, one, WHOLE) > 0.999
    assert fine_similarity(one, two, WHOLE) < 0.95
    compressed = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    assert fine_similarity(one, grey_square(compressed, 192), WHOLE) > 0.97
