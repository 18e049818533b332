"""The loops against plain NumPy, and what laying one thumbnail over another is worth."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.imaging.alike import fine_similarity, in_lanes, propose, similarities
from segdata.imaging.appearance import EVEN, WHOLE, WINDOWS, frequencies_of, grey_square, signatures_of, thumbnail_of
from tests.imaging.test_appearance import photo


def test_proposals_are_all_pairs_whose_signatures_agree() -> None:
    pictures = np.array([thumbnail_of(photo(seed % 290)) for seed in range(300)])
    pictures[290:] = pictures[290:, :, ::-1]
    signatures = signatures_of(frequencies_of(pictures))
    plain = signatures @ signatures.T
    flipped = signatures.copy()
    flipped[:, EVEN:] *= -1
    mirrored = signatures @ flipped.T
    expected = {(i, j, False) for i, j in np.argwhere(plain > 0.6)} | {
        (i, j, True) for i, j in np.argwhere(mirrored > 0.6)
    }
    found = propose(signatures, in_lanes(signatures), 0.6)
    assert {(int(i), int(j), bool(m)) for i, j, _, m in zip(*vars(found).values(), strict=True)} == expected
    assert len(found.scores) > 300


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
