"""From a file's bytes to pixels: the one route for everything that reads pictures.

    bytes --headers.read_header--> format, size, whole? --decoder--> channels --orientation--> upright 8 bit

libjpeg-turbo decodes JPEG, by way of simplejpeg, which unlike OpenCV says when the data are damaged, and never prints;
`png` decodes plain PNG; Pillow decodes the rest, by the plugin of the format that the bytes have. EXIF orientation is
applied to images and alphas alike, each by its own. Colour profiles are applied to images alone, if they are not sRGB.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha, Image, Luma
from segdata.imaging.colour import is_srgb, picture_to_srgb, to_srgb
from segdata.imaging.headers import DecodeError, Header, pixel_segments, read_header
from segdata.imaging.label_maps import from_label_map, palette_alpha
from segdata.imaging.orientation import orientation_in, upright
from segdata.imaging.png import check_rows, decode_plain_png
from segdata.records import MAX_FILE_BYTES, MAX_PIXELS, RejectReason

if TYPE_CHECKING:
    from PIL import Image as Pillow

__all__ = ["MAX_PIXELS", "DecodeError", "decode_alpha", "decode_image", "decode_luma", "read_alpha", "read_image"]

_MOST_ASPECT, _LONGEST_STRIP = 50, 4096
_LARGEST_TILE, _TILE_STEP = 4096, 16  # pixels a side; a side of a tile is a multiple of 16
_COLOURED = 24  # of 255: more than JPEG makes of three equal channels
# libjpeg's words for faults that cost no pixel, or not one that anybody sees.
_HARMLESS = ("extraneous bytes", "Invalid SOS parameters", "Unknown Adobe", "JFIF", "Inconsistent progression")


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """A photo's pixels, upright.

    Args:
        data: a JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC or AVIF file, whatever its name says; grey, palette, CMYK (as
            Adobe has it, inverted) and 16 bit come out as RGB of 8 bit. Of a TIFF of several pages the first is taken,
            of a HEIC of several pictures the primary one.
        max_pixels: a header that says more is refused.

    Returns:
        (H, W, 3) uint8 sRGB; the file's orientation and colour profile are applied, transparency is dropped.

    Raises:
        DecodeError: empty_file, unsupported_format (also an animation), too_large or unreadable_image; and nothing
            else, whatever the bytes.
    """
    return _guarded(lambda: _image(data, max_pixels), "unreadable_image")


def decode_luma(data: bytes, max_pixels: int = MAX_PIXELS) -> Luma:
    """A photo's lightness, upright: what a thumbnail takes, at two thirds of the cost of its colours.

    Args:
        data, max_pixels: as in `decode_image`.

    Returns:
        (H, W) uint8, ITU-R BT.601 luma. Of a JPEG it is what the file holds, of which that of the decoded colours
        differs by rounding; the colours are read too, so that damage to them is found.

    Raises:
        DecodeError: As in `decode_image`.
    """
    return _guarded(lambda: _luma(data, max_pixels), "unreadable_image")


def decode_alpha(data: bytes, channel: int | None, max_pixels: int = MAX_PIXELS, index: int | None = None) -> Alpha:
    """A matte's alpha, upright.

    Args:
        data: the file.
        channel: the channel that holds alpha, such as 3 in RGBA. None takes a grey picture, three equal channels, a
            palette of greys, the indices of any other palette with two entries in use, or the alpha channel of a
            transparent picture.
        max_pixels: a header that says more is refused.
        index: the file is a label map, and this class is the person: what else is in it is background, and 255,
            which such maps use for *ignore*, goes with the nearest pixel that has a label.

    Returns:
        (H, W) uint8, 255 is person. A matte of 0 and 1 is rescaled, whatever its format.

    Raises:
        DecodeError: empty_file, unsupported_format, too_large or unreadable_alpha: also where the channel is not
            there, or the picture is coloured and so no matte.
    """
    return _guarded(lambda: _alpha(data, channel, max_pixels, index), "unreadable_alpha")


def read_image(path: Path) -> Image:
    """`decode_image` of a file.

    Raises:
        DecodeError: As there.
        OSError: The file can't be read.
    """
    return decode_image(_read(path))


def read_alpha(path: Path, channel: int | None = None) -> Alpha:
    """`decode_alpha` of a file.

    Raises:
        DecodeError: As there.
        OSError: The file can't be read.
    """
    return decode_alpha(_read(path), channel)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(MAX_FILE_BYTES + 1) if size <= MAX_FILE_BYTES else b""
    if max(size, len(data)) > MAX_FILE_BYTES:
        raise DecodeError("too_large", f"{max(size, len(data)):,} bytes; at most {MAX_FILE_BYTES:,} are read")
    return data


def opaque_value(values: NDArray[np.generic]) -> int:
    """What an array's type holds for fully opaque: 255, 65535, or 1 in floating point."""
    return 65535 if values.dtype == np.uint16 else 255 if values.dtype == np.uint8 else 1


