"""HEIC and AVIF: the pixels of phones' photos, upright; and files that are broken, cut short, or claim too much."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from segdata.imaging.boxes import BoxError, largest_size
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image, decode_luma
from segdata.imaging.formats import IMAGE_SUFFIXES, looks_like_photo

pillow_heif = pytest.importorskip("pillow_heif")
pillow_heif.register_heif_opener()  # to write them; segdata reads without

ROWS, COLUMNS = np.mgrid[:64, :96]
SMOOTH = np.dstack([ROWS * 3, COLUMNS * 2, (ROWS + COLUMNS)]).astype(np.uint8)
KINDS = ("HEIF", "AVIF")


def saved(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(picture).save(out, kind, **options)
    return out.getvalue()


WHOLE = {kind: saved(SMOOTH, kind, quality=95) for kind in KINDS}


def refusal(data: bytes, **options: Any) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode_image(data, **options)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_photo(kind: str) -> None:
    assert np.abs(decode_image(WHOLE[kind]).astype(int) - SMOOTH).mean() < 2
    assert np.abs(decode_luma(WHOLE[kind]) - SMOOTH @ [0.299, 0.587, 0.114]).mean() < 2
    mask = np.where(COLUMNS > 40, 255, 0).astype(np.uint8)
    assert np.abs(decode_alpha(saved(mask, kind, quality=95), None).astype(int) - mask).mean() < 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_comes_out_upright(kind: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    turned = decode_image(saved(SMOOTH, kind, quality=95, exif=exif.tobytes()))
    expected = decode_image(saved(SMOOTH, "PNG", exif=exif.tobytes()))
    assert turned.shape == expected.shape
    assert np.abs(turned.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_is_no_picture(kind: str, kept: float) -> None:
    data = WHOLE[kind]
    assert refusal(data[: int(len(data) * kept)]).reason == "unreadable_image"


@pytest.mark.parametrize("kind", KINDS)
def test_what_phones_append_is_nobodys_business(kind: str) -> None:
    assert np.array_equal(decode_image(WHOLE[kind] + b"SEFT" * 9), decode_image(WHOLE[kind]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2**31, 2**31), (12_000, 12_000), (0xFFFFFFFF, 1)])
def test_a_size_beyond_the_limit_is_refused_before_decoding(kind: str, size: tuple[int, int]) -> None:
    claimed = WHOLE[kind].replace(struct.pack(">II", 96, 64), struct.pack(">II", *size))
    assert claimed != WHOLE[kind]
    assert refusal(claimed).reason == "too_large"
    assert refusal(WHOLE[kind], max_pixels=64 * 96 - 1).reason == "too_large"
    assert decode_image(WHOLE[kind], max_pixels=64 * 96).shape == SMOOTH.shape


def test_an_animation_is_no_photo() -> None:
    out = io.BytesIO()
    frames = [Pillow.fromarray(SMOOTH), Pillow.fromarray(255 - SMOOTH)]
    frames[0].save(out, "AVIF", save_all=True, append_images=frames[1:])
    assert refusal(out.getvalue()).reason == "unsupported_format"


@pytest.mark.parametrize("brand", [b"heic", b"avif", b"mif1", b"msf1"])
@pytest.mark.parametrize("rest", [bytes(400), b"", b"\0\0\0\x08moov", b"\0\0\0\x01meta" + b"\xff" * 16])
def test_a_brand_alone_is_no_picture(brand: bytes, rest: bytes) -> None:
    found = refusal(b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1heic" + rest)
    assert found.reason in ("unreadable_image", "unsupported_format")
    assert "HEIC" in found.detail or "AVIF" in found.detail


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_flipped_bytes_give_a_picture_or_a_refusal(kind: str, data: st.DataObject) -> None:
    broken = bytearray(WHOLE[kind])
    places = st.integers(0, len(broken) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        broken[place] = data.draw(st.integers(0, 255))
    try:
        picture = decode_image(bytes(broken))
    except DecodeError:
        return
    assert picture.dtype == np.uint8 and picture.ndim == 3


def test_every_format_is_recognised_by_its_first_bytes_and_listed_by_its_suffix() -> None:
    kinds = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "AVIF": ".avif", "HEIF": ".heic"}
    for kind, suffix in kinds.items():
        assert looks_like_photo(saved(SMOOTH, kind)[:16]), kind
        assert suffix in IMAGE_SUFFIXES
    assert not looks_like_photo(saved(SMOOTH, "TIFF")[:16])  # and so do raw photos begin
    assert not looks_like_photo(b"\0\0\0\x20ftypisom") and not looks_like_photo(b"")


def box(name: bytes, content: bytes, version: int | None = None) -> bytes:
    """A box, or with a version one whose content begins with it."""
    head = b"" if version is None else struct.pack(">I", version << 24)
    return struct.pack(">I", 8 + len(head) + len(content)) + name + head + content


def grid(size: tuple[int, int], tile: tuple[int, int], parts: dict[int, list[int]]) -> bytes:
    """A HEIC without data, whose item 100 is a picture of a size, and all others are tiles of another."""
    sizes = b"".join(box(b"ispe", struct.pack(">II", *one), 0) for one in (size, tile))
    items = sorted({100, *parts, *(item for tiles in parts.values() for item in tiles)})
    owners = b"".join(struct.pack(">HBB", item, 1, 0x80 | (1 if item == 100 else 2)) for item in items)
    properties = box(b"iprp", box(b"ipco", sizes) + box(b"ipma", struct.pack(">I", len(items)) + owners, 0))
    lists = b"".join(
        box(b"dimg", struct.pack(f">HH{len(tiles)}H", item, len(tiles), *tiles)) for item, tiles in parts.items()
    )
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + box(b"meta", properties + box(b"iref", lists, 0), 0)


def test_tiles_that_cover_their_picture_once_are_read_and_many_times_refused() -> None:
    tiles = list(range(1, 49))
    assert largest_size(grid((4032, 3024), (512, 512), {100: tiles})) == (4032, 3024)
    assert largest_size(grid((100, 100), (512, 512), {100: [1, 2]})) == (512, 512)
    for bomb in (
        grid((64, 64), (4096, 4096), {100: [1] * 100}),
        grid((4032, 3024), (512, 512), {100: tiles * 2}),
        grid((4032, 3024), (4032, 3024), {100: [1, 2, 3, 4, 5]}),
    ):
        with pytest.raises(BoxError, match="cover their picture many times"):
            largest_size(bomb)
    with pytest.raises(BoxError, match="tiles that are made of tiles"):
        largest_size(grid((1024, 1024), (512, 512), {100: [1, 2, 3, 4], 1: [5, 6]}))
