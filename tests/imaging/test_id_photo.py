"""Identity photos have the format's pixels, the head at the format's height, and one plain colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import PixelError, UsageError
from segdata.imaging.head import Head
from segdata.imaging.id_photo import FORMATS, make_id_photo, parse_format

WHITE = (255, 255, 255)


def marked(crown_y: int, chin_y: int, size_hw: tuple[int, int] = (800, 600)) -> tuple[np.ndarray, np.ndarray, Head]:
    """A person of grey: a head from crown to chin whose last row is red, shoulders below; and the head's place."""
    image, alpha = np.full((*size_hw, 3), 90, np.uint8), np.zeros(size_hw, np.uint8)
    middle, half = size_hw[1] // 2, (chin_y - crown_y) // 3
    alpha[crown_y:, middle - half : middle + half] = 255
    alpha[chin_y + 20 :, middle - 2 * half : middle + 2 * half] = 255
    image[chin_y - 2 : chin_y + 2, middle - half : middle + half] = (255, 0, 0)
    return image, alpha, Head(crown_y, chin_y, middle, 1)


def measured(photo: np.ndarray) -> tuple[float, float]:
    """Crown and chin rows of what `marked` made, in an identity photo on white."""
    column = photo[:, photo.shape[1] // 2].astype(int)
    crown = float(np.argmax(column.sum(axis=1) < 3 * 172))
    red = np.flatnonzero(column[:, 0] - column[:, 1] > 60)
    return crown, float(red.mean() + 0.5)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("crown", "chin"), [(150, 400), (60, 640), (300, 380)])
def test_the_head_has_the_formats_height_within_two_percent(name: str, crown: int, chin: int) -> None:
    wanted = parse_format(f"{name}@300")
    made = make_id_photo(*marked(crown, chin), wanted, WHITE)
    top, bottom = measured(made.image)
    assert made.image.shape == (*wanted.size_hw, 3)
    assert (bottom - top) / 300 * 25.4 == pytest.approx(wanted.head_mm, rel=0.02)
    assert top == pytest.approx(wanted.crown_px, abs=0.02 * wanted.head_px)


@pytest.mark.parametrize("seed", [0, 4, 7])
def test_drawn_heads_have_the_formats_height_within_two_percent(draw_head: Callable[[int], Any], seed: int) -> None:
    one = draw_head(seed)
    chin = np.zeros_like(one.image)
    chin[round(one.chin_y) - 2 : round(one.chin_y) + 2] = 255
    head = Head(one.crown_y, one.chin_y, one.centre_x, 1)
    wanted = parse_format("35x45mm@300")
    crown = np.argmax(make_id_photo(chin * 0, one.alpha, head, wanted, WHITE).image[:, 100:313].min(axis=(1, 2)) < 128)
    opaque = np.full_like(one.alpha, 255)
    rows = np.flatnonzero(make_id_photo(chin, opaque, head, wanted, (0, 0, 0)).image[:, 200, 0] > 128)
    assert (rows.mean() + 0.5 - crown) / 300 * 25.4 == pytest.approx(wanted.head_mm, rel=0.02)


def test_all_around_is_the_plain_colour_also_beyond_the_photo() -> None:
    image, alpha, head = marked(20, 500)
    made = make_id_photo(image, alpha, head, parse_format("50x70mm@100"), (10, 200, 30)).image
    assert (made[:40] == (10, 200, 30)).all()
    assert (made[:, :2] == (10, 200, 30)).all()


def test_the_middle_of_the_head_is_the_middle_of_the_photo() -> None:
    image, alpha, head = marked(150, 400)
    row = make_id_photo(image, alpha, head, parse_format("35x45mm@300"), WHITE).image[150, :, 0]
    inside = np.flatnonzero(row < 172)
    assert (inside[0] + inside[-1] + 1) / 2 == pytest.approx(len(row) / 2, abs=1)


def test_soft_edges_are_mixed_once_without_a_rim() -> None:
    image, alpha, head = marked(150, 400)
    alpha[alpha > 0] = 128
    made = make_id_photo(image, alpha, head, parse_format("35x45mm@300"), WHITE).image
    assert made[150, 206].tolist() == pytest.approx([round(90 * 128 / 255 + 127)] * 3, abs=1)


def test_shrinking_averages_and_does_not_skip_pixels() -> None:
    image, alpha, head = marked(100, 740)
    image[::2], image[1::2] = 0, 200
    made = make_id_photo(image, alpha, head, parse_format("35x45mm@72"), WHITE).image
    inside = made[30:90, 45:55]
    assert inside.mean() == pytest.approx(100, abs=2)
    assert inside.std() < 8


def test_notes_tell_of_few_pixels_and_of_cut_edges() -> None:
    image, alpha, head = marked(300, 380)
    notes = make_id_photo(image, alpha, head, parse_format("35x45mm@300"), WHITE).notes
    assert notes == ("the photo is enlarged 5.0 times: it has too few pixels for 300 dots an inch",)
    image, alpha, head = marked(150, 600)
    notes = make_id_photo(image, alpha, head, parse_format("50x70mm@100"), WHITE).notes
    assert notes == ("the photo ends within the frame and cuts the person there: left, right, bottom",)


def test_a_person_who_ends_above_the_bottom_is_told() -> None:
    image, alpha, head = marked(150, 400)
    alpha[430:] = 0
    notes = make_id_photo(image, alpha, head, parse_format("50x70mm@100"), WHITE).notes
    assert notes == ("the person ends above the frame's bottom",)


@given(width=st.floats(10, 200), height=st.floats(10, 200), dpi=st.integers(72, 600), mm=st.booleans())
def test_any_size_has_a_head_that_fits(width: float, height: float, dpi: int, mm: bool) -> None:
    unit = 1 if mm else 25.4
    text = f"{max(10.01, width) / unit:.4f}x{max(10.01, height) / unit:.4f}{'mm' if mm else 'in'}@{dpi}"
    found = parse_format(text)
    assert found.size_hw == (round(found.height_mm / 25.4 * dpi), round(found.width_mm / 25.4 * dpi))
    assert found.crown_mm + found.head_mm <= found.height_mm
    assert found.head_range_mm[0] <= found.head_mm <= found.head_range_mm[1]


def test_another_head_height_is_taken_and_told_where_the_format_does_not_allow_it() -> None:
    assert parse_format("35x45mm", 33).head_mm == 33
    image, alpha, head = marked(150, 400)
    notes = make_id_photo(image, alpha, head, parse_format("35x45mm@100", 25), WHITE).notes
    assert "a head of 25 mm: the format asks for 32 to 36" in notes


@pytest.mark.parametrize(
    ("text", "head_mm", "told"),
    [
        ("35x45", None, "WIDTHxHEIGHT in mm or in"),
        ("passport", None, "as in 35x45mm@300"),
        ("35x450mm", None, "from 10 to 200 mm"),
        ("35x45mm@9000", None, "72 to 1200"),
        ("35x45mm", 44, "from 0 to 41 mm"),
    ],
)
def test_a_wrong_format_is_told(text: str, head_mm: float | None, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_format(text, head_mm)


def test_arrays_of_two_sizes_are_refused() -> None:
    image, alpha, head = marked(150, 400)
    with pytest.raises(PixelError, match="id photo"):
        make_id_photo(image[:-1], alpha, head, parse_format("35x45mm"), WHITE)
