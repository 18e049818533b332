"""Decoding: whole files come out right, and what is cut short, too large or no picture is refused by name."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.imaging.decode import DecodeError, decode_alpha, decode_image, decode_luma
from segdata.imaging.encode import encode_jpeg, encode_png

RNG = np.random.default_rng(0)
PICTURE = cv2.resize(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def encoded_cmyk() -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(PICTURE).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_png_comes_back_in_rgb() -> None:
    assert (decode_image(encode_png(PICTURE)) == PICTURE).all()
    assert (decode_image(encoded(PICTURE, "PNG")) == PICTURE).all()


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_other_formats_come_back_too(kind: str) -> None:
    assert (decode_image(encoded(PICTURE, kind)) == PICTURE).all()


def test_a_jpeg_is_nearly_the_same() -> None:
    assert np.abs(decode_image(encode_jpeg(PICTURE)).astype(int) - PICTURE).mean() < 3


def test_orientation_is_applied() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    assert decode_image(encoded(PICTURE, "JPEG", exif=exif)).shape == (80, 60, 3)


@pytest.mark.parametrize(
    "data",
    [
        encode_jpeg(PICTURE),
        encoded(PICTURE, "JPEG", keep_rgb=True),  # its three components are no luma
        encoded(PICTURE[:, :, 0], "JPEG"),
        encoded(PICTURE, "PNG"),
        encoded_cmyk(),
    ],
    ids=["YCbCr", "RGB", "grey", "PNG", "CMYK"],
)
def test_luma_is_that_of_the_colours_but_for_rounding(data: bytes) -> None:
    exact = decode_image(data) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode_luma(data) - exact).mean() < 0.6


def test_luma_is_upright_and_refuses_what_colours_refuse() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    assert decode_luma(encoded(PICTURE, "JPEG", exif=exif)).shape == (80, 60)
    with pytest.raises(DecodeError):
        decode_luma(encode_jpeg(PICTURE)[:-300] + b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"not a picture at all", "unreadable_image"),
        (encode_jpeg(PICTURE)[:-300], "unreadable_image"),
        (encode_png(PICTURE)[:-300], "unreadable_image"),
        (encode_png(PICTURE)[:60], "unreadable_image"),
        (encoded(PICTURE, "PPM"), "unsupported_format"),
    ],
)
def test_what_is_no_whole_picture_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_image(data)
    assert caught.value.reason == reason


def test_a_flipped_byte_in_a_png_is_noticed() -> None:
    data = bytearray(encode_png(PICTURE))
    data[len(data) // 2] ^= 255
    with pytest.raises(DecodeError, match="damaged or truncated PNG"):
        decode_image(bytes(data))


def test_a_bomb_is_refused_by_its_header() -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    with pytest.raises(DecodeError) as caught:
        decode_image(data)
    assert caught.value.reason == "too_large"


MATTE = np.zeros((20, 10), np.uint8)
MATTE[5:, 3:] = 255


@pytest.mark.parametrize(
    ("data", "channel"),
    [
        (encode_png(MATTE), None),
        (encode_png(MATTE // 255), None),
        (encode_png(np.dstack([MATTE] * 3)), None),
        (encode_png(np.dstack([MATTE * 0 + 9] * 3 + [MATTE])), 3),
        (encode_png(np.dstack([MATTE * 0 + 9] * 3 + [MATTE])), None),
        (encoded((MATTE.astype(np.uint16) * 257), "PNG"), None),
        (encoded(MATTE // 255, "BMP"), None),
        (encoded(MATTE.astype(bool), "PNG"), None),
    ],
    ids=["grey", "0 and 1", "three equal", "channel 3", "transparent", "16 bit", "0 and 1 as BMP", "1 bit"],
)
def test_a_matte_comes_out_the_same_in_any_form(data: bytes, channel: int | None) -> None:
    assert (decode_alpha(data, channel) == MATTE).all()


def test_a_palette_gives_its_indices() -> None:
    picture = Pillow.fromarray(MATTE // 255)
    picture = picture.convert("P")
    picture.putpalette([0, 0, 0, 128, 0, 0] + [0] * 762)
    buffer = io.BytesIO()
    Pillow.fromarray(MATTE // 255, mode=None).save(io.BytesIO(), "PNG")
    picture.save(buffer, "PNG")
    assert set(np.unique(decode_alpha(buffer.getvalue(), None))) <= {0, 255}


def test_a_coloured_picture_is_no_matte() -> None:
    with pytest.raises(DecodeError, match="a coloured picture, and no matte"):
        decode_alpha(encode_png(PICTURE), None)


def test_a_channel_that_is_not_there_is_told() -> None:
    with pytest.raises(DecodeError, match="has 1 channels, and alpha should be in channel 3"):
        decode_alpha(encode_png(MATTE), 3)
