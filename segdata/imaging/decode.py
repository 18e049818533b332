"""From a file's bytes to pixels: the one route for everything that reads pictures.

The header is looked at before anything is decoded, so that a bomb is refused while it is small. OpenCV decodes a
truncated JPEG to a picture with a grey rest and says nothing, so whether a file is whole is checked first.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha, Image
from segdata.records import RejectReason

MAX_PIXELS = 120_000_000
_FORMATS = frozenset({"JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "MPO"})
_BY_OPENCV = frozenset({"JPEG", "PNG", "MPO"})
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_COLOURED = 24  # of 255: more than JPEG makes of three equal channels


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


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """A photo's pixels, upright.

    Args:
        data: a JPEG, PNG, WebP, BMP, TIFF or GIF file; grey, palette, CMYK and 16 bit come out as RGB of 8 bit.
        max_pixels: a header that says more is refused.

    Returns:
        (H, W, 3) uint8 RGB; the orientation in EXIF is applied, transparency dropped.

    Raises:
        DecodeError: empty_file, unsupported_format, too_large or unreadable_image.
    """
    kind = _probe(data, max_pixels, "unreadable_image")
    if kind in _BY_OPENCV:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise DecodeError("unreadable_image", f"a damaged {kind} file")
        image: Image = pixels
        return image
    return np.ascontiguousarray(_by_pillow(data, "RGB", "unreadable_image"))


def decode_alpha(data: bytes, channel: int | None, max_pixels: int = MAX_PIXELS) -> Alpha:
    """A matte's alpha.

    Args:
        data: the file.
        channel: the channel that holds alpha, such as 3 in RGBA. None takes a grey picture, three equal channels, a
            palette's indices, or the alpha channel of a transparent picture.
        max_pixels: a header that says more is refused.

    Returns:
        (H, W) uint8, 255 is person. A matte of 0 and 1 is rescaled, whatever its format.

    Raises:
        DecodeError: empty_file, unsupported_format, too_large or unreadable_alpha: also where the channel is not
            there, or the picture is coloured and so no matte.
    """
    kind = _probe(data, max_pixels, "unreadable_alpha")
    if kind == "PNG" and channel is None and data[25:26] == b"\x03":
        values = _by_pillow(data, None, "unreadable_alpha")
    elif kind in _BY_OPENCV:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise DecodeError("unreadable_alpha", f"a damaged {kind} file")
        values = pixels if pixels.ndim == 2 else pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    else:
        values = _by_pillow(data, None, "unreadable_alpha")
    return _to_eight_bits(_one_channel(values, channel))


def read_image(path: Path) -> Image:
    """`decode_image` of a file.

    Raises:
        DecodeError: As there.
        OSError: The file can't be read.
    """
    return decode_image(path.read_bytes())


def read_alpha(path: Path, channel: int | None = None) -> Alpha:
    """`decode_alpha` of a file.

    Raises:
        DecodeError: As there.
        OSError: The file can't be read.
    """
    return decode_alpha(path.read_bytes(), channel)


def _probe(data: bytes, max_pixels: int, damaged: RejectReason) -> str:
    """The format, by the header alone; what is empty, unknown, too large or cut short is refused."""
    from PIL import Image as Pillow

    if not data:
        raise DecodeError("empty_file", "0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size limit warns where ours refuses
            with Pillow.open(io.BytesIO(data)) as header:
                kind, (width, height) = header.format or "", header.size
    except Pillow.DecompressionBombError as error:
        raise DecodeError("too_large", f"more than {max_pixels} pixels") from error
    except Exception as error:  # Pillow raises whatever a parser trips over
        raise DecodeError(damaged, "not a picture, or its header is damaged") from error
    if kind not in _FORMATS:
        raise DecodeError("unsupported_format", f"{kind}; convert it to JPEG or PNG")
    if width * height > max_pixels:
        raise DecodeError("too_large", f"{width}x{height} pixels; at most {max_pixels} are read")
    if kind in ("JPEG", "MPO") and not _jpeg_is_whole(data):
        raise DecodeError(damaged, "a truncated JPEG file")
    if kind == "PNG":
        _check_png(data, damaged)
    return kind


def _jpeg_is_whole(data: bytes) -> bool:
    """Whether the end marker follows the first scan.

    Inside entropy-coded data 0xFF is followed by 0x00 or a restart marker, so that FF D9 there is the end and nothing
    else; before the scan it may belong to a thumbnail.
    """
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return False
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == 0xDA:
            return data.find(b"\xff\xd9", place) != -1
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            place += 2
            continue
        place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
    return False


def _check_png(data: bytes, damaged: RejectReason) -> None:
    """Walk the chunks to IEND, and check the CRC of each that holds pixels."""
    place = len(_PNG_HEAD)
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        name, end = data[place + 4 : place + 8], place + 8 + length
        if name == b"IEND":
            return
        if name in (b"IHDR", b"PLTE", b"IDAT") and data[end : end + 4] != struct.pack(
            ">I", zlib.crc32(memoryview(data)[place + 4 : end])
        ):
            raise DecodeError(damaged, "a damaged or truncated PNG file")
        place = end + 4
    raise DecodeError(damaged, "a truncated PNG file")


def _by_pillow(data: bytes, mode: str | None, damaged: RejectReason) -> NDArray[np.generic]:
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with Pillow.open(io.BytesIO(data)) as picture:
            picture.load()
            upright = ImageOps.exif_transpose(picture) or picture
            converted = upright if mode is None else upright.convert(mode)
            if converted.mode == "1":
                converted = converted.convert("L")
            return np.asarray(converted)
    except Exception as error:  # Pillow raises whatever a parser trips over
        raise DecodeError(damaged, f"a damaged file ({error})") from error


def _one_channel(values: NDArray[np.generic], channel: int | None) -> NDArray[np.generic]:
    channels = 1 if values.ndim == 2 else values.shape[2]
    if channel is not None:
        if channel >= channels:
            raise DecodeError("unreadable_alpha", f"has {channels} channels, and alpha should be in channel {channel}")
        return values if values.ndim == 2 else values[:, :, channel]
    if values.ndim == 2:
        return values
    if channels in (2, 4) and (values[:, :, -1] != opaque_value(values)).any():
        return values[:, :, -1]
    if channels >= 3:
        first, second, third = cv2.split(np.ascontiguousarray(values[:, :, :3]))
        apart = max(cv2.absdiff(first, second).max(), cv2.absdiff(second, third).max())
        if apart > _COLOURED * max(1, opaque_value(values) // 255):
            raise DecodeError("unreadable_alpha", "its three channels differ: a coloured picture, and no matte")
    return values[:, :, 0]


def opaque_value(values: NDArray[np.generic]) -> int:
    """What an array's type holds for fully opaque: 255, 65535, or 1 in floating point."""
    return 65535 if values.dtype == np.uint16 else 255 if values.dtype == np.uint8 else 1


def _to_eight_bits(values: NDArray[np.generic]) -> Alpha:
    if values.dtype == np.bool_ or (np.issubdtype(values.dtype, np.integer) and values.max(initial=0) <= 1):
        return np.ascontiguousarray(values.astype(np.uint8) * np.uint8(255))
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if np.issubdtype(values.dtype, np.floating):
        return np.ascontiguousarray(np.rint(np.clip(values.astype(np.float64), 0, 1) * 255).astype(np.uint8))
    if values.dtype == np.uint16 or values.max() > 255:
        return np.ascontiguousarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    return np.ascontiguousarray(values.astype(np.uint8))