def _guarded(decode: Callable[[], NDArray[np.uint8]], damaged: RejectReason) -> NDArray[np.uint8]:
    """Run a decoder on bytes of unknown origin: whatever it trips over becomes a DecodeError."""
    try:
        return decode()
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError("too_large", "more than the memory that there is") from error
    except Exception as error:  # a parser raises whatever it stumbles on: struct.error, SyntaxError, cv2.error, …
        raise DecodeError(damaged, f"a damaged file ({type(error).__name__}: {str(error)[:120]})") from error


def _image(data: bytes, max_pixels: int) -> Image:
    header = _small_enough(read_header(data, "unreadable_image"), max_pixels)
    if header.format == "JPEG" and header.channels in (1, 3):
        pixels = _jpeg(header, "RGB", "unreadable_image")
        return upright(to_srgb(pixels, header.profile), orientation_in(header.exif))
    plain = decode_plain_png(header)
    if plain is not None and header.channels >= 3:
        pixels = np.ascontiguousarray(plain[:, :, :3])
        return upright(to_srgb(pixels, header.profile), orientation_in(header.exif))
    with _open(header, max_pixels, "unreadable_image") as picture:
        orientation = _orientation_of(picture, header)
        if picture.mode.startswith(("I", "F")):
            grey = _to_eight_bits(np.asarray(picture), "unreadable_image", binary=False)
            return upright(np.repeat(grey[:, :, None], 3, axis=2), orientation)
        profile = header.profile or picture.info.get("icc_profile") or b""
        # by way of RGBA, since Pillow warns about some transparent palettes otherwise
        coloured = picture.convert("RGBA") if picture.mode == "P" else picture_to_srgb(picture, profile)
        pixels = np.array(coloured if coloured.mode == "RGB" else coloured.convert("RGB"))
        if coloured is picture or picture.mode == "P":  # the profile was for other channels than those stored
            pixels = to_srgb(pixels, profile)
    return upright(pixels, orientation)


def _luma(data: bytes, max_pixels: int) -> Luma:
    header = _small_enough(read_header(data, "unreadable_image"), max_pixels)
    if header.format == "JPEG" and header.channels in (1, 3) and is_srgb(header.profile):
        return upright(_jpeg(header, "GRAY", "unreadable_image")[:, :, 0], orientation_in(header.exif))
    grey: Luma = cv2.cvtColor(_image(data, max_pixels), cv2.COLOR_RGB2GRAY)
    return grey


def _alpha(data: bytes, channel: int | None, max_pixels: int, index: int | None) -> Alpha:
    damaged: RejectReason = "unreadable_alpha"
    header = _small_enough(read_header(data, damaged), max_pixels)
    orientation = orientation_in(header.exif)
    if header.format == "JPEG" and header.channels in (1, 3):
        values = _one_channel(_jpeg(header, "GRAY" if header.channels == 1 else "RGB", damaged), channel)
    elif header.format == "PNG" and header.bits == 16 and header.channels > 1:
        # Pillow keeps the upper byte alone, which of a matte of 0 and 1 leaves nothing.
        check_rows(header, damaged)
        pixels = cv2.imdecode(np.frombuffer(header.pixels, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise DecodeError(damaged, "a damaged PNG file")
        values = _one_channel(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]], channel)
    elif (plain := decode_plain_png(header, channel)) is not None:
        has_it = channel is not None and channel < header.channels  # and nothing else was decoded
        values = plain if has_it else _one_channel(plain, channel)
    else:
        with _open(header, max_pixels, damaged) as picture:
            orientation = _orientation_of(picture, header)
            values = _channel_of(picture, channel, index)
    if index is not None:
        return upright(from_label_map(values, index), orientation)
    return upright(_to_eight_bits(values, damaged, binary=True), orientation)


