"""From a file's bytes to stored pixels: what decoding a photo and decoding a mask share.

libjpeg-turbo decodes JPEG, by way of simplejpeg, which unlike OpenCV says when the data are damaged, and never prints;
Pillow decodes what `png` does not, by the plugin of the format that the bytes have.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.headers import DecodeError, Header, pixel_segments
from segdata.imaging.orientation import orientation_in
from segdata.imaging.png import check_rows
from segdata.records import RejectReason

if TYPE_CHECKING:
    from PIL import Image as Pillow

_Decoded = TypeVar("_Decoded")

_MOST_ASPECT, _LONGEST_STRIP = 50, 4096
_LARGEST_TILE, _TILE_STEP = 4096, 16  # pixels a side; a side of a tile is a multiple of 16
# libjpeg's words for faults that cost no pixel, or not one that anybody sees.
_HARMLESS = ("extraneous bytes", "Invalid SOS parameters", "Unknown Adobe", "JFIF", "Inconsistent progression")


def guarded(decode: Callable[[], _Decoded], damaged: RejectReason) -> _Decoded:
    """Run a decoder on bytes of unknown origin: whatever it trips over becomes a DecodeError."""
    try:
        return decode()
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError("too_large", "more than the memory that there is") from error
    except Exception as error:  # a parser raises whatever it stumbles on: struct.error, SyntaxError, cv2.error, …
        raise DecodeError(damaged, f"a damaged file ({type(error).__name__}: {str(error)[:120]})") from error


def small_enough(header: Header, max_pixels: int) -> Header:
    """The header, if its picture is no larger than allowed, and not as thin as a thread.

    Raises:
        DecodeError: too_large.
    """
    if header.width * header.height > max_pixels:
        raise DecodeError("too_large", f"{header.width}x{header.height} pixels; at most {max_pixels:,} are read")
    shorter, longer = sorted((header.width, header.height))
    if longer > max(_LONGEST_STRIP, _MOST_ASPECT * shorter):  # what is measured by the diagonal would take hours
        raise DecodeError(
            "too_large", f"{header.width}x{header.height} pixels: one side is more than {_MOST_ASPECT} times the other"
        )
    return header


def decode_jpeg(header: Header, space: str, damaged: RejectReason) -> NDArray[np.uint8]:
    """(H, W, channels) uint8.

    Raises:
        DecodeError: libjpeg warns of damage: a file that was cut short and closed again decodes to a picture with a
            grey rest, and nothing but this says so.
    """
    import simplejpeg

    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(header.pixels, space)
    except ValueError as error:
        if not any(word in str(error) for word in _HARMLESS):
            raise DecodeError(damaged, f"a damaged JPEG file ({error})") from error
        pixels = simplejpeg.decode_jpeg(header.pixels, space, strict=False)
    return pixels


def open_picture(header: Header, max_pixels: int, damaged: RejectReason) -> Pillow.Image:
    """A picture, loaded by the plugin of its format and no other.

    `Image.open` would try every format that Pillow knows, and warn of its own size limit on stderr. What still gets
    there is a line of libtiff's own about a compressed TIFF that is damaged.

    Raises:
        DecodeError: More pixels than `max_pixels`, an animation, or a PNG or TIFF that was cut short.
    """
    _quieten()
    data = pixel_segments(header.pixels) if header.format == "JPEG" else header.pixels
    picture: Any = _plugin(header)(io.BytesIO(data))
    width, height = picture.size
    small_enough(Header(header.format, width, height), max_pixels)
    if width * height == 0:
        raise DecodeError(damaged, f"its header says {width}x{height} pixels")
    if header.format in ("GIF", "WEBP", "AVIF") and getattr(picture, "is_animated", False):
        raise DecodeError("unsupported_format", f"an animated {header.format}; keep one of its frames")
    if header.format == "TIFF":
        _check_strips(picture.tag_v2, len(header.pixels), damaged)
        _check_tiles(picture.tag_v2, max(width, height))
    if header.format == "PNG":
        check_rows(header, damaged)
    picture.load()
    loaded: Pillow.Image = picture
    return loaded


def orientation_of(picture: Pillow.Image, header: Header) -> int:
    """Of a loaded picture; Pillow turns a TIFF itself when it loads it, and libheif a HEIC."""
    if header.format in ("TIFF", "HEIF"):
        return 1
    return orientation_in(header.exif or picture.info.get("exif", b""))


def _check_strips(tags: Mapping[int, Any], size_bytes: int, damaged: RejectReason) -> None:
    """Refuse a TIFF whose strips or tiles run past its end or overlap, before libtiff meets them."""
    for offsets, counts in ((273, 279), (324, 325)):  # StripOffsets and StripByteCounts, TileOffsets and TileByteCounts
        places = list(zip(tags.get(offsets) or (), tags.get(counts) or (), strict=False))
        if any(offset + count > size_bytes for offset, count in places):
            raise DecodeError(damaged, "a truncated TIFF file")
        if sum(count for _, count in places) > size_bytes:  # unpacking the same bytes again and again takes hours
            raise DecodeError(damaged, "a TIFF file whose strips or tiles overlap")


def _check_tiles(tags: Mapping[int, Any], side: int) -> None:
    """Refuse a TIFF whose tiles are much larger than its picture: libtiff takes the memory of a whole tile."""
    tile_sides = (tags.get(322) or 0, tags.get(323) or 0)  # TileWidth, TileLength
    if max(tile_sides) > max(_LARGEST_TILE, side + _TILE_STEP):
        raise DecodeError("too_large", f"tiles of {tile_sides[0]}x{tile_sides[1]} pixels for a picture of {side}")


@cache
def _quieten() -> None:
    """Once, and for Pillow's modules alone: its warnings of odd files would go to stderr, beside the progress bar.

    `warnings.catch_warnings` restores the filters that it found, which several threads at once get wrong.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _plugin(header: Header) -> Callable[[io.BytesIO], Any]:
    if header.format == "HEIF":
        return _heif_plugin()
    if header.format == "AVIF":
        return _avif_plugin()
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.GifImagePlugin import GifImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.TiffImagePlugin import TiffImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    plugins: dict[str, Callable[[io.BytesIO], Any]] = {
        "JPEG": JpegImageFile,
        "PNG": PngImageFile,
        "WEBP": WebPImageFile,
        "BMP": BmpImageFile,
        "TIFF": TiffImageFile,
        "GIF": GifImageFile,
    }
    return plugins[header.format]


def _heif_plugin() -> Callable[[io.BytesIO], Any]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise DecodeError("unsupported_format", 'HEIC; to read it, run: pip install "segdata[heic]"') from error
    plugin: Callable[[io.BytesIO], Any] = HeifImageFile
    return plugin


def _avif_plugin() -> Callable[[io.BytesIO], Any]:
    from PIL import features
    from PIL.AvifImagePlugin import AvifImageFile

    if not features.check("avif"):
        raise DecodeError(
            "unsupported_format", "AVIF, which this build of Pillow can't read; convert it to JPEG or PNG"
        )
    return AvifImageFile
