"""Pictures of classes: by colour, by number, with the ring of VOC; a colour that nobody named is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from segdata.ingest.annotations.class_maps import decode_classes, parse_labelmap, voc_classes, voc_colour
from segdata.ingest.annotations.shapes import ShapeError
from segdata.ingest.people import is_person_label

MASK = np.zeros((8, 10), bool)
MASK[2:7, 3:8] = True


def png_of(pixels: np.ndarray, palette: list[int] | None = None) -> bytes:
    image = Image.fromarray(pixels.astype(np.uint8))
    if palette is not None:
        image.putpalette(palette)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def in_colours(person: tuple[int, int, int], other: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    return np.where(MASK[..., None], person, other)


def test_vocs_own_colours_and_numbers_are_read_without_a_labelmap() -> None:
    palette = [part for number in range(256) for part in voc_colour(number)]
    for data in (png_of(in_colours((192, 128, 128))), png_of(MASK * 15), png_of(MASK * 15, palette)):
        assert np.array_equal(decode_classes(data, voc_classes(), (8, 10)) > 0, MASK)


def test_the_colours_of_cvats_labelmap_count() -> None:
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nperson:250,50,83::\nchair:1,2,3::\n"
    classes = parse_labelmap(text, is_person_label)
    pixels = in_colours((250, 50, 83))
    pixels[0, 0] = (1, 2, 3)
    assert np.array_equal(decode_classes(png_of(pixels), classes, (8, 10)) > 0, MASK)


def test_the_ring_of_voc_goes_with_what_is_nearest() -> None:
    pixels = in_colours((192, 128, 128))
    pixels[2, 3:8] = (224, 224, 192)
    assert np.array_equal(decode_classes(png_of(pixels), voc_classes(), (8, 10))[3:] > 0, MASK[3:])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png_of(in_colours((1, 2, 3))), r"its colour \(1, 2, 3\) is no class"),
        (png_of(MASK * 200), r"its colour \(200, 200, 200\) is no class"),
        (png_of(np.zeros((9, 10, 3))), "90 pixels|10x9"),
        (b"no picture", "its picture can't be used"),
    ],
)
def test_what_is_no_class_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        decode_classes(data, voc_classes(), (8, 10))


@pytest.mark.parametrize("text", ["", "chair:1,2,3::", "person:1,2::", "person:1,2,300::", "person:a,b,c::"])
def test_a_labelmap_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"labelmap\.txt: \w|labelmap\.txt: '"):
        parse_labelmap(text, is_person_label)
