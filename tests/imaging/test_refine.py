"""A refined edge is what the image says within the band, and the label beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.drawn.portrait import draw_portrait
from segdata.errors import PixelError
from segdata.imaging.edge import feather
from segdata.imaging.refine import refine_edge


def test_the_soft_edge_that_a_hard_label_lost_is_found_again() -> None:
    portrait = draw_portrait(2, (400, 300), camera=True)
    label = np.where(portrait.alpha >= 128, 255, 0).astype(np.uint8)
    band = (portrait.alpha > 5) & (portrait.alpha < 250)
    errors = [
        np.abs(alpha.astype(int) - portrait.alpha)[band].mean()
        for alpha in (label, feather(label, 2), refine_edge(portrait.image, label, 6))
    ]
    assert errors[2] < min(errors[:2]) / 2


def test_beyond_the_band_the_label_stands(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)  # says nothing at all
    label = np.zeros((60, 60), np.uint8)
    label[20:, 15:45] = 255
    refined = refine_edge(image, label, 4)
    assert (refined[26:, 21:39] == 255).all()
    assert (refined[:14] == 0).all()
    assert capfd.readouterr().out == ""  # stdout is for a command's one JSON object


def test_a_subject_that_the_frame_cuts_has_no_edge_there() -> None:
    image = np.full((40, 40, 3), 220, np.uint8)
    label = np.zeros((40, 40), np.uint8)
    image[10:, :25], label[10:, :25] = 40, 255
    refined = refine_edge(image, label, 5)
    assert (refined[30:, :15] == 255).all()


@pytest.mark.parametrize("value", [0, 255])
def test_a_label_without_person_or_without_background_has_nothing_to_solve(value: int) -> None:
    image, label = np.full((20, 20, 3), 90, np.uint8), np.full((20, 20), value, np.uint8)
    assert np.array_equal(refine_edge(image, label, 4), label)


def test_a_label_thinner_than_the_band_is_feathered_instead() -> None:
    image, label = np.full((30, 30, 3), 90, np.uint8), np.zeros((30, 30), np.uint8)
    label[:, 14:16] = 255
    assert np.array_equal(refine_edge(image, label, 6), feather(label, 2))


def test_sizes_that_differ_and_a_negative_band_are_refused() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(PixelError, match=r"label \(4, 5\) must be of one size"):
        refine_edge(image, np.zeros((4, 5), np.uint8), 2)
    with pytest.raises(PixelError, match="band_px -1"):
        refine_edge(image, np.zeros((4, 4), np.uint8), -1)
