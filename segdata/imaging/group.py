"""Several people, each from a photo of their own, side by side before one background."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.head import Head
from segdata.imaging.viewport import over, premultiplied, seen_through, to_image
from segdata.records import LABEL_CUT

_OVERLAP = 0.15  # of the narrower of two neighbours
_SIDE, _ABOVE = 0.4, 0.6  # room beside and above, in head heights
_ENLARGED = 1.5  # more is told
_MOST_PIXELS, _LONGEST_SIDE = 40_000_000, 32_000  # of the picture: about 2 GB, and what OpenCV's warps take


@dataclass(frozen=True, slots=True)
class Member:
    """Someone for a group.

    Attributes:
        foreground: (H, W, 3) uint8 sRGB, estimated where alpha is soft.
        alpha: (H, W) uint8.
        head: in this photo.
    """

    foreground: Image
    alpha: Alpha
    head: Head


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member's photo comes to lie in the group's picture.

    Attributes:
        scale: pixels of the picture to a pixel of the photo.
        left, top: of the photo, in the picture.
        notes: what to look at.
    """

    scale: float
    left: float
    top: float
    notes: tuple[str, ...] = ()


def plan_places(members: Sequence[Member]) -> tuple[tuple[int, int], list[Place]]:
    """Heads of one height, crowns on one line, neighbours overlapping a little, and where each photo lies for that.

    The picture ends where the first of the bodies does, so that what a photo's bottom cut is cut by the picture's. The
    outermost person stands at the picture's edge where the photo cut them on that side; a cut between two people shows
    and is told. Heads are as high as the median of the photos, or lower where the picture would have more than 40
    million pixels or a side of more than 32,000.

    Args:
        members: from left to right.

    Returns:
        The picture's height and width in pixels, and a place for each.

    Raises:
        PixelError: Nobody.
    """
    if not members:
        raise PixelError("group: nobody to place")
    head_px = float(median(member.head.height_px for member in members))
    size_hw, places = _lay_out(members, head_px)
    height, width = (side + 1 for side in size_hw)  # both were rounded down
    excess = max(math.sqrt(height * width / _MOST_PIXELS), max(height, width) / _LONGEST_SIDE)
    return _lay_out(members, head_px / excess) if excess > 1 else (size_hw, places)


def _lay_out(members: Sequence[Member], head_px: float) -> tuple[tuple[int, int], list[Place]]:
    """The group's height and width in pixels, and its places, with heads of that height."""
    scales = [head_px / member.head.height_px for member in members]
    boxes = [_box(member.alpha) for member in members]
    depth = min(
        (bottom - member.head.crown_y) * scale
        for member, (_, _, bottom), scale in zip(members, boxes, scales, strict=True)
    )
    cut_left, cut_right = _cut(members[0].alpha[:, :1]), _cut(members[-1].alpha[:, -1:])
    x = 0.0 if cut_left else _SIDE * head_px
    places = []
    before = None
    for index, (member, (left, right, _), scale) in enumerate(zip(members, boxes, scales, strict=True)):
        width = (right - left) * scale
        x -= 0 if before is None else _OVERLAP * min(before, width)
        notes = _notes(member, scale, (index == 0, index == len(members) - 1))
        places.append(Place(scale, x - left * scale, _ABOVE * head_px - member.head.crown_y * scale, notes))
        x, before = x + width, width
    size_hw = (max(1, int(_ABOVE * head_px + depth)), max(1, int(x + (0 if cut_right else _SIDE * head_px))))
    return size_hw, places


def compose_group(members: Sequence[Member], places: Sequence[Place], scene: Image) -> Image:
    """Lay people over a background, the last one first: the first one named is in front.

    Args:
        members: from left to right.
        places: from `plan_places`.
        scene: (H, W, 3) uint8 sRGB of the size that was planned.

    Returns:
        (H, W, 3) uint8; a new array. Alpha is applied once, and rounding is done once.
    """
    picture = scene.astype(np.float32)
    size_hw = (scene.shape[0], scene.shape[1])
    for member, place in reversed(list(zip(members, places, strict=True))):
        corner = (-place.left / place.scale, -place.top / place.scale)
        picture = over(
            seen_through(premultiplied(member.foreground, member.alpha), corner, place.scale, size_hw), picture
        )
    return to_image(picture)


def _box(alpha: Alpha) -> tuple[int, int, int]:
    """Left, right and bottom of the person, exclusive where they end."""
    person = alpha >= LABEL_CUT
    columns, rows = np.flatnonzero(person.any(axis=0)), np.flatnonzero(person.any(axis=1))
    if not columns.size:
        return 0, alpha.shape[1], alpha.shape[0]
    return int(columns[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _cut(edge: Alpha) -> bool:
    return int(edge.max(initial=0)) >= LABEL_CUT


def _notes(member: Member, scale: float, outermost: tuple[bool, bool]) -> tuple[str, ...]:
    notes = []
    sides = {"left": (member.alpha[:, :1], outermost[0]), "right": (member.alpha[:, -1:], outermost[1])}
    for side, (edge, at_the_end) in sides.items():
        if _cut(edge) and not at_the_end:
            notes.append(f"the photo cuts the person on the {side}, and that shows in the middle of the group")
    if scale > _ENLARGED:
        notes.append(f"enlarged {scale:.1f} times to match the others")
    return tuple(notes)
