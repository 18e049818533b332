"""What the values of a mask mean: which of them is white, which colours are the person, whether it is inverted.

The meaning is decided once per source. A row of `samples` keeps it as JSON, so that its mask is always read the same
way.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.imaging.headers import DecodeError

COLOUR_PATTERN = r"^#[0-9a-fA-F]{6}$"
FLOAT_WHITES = (1.0, 100.0, 255.0, 65535.0)
WIDE_WHITES = (255, 1023, 4095, 16383, 65535)
"""What is white in files of more than 8 bits per channel: 8, 10, 12, 14 or 16 bits were used."""

_OVERSHOOT = 0.25  # of white: resampling with a cubic or Lanczos filter overshoots by less
_TOLERANCE, _TOLERANCE_LOSSY = 6, 40  # steps of 255 in any channel, from the colour of the person


@dataclass(frozen=True, slots=True)
class AlphaReading:
    """How the values of the masks of a source are turned into alpha.

    Attributes:
        white_8bit: the value that is fully person, in files of 8 bits per channel.
        white_16bit: the same in files of more bits; None takes 255 where no value is larger, else 65535.
        white_float: the same in files of floating point; None takes the first of 1, 255 and 65535 that no value
            exceeds by more than an overshoot.
        colours: the colours that are the person, as "#rrggbb"; empty for masks that hold alpha or classes.
        invert: whether white is the background.
    """

    white_8bit: int = 255
    white_16bit: int | None = None
    white_float: float | None = None
    colours: tuple[str, ...] = ()
    invert: bool = False

    def to_text(self) -> str | None:
        """What differs from a plain mask, as JSON; None if nothing does.

        >>> AlphaReading(invert=True).to_text(), AlphaReading().to_text()
        ('{"invert": true}', None)
        """
        plain = asdict(PLAIN)
        differs = {key: value for key, value in asdict(self).items() if value != plain[key]}
        return json.dumps(differs, sort_keys=True) if differs else None


PLAIN = AlphaReading()


def reading_from_text(text: str | None) -> AlphaReading:
    """The reading that `AlphaReading.to_text` wrote.

    Raises:
        DecodeError: implausible_alpha: a newer version of segdata wrote it.
    """
    if text is None:
        return PLAIN
    values = json.loads(text)
    if unknown := values.keys() - {field.name for field in fields(AlphaReading)}:
        raise DecodeError("implausible_alpha", f"is read in a way that a newer segdata knows: {', '.join(unknown)}")
    return AlphaReading(**{**values, "colours": tuple(values.get("colours", ()))})


def scale_to_alpha(values: NDArray[np.generic], reading: AlphaReading = PLAIN) -> Alpha:
    """Values of any type as alpha, 255 where they are white; a mask with only 0 and 1 is always rescaled.

    Args:
        values: (H, W).
        reading: what is white. It is not inverted here.

    Returns:
        (H, W) uint8.

    Raises:
        DecodeError: unreadable_alpha: no white is that large, or a value is negative or no number; implausible_alpha:
            a value exceeds the white of the source.

    >>> scale_to_alpha(np.array([[0, 4095]], np.uint16), AlphaReading(white_16bit=4095)).tolist()
    [[0, 255]]
    """
    highest, lowest = (float(values.max()), float(values.min())) if values.size else (0.0, 0.0)
    if np.issubdtype(values.dtype, np.floating):
        return _scale_floats(values, lowest, highest, reading)
    if not 0 <= lowest <= highest <= 65535:
        raise _outside(lowest, highest)
    if highest <= 1:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        white = reading.white_8bit
    else:
        white = reading.white_16bit or (255 if highest <= 255 else 65535)
    if highest > white:
        raise DecodeError("implausible_alpha", f"has values up to {highest:g}, and {white} is white in this source")
    if white == 255:
        return values.astype(np.uint8, copy=False)
    return ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def _scale_floats(values: NDArray[np.generic], lowest: float, highest: float, reading: AlphaReading) -> Alpha:
    known = reading.white_float
    whites = (1.0, 255.0, 65535.0) if known is None else (known,)
    if not np.isfinite(highest) or not np.isfinite(lowest):
        raise _outside(lowest, highest)
    if lowest >= 0 and highest <= 1 and np.isin(values, (0, 1)).all():
        return values.astype(np.uint8) * np.uint8(255)
    white = next((white for white in whites if highest <= white * overshoot_of(white)), None)
    if white is None and known is not None:
        raise DecodeError("implausible_alpha", f"has values up to {highest:g}, and {known:g} is white in this source")
    if white is None or lowest < -_OVERSHOOT * white:
        raise _outside(lowest, highest)
    return np.rint(np.clip(values.astype(np.float64) / white, 0, 1) * 255).astype(np.uint8)


def overshoot_of(white: float) -> float:
    """How many times white a value may be: 1.001 and 1.2 are white, and 1.5 is not; of integers stored as floats less.

    >>> overshoot_of(1.0), overshoot_of(255.0)
    (1.25, 1.02)
    """
    return 1 + _OVERSHOOT if white == 1 else 1.02


def _outside(lowest: float, highest: float) -> DecodeError:
    return DecodeError(
        "unreadable_alpha", f"its values go from {lowest:g} to {highest:g}; 0 to 1, to 255 or to 65535 is read"
    )


def from_colours(pixels: NDArray[np.uint8], colours: tuple[str, ...], lossy: bool) -> Alpha:
    """The alpha of some colours: 255 where a pixel has one of them.

    Args:
        pixels: (H, W, 3) RGB.
        colours: as "#rrggbb".
        lossy: whether the file's format changes colours, as JPEG does: then similar ones count as well.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> from_colours(np.array([[[250, 50, 83], [0, 0, 0]]], np.uint8), ("#fa3253",), lossy=False).tolist()
    [[255, 0]]
    """
    is_person = np.zeros(pixels.shape[:2], np.bool_)
    for colour in colours:
        apart = np.abs(pixels.astype(np.int16) - np.array(channels_of(colour), np.int16)).max(axis=2)
        is_person |= apart <= (_TOLERANCE_LOSSY if lossy else _TOLERANCE)
    return np.where(is_person, np.uint8(255), np.uint8(0))


def channels_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb".

    >>> channels_of("#fa3253")
    (250, 50, 83)
    """
    if not re.match(COLOUR_PATTERN, colour):
        raise ValueError(f"{colour!r} is no colour such as #fa3253")
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def main_colours(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """The colours of a picture that has few, the most frequent first; empty for a picture of many, such as a photo.

    Args:
        pixels: (N, 3) or (H, W, 3) RGB.
    """
    flat = pixels.reshape(-1, 3).astype(np.uint32)
    if not len(flat):
        return ()
    bins = (flat[:, 0] >> 3 << 10) | (flat[:, 1] >> 3 << 5) | (flat[:, 2] >> 3)
    counts = np.bincount(bins, minlength=1 << 15)
    frequent = np.flatnonzero(counts >= _FREQUENT * len(flat))
    if len(frequent) > _FEW_COLOURS:
        return ()
    colours, held = list[str](), 0
    for one in frequent[np.argsort(-counts[frequent], kind="stable")]:
        similar = flat[bins == one]
        values, times = np.unique(similar[:, 0] << 16 | similar[:, 1] << 8 | similar[:, 2], return_counts=True)
        if times.max() >= _FLAT * len(similar):
            colours.append(f"#{int(values[times.argmax()]):06x}")
            held += len(similar)
    return tuple(colours) if held >= _MOST_PIXELS * len(flat) else ()


_FREQUENT, _FEW_COLOURS, _MOST_PIXELS = 0.002, 24, 0.9  # shares of the pixels
_FLAT = 0.25  # of similar pixels have the very same colour: a photo has few such
