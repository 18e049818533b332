"""VOC: pictures whose colours are classes, and `labelmap.txt`, which names them.

    <root>/labelmap.txt                  label:color_rgb:parts:actions, such as person:192,128,128::
    <root>/SegmentationClass/<name>.png  a colour, or a number, per class

CVAT exports its segmentation masks in this form. A label without a colour has that of VOC for its number; without the
file, the classes are those of VOC.

Source:
    Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.imaging.decode import DecodeError, decode_image
from segdata.imaging.label_maps import IGNORE, from_label_map
from segdata.ingest.annotations.images import check_size
from segdata.ingest.annotations.labelled import IsPersonLabel
from segdata.ingest.annotations.shapes import ShapeError, SizeHW

_VOC_CLASSES = 21
_VOC_PERSON = 15
_VOID = (224, 224, 192)
_MOST_CLASSES = 254
_PERSON, _OTHER = 1, 0
_Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassMap:
    """The classes of a set of pictures.

    Attributes:
        colours: of each class, in the order of their numbers.
        people: the numbers of those that are people.
    """

    colours: tuple[_Colour, ...]
    people: frozenset[int]


def voc_classes() -> ClassMap:
    """The 21 classes of VOC."""
    return ClassMap(tuple(voc_colour(number) for number in range(_VOC_CLASSES)), frozenset({_VOC_PERSON}))


def parse_labelmap(text: str, is_person: IsPersonLabel) -> ClassMap:
    """Parse labelmap.txt.

    Raises:
        ValueError: A line is wrong, or there are too many.

    >>> parse_labelmap("# label:color_rgb:parts:actions\\nbackground:0,0,0::\\nperson:::", "person".__eq__)
    ClassMap(colours=((0, 0, 0), (128, 0, 0)), people=frozenset({1}))
    """
    colours: list[_Colour] = []
    people: set[int] = set()
    lines = (line.strip() for line in text.splitlines())
    for number, line in enumerate(line for line in lines if line and not line.startswith("#")):
        name, _, colour_and_parts = line.partition(":")
        colours.append(_parse_colour(colour_and_parts.partition(":")[0], number))
        if is_person(name):
            people.add(number)
    if len(colours) > _MOST_CLASSES:
        raise ValueError(f"labelmap.txt: {len(colours)} labels; at most {_MOST_CLASSES} are read")
    if not people:
        raise ValueError("labelmap.txt: no label is a person's")
    return ClassMap(tuple(colours), frozenset(people))


def decode_classes(data: bytes, classes: ClassMap, size_hw: SizeHW) -> Alpha:
    """The label in a picture of classes; undecided pixels (255, or the colour of VOC's rings) go with the nearest.

    Args:
        data: the file.
        classes: what its colours mean.
        size_hw: of the photo.

    Returns:
        (H, W) uint8, 255 is person.

    Raises:
        ShapeError: It is no such picture, has another size, or a colour that is no class.
    """
    try:
        pixels = decode_image(data, size_hw[0] * size_hw[1])
    except DecodeError as error:
        raise ShapeError(f"its picture can't be used: {error.detail}") from error
    check_size((pixels.shape[0], pixels.shape[1]), size_hw)
    codes = (pixels.astype(np.uint32) * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(axis=2, dtype=np.uint32)
    used = np.unique(codes)
    by_code = {_code(colour): number for number, colour in enumerate(classes.colours)} | {_code(_VOID): IGNORE}
    if unknown := [code for code in used.tolist() if code not in by_code]:
        by_code = _numbers_as_greys(used, classes)
        if not by_code:
            colour = tuple(unknown[0] >> shift & 255 for shift in (16, 8, 0))
            raise ShapeError(f"its colour {colour} is no class of labelmap.txt")
    meaning = {number: _PERSON if number in classes.people else _OTHER for number in by_code.values()}
    values = [IGNORE if by_code[code] == IGNORE else meaning[by_code[code]] for code in used.tolist()]
    table: NDArray[np.uint8] = np.array(values, np.uint8)
    return from_label_map(table[np.searchsorted(used, codes)], _PERSON)


def voc_colour(number: int) -> _Colour:
    """The colour of a class in VOC: the bits of its number, dealt out to the three channels.

    >>> voc_colour(0), voc_colour(15)
    ((0, 0, 0), (192, 128, 128))
    """
    red, green, blue = (
        sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)
    )
    return red, green, blue


def _numbers_as_greys(used: NDArray[np.uint32], classes: ClassMap) -> dict[int, int]:
    """What grey values mean that are the numbers of classes; nothing if they are not."""
    numbers = [code & 255 for code in used.tolist()]
    known = all(number < len(classes.colours) or number == IGNORE for number in numbers)
    grey = all(code == _code((number, number, number)) for code, number in zip(used.tolist(), numbers, strict=True))
    return {code: code & 255 for code in used.tolist()} if grey and known else {}


def _code(colour: _Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _parse_colour(text: str, number: int) -> _Colour:
    if not text.strip():
        return voc_colour(number)
    try:
        red, green, blue = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"labelmap.txt: {text[:40]!r} is no colour of three numbers") from error
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError(f"labelmap.txt: {text[:40]!r} is no colour of three numbers from 0 to 255")
    return red, green, blue
