"""Photos with another profile than sRGB become sRGB; sRGB under any name stays as it is; what is written says sRGB."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from segdata.imaging import colour
from segdata.imaging.colour import is_srgb, srgb_profile, to_srgb
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image, decode_luma
from segdata.imaging.encode import encode_jpeg, encode_png, tag_png

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
SMOOTH = np.dstack([np.tile(np.linspace(low, high, 32), (24, 1)) for low, high in ((0, 255), (255, 40), (90, 160))])
PHOTO = SMOOTH.round().astype(np.uint8)


def profile_of(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...]) -> bytes:
    """A profile with other primaries (XYZ, D50), and the curve of sRGB."""
    made = srgb_profile()
    start = made.index(b"XYZ \0\0\0\0", made.index(b"XYZ \0\0\0\0") + 1)  # behind the white point
    packed = [
        b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(65536 * one)) for one in xyz) for xyz in (red, green, blue)
    ]
    return made[:start] + b"".join(packed) + made[start + 60 :]


# Display P3 by its primaries (SMPTE EG 432-1) with D65, adapted to D50: the values in Apple's own profile.
P3 = profile_of((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
LCMS_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def saved(picture: np.ndarray | Pillow.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image = picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)
    image.save(out, kind, **options)
    return out.getvalue()


def p3_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """By the matrices in double precision, without a colour library."""

    def linear(values: np.ndarray) -> np.ndarray:
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)

    to_xyz = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
    srgb = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
    light = np.clip(linear(pixels / 255) @ to_xyz.T @ np.linalg.inv(srgb).T, 0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def test_display_p3_is_converted_as_the_matrices_say() -> None:
    assert not is_srgb(P3)
    made = to_srgb(PIXELS, P3)
    assert np.abs(made - p3_to_srgb(PIXELS)).max() < 2
    assert np.abs(made.astype(int) - PIXELS).max() > 20


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_every_format_is_converted(kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    plain, tagged = (decode_image(saved(PHOTO, kind, quality=95, **more)) for more in ({}, {"icc_profile": P3}))
    assert np.abs(tagged - p3_to_srgb(plain)).max() < 3
    assert np.abs(tagged.astype(int) - plain).max() > 20


def test_the_lightness_is_that_of_the_converted_colours() -> None:
    data = saved(PHOTO, "JPEG", quality=95, icc_profile=P3)
    colours = decode_image(data).astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(decode_luma(data) - colours).max() < 1.5


def test_a_palette_and_a_rotated_photo_are_converted() -> None:
    indexed = Pillow.fromarray(PHOTO).convert("P", palette=Pillow.Palette.ADAPTIVE)
    plain, tagged = (decode_image(saved(indexed, "PNG", **more)) for more in ({}, {"icc_profile": P3}))
    assert np.abs(tagged - p3_to_srgb(plain)).max() < 2
    exif = Pillow.Exif()
    exif[0x0112] = 6
    turned = decode_image(saved(PHOTO, "PNG", icc_profile=P3, exif=exif.tobytes()))
    assert np.array_equal(turned, np.rot90(decode_image(saved(PHOTO, "PNG", icc_profile=P3)), -1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "profile",
    [
        *(srgb_profile(), LCMS_SRGB, LCMS_SRGB.replace(b"sRGB", b"P3__"), LAB),
        *(b"junk" * 99, b"", P3[:200], P3[:16] + b"CMYK" + P3[20:]),
    ],
    ids=["own", "lcms", "renamed", "lab", "junk", "none", "cut", "of another mode"],
)  # fmt: skip
def test_what_needs_no_conversion_or_has_no_usable_profile_stays_bit_for_bit(kind: str, profile: bytes) -> None:
    more = {"icc_profile": profile} if profile else {}
    data, plain = saved(PIXELS, kind, **more), saved(PIXELS, kind)
    assert np.array_equal(decode_image(data), decode_image(plain))
    assert np.array_equal(decode_luma(data), decode_luma(plain))


def test_a_grey_photo_with_a_grey_profile_is_converted() -> None:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)) + b"\0\0"
    made = srgb_profile()
    head = made[:16] + b"GRAY" + made[20:128]
    white = b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(65536 * one)) for one in (0.9642, 1, 0.8249))
    contents = {b"wtpt": white, b"kTRC": curve}
    table, body = struct.pack(">I", 2), b""
    for name, content in contents.items():
        table += name + struct.pack(">II", 128 + 4 + 24 + len(body), len(content))
        body += content
    profile = struct.pack(">I", 156 + len(body)) + head[4:] + table + body
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (8, 1))
    assert not is_srgb(profile)
    light = (grey / 255) ** 1.8
    expected = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    made_of = decode_image(saved(grey, "PNG", icc_profile=profile))
    assert np.abs(made_of - expected[..., None]).max() < 2
    assert np.array_equal(to_srgb(PIXELS, profile), PIXELS)  # a grey profile says nothing about colours


def test_alphas_have_no_colours_to_convert() -> None:
    assert np.array_equal(decode_alpha(saved(PIXELS[..., 0], "PNG", icc_profile=P3), None), PIXELS[..., 0])


@pytest.mark.parametrize("count", [2, 3])
def test_a_profile_in_several_segments_is_joined(count: int) -> None:
    data, size = saved(PHOTO, "JPEG", quality=95), -(-len(P3) // count)
    parts = [P3[place : place + size] for place in range(0, len(P3), size)]
    segments = [b"ICC_PROFILE\0" + bytes([number, count]) + part for number, part in enumerate(parts, 1)]
    packed = [b"\xff\xe2" + struct.pack(">H", 2 + len(one)) + one for one in segments]
    whole = data[:2] + b"".join(packed[::-1]) + data[2:]  # in any order
    assert np.array_equal(decode_image(whole), decode_image(saved(PHOTO, "JPEG", quality=95, icc_profile=P3)))
    lacking = data[:2] + b"".join(packed[1:]) + data[2:]
    with pytest.raises(DecodeError, match="bad ICC marker"):
        decode_image(lacking)


def test_a_profile_that_inflates_to_more_than_any_printers_is_ignored() -> None:
    bomb = zlib.compress(bytes(colour.MOST_PROFILE_BYTES + 1))
    content = b"iCCP" + b"x\0\0" + bomb
    data = saved(PHOTO, "PNG")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    assert np.array_equal(decode_image(data[:33] + chunk + data[33:]), PHOTO)


@pytest.mark.parametrize(
    "encode",
    [
        *(encode_jpeg, encode_png),
        *(lambda pixels: encode_png(np.dstack([pixels, pixels[..., 0]])), lambda pixels: tag_png(saved(pixels, "PNG"))),
    ],
)
def test_what_is_written_is_tagged_as_srgb(encode: Callable[[np.ndarray], bytes]) -> None:
    data = encode(PIXELS)
    with Pillow.open(io.BytesIO(data)) as picture:
        assert picture.info["icc_profile"] == srgb_profile()
        picture.load()
    assert encode(PIXELS) == data
    name = ImageCms.getProfileName(ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())))
    assert name.strip() == "sRGB"


def test_a_grey_png_is_no_colour_and_carries_no_profile() -> None:
    with Pillow.open(io.BytesIO(encode_png(PIXELS[..., 0]))) as picture:
        assert "icc_profile" not in picture.info


def with_programs(elements: int) -> bytes:
    """sRGB with a tag D2B1, whose list names two elements many times: kilobytes that take gigabytes and minutes."""
    curve = b"curf\0\0\0\0" + struct.pack(">HH", 1, 0) + b"parf\0\0\0\0" + struct.pack(">HHffff", 0, 0, 1.01, 1, 0, 0)
    curves = b"cvst\0\0\0\0" + struct.pack(">HH", 3, 3) + struct.pack(">II", 36, len(curve)) * 3 + curve
    matrix = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 0.99, 0.01, 0, 0, 0.99, 0.01, 0.01, 0, 0.99, 0, 0, 0)
    start = 16 + 8 * elements
    places = struct.pack(">IIII", start, len(curves), start + len(curves), len(matrix)) * (elements // 2)
    program = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, elements) + places + curves + matrix
    made = srgb_profile()
    count = int.from_bytes(made[128:132], "big")
    entries = [struct.unpack(">4sII", made[132 + 12 * n : 144 + 12 * n]) for n in range(count)]
    table = b"".join(struct.pack(">4sII", name, place + 12, size) for name, place, size in entries)
    table += struct.pack(">4sII", b"D2B1", len(made) + 12, len(program))
    body = made[132 + 12 * count :]
    longer = made[:128] + struct.pack(">I", count + 1) + table + body + program
    return struct.pack(">I", len(longer)) + longer[4:]


def test_a_list_of_processing_elements_in_a_profile_is_not_carried_out() -> None:
    assert is_srgb(with_programs(2)), "its other tags are those of sRGB"
    assert (decode_image(saved(PHOTO, "PNG", icc_profile=with_programs(2))) == PHOTO).all()


def test_profiles_that_describe_no_pixels_are_not_used() -> None:
    for kind in (b"link", b"nmcl", b"abst"):
        assert is_srgb(P3[:12] + kind + P3[16:])
    assert not is_srgb(P3)
