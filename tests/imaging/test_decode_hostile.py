"""Files that are broken, or want to be: each is refused by name, none is believed, and nothing is printed."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from segdata.imaging.decode import MAX_PIXELS, DecodeError, decode_alpha, decode_image, read_alpha, read_image
from segdata.imaging.headers import pixel_segments, read_header

# Pillow warns of what is odd in a TIFF; ingest keeps that from stderr, and pytest would list it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ROWS, COLUMNS = np.mgrid[:64, :96]
SMOOTH = np.dstack([ROWS * 3, COLUMNS * 2, (ROWS + COLUMNS)]).astype(np.uint8)


def saved(picture: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        decode_image(data)
    return caught.value.reason


BASELINE = saved(SMOOTH, "JPEG", quality=95)
PROGRESSIVE = saved(SMOOTH, "JPEG", quality=95, progressive=True)
EOI = b"\xff\xd9"


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("whole", [BASELINE, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("closed", [b"", EOI, b"\0" * 500], ids=["cut", "closed", "zeros"])
def test_a_jpeg_that_was_cut_is_no_picture_whatever_was_put_behind(whole: bytes, kept: float, closed: bytes) -> None:
    assert refusal(whole[: int(len(whole) * kept)] + closed) == "unreadable_image"


def test_each_scan_of_a_progressive_jpeg_is_followed_to_its_end() -> None:
    scans = [place for place in range(len(PROGRESSIVE) - 1) if PROGRESSIVE[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for place in scans[1:]:
        # cut before a scan, with an end marker hidden in a comment, where a search for one would find it
        assert refusal(PROGRESSIVE[:place] + segment(0xFE, b"see" + EOI)) == "unreadable_image"
    first = scans[1]
    commented = PROGRESSIVE[:first] + segment(0xFE, b"see" + EOI) + PROGRESSIVE[first:]
    assert decode_image(commented).shape == SMOOTH.shape


@pytest.mark.parametrize("whole", [BASELINE, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("behind", [b"\0", b"garbage" * 99, BASELINE, EOI])
def test_what_follows_a_whole_jpeg_is_nobodys_business(whole: bytes, behind: bytes) -> None:
    assert (decode_image(whole + behind) == decode_image(whole)).all()


def test_a_thumbnail_in_the_header_does_not_make_a_jpeg_whole() -> None:
    start = BASELINE[:2] + segment(0xE2, saved(SMOOTH[:8, :8], "JPEG")) + BASELINE[2:]
    assert decode_image(start).shape == SMOOTH.shape
    assert refusal(start[:-200]) == "unreadable_image"


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    place = PROGRESSIVE.rindex(b"\xff\xda")
    last = PROGRESSIVE[place:-2]
    assert refusal(PROGRESSIVE[:-2] + last * 2000 + EOI) == "unreadable_image"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, data: bytes, bits: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)) + packer.flush()


def frame(width: int, height: int) -> bytes:
    """A JPEG with another size in its header."""
    place = BASELINE.index(b"\xff\xc0") + 5
    return BASELINE[:place] + struct.pack(">HH", height, width) + BASELINE[place + 4 :]


def sized(kind: str, place: int, layout: str, *size: int) -> bytes:
    data = saved(SMOOTH, kind)
    packed = struct.pack(layout, *size)
    return data[:place] + packed + data[place + len(packed) :]


BOMBS = {
    "2^31-1 squared": png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(9))),
    "144 million zeros": png(12_000, 12_000, zeros(12_000 * 12_001), colour=0),
    "JPEG of 65535 squared": frame(65_535, 65_535),
    "BMP of 2^31-1 squared": sized("BMP", 18, "<ii", 2**31 - 1, 2**31 - 1),
    "BMP of 12000 squared": sized("BMP", 18, "<ii", 12_000, 12_000),
    "GIF of 65535 squared": sized("GIF", 6, "<HH", 65_535, 65_535),
    "WebP of 16383 squared": sized("WEBP", 26, "<HH", 16_383, 16_383),
    "lossless WebP of 16384 squared": b"RIFF\x1e\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0",
    "WebP of a canvas of 2^24-1 by 255": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xfe\xff\xff\xfe\0\0",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_header(data: bytes) -> None:
    assert len(data) < 300_000
    for decode in (decode_image, lambda data: decode_alpha(data, None)):
        with pytest.raises(DecodeError) as caught:
            decode(data)
        assert caught.value.reason == "too_large"


MEMORY = """
import resource, sys
from segdata.imaging.decode import DecodeError, decode_alpha, decode_image

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

