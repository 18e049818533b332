"""Identity photos: the head at a format's height, on a plain colour, in exactly the format's pixels.

A format says how high the head must be and how far its crown lies below the upper edge. From the head found in the
photo follow the scale and the crop; where the crop reaches beyond the photo there is plain colour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from segdata.errors import PixelError, UsageError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.head import Head
from segdata.imaging.viewport import over, premultiplied, seen_through, to_image
from segdata.records import LABEL_CUT

_MM_PER_INCH = 25.4
_DPI_RANGE = (72.0, 1200.0)
_MM_RANGE = (10.0, 200.0)


@dataclass(frozen=True, slots=True)
class IdFormat:
    """What a format asks for; lengths in millimetres on paper.

    Attributes:
        width_mm, height_mm: of the photo.
        head_mm: from chin to crown: the middle of what is allowed.
        head_range_mm: what is allowed.
        crown_mm: from the photo's upper edge to the crown.
        dpi: pixels an inch.
    """

    width_mm: float
    height_mm: float
    head_mm: float
    head_range_mm: tuple[float, float]
    crown_mm: float
    dpi: float = 300.0

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels, rounded to nearest."""
        return round(self.height_mm / _MM_PER_INCH * self.dpi), round(self.width_mm / _MM_PER_INCH * self.dpi)

    @property
    def head_px(self) -> float:
        """The head's height in pixels."""
        return self.head_mm / _MM_PER_INCH * self.dpi

    @property
    def crown_px(self) -> float:
        """From the upper edge to the crown, in pixels."""
        return self.crown_mm / _MM_PER_INCH * self.dpi


FORMATS: dict[str, IdFormat] = {
    # ICAO Doc 9303 part 3: the face 70 to 80 % of the height, as in the Schengen visa code's and the UK's 32 to 36 mm.
    "35x45mm": IdFormat(35, 45, 34, (32, 36), 4),
    # US Department of State: 1 to 1 3/8 inches from chin to the top of the hair, eyes 1 1/8 to 1 3/8 above the edge.
    "2x2in": IdFormat(50.8, 50.8, 30, (25.4, 34.9), 4.3),
    # China, Exit and Entry Administration (GA/T 1180): head 28 to 33 mm, crown 3 to 5 mm below the upper edge.
    "33x48mm": IdFormat(33, 48, 30.5, (28, 33), 4),
    # Canada, IRCC passport photos: 31 to 36 mm from chin to crown.
    "50x70mm": IdFormat(50, 70, 33.5, (31, 36), 14),
}


@dataclass(frozen=True, slots=True)
class IdPhoto:
    """An identity photo.

    Attributes:
        image: (H, W, 3) uint8 sRGB of the format's size.
        notes: what to look at before it is handed in, in sentences.
    """

    image: Image
    notes: tuple[str, ...]


