"""From the bytes of a mask file to alpha.

    bytes --decoder--> channels --which of them?--> stored values --what do they mean?--> alpha --orientation--> upright

The channel is a matter of the file: some files of a source may be grey and others RGBA. What the values mean is a
matter of the source: see `alpha_reading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.alpha_reading import PLAIN, AlphaReading, from_colours, main_colours, scale_to_alpha
from segdata.imaging.arrays import Alpha
from segdata.imaging.headers import DecodeError, Header, read_header
from segdata.imaging.label_maps import from_label_map, has_several_classes, palette_alpha
from segdata.imaging.opening import decode_jpeg, guarded, open_picture, orientation_of, small_enough
from segdata.imaging.orientation import orientation_in, upright
from segdata.imaging.png import check_rows, decode_plain_png
from segdata.records import LABEL_CUT, MAX_PIXELS, RejectReason

if TYPE_CHECKING:
    from PIL import Image as Pillow

_DAMAGED: RejectReason = "unreadable_alpha"
_COLOURED = 24  # of 255: more than JPEG makes of three equal channels
_ALMOST_ALL = 0.999  # of the pixels: an alpha channel with so many equal ones is almost constant
_MASK_LIKE = 0.9  # of the pixels of a hard mask are nearly black or nearly white
_NEARLY = 16  # steps of 255
_EVERY = 4  # pixel is looked at to see whether a picture has few colours


class StoredMask(NamedTuple):
    """The values that a mask file holds, before anybody says what they mean.

    Attributes:
        values: (H, W) of any type, or (H, W, 3) uint8 where the colours were asked for; as stored, not upright.
        orientation: the EXIF orientation of the file, 1 to 8.
        lossy: whether the format changes values, as JPEG does.
    """

    values: NDArray[np.generic]
    orientation: int
    lossy: bool


def decode_alpha(
    data: bytes,
    channel: int | None,
    max_pixels: int = MAX_PIXELS,
    index: int | None = None,
    reading: AlphaReading = PLAIN,
) -> Alpha:
    """A matte's alpha, upright.

    Args:
        data: the file.
        channel: the channel that holds alpha, such as 3 in RGBA. None takes a grey picture, three equal channels, a
            palette of greys, the indices of any other palette with two entries in use, or the alpha channel of a
            transparent picture, unless that channel is constant or almost so and the colours are a mask.
        max_pixels: a header that says more is refused.
        index: the file is a label map, and this class is the person: what else is in it is background, and 255,
            which such maps use for *ignore*, goes with the nearest pixel that has a label.
        reading: what the values mean, or which colours are the person.

    Returns:
        (H, W) uint8, 255 is person. A matte of 0 and 1 is rescaled, whatever its format.

    Raises:
        DecodeError: empty_file, unsupported_format, too_large; unreadable_alpha: also where the channel is not
            there, or the picture is coloured and so no matte; implausible_alpha: the values are not those of the
            source, or their meaning is open.
    """
    return guarded(lambda: _alpha(data, channel, max_pixels, index, reading), _DAMAGED)


def decode_stored(data: bytes, channel: int | None, max_pixels: int, index: int | None = None) -> StoredMask:
    """The values of a mask file as they are stored; the arguments are those of `decode_alpha`.

    Raises:
        DecodeError: As there.
    """
    return guarded(lambda: _stored(_header_of(data, max_pixels), channel, max_pixels, index), _DAMAGED)


def decode_colours(data: bytes, max_pixels: int) -> StoredMask:
    """The colours of a mask file, as (H, W, 3) uint8 RGB; its colour profile and its transparency are ignored.

    Raises:
        DecodeError: As `decode_alpha`.
    """
    return guarded(lambda: _colours(_header_of(data, max_pixels), max_pixels), _DAMAGED)


def _alpha(data: bytes, channel: int | None, max_pixels: int, index: int | None, reading: AlphaReading) -> Alpha:
    header = _header_of(data, max_pixels)
    if reading.colours:
        stored = _colours(header, max_pixels)
        alpha = from_colours(stored.values.astype(np.uint8, copy=False), reading.colours, stored.lossy)
    else:
        stored = _stored(header, channel, max_pixels, index)
        alpha = scale_to_alpha(stored.values, reading) if index is None else from_label_map(stored.values, index)
    return upright(255 - alpha if reading.invert else alpha, stored.orientation)


def _header_of(data: bytes, max_pixels: int) -> Header:
    return small_enough(read_header(data, _DAMAGED), max_pixels)


def is_lossy(data: bytes) -> bool:
    """Whether the format of a file that decodes changes values, as JPEG does; PNG, TIFF, GIF and BMP do not."""
    if data[:4] == b"RIFF":
        return data[12:16] != b"VP8L"
    return data.startswith(b"\xff\xd8\xff") or data[4:8] == b"ftyp"


def _stored(header: Header, channel: int | None, max_pixels: int, index: int | None) -> StoredMask:
    orientation, classes = orientation_in(header.exif), index is not None
    if header.format == "JPEG" and header.channels in (1, 3):
        pixels = decode_jpeg(header, "GRAY" if header.channels == 1 else "RGB", _DAMAGED)
        values = _one_channel(pixels, channel, classes)
    elif header.format == "PNG" and header.bits == 16 and header.channels > 1:
        values = _one_channel(_sixteen_bit(header), channel, classes)
    elif (plain := decode_plain_png(header, channel)) is not None:
        has_it = channel is not None and channel < header.channels  # and nothing else was decoded
        values = plain if has_it else _one_channel(plain, channel, classes)
    else:
        with open_picture(header, max_pixels, _DAMAGED) as picture:
            orientation = orientation_of(picture, header)
            values = _channel_of(picture, channel, classes)
    return StoredMask(values, orientation, is_lossy(header.pixels))


def _colours(header: Header, max_pixels: int) -> StoredMask:
    orientation = orientation_in(header.exif)
    if header.format == "JPEG" and header.channels in (1, 3):
        pixels = decode_jpeg(header, "RGB", _DAMAGED)
    elif (plain := decode_plain_png(header)) is not None and header.channels >= 3:
        pixels = np.ascontiguousarray(plain[:, :, :3])
    else:
        with open_picture(header, max_pixels, _DAMAGED) as picture:
            orientation = orientation_of(picture, header)
            if picture.mode.startswith(("I", "F")):
                pixels = np.repeat(scale_to_alpha(np.asarray(picture))[:, :, None], 3, axis=2)
            else:
                unpacked = picture.convert("RGBA") if picture.has_transparency_data else picture
                pixels = np.array(unpacked.convert("RGB"))
    return StoredMask(pixels, orientation, is_lossy(header.pixels))


def _sixteen_bit(header: Header) -> NDArray[np.uint16]:
    """(H, W, channels) uint16 of a PNG: Pillow keeps the upper byte alone, and nothing of a matte of 0 and 1."""
    check_rows(header, _DAMAGED)
    pixels = cv2.imdecode(np.frombuffer(header.pixels, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DecodeError(_DAMAGED, "a damaged PNG file")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    ordered: NDArray[np.uint16] = np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])
    return ordered


def _channel_of(picture: Pillow.Image, channel: int | None, classes: bool) -> NDArray[np.generic]:
    """The channel that alpha, or a label map's classes, are in, of a loaded picture: (H, W)."""
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode == "P":
        if classes:
            return np.asarray(picture)
        if channel is None:
            if has_several_classes(picture):
                raise _open_palette(picture)
            if (alpha := palette_alpha(picture)) is not None:
                return alpha
            raise _open_palette(picture)
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode not in ("L", "LA", "RGB", "RGBA", "F") and not picture.mode.startswith("I"):
        picture = picture.convert("RGB")
    bands = picture.getbands()
    if channel is not None and channel < len(bands):
        return np.asarray(picture.getchannel(channel) if len(bands) > 1 else picture)
    return _one_channel(np.asarray(picture), channel, classes)


