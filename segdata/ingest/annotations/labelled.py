"""What the files of annotation tools have in common: images with labelled shapes, of which those of people count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.ingest.annotations.images import AnnotatedImage, draw_label
from segdata.ingest.annotations.shapes import MOST_POINTS, ShapeError, SizeHW, points_of
from segdata.records import printable
from segdata.storage.strict_json import parse_json

IsPersonLabel: TypeAlias = Callable[[str], bool]

_LONGEST_LABEL = 100
_LONGEST_KIND = 40


@dataclass
class LabelledImage:
    """An image in the file of an annotation tool.

    Attributes:
        names: what the file calls the image: paths or addresses, the likeliest first; none where the name of the
            annotation file says which image it is.
        image: its shapes of people, and the size that the file says.
        other_labels: labels of shapes that are no person.
        unsupported: kinds of shapes of people that can't be drawn, such as keypoints.
        outlines: whether a shape of a person follows its outline; boxes, lines and dots don't.
        is_annotated: whether somebody annotated it; an image without a person is something else.
        has_size: whether the file says the size of the image.
    """

    names: tuple[str, ...]
    image: AnnotatedImage
    other_labels: set[str] = field(default_factory=set)
    unsupported: set[str] = field(default_factory=set)
    outlines: bool = False
    is_annotated: bool = True
    has_size: bool = True

    @property
    def unwanted(self) -> str | None:
        """Why it has no label: no_person or no_annotations; None if it has one, or should have one.

        An image of which no shape of a person can be drawn should have one.
        """
        if not self.is_annotated:
            return "no_annotations"
        return None if self.image.raw or self.unsupported or self.image.fault else "no_person"

    @property
    def size_hw(self) -> SizeHW | None:
        """What the file says; None if it says nothing.

        Raises:
            ShapeError: The label can't be trusted.
        """
        if self.image.fault is not None:
            raise ShapeError(self.image.fault)
        return self.image.size_hw if self.has_size else None

    def content(self) -> object:
        """All that decides about the label, besides what says it in other words."""
        image = self.image
        sizes = image.size_hw if self.has_size else None
        return [sizes, image.raw, image.fault, sorted(self.unsupported), self.is_annotated]

    def add(self, raw: object, outlines: bool) -> None:
        """Add a shape of a person."""
        self.image.raw.append(raw)
        self.outlines |= outlines

    def add_unsupported(self, kind: str) -> None:
        """Note a shape of a person that can't be drawn; its kind may be any text of the file, and is shown."""
        self.unsupported.add(printable(kind[:_LONGEST_KIND]))

    def draw(self, size_hw: SizeHW) -> Alpha:
        """The label of the image.

        Args:
            size_hw: of the photo.

        Returns:
            (H, W) uint8, 255 is person.

        Raises:
            ShapeError: The file says another size, or a shape can't be drawn.
        """
        if self.unsupported and not self.image.raw:
            kinds = ", ".join(sorted(self.unsupported))
            raise ShapeError(f"its people are shapes of kind {kinds}, which can't be drawn; draw polygons or masks")
        return draw_label(self.image if self.has_size else replace(self.image, size_hw=size_hw), size_hw)


def parse_object(data: bytes) -> Mapping[str, object]:
    """The JSON object that a file holds.

    Raises:
        ValueError: It is no JSON, or no object.
    """
    document = parse_json(data, non_finite=True)  # NaN is the fault of one shape
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def list_in(entry: Mapping[str, object], key: str) -> list[object]:
    """A list of an entry; empty where it has none."""
    value = entry.get(key)
    return value if isinstance(value, list) else []


def text_in(entry: Mapping[str, object], key: str) -> str:
    """A text of an entry; empty where it has none."""
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def label_in(entry: Mapping[str, object], key: str) -> str:
    """A label of an entry, short enough for a message."""
    return text_in(entry, key)[:_LONGEST_LABEL]


def number_in(entry: Mapping[str, object], key: str, where: str) -> float:
    """A number of an entry; a whole number beyond all floats becomes infinite.

    Raises:
        ShapeError: It has none.
    """
    return float_of(entry.get(key), f"{where}'s {key}")


def float_of(value: object, name: str) -> float:
    """A number as a float.

    Raises:
        ShapeError: It is none; the message calls it by the name.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ShapeError(f"{name} is no number")
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def size_in(entry: Mapping[str, object], height: str, width: str) -> SizeHW | None:
    """The size of an image; None where an entry has none."""
    found_hw = entry.get(height), entry.get(width)
    if type(found_hw[0]) is int and type(found_hw[1]) is int:
        return found_hw[0], found_hw[1]
    return None


def points_in(entry: Mapping[str, object], key: str) -> NDArray[np.float64]:
    """A list of points, each a list of x and y, as (N, 2).

    Raises:
        ShapeError: It is no such list.
    """
    pairs = entry.get(key)
    if not isinstance(pairs, list):
        raise ShapeError("its points are no list")
    if len(pairs) > MOST_POINTS:
        raise ShapeError(f"it has {len(pairs):,} points; at most {MOST_POINTS:,} are read")
    numbers: list[float] = []
    for position, pair in enumerate(pairs, 1):
        if not isinstance(pair, list) or len(pair) != 2:
            raise ShapeError(f"point {position} is not a list of x and y")
        numbers += (float_of(value, f"a coordinate of point {position}") for value in pair)
    return points_of(numbers)
