"""CVAT for images 1.1: one XML file of `<image>` elements with `<mask>` and `<polygon>` elements in them.

A document type is refused when the parser meets it, in whatever encoding: it could declare entities that grow without
end, or that name files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.shapes import MOST_POINTS, Polygon, Runs, Shape, ShapeError, points_of

_DEEPEST = 32
_WHOLE = re.compile(r"\s*[0-9]{1,20}\s*")
_Raw = tuple[str, dict[str, str]]


def read_cvat(data: bytes) -> dict[str, AnnotatedImage]:
    """The images of a CVAT file by their name.

    Raises:
        ValueError: It is not well-formed XML, has a document type, or is nested too deeply.
    """
    reader = _Reader()
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

    def __init__(self) -> None:
        self.images: dict[str, AnnotatedImage] = {}
        self._depth = 0
        self._image: AnnotatedImage | None = None
        self._image_depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"elements nested more than {_DEEPEST} deep")
        if tag == "image" and self._image is None:
            self._image, self._image_depth = _image_of(attributes), self._depth
            name = attributes.get("name")
            if name is not None and self.images.setdefault(name, self._image) is not self._image:
                self.images[name].fault = "another image has its name too"
        elif self._image is not None and tag in ("mask", "polygon") and self._depth == self._image_depth + 1:
            self._image.raw.append((tag, attributes))

    def end(self, _tag: str) -> None:
        if self._depth == self._image_depth:
            self._image = None
        self._depth -= 1


def _image_of(attributes: dict[str, str]) -> AnnotatedImage:
    sides = attributes.get("height", ""), attributes.get("width", "")
    if all(_WHOLE.fullmatch(side) for side in sides):
        return AnnotatedImage((int(sides[0]), int(sides[1])), _read_shapes)
    return AnnotatedImage((0, 0), _read_shapes, fault="its width or height is not a whole number")


def _read_shapes(raw: object) -> Iterator[Shape]:
    assert isinstance(raw, tuple)
    tag, attributes = raw
    yield _read_mask(attributes) if tag == "mask" else _read_polygon(attributes)


def _read_mask(attributes: dict[str, str]) -> Runs:
    left, top, width, height = (
        _whole(attributes.get(name, ""), f"a mask's {name}") for name in ("left", "top", "width", "height")
    )
    counts = tuple(_whole(run, "a run") for run in attributes.get("rle", "").split(","))
    return Runs(counts, left, top, width, height, "rows")


def _read_polygon(attributes: dict[str, str]) -> Polygon:
    text = attributes.get("points", "")
    if text.count(";") >= MOST_POINTS:
        raise ShapeError(f"a polygon of more than {MOST_POINTS:,} points")
    values: list[float] = []
    for pair in text.split(";"):
        try:
            x, y = pair.split(",")
            values += float(x), float(y)
        except ValueError as error:
            raise ShapeError(f"the point {pair[:40]!r} is not a pair of numbers") from error
    return Polygon(points_of(values), "pixels")


def _whole(text: str, name: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ShapeError(f"{name} is {text[:20]!r}, and not a whole number")
    return int(text)


def _refuse_doctype(*_: object) -> int:
    raise ValueError("XML with a document type or entities of its own is not read")
