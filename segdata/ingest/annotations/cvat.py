"""CVAT for images 1.1: one XML file of `<image>` elements with their shapes in them.

Shapes are drawn in the order of their `z_order`. A shape with the label `background` makes what lies below it no
person; the tag `no_person` says that nobody is in the image. Rectangles and ellipses may be turned about their centres,
and a polyline is filled if its ends meet.

A document type is refused when the parser meets it, in whatever encoding: it could declare entities that grow without
end, or that name files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from segdata.ingest.annotations.background_labels import is_background_label
from segdata.ingest.annotations.figures import Ellipse, Stroke
from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.labelled import IsPersonLabel
from segdata.ingest.annotations.shapes import (
    MOST_POINTS,
    EmptyShapeError,
    Eraser,
    Polygon,
    Runs,
    Shape,
    ShapeError,
    points_of,
)
from segdata.ingest.people import is_person_label

_DEEPEST = 32
_WHOLE = re.compile(r"\s*[0-9]{1,20}\s*")
_LEVEL = re.compile(r"\s*-?[0-9]{1,9}\s*")
_NO_PERSON = "no_person"
_UNSUPPORTED = frozenset({"points", "cuboid", "skeleton"})
_LONGEST_LABEL = 100
_MEETING_PX = 1.0  # how far the ends of a polyline that is an outline may lie apart
_Attributes = dict[str, str]


class _RawShape(NamedTuple):
    tag: str
    attributes: _Attributes
    erases: bool
    level: int


def read_cvat(data: bytes, is_person: IsPersonLabel = is_person_label) -> dict[str, AnnotatedImage]:
    """The images of a CVAT file by their name.

    Args:
        data: the file.
        is_person: whether a label is a person's; a shape without a label is one.

    Raises:
        ValueError: It is not well-formed XML, has a document type, or is nested too deeply.
    """
    reader = _Reader(is_person)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    parser.ExternalEntityRefHandler = _refuse_doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError) as error:  # LookupError: an encoding that Python does not know
        raise ValueError(f"not well-formed XML ({error})") from error
    return reader.images


class _Reader:
    """Collects the images while the parser walks over the elements.

    Attributes:
        images: by name.
    """

    def __init__(self, is_person: IsPersonLabel) -> None:
        self.images: dict[str, AnnotatedImage] = {}
        self._is_person = is_person
        self._depth = 0
        self._image: AnnotatedImage | None = None
        self._image_depth = 0
        self._shapes: list[_RawShape] = []

    def start(self, tag: str, attributes: _Attributes) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"elements nested more than {_DEEPEST} deep")
        if tag == "image" and self._image is None:
            self._image, self._image_depth = _image_of(attributes), self._depth
            name = attributes.get("name")
            if name is not None and self.images.setdefault(name, self._image) is not self._image:
                self.images[name].fault = "another image has its name too"
        elif self._image is not None and self._depth == self._image_depth + 1:
            self._add(self._image, tag, attributes)

    def end(self, _tag: str) -> None:
        if self._depth == self._image_depth and self._image is not None:
            # below the lowest shape of a person, there is nothing to erase
            self._shapes.sort(key=lambda shape: shape.level)
            first = next((place for place, shape in enumerate(self._shapes) if not shape.erases), len(self._shapes))
            self._image.raw += self._shapes[first:]
            self._image, self._shapes = None, []
        self._depth -= 1

    def _add(self, image: AnnotatedImage, tag: str, attributes: _Attributes) -> None:
        label = attributes.get("label")
        erases = label is not None and is_background_label(label)
        if tag == "tag":
            image.no_person |= label is not None and label.strip().lower() == _NO_PERSON
        elif tag not in _READERS and tag not in _UNSUPPORTED:
            return
        elif not erases and label is not None and not self._is_person(label):
            image.other_labels.add(label[:_LONGEST_LABEL])
        elif tag in _UNSUPPORTED:
            image.unsupported.add(tag)
        else:
            self._shapes.append(_RawShape(tag, attributes, erases, _level_of(attributes.get("z_order", "0"))))


def _image_of(attributes: _Attributes) -> AnnotatedImage:
    sides = attributes.get("height", ""), attributes.get("width", "")
    if all(_WHOLE.fullmatch(side) for side in sides):
        return AnnotatedImage((int(sides[0]), int(sides[1])), _read_shapes)
    return AnnotatedImage((0, 0), _read_shapes, fault="its width or height is not a whole number")


def _read_shapes(raw: object) -> Iterator[Shape]:
    assert isinstance(raw, _RawShape)
    shape = _READERS[raw.tag](raw.attributes)
    yield Eraser(shape) if raw.erases else shape


def _read_mask(attributes: _Attributes) -> Runs:
    left, top, width, height = (
        _whole(attributes.get(name, ""), f"a mask's {name}") for name in ("left", "top", "width", "height")
    )
    counts = tuple(_whole(run, "a run") for run in attributes.get("rle", "").split(","))
    return Runs(counts, left, top, width, height, "rows")


def _read_polygon(attributes: _Attributes) -> Polygon:
    return Polygon(_points_in(attributes), "pixels")


def _read_polyline(attributes: _Attributes) -> Polygon | Stroke:
    points = _points_in(attributes)
    meets = len(points) > 3 and bool(np.abs(points[0] - points[-1]).max() <= _MEETING_PX)
    return Polygon(points, "pixels") if meets else Stroke(points, 1)


def _read_box(attributes: _Attributes) -> Polygon:
    left, top, right, bottom = (_number(attributes, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    angle = np.radians(_number(attributes, "rotation", "0"))
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return Polygon((corners - centre) @ turn + centre)


def _read_ellipse(attributes: _Attributes) -> Ellipse:
    cx, cy, rx, ry = (_number(attributes, name) for name in ("cx", "cy", "rx", "ry"))
    return Ellipse((cx, cy), (rx, ry), _number(attributes, "rotation", "0"))


_READERS: Mapping[str, Callable[[_Attributes], Shape]] = {
    "mask": _read_mask,
    "polygon": _read_polygon,
    "polyline": _read_polyline,
    "box": _read_box,
    "ellipse": _read_ellipse,
}


def _points_in(attributes: _Attributes) -> NDArray[np.float64]:
    text = attributes.get("points", "")
    if text.count(";") >= MOST_POINTS:
        raise ShapeError(f"a polygon of more than {MOST_POINTS:,} points")
    values: list[float] = []
    for pair in text.split(";"):
        try:
            x, y = pair.split(",")
            values += float(x), float(y)
        except ValueError as error:
            kind = ShapeError if text.strip() else EmptyShapeError
            raise kind(f"the point {pair[:40]!r} is not a pair of numbers") from error
    return points_of(values)


def _number(attributes: _Attributes, name: str, default: str = "") -> float:
    text = attributes.get(name, default)
    try:
        return float(text)
    except ValueError as error:
        raise ShapeError(f"its {name} is {text[:20]!r}, and not a number") from error


def _level_of(text: str) -> int:
    return int(text) if _LEVEL.fullmatch(text) else 0


def _whole(text: str, name: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ShapeError(f"{name} is {text[:20]!r}, and not a whole number")
    return int(text)


def _refuse_doctype(*_: object) -> int:
    raise ValueError("XML with a document type or entities of its own is not read")
