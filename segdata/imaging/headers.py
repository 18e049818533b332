"""What a picture's bytes say before anything is decoded: format, size, orientation, and whether they are whole.

JPEG and PNG, which are nearly all there is, are walked here, marker by marker and chunk by chunk. OpenCV and Pillow
decode a JPEG that was cut short to a picture with a grey rest, and a header is somebody's claim: both are looked at
while it costs nothing.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from segdata.imaging.boxes import BoxError, brand_of, largest_size
from segdata.imaging.colour import MOST_PROFILE_BYTES
from segdata.imaging.foreign import identify
from segdata.records import RejectReason

Format = Literal["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIF", "AVIF"]

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (_PNG_HEAD, "PNG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_CR2 = b"CR\x02"
# Inside a scan 0xFF is followed by 0x00, by a restart marker, or by another 0xFF; anything else ends it.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_TEXT_SEGMENTS = frozenset({0xFE, *range(0xE1, 0xEE), 0xEF})  # comments, and APPn but for JFIF (0) and Adobe (14)
_MOST_SCANS = 200  # encoders write about ten; each one is a pass over the whole picture, so thousands are an attack
_ICC_HEAD = b"ICC_PROFILE\0"  # and a number and a count follow: a segment of JPEG has room for 64 kB only
_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


class DecodeError(Exception):
    """Bytes that are no usable picture.

    Attributes:
        reason: the word for it in the table `rejects`.
        detail: what is wrong, for people.
    """

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: RejectReason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Header:
    """What was found without decoding.

    Attributes:
        format: of the bytes, whatever the file is called.
        width, height: as stored, before the orientation is applied; 0 where only a decoder can tell.
        channels: as stored, 0 where only a decoder can tell.
        bits: of a channel.
        exif: the EXIF block, empty if there is none or only a decoder finds it.
        profile: the ICC profile, empty if there is none or only a decoder finds it.
        pixels: the file's bytes, or of a PNG the chunks that make its pixels: texts, profiles and times are left out,
            so that a bomb in them, or a fault that hurts nobody, reaches no decoder.
    """

    format: Format
    width: int = 0
    height: int = 0
    channels: int = 0
    bits: int = 8
    exif: bytes = b""
    pixels: bytes = b""
    profile: bytes = b""


def read_header(data: bytes, damaged: RejectReason) -> Header:
    """Look at a file without decoding it.

    Args:
        data: the whole file.
        damaged: the reason to give where it is no picture, or not a whole one.

    Raises:
        DecodeError: empty_file, unsupported_format (also an animated PNG), or `damaged`.
    """
    if not data:
        raise DecodeError("empty_file", "0 bytes")
    kind = _format_of(data, damaged)
    if kind == "JPEG":
        return _read_jpeg(data, damaged)
    if kind == "PNG":
        return _read_png(data, damaged)
    if kind in ("HEIF", "AVIF"):
        return _read_boxes(data, kind, damaged)
    width, height = _webp_size(data) if kind == "WEBP" else (0, 0)
    return Header(kind, width, height, pixels=data)


def _format_of(data: bytes, damaged: RejectReason) -> Format:
    for magic, kind in _MAGIC:
        if data.startswith(magic) and not data.startswith(_CR2, 8):  # a raw photo that begins like a TIFF file
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if brand := brand_of(data):
        return brand
    foreign = identify(data)
    if foreign is None:
        raise DecodeError(damaged, "no picture at all")
    if foreign.is_format:
        what, _, remedy = foreign.detail.partition("; ")
        raise DecodeError("unsupported_format", f"{what}, whatever its name says; {remedy}")
    raise DecodeError(damaged, foreign.detail)


def _read_jpeg(data: bytes, damaged: RejectReason) -> Header:
    """Walk the markers to the end of the first picture.

    What follows it (a second picture of an MPO, a phone's depth map, garbage) is nobody's business. A thumbnail in a
    header brings an end marker of its own, and a progressive file has many scans, so the segments are stepped over
    and each scan is followed to its end.
    """
    place, scans, exif = 2, 0, b""
    profile: dict[bytes, bytes] = {}
    frame: tuple[int, int, int, int] | None = None
    while place + 4 <= len(data) or data[place : place + 2] == b"\xff\xd9":
        marker = data[place + 1]
        if data[place] != 0xFF or scans > _MOST_SCANS:
            break
        if marker in (0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # padding, or a marker that stands alone
            place += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            if frame is None or not scans:
                break
            bits, height, width, channels = frame
            if not (width and height):
                raise DecodeError(damaged, f"its header says {width}x{height} pixels")
            return Header("JPEG", width, height, channels, bits, exif, data, _joined_profile(profile))
        end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
        if marker in _FRAMES and frame is None and place + 10 <= len(data):
            frame = struct.unpack_from(">BHHB", data, place + 4)
        elif marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0" and not exif:
            exif = data[place + 4 : end]
        elif marker == 0xE2 and data.startswith(_ICC_HEAD, place + 4):
            profile.setdefault(data[place + 16 : place + 18], data[place + 18 : end])
        elif marker == 0xDA:
            scans += 1
            found = _AFTER_SCAN.search(data, end)
            end = found.start() if found else len(data)
        place = end
    raise DecodeError(
        damaged, "a truncated or damaged JPEG file" if scans <= _MOST_SCANS else "a JPEG of endless scans"
    )


def pixel_segments(data: bytes) -> bytes:
    """A JPEG that `read_header` took, without the segments that make no pixels: texts, profiles, thumbnails.

    Pillow's time for many of them grows with the square of their number.
    """
    place, segments = 2, [data[:2]]
    while data[place + 1] != 0xDA:
        marker = data[place + 1]
        if marker in (0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            place += 1 if marker == 0xFF else 2
            continue
        end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
        if marker not in _TEXT_SEGMENTS:
            segments.append(data[place:end])
        place = end
    return b"".join([*segments, data[place:]])


def _read_png(data: bytes, damaged: RejectReason) -> Header:
    """Walk the chunks to IEND, and check the CRC of each that makes pixels."""
    place, frames, exif, profile = len(_PNG_HEAD), 1, b"", b""
    kept = [_PNG_HEAD]
    view = memoryview(data)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        name, end = data[place + 4 : place + 8], place + 12 + length
        if end > len(data):
            break
        if name in _PIXEL_CHUNKS:
            if name != b"IEND" and zlib.crc32(view[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
                raise DecodeError(damaged, "a damaged or truncated PNG file")
            kept.append(data[place:end])
        elif name == b"acTL" and length == 8:
            (frames,) = struct.unpack_from(">I", data, place + 8)
        elif name == b"eXIf":
            exif = data[place + 8 : end - 4]
        elif name == b"iCCP":
            profile = data[place + 8 : end - 4]
        if name == b"IEND":
            if frames > 1:
                raise DecodeError("unsupported_format", f"an animated PNG of {frames} frames; keep one of them")
            return replace(_png_header(b"".join(kept), exif, damaged), profile=_inflated_profile(profile))
        place = end
    raise DecodeError(damaged, "a truncated PNG file")


def _read_boxes(data: bytes, kind: Format, damaged: RejectReason) -> Header:
    name = "HEIC" if kind == "HEIF" else kind
    try:
        width, height = largest_size(data)
    except BoxError as error:
        detail = f"{name}: {error}" if error.reason else f"a damaged {name} file: {error}"
        raise DecodeError(error.reason or damaged, detail) from error
    return Header(kind, width, height, pixels=data)


def _joined_profile(parts: Mapping[bytes, bytes]) -> bytes:
    """The profile in a JPEG's segments, by number and count; empty if one is missing."""
    if not parts:
        return b""
    count = next(iter(parts))[1:]
    numbers = [bytes([number]) + count for number in range(1, count[0] + 1)] if count else []
    return b"".join(parts[number] for number in numbers) if all(number in parts for number in numbers) else b""


def _inflated_profile(chunk: bytes) -> bytes:
    """The profile in a PNG's chunk iCCP: a name, a zero, the method 0, and what is deflated; empty if damaged."""
    name, zero, deflated = chunk.partition(b"\0")
    if not (name and zero and deflated[:1] == b"\0"):
        return b""
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(deflated[1:], MOST_PROFILE_BYTES + 1)
    except zlib.error:
        return b""
    return profile if inflate.eof else b""


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height, since libwebp makes room for two pictures before anybody can ask it; 0 where cut short."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _png_header(pixels: bytes, exif: bytes, damaged: RejectReason) -> Header:
    if pixels[12:16] != b"IHDR" or len(pixels) < 33:
        raise DecodeError(damaged, "a PNG file that does not begin with its header")
    width, height, bits, colour = struct.unpack_from(">IIBB", pixels, 16)
    if not (width and height):
        raise DecodeError(damaged, f"its header says {width}x{height} pixels")
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    return Header("PNG", width, height, channels, bits, exif, pixels)
