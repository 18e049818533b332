"""Label Studio: one JSON file of tasks, each with its image and the annotations that people made of it.

    [{"id": 1, "file_upload": "0a1b2c3d-my_photo.jpg", "data": {"image": "/data/upload/1/0a1b2c3d-my_photo.jpg"},
      "annotations": [{"was_cancelled": false, "ground_truth": false, "updated_at": "2024-05-01T10:00:00Z", "result": [
          {"id": "x1", "type": "brushlabels", "original_width": 600, "original_height": 800,
           "value": {"format": "rle", "rle": [0, 1, ...], "brushlabels": ["person"]}},
          {"id": "x2", "type": "polygonlabels", ...,
           "value": {"points": [[10.5, 20.0], ...], "polygonlabels": ["person"]}}]}]}]

Coordinates are percentages of the width and of the height. The smaller export (JSON-MIN) has no "annotations": the
values of the results lie in the task itself. A cancelled annotation does not count; of several others the one that is
marked as ground truth counts, or else the newest. Predictions do not count.

Source:
    https://labelstud.io/guide/export, https://labelstud.io/guide/task_format
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segdata.ingest.annotations.brush import Brush
from segdata.ingest.annotations.figures import Bitmap, Ellipse, rectangle
from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.labelled import (
    IsPersonLabel,
    LabelledImage,
    label_in,
    list_in,
    number_in,
    points_in,
    size_in,
    text_in,
)
from segdata.ingest.annotations.shapes import Polygon, Shape, ShapeError, SizeHW
from segdata.storage.strict_json import parse_json

_HALF_OPAQUE = 128
_KINDS = (  # a key of a value -> what the shape is; the first that is there counts
    ("rle", "brush"),
    ("imageDataURL", "bitmask"),
    ("points", "polygon"),
    ("radiusX", "ellipse"),
    ("vertices", "vector"),
    ("height", "rectangle"),
    ("x", "keypoint"),
)
_OUTLINES = frozenset({"brush", "bitmask", "polygon"})
_DRAWN = _OUTLINES | {"ellipse", "rectangle"}
_Object = Mapping[str, object]


class _Region:
    """All that the results say of one region: a label may come in a result of its own."""

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.result: _Object | None = None


def read_labelstudio(data: bytes, is_person: IsPersonLabel) -> list[LabelledImage]:
    """The images of a file, in the order of its tasks.

    Args:
        data: the file.
        is_person: whether a label is a person's.

    Raises:
        ValueError: It is no such file.
    """
    document = parse_json(data, non_finite=True)  # NaN is the fault of one shape
    if not isinstance(document, list):
        raise ValueError("not a JSON list of tasks; export as JSON or JSON-MIN")
    return [_read_task(task, is_person) for task in document if isinstance(task, dict)]


def _read_task(task: _Object, is_person: IsPersonLabel) -> LabelledImage:
    image = LabelledImage(_names_of(task), AnnotatedImage((0, 0), _read_shapes))
    results = _results_of(task)
    image.is_annotated = results is not None
    sizes: set[SizeHW | None] = set()
    for region in _regions_of(results or []):
        if region.result is None:
            continue
        people = {label for label in region.labels if is_person(label)}
        kind = _kind_of(_value_of(region.result))
        if not people:
            image.other_labels |= region.labels
        elif kind not in _DRAWN:
            image.add_unsupported(kind)
        else:
            sizes.add(size_in(region.result, "original_height", "original_width"))
            if region.result.get("image_rotation") not in (None, 0):
                image.image.fault = "its image was turned in Label Studio; turn it back there, or turn the photo itself"
            image.add(region.result, kind in _OUTLINES)
    size_hw = next(iter(sizes)) if len(sizes) == 1 else None
    if size_hw is not None:
        image.image.size_hw = size_hw
    elif sizes:
        image.image.fault = "its shapes give no size of the image, or several"
    image.has_size = bool(sizes)
    return image


def _names_of(task: _Object) -> tuple[str, ...]:
    """What a task calls its image: the name of the upload, and each text of its data, `image` first."""
    own = task.get("data")
    data = own if isinstance(own, dict) else task
    texts = sorted((key != "image", key, value) for key, value in data.items() if isinstance(value, str))
    names = [text_in(task, "file_upload"), *(value for _, _, value in texts)]
    return tuple(dict.fromkeys(name for name in names if name))


def _results_of(task: _Object) -> list[object] | None:
    """The results of the annotation that counts; None where nobody annotated the task."""
    if "annotations" not in task and "completions" not in task:
        lists = [value for value in task.values() if isinstance(value, list)]
        values = [value for some in lists for value in some if isinstance(value, dict)]
        return [{**value, "value": value} for value in values] if "data" not in task and lists else None
    annotations = [one for one in _annotations_of(task) if not (one.get("was_cancelled") or one.get("skipped"))]
    if not annotations:
        return None
    *_, newest = sorted(annotations, key=lambda one: (one.get("ground_truth") is True, _changed_at(one)))
    return list_in(newest, "result")


def _annotations_of(task: _Object) -> list[_Object]:
    found = list_in(task, "annotations") or list_in(task, "completions")
    return [one for one in found if isinstance(one, dict)]


def _changed_at(annotation: _Object) -> str:
    return text_in(annotation, "updated_at") or text_in(annotation, "created_at")


def _regions_of(results: list[object]) -> list[_Region]:
    """The regions by the id that their results share; a result without an id is a region of its own."""
    regions: dict[object, _Region] = {}
    for number, result in enumerate(results):
        if not isinstance(result, dict):
            continue
        name = text_in(result, "id")
        region = regions.setdefault(name or number, _Region())
        value = _value_of(result)
        for key in value:
            if key.endswith("labels"):
                region.labels |= {label_in({"label": one}, "label") for one in list_in(value, key)}
        if _kind_of(value) != "":
            region.result = result
    return list(regions.values())


def _value_of(result: _Object) -> _Object:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _kind_of(value: _Object) -> str:
    return next((kind for key, kind in _KINDS if key in value), "")


def _read_shapes(raw: object) -> Iterator[Shape]:
    assert isinstance(raw, dict)
    value = _value_of(raw)
    kind = _kind_of(value)
    size_hw = size_in(raw, "original_height", "original_width")
    if size_hw is None:
        raise ShapeError("it has no original_width and original_height")
    if kind == "brush":
        yield _read_brush(value)
    elif kind == "bitmask":
        text = text_in(value, "imageDataURL")
        yield Bitmap(text.rpartition("base64,")[2], 0, 0, _HALF_OPAQUE, fills_image=True)
    elif kind == "polygon":
        yield Polygon(points_in(value, "points") * (size_hw[1] / 100, size_hw[0] / 100))
    else:
        yield _read_ellipse(value, size_hw) if kind == "ellipse" else _read_rectangle(value, size_hw)


def _read_brush(value: _Object) -> Brush:
    numbers = value.get("rle")
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < 256 for number in numbers):
        raise ShapeError("its RLE is not a list of bytes")
    return Brush(bytes(numbers))


def _read_ellipse(value: _Object, size_hw: SizeHW) -> Ellipse:
    height, width = size_hw
    x, y, radius_x, radius_y = (number_in(value, key, "an ellipse") for key in ("x", "y", "radiusX", "radiusY"))
    centre = x * width / 100, y * height / 100
    return Ellipse(centre, (radius_x * width / 100, radius_y * height / 100), _rotation_of(value))


def _read_rectangle(value: _Object, size_hw: SizeHW) -> Polygon:
    height, width = size_hw
    x, y, wide, high = (number_in(value, key, "a rectangle") for key in ("x", "y", "width", "height"))
    sides = wide * width / 100, high * height / 100
    return rectangle((x * width / 100, y * height / 100), sides, _rotation_of(value))


def _rotation_of(value: _Object) -> float:
    return number_in(value, "rotation", "a shape") if value.get("rotation") is not None else 0.0
