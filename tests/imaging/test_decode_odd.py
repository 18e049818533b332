"""Pictures as people have them: every orientation, mode and depth comes out as the same upright picture."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from segdata.imaging.decode import DecodeError, decode_alpha, decode_image
from segdata.imaging.encode import encode_png

# Four flat quarters: JPEG keeps them, and every turn and mirror gives another picture.
QUARTERS = np.zeros((32, 48, 3), np.uint8)
QUARTERS[:16, :24], QUARTERS[:16, 24:], QUARTERS[16:, :24], QUARTERS[16:, 24:] = (
    (200, 40, 40),
    (40, 200, 40),
    (40, 40, 200),
    (90, 90, 90),
)
MATTE = np.zeros((32, 48), np.uint8)
MATTE[:16, 24:] = 255
MATTE[20:24, 4:8] = 128


def saved(picture: Pillow.Image | np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Pillow.Exif:
    made = Pillow.Exif()
    made[0x0112] = orientation
    return made


def near(one: np.ndarray, other: np.ndarray, by: int = 12) -> bool:
    return one.shape == other.shape and int(np.abs(one.astype(int) - other).max()) <= by


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone_in_every_format(kind: str, orientation: int) -> None:
    options: dict[str, object] = {"exif": exif(orientation)}
    options |= (
        {"lossless": True} if kind == "WEBP" else {"quality": 95, "subsampling": 0} if kind in ("JPEG", "MPO") else {}
    )
    data = saved(QUARTERS, kind, **options)
    stored = Pillow.fromarray(QUARTERS)
    stored.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored))
    assert near(decode_image(data), expected)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_alpha_is_turned_as_its_photo_is(kind: str, orientation: int) -> None:
    options: dict[str, object] = {"exif": exif(orientation)} | ({"lossless": True} if kind == "WEBP" else {})
    photo = saved(np.dstack([MATTE] * 3), kind, **options)
    alpha = saved(np.dstack([MATTE] * 3), kind, **options)
    assert (decode_alpha(alpha, None) == decode_image(photo)[:, :, 0]).all()


def test_a_damaged_orientation_leaves_the_picture_as_it_lies() -> None:
    data = saved(QUARTERS, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=95, subsampling=0)
    assert near(decode_image(data), QUARTERS)


GREY = np.asarray(Pillow.fromarray(QUARTERS).convert("L"))
DEEP = GREY.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved(GREY, "JPEG", quality=95), np.dstack([GREY] * 3)),
        (saved(GREY, "PNG"), np.dstack([GREY] * 3)),
        (saved(DEEP, "PNG"), np.dstack([GREY] * 3)),
        (saved(DEEP, "TIFF"), np.dstack([GREY] * 3)),
        (saved((GREY / 255).astype(np.float32), "TIFF"), np.dstack([GREY] * 3)),
        (saved(Pillow.fromarray(QUARTERS).convert("CMYK"), "JPEG", quality=95), QUARTERS),
        (saved(Pillow.fromarray(QUARTERS).convert("CMYK"), "TIFF"), QUARTERS),
        (saved(Pillow.fromarray(QUARTERS).quantize(4), "PNG"), QUARTERS),
        (saved(Pillow.fromarray(QUARTERS).quantize(4), "GIF"), QUARTERS),
        (saved(Pillow.fromarray(QUARTERS).quantize(4), "PNG", transparency=b"\x00\x80" * 4), QUARTERS),
        (saved(np.dstack([QUARTERS, GREY]), "PNG"), QUARTERS),
        (saved(np.dstack([GREY, GREY // 2]), "PNG"), np.dstack([GREY] * 3)),
        (saved(np.dstack([QUARTERS, GREY // 2 + 1]), "WEBP", lossless=True, exact=True), QUARTERS),
        (cv2.imencode(".png", QUARTERS[..., ::-1].astype(np.uint16) * 257)[1].tobytes(), QUARTERS),
        (cv2.imencode(".tiff", QUARTERS[..., ::-1].astype(np.uint16) * 257)[1].tobytes(), QUARTERS),
        (saved(GREY > 100, "PNG"), np.dstack([(GREY > 100).astype(np.uint8) * 255] * 3)),
        (saved(QUARTERS, "JPEG", quality=95, subsampling=0, progressive=True), QUARTERS),
    ],
    ids=[
        "grey JPEG", "grey PNG", "16 bit PNG", "16 bit TIFF", "float TIFF", "CMYK JPEG", "CMYK TIFF", "palette PNG",
        "palette GIF", "transparent palette", "RGBA", "grey and alpha", "transparent WebP", "16 bit RGB PNG",
        "16 bit RGB TIFF", "1 bit", "progressive JPEG",
    ],
)  # fmt: skip
def test_a_photo_of_any_kind_is_eight_bit_rgb(data: bytes, expected: np.ndarray) -> None:
    assert near(decode_image(data), expected)


def test_cmyk_is_read_as_adobe_writes_it() -> None:
    # inverted: 255 is no ink. Cyan alone is full ink in the first channel.
    cyan = saved(Pillow.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)
    assert b"Adobe" in cyan
    assert near(decode_image(cyan), np.full((16, 16, 3), (0, 255, 255), np.uint8), by=3)


def test_sixteen_bit_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    expected = np.arange(256).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        assert (decode_image(saved(ramp, kind))[:, :, 0] == expected).all()
        assert (decode_alpha(saved(ramp, kind), None) == expected).all()


def palette_matte(colours: list[tuple[int, int, int]], indices: np.ndarray, **options: object) -> bytes:
    picture = Pillow.fromarray(indices.astype(np.uint8)).convert("P")
    picture.frombytes(indices.astype(np.uint8).tobytes())
    picture.putpalette([value for colour in colours for value in colour])
    return saved(picture, "PNG", **options)


HARD = np.where(MATTE == 255, np.uint8(255), np.uint8(0))
ONE = HARD // 255
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (128, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        palette_matte([BLACK, RED], ONE),
        palette_matte([BLACK, WHITE], ONE),
        palette_matte([WHITE, BLACK], 1 - ONE),
        palette_matte([BLACK, (1, 1, 1)], ONE),
        palette_matte([BLACK] * 255 + [RED], HARD),
        palette_matte([RED, RED], ONE, transparency=b"\x00\xff"),
        saved(HARD > 0, "PNG"),
        saved(HARD > 0, "TIFF"),
        saved(ONE, "PNG"),
        saved(ONE, "TIFF"),
        saved(ONE, "BMP"),
        saved(np.dstack([ONE] * 3), "PNG"),
        saved(np.dstack([ONE] * 3), "WEBP", lossless=True),
        saved(ONE.astype(np.uint16), "PNG"),
        saved(ONE.astype(np.uint16), "TIFF"),
        saved(ONE.astype(np.float32), "TIFF"),
        saved(ONE.astype(np.int32), "TIFF"),
        cv2.imencode(".png", np.dstack([ONE.astype(np.uint16)] * 3))[1].tobytes(),
        cv2.imencode(".png", np.dstack([ONE.astype(np.uint16) * 0] * 3 + [ONE.astype(np.uint16) * 65535]))[1].tobytes(),
        saved(HARD.astype(np.uint16), "PNG"),
        saved(HARD.astype(np.uint16) * 257, "TIFF"),
        saved(np.dstack([HARD, HARD * 0 + 255]), "PNG"),
        saved(np.dstack([HARD] * 3 + [HARD * 0 + 255]), "PNG"),
        saved(np.dstack([HARD * 0 + 7] * 3 + [HARD]), "PNG"),
        saved(np.dstack([HARD * 0 + 7] * 3 + [HARD]), "WEBP", lossless=True, exact=True),
    ],
    ids=[
        "VOC-like palette of 0 and 1", "black and white palette", "white and black palette", "palette of nearly black",
        "palette of 0 and 255", "transparent palette", "1 bit", "1 bit TIFF", "0 and 1", "0 and 1 TIFF", "0 and 1 BMP",
        "three channels of 0 and 1", "WebP of 0 and 1", "16 bit of 0 and 1", "16 bit TIFF of 0 and 1",
        "float of 0 and 1", "32 bit of 0 and 1", "16 bit RGB of 0 and 1", "16 bit RGBA", "16 bit of 0 and 255",
        "16 bit TIFF", "grey and opaque", "three equal and opaque", "RGBA", "RGBA WebP",
    ],
)  # fmt: skip
def test_an_alpha_of_any_kind_is_the_same(data: bytes) -> None:
    assert (decode_alpha(data, None) == HARD).all()


def test_a_map_of_many_classes_is_no_matte_until_it_is_said_which_one_is_the_person() -> None:
    classes = np.where(HARD > 0, 15, 9)
    data = palette_matte([(index, 255 - index, 7) for index in range(256)], classes)
    with pytest.raises(DecodeError, match="a coloured picture, and no matte"):
        decode_alpha(data, None)
    assert (decode_alpha(data, None, index=15) == HARD).all()
    assert (decode_alpha(encode_png(classes.astype(np.uint8)), None, index=15) == HARD).all()


def test_values_that_fit_no_scale_are_refused() -> None:
    for values in (
        np.full((4, 4), np.nan, np.float32),
        np.full((4, 4), -3, np.int32),
        np.full((4, 4), 1e9, np.float32),
    ):
        with pytest.raises(DecodeError, match="its values go from"):
            decode_alpha(saved(values, "TIFF"), None)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


PNG = encode_png(QUARTERS)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"x\0\0" + zlib.compress(b"junk")), chunk(b"gAMA", b"x"), chunk(b"tEXt", b""),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000))), chunk(b"eXIf", b"junk"), b"\0\0\0\0tIMEbad!",
    ],
    ids=["profile", "gamma", "text", "text that is a bomb", "EXIF", "CRC"],
)  # fmt: skip
def test_a_fault_beside_the_pixels_hurts_nobody_and_prints_nothing(
    extra: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (decode_image(PNG[:33] + extra + PNG[33:]) == QUARTERS).all()
    assert capfd.readouterr() == ("", "")
