"""Supervisely: a JSON file per image, with objects of classes.

    {"size": {"height": 800, "width": 600},
     "objects": [{"classTitle": "person_bmp", "geometryType": "bitmap",
                  "bitmap": {"origin": [left, top], "data": base64 of a PNG, mostly compressed by zlib}},
                 {"classTitle": "person_poly", "geometryType": "polygon",
                  "points": {"exterior": [[x, y], ...], "interior": [[[x, y], ...], ...]}}]}

A vertex names a pixel, which belongs to the shape. Files of an older version have no geometryType: an object with a
bitmap is a bitmap there, any other a polygon.

Source:
    https://docs.supervisely.com/data-organization/00_ann_format_navi
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segdata.ingest.annotations.figures import Bitmap, Region
from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.labelled import (
    IsPersonLabel,
    LabelledImage,
    label_in,
    list_in,
    parse_object,
    points_in,
    size_in,
    text_in,
)
from segdata.ingest.annotations.shapes import Polygon, Shape, ShapeError

_OUTLINES = frozenset({"bitmap", "polygon", "alpha_mask"})
_DRAWN = _OUTLINES | {"rectangle"}
_HALF_OPAQUE = 128


def read_supervisely(data: bytes, is_person: IsPersonLabel) -> LabelledImage:
    """The image of a file.

    Args:
        data: the file.
        is_person: whether a class is of people.

    Raises:
        ValueError: It is no such file.
    """
    document = parse_object(data)
    objects, size = document.get("objects"), document.get("size")
    if not isinstance(objects, list) or not isinstance(size, dict):
        raise ValueError("it has no size and objects, as Supervisely's annotations of an image have")
    size_hw = size_in(size, "height", "width")
    image = LabelledImage((), AnnotatedImage(size_hw or (0, 0), _read_shapes))
    if size_hw is None:
        image.image.fault = "its width or height is not a whole number"
    for entry in objects:
        if not isinstance(entry, dict):
            image.image.fault = "an object of it is no JSON object"
            continue
        label, kind = label_in(entry, "classTitle"), _kind_of(entry)
        if not is_person(label):
            image.other_labels.add(label)
        elif kind in _DRAWN:
            image.add(entry, kind in _OUTLINES)
        else:
            image.add_unsupported(kind)
    return image


def _kind_of(entry: Mapping[str, object]) -> str:
    kind = label_in(entry, "geometryType")
    return kind or ("bitmap" if isinstance(entry.get("bitmap"), dict) else "polygon")


def _read_shapes(raw: object) -> Iterator[Shape]:
    assert isinstance(raw, dict)
    kind = _kind_of(raw)
    if kind in ("bitmap", "alpha_mask"):
        yield _read_bitmap(raw.get("bitmap"), _HALF_OPAQUE if kind == "alpha_mask" else 1)
        return
    points = raw.get("points")
    if not isinstance(points, dict):
        raise ShapeError("it has no points")
    if kind == "rectangle":
        yield _read_rectangle(points)
        return
    holes = (points_in({"points": hole}, "points") for hole in list_in(points, "interior"))
    exterior = Polygon(points_in(points, "exterior"), "pixels")
    yield Region(exterior, tuple(Polygon(hole, "pixels") for hole in holes))


def _read_bitmap(bitmap: object, cut: int) -> Bitmap:
    if not isinstance(bitmap, dict):
        raise ShapeError("it has no bitmap")
    origin = bitmap.get("origin")
    if not isinstance(origin, list) or len(origin) != 2 or not all(type(value) is int for value in origin):
        raise ShapeError("the origin of its bitmap is not a pair of whole numbers")
    left, top = origin
    return Bitmap(text_in(bitmap, "data"), left, top, cut)


def _read_rectangle(points: Mapping[str, object]) -> Polygon:
    corners = points_in(points, "exterior")
    if len(corners) != 2:
        raise ShapeError(f"a rectangle of {len(corners)} corners; it has 2")
    (x, y), (x2, y2) = corners.tolist()
    return Polygon(points_in({"points": [[x, y], [x2, y], [x2, y2], [x, y2]]}, "points"), "pixels")
