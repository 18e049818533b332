"""LabelMe: a JSON file per image, beside it.

    {"imagePath": "1.jpg", "imageHeight": 800, "imageWidth": 600, "imageData": the photo itself, which is ignored,
     "shapes": [{"label": "person", "shape_type": "polygon", "points": [[x, y], ...]},
                {"label": "person", "shape_type": "mask", "points": [[left, top], [right, bottom]],
                 "mask": base64 of a PNG}]}

Coordinates begin at the image's border. Lines are 10 pixels wide and points have a radius of 5, as in LabelMe's own
conversion to masks. A file of an old version has no shape_type, which means polygon, and may lack the size.

Source:
    https://github.com/wkentaro/labelme, labelme/utils/shape.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from segdata.ingest.annotations.figures import Bitmap, Ellipse, Points, Stroke, rectangle
from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.labelled import (
    IsPersonLabel,
    LabelledImage,
    label_in,
    parse_object,
    points_in,
    size_in,
    text_in,
)
from segdata.ingest.annotations.shapes import Polygon, Shape, ShapeError

_LINE_WIDTH_PX, _POINT_RADIUS_PX = 10, 5
_OUTLINES = frozenset({"polygon", "mask"})


def read_labelme(data: bytes, is_person: IsPersonLabel) -> LabelledImage:
    """The image of a file.

    Args:
        data: the file.
        is_person: whether a label is a person's.

    Raises:
        ValueError: It is no such file.
    """
    document = parse_object(data)
    shapes = document.get("shapes")
    if not isinstance(shapes, list):
        raise ValueError('it has no list "shapes", as LabelMe\'s files have')
    size_hw = size_in(document, "imageHeight", "imageWidth")
    path = text_in(document, "imagePath")
    image = LabelledImage((path,) if path else (), AnnotatedImage(size_hw or (0, 0), _read_shapes))
    image.has_size = size_hw is not None
    for entry in shapes:
        if not isinstance(entry, dict):
            image.image.fault = "a shape of it is no JSON object"
            continue
        label, kind = label_in(entry, "label"), _kind_of(entry)
        if not is_person(label):
            image.other_labels.add(label)
        elif kind in _SHAPES:
            image.add(entry, kind in _OUTLINES)
        else:
            image.add_unsupported(kind)
    return image


def _kind_of(entry: Mapping[str, object]) -> str:
    return label_in(entry, "shape_type") or "polygon"


def _read_shapes(raw: object) -> Iterator[Shape]:
    assert isinstance(raw, dict)
    kind = _kind_of(raw)
    points = points_in(raw, "points")
    most = {"circle": 2, "rectangle": 2, "line": 2, "point": 1, "mask": 2, "oriented_rectangle": 4}.get(kind)
    if most is not None and len(points) != most:
        raise ShapeError(f"a {kind} of {len(points)} points; it has {most}")
    if kind == "mask":
        yield _read_mask(raw, points)
    elif kind == "points":
        yield from (_read_dot(points[row : row + 1]) for row in range(len(points)))
    else:
        yield _SHAPES[kind](points)


def _read_circle(points: Points) -> Ellipse:
    (x, y), (edge_x, edge_y) = points.tolist()
    radius = float(np.hypot(edge_x - x, edge_y - y))
    return Ellipse((x, y), (radius, radius))


def _read_rectangle(points: Points) -> Polygon:
    corner = points.min(axis=0)
    return rectangle(tuple(corner.tolist()), tuple((points.max(axis=0) - corner).tolist()))


def _read_lines(points: Points) -> Stroke:
    return Stroke(points, _LINE_WIDTH_PX)


def _read_dot(points: Points) -> Stroke:
    return Stroke(points, 2 * _POINT_RADIUS_PX)


def _read_mask(raw: Mapping[str, object], points: Points) -> Bitmap:
    if not np.isfinite(points).all():
        raise ShapeError("a corner of its mask is not finite")
    corner = points.min(axis=0)
    return Bitmap(text_in(raw, "mask"), int(corner[0]), int(corner[1]))


_SHAPES: Mapping[str, Callable[[Points], Shape]] = {
    "polygon": Polygon,
    "oriented_rectangle": Polygon,
    "rectangle": _read_rectangle,
    "circle": _read_circle,
    "line": _read_lines,
    "linestrip": _read_lines,
    "point": _read_dot,
    "points": _read_dot,
    "mask": Polygon,  # read with its PNG, by `_read_mask`
}