decode_image(open(sys.argv[1], "rb").read())
before = most()
for path in sys.argv[2:]:
    data = open(path, "rb").read()
    for decode in (decode_image, lambda data: decode_alpha(data, None)):
        try:
            decode(data)
        except DecodeError:
            pass
print(most() - before)
"""


def test_no_bomb_takes_memory(tmp_path: Path) -> None:
    inflated = chunk(b"zTXt", b"Comment\0\0" + zeros(300 << 20)), chunk(b"iCCP", b"x\0\0" + zeros(300 << 20))
    small = png(9, 9, zlib.compress(bytes(9 * 28)))
    hidden = [small[:33] + one + small[33:] for one in inflated]
    endless = png(9, 9, zeros(300 << 20))
    for number, data in enumerate([small, *BOMBS.values(), *hidden, endless]):
        (tmp_path / f"{number:02d}").write_bytes(data)
    call = [sys.executable, "-c", MEMORY, *sorted(map(str, tmp_path.iterdir()))]
    told = subprocess.run(call, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 60, "megabytes"


def test_the_limit_can_be_set_and_is_itself_allowed() -> None:
    assert MAX_PIXELS < 12_000**2
    assert decode_image(BASELINE, max_pixels=64 * 96).shape == SMOOTH.shape
    with pytest.raises(DecodeError, match="96x64 pixels; at most 6,143 are read"):
        decode_image(BASELINE, max_pixels=64 * 96 - 1)


FRAMES = [Pillow.fromarray(SMOOTH), Pillow.fromarray(255 - SMOOTH)]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_no_photo(kind: str) -> None:
    buffer = io.BytesIO()
    FRAMES[0].save(buffer, kind, save_all=True, append_images=FRAMES[1:])
    with pytest.raises(DecodeError, match="an animated") as caught:
        decode_image(buffer.getvalue())
    assert caught.value.reason == "unsupported_format"


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "unreadable_image", "a web page"),
        (b"just some words\n" * 50, "unreadable_image", "no picture"),
        (b"%PDF-1.7\n", "unsupported_format", "PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "unreadable_image", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "unsupported_format", "video"),
        (saved(SMOOTH, "JPEG2000"), "unsupported_format", "JPEG 2000"),
        (saved(SMOOTH, "PPM"), "unsupported_format", "Netpbm"),
    ],
    ids=["web page", "text", "PDF", "SVG", "HEIC", "video", "JPEG 2000", "Netpbm"],
)  # fmt: skip
def test_what_a_file_is_decides_and_not_what_it_is_called(data: bytes, reason: str, told: str) -> None:
    with pytest.raises(DecodeError, match=told) as caught:
        decode_image(data)
    assert caught.value.reason == reason


def test_pixels_that_do_not_fill_a_png_are_noticed() -> None:
    for data in (zlib.compress(bytes(9)), b"no zlib at all", zlib.compress(b"\x09" * 64 * 289)):
        assert refusal(png(96, 64, data)) == "unreadable_image"


KINDS = {  # name -> bits, colour type and channels
    "grey": (8, 0, 1),
    "rgb": (8, 2, 3),
    "rgba": (8, 6, 4),
    "palette": (8, 3, 1),
    "two colours": (1, 3, 1),
    "black and white": (1, 0, 1),
    "grey of 16 bit": (16, 0, 1),
    "rgb of 16 bit": (16, 2, 3),
    "rgba of 16 bit": (16, 6, 4),
}


@pytest.mark.parametrize(("bits", "colour", "channels"), KINDS.values(), ids=KINDS)
def test_a_png_of_whole_rows_that_lacks_the_last_is_no_picture(bits: int, colour: int, channels: int) -> None:
    row = bytes(1 + (96 * bits * channels + 7) // 8)
    whole = png(96, 64, zlib.compress(row * 64), bits, colour)
    if colour == 3:
        whole = whole[:33] + chunk(b"PLTE", b"\0\0\0\xff\xff\xff") + whole[33:]
    cut = whole[: whole.index(b"IDAT") - 4] + chunk(b"IDAT", zlib.compress(row * 63)) + chunk(b"IEND", b"")
    assert decode_image(whole).shape == (64, 96, 3)
    assert decode_alpha(whole, None).shape == (64, 96)
    for decode in (decode_image, lambda data: decode_alpha(data, None)):
        with pytest.raises(DecodeError, match="ends before its last row"):
            decode(cut)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 5), (3, 3), (5, 1), (8, 8), (9, 17), (96, 64)])
def test_an_interlaced_png_is_whole_with_the_last_row_of_its_last_pass(width: int, height: int) -> None:
    picture = SMOOTH[:height, :width, 0]
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in picture[y::dy, x::dx] if row.size]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))

    def interlaced(data: bytes) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")

    assert (decode_image(interlaced(b"".join(rows)))[:, :, 0] == picture).all()
    assert refusal(interlaced(b"".join(rows[:-1]))) == "unreadable_image"


SEEDS = [
    BASELINE,
    PROGRESSIVE,
    saved(SMOOTH, "PNG"),
    saved(SMOOTH[:, :, 0], "PNG"),
    saved(np.dstack([SMOOTH, SMOOTH[:, :, 0]]), "PNG"),
    saved(SMOOTH[:, :, 0].astype(np.uint16) * 257, "PNG"),
    saved(SMOOTH, "WEBP"),
    saved(SMOOTH, "BMP"),
    saved(SMOOTH, "TIFF"),
    saved(SMOOTH, "GIF"),
]
# libtiff itself tells of damage on stderr, and Pillow has no switch for that.
OUTSPOKEN = [saved(SMOOTH, "TIFF", compression=kind) for kind in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]


@st.composite
def mutations(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A whole file with some bytes overwritten, and perhaps a piece cut out or repeated."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        # faults in the first bytes, where the headers are, as often as anywhere else
        place = draw(st.integers(0, len(data) - 1) | st.integers(0, min(200, len(data) - 1)))
        data[place] = draw(st.integers(0, 255))
    start, end = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
    piece = draw(st.sampled_from([b"", bytes(data[start:end]), bytes(data[start:end]) * 2]))
    return bytes(data[:start]) + piece + bytes(data[end:])


def is_picture_or_refused(data: bytes) -> None:
    for decode, ndim in ((decode_image, 3), (lambda data, most: decode_alpha(data, None, most), 2)):
        try:
            pixels = decode(data, 10_000_000)
        except DecodeError as error:
            assert error.detail
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == ndim
            assert pixels.flags.c_contiguous


@pytest.fixture
def silence(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("silence")
@settings(max_examples=300)
@given(
    st.binary(max_size=300) | st.tuples(st.sampled_from(SEEDS), st.binary(max_size=300)).map(lambda x: x[0][:20] + x[1])
)
def test_any_bytes_are_a_picture_or_refused(data: bytes) -> None:
    is_picture_or_refused(data)


@pytest.mark.usefixtures("silence")
@settings(max_examples=400)
@given(mutations(SEEDS))
def test_any_damage_is_a_picture_or_refused(data: bytes) -> None:
    is_picture_or_refused(data)


@settings(max_examples=100)
@given(mutations(OUTSPOKEN))
def test_any_damage_of_a_compressed_tiff_is_a_picture_or_refused(data: bytes) -> None:
    is_picture_or_refused(data)


@pytest.mark.stress
@pytest.mark.usefixtures("silence")
@settings(max_examples=20_000)
@given(mutations(SEEDS))
def test_any_damage_is_a_picture_or_refused_at_length(data: bytes) -> None:
    is_picture_or_refused(data)


@pytest.mark.usefixtures("silence")
def test_a_tiff_whose_strips_run_past_its_end_is_told_before_it_is_decoded() -> None:
    file = io.BytesIO()
    Pillow.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(file, "TIFF")
    decode_image(file.getvalue())
    with pytest.raises(DecodeError, match=r"^a truncated TIFF file$") as told:
        decode_image(file.getvalue()[:-100])
    assert told.value.reason == "unreadable_image"


def test_a_tiff_with_a_tile_much_larger_than_itself_takes_no_memory_for_it() -> None:
    tile = zlib.compress(bytes(64 * 64))

    def tiled(side: int) -> bytes:
        """A grey TIFF of 40x30 pixels in one deflated tile."""
        # ImageWidth and ImageLength, BitsPerSample, Compression, Photometric, TileWidth and TileLength, place and size
        tags = {256: 40, 257: 30, 258: 8, 259: 8, 262: 1, 322: side, 323: side, 324: 8, 325: len(tile)}
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
        return b"II*\0" + struct.pack("<I", 8 + len(tile)) + tile + directory

    assert decode_image(tiled(64)).shape == (30, 40, 3)
    with pytest.raises(DecodeError, match=r"tiles of 30000x30000 pixels for a picture of 40") as told:
        decode_image(tiled(30000))
    assert told.value.reason == "too_large"


def test_a_tiff_whose_strips_are_all_the_same_bytes_is_not_unpacked_for_each_of_them() -> None:
    rows, data = 1000, b"\x80" * 2000 + b"\x00\x7f"  # PackBits: no-ops, then one byte
    numbers = [(256, 1), (257, rows), (258, 8), (259, 32773), (262, 1), (277, 1), (278, 1)]
    where = 8 + len(data) + 2 + 12 * (len(numbers) + 2) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers]
    entries.insert(5, struct.pack("<HHII", 273, 4, rows, where))
    entries.append(struct.pack("<HHII", 279, 4, rows, where + 4 * rows))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    lists = struct.pack("<I", 8) * rows + struct.pack("<I", len(data)) * rows
    with pytest.raises(DecodeError, match="strips or tiles overlap"):
        decode_image(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + lists)


@pytest.mark.parametrize("size", [(100_000, 1), (1, 20_000_000), (5000, 99)])
def test_a_picture_as_thin_as_a_thread_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(DecodeError, match="one side is more than 50 times the other"):
        decode_image(png(*size, b""))


@pytest.mark.parametrize("size", [(4000, 1), (6000, 120)])
def test_a_thin_picture_is_read(size: tuple[int, int]) -> None:
    width, height = size
    assert decode_image(saved(np.zeros((height, width, 3), np.uint8), "PNG")).shape == (height, width, 3)


def test_many_segments_of_text_never_reach_pillow_whose_time_grows_with_their_square() -> None:
    file = io.BytesIO()
    Pillow.fromarray(np.full((40, 30, 3), 90, np.uint8)).convert("CMYK").save(file, "JPEG")
    plain = file.getvalue()
    bomb = plain[:2] + b"\xff\xe1\x00\x09Exif\0\0A" * 5000 + plain[2:]
    header, expected = (read_header(data, "unreadable_image") for data in (bomb, plain))
    assert pixel_segments(header.pixels) == pixel_segments(expected.pixels)
    assert len(pixel_segments(header.pixels)) <= len(plain)
    np.testing.assert_array_equal(decode_image(bomb), decode_image(plain))


@pytest.mark.parametrize("read", [read_image, read_alpha])
def test_a_file_that_says_it_is_huge_is_not_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(20 << 30)  # sparse: it takes no room on the disk
    with pytest.raises(DecodeError, match=r"21,474,836,480 bytes; at most 536,870,912 are read") as told:
        read(tmp_path / "a.png")
    assert told.value.reason == "too_large"