def parse_format(text: str, head_mm: float | None = None) -> IdFormat:
    """A format's name with a resolution: `35x45mm@300`.

    A size that is not in `FORMATS` gets ICAO's proportions: the head three quarters of the height (of 9/7 of the width,
    where that is less), the crown a tenth of the height below the edge.

    Args:
        text: WIDTHxHEIGHT in mm or in, and @DPI; 300 without.
        head_mm: another head height.

    Raises:
        UsageError: Not of that form, or nothing of that size.

    >>> parse_format("35x45mm@300").size_hw
    (531, 413)
    >>> parse_format("2x2in").size_hw
    (600, 600)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)(mm|in)(?:@(\d+(?:\.\d+)?))?", text.strip().lower())
    if not found:
        raise UsageError(f"--id-photo {text}: WIDTHxHEIGHT in mm or in and @DPI expected, as in 35x45mm@300 or 2x2in")
    unit = _MM_PER_INCH if found[3] == "in" else 1.0
    width, height, dpi = float(found[1]) * unit, float(found[2]) * unit, float(found[4] or 300)
    if not all(_MM_RANGE[0] <= side <= _MM_RANGE[1] for side in (width, height)):
        raise UsageError(f"--id-photo {text}: each side from 10 to 200 mm, please")
    if not _DPI_RANGE[0] <= dpi <= _DPI_RANGE[1]:
        raise UsageError(f"--id-photo {text}: a resolution from 72 to 1200 dots an inch, please")
    known = [one for one in FORMATS.values() if np.allclose((one.width_mm, one.height_mm), (width, height), atol=0.05)]
    high = min(height, width * 9 / 7)
    chosen = known[0] if known else IdFormat(width, height, 0.75 * high, (0.7 * high, 0.8 * high), 0.1 * height)
    chosen = replace(chosen, dpi=dpi)
    if head_mm is None:
        return chosen
    if not 0 < head_mm <= height - chosen.crown_mm:
        raise UsageError(
            f"--head-mm {head_mm:g}: from 0 to {height - chosen.crown_mm:g} mm, please: the crown of {text} lies "
            f"{chosen.crown_mm:g} mm below its upper edge"
        )
    return replace(chosen, head_mm=head_mm)


def make_id_photo(
    foreground: Image, alpha: Alpha, head: Head, wanted: IdFormat, colour: tuple[int, int, int]
) -> IdPhoto:
    """Crop and scale a person so that the head is as high as the format wants, before a plain colour.

    Pixels are resampled multiplied by alpha, averaged over areas where it shrinks, and laid over the colour once.

    Args:
        foreground: (H, W, 3) uint8 sRGB, estimated where alpha is soft.
        alpha: (H, W) uint8.
        head: the person's, in this picture.
        wanted: the format.
        colour: sRGB of the background.

    Raises:
        PixelError: The arrays do not share one height and width, or the head has no height.
    """
    if foreground.shape != (*alpha.shape, 3) or head.height_px <= 0:
        raise PixelError(f"id photo: foreground {foreground.shape}, alpha {alpha.shape}, head {head.height_px} px high")
    scale = wanted.head_px / head.height_px
    height, width = wanted.size_hw
    # The part of the photo that the frame shows, in the photo's pixels; parts of it may lie outside.
    left, top = head.centre_x - width / 2 / scale, head.crown_y - wanted.crown_px / scale
    shown = seen_through(premultiplied(foreground, alpha), (left, top), scale, (height, width))
    plain = np.full((height, width, 3), colour, np.float32)
    notes = _notes(alpha, wanted, scale, (left, top))
    if (shown[-2:, :, 3] < LABEL_CUT).all() and not any("bottom" in note for note in notes):
        notes.append("the person ends above the frame's bottom")
    return IdPhoto(to_image(over(shown, plain)), tuple(notes))


def _notes(alpha: Alpha, wanted: IdFormat, scale: float, corner_xy: tuple[float, float]) -> list[str]:
    """What the eye should look at: an enlarged photo, and edges of the photo that cut the person inside the frame."""
    notes = []
    if scale > 1:
        notes.append(f"the photo is enlarged {scale:.1f} times: it has too few pixels for {wanted.dpi:g} dots an inch")
    height, width = wanted.size_hw
    photo_height, photo_width = alpha.shape
    beyond = {
        "left": (corner_xy[0] < -0.5 / scale, alpha[:, :1]),
        "right": (corner_xy[0] + width / scale > photo_width + 0.5 / scale, alpha[:, -1:]),
        "bottom": (corner_xy[1] + height / scale > photo_height + 0.5 / scale, alpha[-1:]),
    }
    cut = [side for side, (outside, edge) in beyond.items() if outside and int(edge.max(initial=0)) >= LABEL_CUT]
    if cut:
        notes.append(f"the photo ends within the frame and cuts the person there: {', '.join(cut)}")
    if not wanted.head_range_mm[0] <= wanted.head_mm <= wanted.head_range_mm[1]:
        low, high = wanted.head_range_mm
        notes.append(f"a head of {wanted.head_mm:g} mm: the format asks for {low:g} to {high:g}")
    return notes
