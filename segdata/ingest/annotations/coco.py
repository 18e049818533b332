"""COCO: one JSON file with `images` and `annotations`; a segmentation is a list of polygons, or RLE.

An annotation counts if its category is a person's. One of `iscrowd` counts too: tools return masks in this form.
Whatever is wrong with an annotation is the fault of its image alone; one without an image is left out and reported.
`"no_person": true` on an image says that nobody is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.shapes import (
    EmptyShapeError,
    Polygon,
    Runs,
    Shape,
    ShapeError,
    decode_counts,
    points_of,
)
from segdata.ingest.people import IsPerson, person_test
from segdata.storage.strict_json import parse_json

_Id = int | str
_IDS_BELOW = 2**53
_OUR_CATEGORY = 1  # of the person in what `export repair` writes
_LONGEST_NAME = 100


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file holds.

    Attributes:
        images: by file_name.
        left_out: annotations that belong to no image, with the reason.
    """

    images: dict[str, AnnotatedImage]
    left_out: tuple[tuple[str, str], ...]


@dataclass
class _Images:
    by_name: dict[str, AnnotatedImage] = field(default_factory=dict)
    by_id: dict[_Id, AnnotatedImage] = field(default_factory=dict)


def read_coco(data: bytes) -> dict[str, AnnotatedImage]:
    """The images of a COCO file by their file_name; see `parse_coco`."""
    return parse_coco(parse_json(data, non_finite=True)).images  # NaN is the fault of one shape


def parse_coco(document: object, is_person: IsPerson | None = None) -> CocoFile:
    """The images of a COCO document, and what belongs to none of them.

    Args:
        document: the parsed JSON.
        is_person: whether a category is of people; by default as `person_test` recognises it.

    Raises:
        ValueError: It is no such document, or has no image.
    """
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    entries, annotations = document.get("images"), document.get("annotations")
    if not isinstance(entries, list) or not isinstance(annotations, list):
        raise ValueError("images and annotations should be lists")
    images = _Images()
    for entry in entries:
        _add_image(entry, images.by_name, images.by_id)
    if not images.by_name:
        raise ValueError("it has no image with a file_name")
    categories = _categories_in(document, is_person or person_test(None))
    left_out = []
    for number, annotation in enumerate(annotations, 1):
        reason = _add_annotation(annotation, images.by_id, categories)
        if reason is not None:
            left_out.append((f"annotation {number}", reason))
    return CocoFile(images.by_name, tuple(left_out))


def _add_annotation(
    annotation: object, by_id: Mapping[_Id, AnnotatedImage], categories: Mapping[_Id, tuple[str, bool]] | None
) -> str | None:
    """Add an annotation to its image; the reason why that is not possible."""
    if not isinstance(annotation, dict):
        return "it is not a JSON object; remove it"
    image_id = entry_id(annotation, "image_id")
    if image_id is None or image_id not in by_id:
        told = (
            "it has no image_id" if image_id is None else f"its image_id {str(image_id)[:40]} is no image of the file"
        )
        return f"{told}; add the image, or remove the annotation"
    image, category = by_id[image_id], entry_id(annotation, "category_id")
    if categories is None:
        name, counts = f"category {category}", category in (None, _OUR_CATEGORY)
    else:
        unknown = f"unknown category {str(category)[:40]}"
        name, counts = categories.get(category, (unknown, False)) if category is not None else (unknown, False)
    if counts:
        image.raw.append(annotation.get("segmentation"))
    else:
        image.other_labels.add(name)
    return None


def _categories_in(document: Mapping[str, object], is_person: IsPerson) -> dict[_Id, tuple[str, bool]] | None:
    """Name of each category, and whether it is a person's; None where the file names none."""
    entries = document.get("categories")
    if not isinstance(entries, list) or not entries:
        return None
    categories: dict[_Id, tuple[str, bool]] = {}
    for entry in entries:
        category = entry_id(entry, "id")
        if category is None:
            continue
        name, supercategory = (
            value if isinstance(value, str) else "" for value in (entry.get("name"), entry.get("supercategory"))
        )
        plain = (name or str(category))[:_LONGEST_NAME]
        twice = category in categories and categories[category] != (plain, is_person(name, supercategory))
        categories[category] = (plain, not twice and is_person(name, supercategory))
    return categories


def _add_image(entry: object, by_name: dict[str, AnnotatedImage], by_id: dict[_Id, AnnotatedImage]) -> None:
    if not isinstance(entry, dict):
        return
    width, height, name = (entry.get(key) for key in ("width", "height", "file_name"))
    image = AnnotatedImage((0, 0), _read_shapes, no_person=entry.get("no_person") is True)
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
            if not numbers and (numbers is None or isinstance(numbers, list)):
                yield Polygon(points_of([]))  # covers nothing, and is reported as such
                continue
            if not isinstance(numbers, list) or not all(type(value) in (int, float) for value in numbers):
                raise ShapeError(f"polygon {position} is not a list of numbers")
            yield Polygon(points_of(numbers))
    elif isinstance(raw, dict):
        yield _read_rle(raw)
    else:
        kind = EmptyShapeError if raw is None or raw == [] else ShapeError
        raise kind("its segmentation is neither a list of polygons nor RLE")


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
