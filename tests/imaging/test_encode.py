"""Files say how many dots an inch they have, and are the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.imaging.decode import decode_image
from segdata.imaging.encode import encode_jpeg, encode_png

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("dpi", [72, 300, 600])
def test_pillow_reads_the_resolution_that_was_written(dpi: int) -> None:
    for data in (encode_png(PIXELS, dpi), encode_jpeg(PIXELS, dpi=dpi)):
        with Pillow.open(io.BytesIO(data)) as picture:
            assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.02)
            picture.load()


def test_a_resolution_changes_no_pixel() -> None:
    assert np.array_equal(decode_image(encode_png(PIXELS, 300)), PIXELS)
    assert np.array_equal(decode_image(encode_jpeg(PIXELS, dpi=300)), decode_image(encode_jpeg(PIXELS)))


def test_without_a_resolution_none_is_written() -> None:
    with Pillow.open(io.BytesIO(encode_png(PIXELS))) as picture:
        assert "dpi" not in picture.info
