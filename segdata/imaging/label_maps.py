"""Alpha out of pictures whose numbers are names: label maps, and palettes.

A label map gives each pixel the number of a class; 255 is *ignore*, which in PASCAL VOC is a ring about every object
where the annotators did not decide, and now and then a whole object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.imaging.distance import distance_inside
from segdata.records import ANY_CLASS

if TYPE_CHECKING:
    from PIL import Image as Pillow

IGNORE = 255


def from_label_map(classes: NDArray[np.generic], person: int) -> Alpha:
    """The alpha of one class: 255 where the map says so, 0 elsewhere.

    Alpha has no word for *ignore*. Such a pixel goes with the nearest one that has a label, and a tie to the
    background, so that the contour runs along the middle of an undecided ring: the likeliest place, and as hard as
    the map itself. Half an alpha there would be scored as if somebody had drawn it, and would lie about the rings of
    other things.

    Args:
        classes: (H, W), a class a pixel.
        person: the class that is person; 255 makes no pixel ignored. `ANY_CLASS` takes all classes but 0 and 255.

    Returns:
        (H, W) uint8, 0 or 255; nothing is person where everything is ignored.

    >>> from_label_map(np.array([[15, 15, 255, 255, 0, 7]], np.uint8), person=15).tolist()
    [[255, 255, 255, 0, 0, 0]]
    """
    is_person = (classes != 0) & (classes != IGNORE) if person == ANY_CLASS else classes == person
    ignored = (classes == IGNORE) & ~is_person
    if ignored.any() and is_person.any():
        to_person = distance_inside(~is_person, "exact")
        to_other = distance_inside(is_person | ignored, "exact")
        is_person = is_person | (ignored & (to_person < to_other))
    return np.where(is_person, np.uint8(255), np.uint8(0))


def palette_alpha(picture: Pillow.Image) -> NDArray[np.uint8] | None:
    """What a palette picture says as a matte, if it can be told without its colours.

    Args:
        picture: of mode P, loaded.

    Returns:
        (H, W) uint8: the alpha of a transparent palette; the greys of a grey one, so that a palette of white and
        black is right whichever comes first; the indices of a coloured one that uses 0 and 1, or 0 and 255, only.
        None for any other: a coloured picture, or a map of many classes.
    """
    indices = np.asarray(picture)
    used = np.unique(indices)
    if "transparency" in picture.info:
        entries = np.asarray(picture.convert("RGBA").getchannel("A"))
        if entries.min(initial=255) < 255:
            return entries
    colours = np.zeros((256, 3), np.uint8)
    listed = np.asarray(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
    colours[: len(listed)] = listed
    if (colours[used] == colours[used][:, :1]).all():
        greys: NDArray[np.uint8] = colours[:, 0][indices]
        return greys
    return indices if used.max(initial=0) <= 1 or set(used.tolist()) <= {0, IGNORE} else None


def has_several_classes(picture: Pillow.Image) -> bool:
    """Whether a palette picture with transparency shows several colours, each in a few entries: a label map.

    A cut-out has one colour, or, where it is a photo, many; of a label map transparency says only what is background.

    Args:
        picture: of mode P, loaded.
    """
    if "transparency" not in picture.info:
        return False
    used = np.unique(np.asarray(picture))
    if len(used) > _MOST_CLASSES:
        return False
    coloured = np.asarray(picture.convert("RGBA")).reshape(-1, 4)
    opaque = coloured[coloured[:, 3] >= _OPAQUE, :3]
    return len(np.unique(opaque, axis=0)) > 1


_MOST_CLASSES = 32
_OPAQUE = 128
