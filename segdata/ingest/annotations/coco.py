"""COCO: one JSON file with `images` and `annotations`; a segmentation is a list of polygons, or RLE.

Whatever is wrong with an annotation is the fault of its image alone, as long as it says which image that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.shapes import Polygon, Runs, Shape, ShapeError, decode_counts, points_of
from segdata.storage.strict_json import parse_json

_Id = int | str
_IDS_BELOW = 2**53


def read_coco(data: bytes) -> dict[str, AnnotatedImage]:
    """The images of a COCO file by their file_name.

    Raises:
        ValueError: It is no such file, or an annotation does not say which image it belongs to.
    """
    document = parse_json(data, non_finite=True)  # NaN is the fault of one shape
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    entries, annotations = document.get("images"), document.get("annotations")
    if not isinstance(entries, list) or not isinstance(annotations, list):
        raise ValueError("images and annotations should be lists")
    by_name: dict[str, AnnotatedImage] = {}
    by_id: dict[_Id, AnnotatedImage] = {}
    for entry in entries:
        _add_image(entry, by_name, by_id)
    for number, annotation in enumerate(annotations, 1):
        image_id = entry_id(annotation, "image_id")
        if image_id is None or image_id not in by_id:
            raise ValueError(f"annotation {number} names no image of the file")
        by_id[image_id].raw.append(annotation.get("segmentation"))
    return by_name


def _add_image(entry: object, by_name: dict[str, AnnotatedImage], by_id: dict[_Id, AnnotatedImage]) -> None:
    if not isinstance(entry, dict):
        return
    width, height, name, image_id = (entry.get(key) for key in ("width", "height", "file_name", "id"))
    image = AnnotatedImage((0, 0), _read_shapes)
    if type(width) is int and type(height) is int:
        image.size_hw = height, width
    else:
        image.fault = "its width or height is not a whole number"
    image_id = entry_id(entry, "id")
    if image_id is not None and by_id.setdefault(image_id, image) is not image:
        image.fault = by_id[image_id].fault = f"another image has the id {str(image_id)[:40]} too"
    if image_id is None:
        image.fault = "it has no id"
    if isinstance(name, str) and by_name.setdefault(name, image) is not image:
        by_name[name].fault = "another image has its file_name too"


def _read_shapes(raw: object) -> Iterator[Shape]:
    if isinstance(raw, list) and raw:
        for position, numbers in enumerate(raw, 1):
            if not isinstance(numbers, list) or not all(type(value) in (int, float) for value in numbers):
                raise ShapeError(f"polygon {position} is not a list of numbers")
            yield Polygon(points_of(numbers))
    elif isinstance(raw, dict):
        yield _read_rle(raw)
    else:
        raise ShapeError("its segmentation is neither a list of polygons nor RLE")


def _read_rle(raw: Mapping[str, object]) -> Runs:
    size, counts = raw.get("size"), raw.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int for side in size):
        raise ShapeError("its RLE has no size of height and width")
    if isinstance(counts, str):
        runs = decode_counts(counts)
    elif isinstance(counts, list) and all(type(run) is int for run in counts):
        runs = tuple(counts)
    else:
        raise ShapeError("its RLE has no counts: a text, or a list of whole numbers")
    height, width = size
    return Runs(runs, 0, 0, width, height, "columns", fills_image=True)


def entry_id(entry: object, key: str) -> _Id | None:
    """An id of an entry that may be anything; None where there is none.

    Larger integers than JSON programs agree on are none: Python's hashes of those can be made to collide.
    """
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < _IDS_BELOW else None
    return value if isinstance(value, str) else None


def read_segmentation(raw: object) -> Iterator[Shape]:
    """The shapes of one segmentation.

    Raises:
        ShapeError: It is neither polygons nor RLE.
    """
    return _read_shapes(raw)
