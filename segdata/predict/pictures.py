"""What is made of a photo and its alpha: the alpha itself, a cut-out, another background, an identity photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segdata.errors import UsageError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.composite import composite_over
from segdata.imaging.decode import DecodeError, read_image
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.imaging.foreground import estimate_foreground
from segdata.imaging.group import Member, compose_group, plan_places
from segdata.imaging.guided import follow_edges
from segdata.imaging.head import HeadNotFoundError, find_head, only_person
from segdata.imaging.id_photo import IdFormat, make_id_photo, parse_format
from segdata.imaging.placement import cover
from segdata.records import LABEL_CUT

Kind = Literal["alpha", "mask", "cutout", "background", "id_photo", "group"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class PictureOptions:
    """What is wanted of each photo.

    Attributes:
        kind: `alpha` in grey; `mask` in black and white; `cutout`, the person on transparent ground; `background`, the
            person before another one; `id_photo`; or `group`, all people before one background.
        background: a colour's name, `#rrggbb`, or a picture's path; None is white.
        id_photo: the format, such as `35x45mm@300`.
        head_mm: another head height than the format's.
        jpeg: JPEGs instead of PNGs, where nothing is transparent.
    """

    kind: Kind = "alpha"
    background: str | None = None
    id_photo: str | None = None
    head_mm: float | None = None
    jpeg: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture to write.

    Attributes:
        pixels: (H, W), (H, W, 3) or (H, W, 4) uint8.
        dpi: dots an inch that the file says; None says nothing.
        notes: what to look at, in sentences.
    """

    pixels: NDArray[np.uint8]
    dpi: float | None = None
    notes: tuple[str, ...] = ()

    def encoded(self, jpeg: bool) -> bytes:
        """The file's bytes."""
        return encode_jpeg(self.pixels, dpi=self.dpi) if jpeg else encode_png(self.pixels, self.dpi)


Make = Callable[[Image, Alpha], Picture]


def maker_of(options: PictureOptions) -> Make:
    """The function from a photo and its alpha to the picture wanted; it raises `HeadNotFoundError` for some photos.

    Raises:
        UsageError: An unknown kind or format, a background that is neither colour nor picture, options that don't go
            together.
    """
    check(options)
    if options.kind == "id_photo":
        assert options.id_photo is not None
        colour = parse_background(options.background or "white")
        if not isinstance(colour, tuple):
            raise UsageError(f"--background {options.background}: an identity photo has a plain colour")
        return _id_photo(parse_format(options.id_photo, options.head_mm), colour)
    if options.kind == "background":
        return _before(parse_background(options.background or "white"))
    return _PLAIN[options.kind]


def check(options: PictureOptions) -> None:
    """Whether the options go together.

    Raises:
        UsageError: They don't; the message says which.
    """
    kind = options.kind
    if kind not in KINDS:
        raise UsageError(f"predict: no kind {kind!r}; there are {', '.join(KINDS)}")
    if options.background is not None and kind not in ("background", "id_photo", "group"):
        raise UsageError(f"--background: goes with no --{kind}; alone, with --id-photo or with --group, please")
    if (options.id_photo is None) == (kind == "id_photo"):
        raise UsageError("--id-photo: wants a format, such as 35x45mm@300, and no other kind beside it")
    if options.head_mm is not None and kind != "id_photo":
        raise UsageError("--head-mm: goes with --id-photo only")
    if options.jpeg and kind in ("alpha", "mask", "cutout"):
        raise UsageError(f"--jpeg: --{kind} needs the exact values that a PNG keeps")


def parse_background(text: str) -> Colour | Image:
    """A colour, or a picture (h, w, 3) uint8 read from a file.

    Raises:
        UsageError: Neither.

    >>> parse_background("white"), parse_background("#336699")
    ((255, 255, 255), (51, 102, 153))
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
        return red, green, blue
    except ValueError:
        pass
    try:
        return read_image(Path(text))
    except FileNotFoundError as error:
        raise UsageError(
            f"--background {text}: neither a colour, such as white or #336699, nor the path of a picture"
        ) from error
    except (DecodeError, OSError) as error:
        raise UsageError(f"--background {text}: can't be read as a picture ({error})") from error


def scene_of(background: Colour | Image, size_hw: tuple[int, int]) -> Image:
    """A background of a size: the colour all over, or the picture cropped so that it covers."""
    if isinstance(background, tuple):
        return np.full((*size_hw, 3), background, np.uint8)
    return cover(background, size_hw)


def cut_out(image: Image, predicted: Alpha, alone: bool = False) -> tuple[Image, Alpha]:
    """The person's own colours, and an alpha that follows the image's edges, from what a version predicted.

    Args:
        image: (H, W, 3) uint8 sRGB.
        predicted: (H, W) uint8.
        alone: leave out whatever hangs together with the largest person nowhere.
    """
    alpha = follow_edges(image, predicted)
    alpha = only_person(alpha) if alone else alpha
    return estimate_foreground(image, alpha), alpha


def member_of(image: Image, predicted: Alpha) -> Member:
    """A photo's person, ready for a group.

    Raises:
        HeadNotFoundError: The head can't be measured.
    """
    return Member(*cut_out(image, predicted, alone=True), find_head(image, predicted))


def group_picture(members: Sequence[Member], background: Colour | Image) -> tuple[Picture, list[tuple[str, ...]]]:
    """All people before one background, and for each what to look at."""
    size_hw, places = plan_places(members)
    picture = Picture(compose_group(members, places, scene_of(background, size_hw)))
    return picture, [place.notes for place in places]


def _alpha(_image: Image, alpha: Alpha) -> Picture:
    return Picture(alpha)


def _mask(_image: Image, alpha: Alpha) -> Picture:
    return Picture(np.where(alpha >= LABEL_CUT, np.uint8(255), np.uint8(0)))


def _cutout(image: Image, alpha: Alpha) -> Picture:
    """Straight alpha: the colours are the person's own, not mixed with the old background and not darkened."""
    foreground, soft = cut_out(image, alpha)
    return Picture(np.dstack([foreground, soft]))


def _before(background: Colour | Image) -> Make:
    def make(image: Image, alpha: Alpha) -> Picture:
        scene = scene_of(background, (alpha.shape[0], alpha.shape[1]))
        foreground, soft = cut_out(image, alpha)
        return Picture(composite_over(foreground, scene, soft))

    return make


def _id_photo(wanted: IdFormat, colour: Colour) -> Make:
    def make(image: Image, alpha: Alpha) -> Picture:
        head = find_head(image, alpha)
        if head.people > 1:
            raise HeadNotFoundError(f"{head.people} people are in the picture; an identity photo shows one")
        made = make_id_photo(*cut_out(image, alpha, alone=True), head, wanted, colour)
        return Picture(made.image, wanted.dpi, made.notes)

    return make


_PLAIN: dict[str, Make] = {"alpha": _alpha, "mask": _mask, "cutout": _cutout}