def _channel_of(picture: Pillow.Image, channel: int | None, index: int | None) -> NDArray[np.generic]:
    """The channel that alpha, or a label map's classes, are in, of a loaded picture: (H, W)."""
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode == "P":
        if index is not None:
            return np.asarray(picture)
        if channel is None and (alpha := palette_alpha(picture)) is not None:
            return alpha
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode not in ("L", "LA", "RGB", "RGBA", "F") and not picture.mode.startswith("I"):
        picture = picture.convert("RGB")
    bands = picture.getbands()
    if channel is not None and channel < len(bands):
        return np.asarray(picture.getchannel(channel) if len(bands) > 1 else picture)
    if channel is None and bands[-1] == "A" and picture.getchannel("A").getextrema() != (255, 255):
        return np.asarray(picture.getchannel("A"))
    return _one_channel(np.asarray(picture), channel)


def _small_enough(header: Header, max_pixels: int) -> Header:
    if header.width * header.height > max_pixels:
        raise DecodeError("too_large", f"{header.width}x{header.height} pixels; at most {max_pixels:,} are read")
    shorter, longer = sorted((header.width, header.height))
    if longer > max(_LONGEST_STRIP, _MOST_ASPECT * shorter):  # what is measured by the diagonal would take hours
        raise DecodeError(
            "too_large", f"{header.width}x{header.height} pixels: one side is more than {_MOST_ASPECT} times the other"
        )
    return header


def _jpeg(header: Header, space: str, damaged: RejectReason) -> NDArray[np.uint8]:
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


def _open(header: Header, max_pixels: int, damaged: RejectReason) -> Pillow.Image:
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
    _small_enough(Header(header.format, width, height), max_pixels)
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


def _orientation_of(picture: Pillow.Image, header: Header) -> int:
    """Of a loaded picture; Pillow turns a TIFF itself when it loads it, and libheif a HEIC."""
    if header.format in ("TIFF", "HEIF"):
        return 1
    return orientation_in(header.exif or picture.info.get("exif", b""))


def _one_channel(values: NDArray[np.generic], channel: int | None) -> NDArray[np.generic]:
    """(H, W) of (H, W) or (H, W, channels)."""
    if values.ndim == 2:
        values = values[:, :, None]
    channels = values.shape[2]
    if channel is not None:
        if channel >= channels:
            raise DecodeError("unreadable_alpha", f"has {channels} channels, and alpha should be in channel {channel}")
        return values[:, :, channel]
    if channels in (2, 4) and (values[:, :, -1] != opaque_value(values)).any():
        return values[:, :, -1]
    if channels >= 3:
        first, second, third = cv2.split(np.ascontiguousarray(values[:, :, :3]))
        apart = max(cv2.absdiff(first, second).max(), cv2.absdiff(second, third).max())
        if apart > _COLOURED * max(1, opaque_value(values) // 255):
            raise DecodeError("unreadable_alpha", "its three channels differ: a coloured picture, and no matte")
    return values[:, :, 0]


def _to_eight_bits(values: NDArray[np.generic], damaged: RejectReason, binary: bool) -> NDArray[np.uint8]:
    """Values of any type on the scale 0 to 255.

    A wider type than 8 bit is read by what is in it: up to 255 it was filled with 8 bit values, beyond with its own.

    Args:
        values: (H, W) of any type.
        damaged: the reason to give where no scale fits.
        binary: whether nothing but 0 and 1 is black and white; in a photo it is merely dark.
    """
    highest, lowest = (float(values.max()), float(values.min())) if values.size else (0.0, 0.0)
    if not (lowest >= 0 and highest <= 65535):  # also where one is not a number
        raise DecodeError(damaged, f"its values go from {lowest:g} to {highest:g}; 0 to 255 or to 65535 is read")
    if np.issubdtype(values.dtype, np.floating):
        scale = 255 if highest <= 1 else 1 if highest <= 255 else 1 / 257
        return np.rint(values.astype(np.float64) * scale).astype(np.uint8)
    if binary and highest <= 1:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8 or highest <= 255:
        return values.astype(np.uint8, copy=False)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