def _open_palette(picture: Pillow.Image) -> DecodeError:
    used = np.unique(np.asarray(picture)).tolist()
    listed = ", ".join(map(str, used[:12])) + (", …" if len(used) > 12 else "")
    transparency = ", alpha_channel = 3 to take its transparency" if "transparency" in picture.info else ""
    return DecodeError(
        "implausible_alpha",
        f"a coloured picture, and no matte: a palette of which the entries {listed} are used; set alpha_index to the "
        f"class of the person{transparency}, or alpha_colour to the colours of the person",
    )


def _one_channel(values: NDArray[np.generic], channel: int | None, classes: bool) -> NDArray[np.generic]:
    """(H, W) of (H, W) or (H, W, channels)."""
    if values.ndim == 2:
        values = values[:, :, None]
    channels = values.shape[2]
    if channel is not None:
        if channel >= channels:
            raise DecodeError(_DAMAGED, f"has {channels} channels, and alpha should be in channel {channel}")
        return values[:, :, channel]
    if channels in (2, 4) and not classes and _alpha_is_mask(values):
        _refuse_several_colours(values)
        return values[:, :, -1]
    if channels >= 3 and not _is_grey(values):
        raise _coloured(values)
    return values[:, :, 0]


def _is_grey(values: NDArray[np.generic]) -> bool:
    first, second, third = cv2.split(np.ascontiguousarray(values[:, :, :3]))
    apart = max(cv2.absdiff(first, second).max(), cv2.absdiff(second, third).max())
    return bool(apart <= _COLOURED * max(1, _opaque_value(values) // 255))


def _opaque_value(values: NDArray[np.generic]) -> int:
    """What an array's type holds for fully opaque: 255, 65535, or 1 in floating point."""
    return 65535 if values.dtype == np.uint16 else 255 if values.dtype == np.uint8 else 1


def _alpha_is_mask(values: NDArray[np.generic]) -> bool:
    """Whether the mask is in the last channel, which is alpha, and not in the colours.

    An opaque picture has its mask in its colours. So has one whose alpha is constant or almost so, if its colours are
    grey and look like a mask: they vary, and nearly all of them are black or white.
    """
    alpha, opaque = values[:, :, -1], _opaque_value(values)
    if not (alpha != opaque).any():
        return False
    steps = _eight_bit(alpha, opaque)
    if np.bincount(steps.ravel(), minlength=256).max() < _ALMOST_ALL * alpha.size:
        return True
    grey = values[:, :, 0]
    highest = grey.max()
    if (values.shape[2] == 4 and not _is_grey(values)) or highest == grey.min():
        return True
    if highest <= 1:
        return False
    greys = _eight_bit(grey, opaque)
    extreme = np.count_nonzero((greys < _NEARLY) | (greys >= 256 - _NEARLY))
    return bool(extreme < _MASK_LIKE * greys.size)


def _eight_bit(values: NDArray[np.generic], opaque: int) -> NDArray[np.uint8]:
    if opaque == 65535:
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    return values.astype(np.uint8, copy=False)


def _refuse_several_colours(values: NDArray[np.generic]) -> None:
    """Refuse a picture whose opaque part has a few flat colours: a label map with transparency, and no cut-out."""
    seen = _eight_bit(values[::_EVERY, ::_EVERY], _opaque_value(values))
    shown = seen[seen[:, :, -1] >= LABEL_CUT]
    colours = main_colours(np.repeat(shown[:, :1], 3, axis=1) if shown.shape[1] == 2 else shown[:, :3])
    if len(colours) > 1:
        raise DecodeError(
            "implausible_alpha",
            f"a transparent picture of the colours {', '.join(colours[:8])}: set alpha_channel = {values.shape[2] - 1} "
            "if what is opaque is the person, alpha_index to the class or alpha_colour to the colours of the person",
        )


def _coloured(values: NDArray[np.generic]) -> DecodeError:
    words = "its three channels differ: a coloured picture, and no matte"
    colours = main_colours(_eight_bit(values[:, :, :3], _opaque_value(values)))
    if not colours:
        return DecodeError(_DAMAGED, words)
    return DecodeError(
        "implausible_alpha",
        f"{words}, of the colours {', '.join(colours[:8])}: set alpha_colour to those of the person",
    )
