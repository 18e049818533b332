"""Files of Supervisely, LabelMe and Label Studio: an input is read as a file of each."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from segdata.ingest.annotations.brush import pack_runs
from segdata.ingest.annotations.labelled import LabelledImage
from segdata.ingest.annotations.labelme import read_labelme
from segdata.ingest.annotations.labelstudio import read_labelstudio
from segdata.ingest.annotations.shapes import ShapeError
from segdata.ingest.annotations.supervisely import read_supervisely
from segdata.ingest.people import person_label_test
from tests.fuzz.coco import JSON_TOKENS
from tests.fuzz.target import Target, check_message

_HEIGHT, _WIDTH = 48, 36
_IS_PERSON = person_label_test(None)
_READERS: tuple[Callable[[bytes], list[LabelledImage]], ...] = (
    lambda data: [read_supervisely(data, _IS_PERSON)],
    lambda data: [read_labelme(data, _IS_PERSON)],
    lambda data: read_labelstudio(data, _IS_PERSON),
)


def draw(data: bytes) -> bool:
    """Draw the labels in the file; whether there are any."""
    drawn = [_draws(image) for read in _READERS for image in _images_in(read, data)]
    return any(drawn)


def _images_in(read: Callable[[bytes], list[LabelledImage]], data: bytes) -> list[LabelledImage]:
    try:
        return read(data)
    except ValueError as error:
        check_message(str(error))
        return []


def _draws(image: LabelledImage) -> bool:
    try:
        label = image.draw((_HEIGHT, _WIDTH))
    except ShapeError as error:
        check_message(str(error))
        return False
    assert label.shape == (_HEIGHT, _WIDTH)
    assert set(np.unique(label)) <= {0, 255}
    return bool(label.any())


def _seeds() -> Mapping[str, bytes]:
    mask = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    mask[10:40, 5:30] = 255
    _, png = cv2.imencode(".png", mask)
    points = [[2, 2], [20.5, 3], [18, 40]]
    packed, plain = (base64.b64encode(one).decode() for one in (zlib.compress(png.tobytes()), png.tobytes()))
    bitmap = {"classTitle": "person", "geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": packed}}
    polygon = {"classTitle": "person", "geometryType": "polygon", "points": {"exterior": points, "interior": [points]}}
    shapes = [{"label": "person", "shape_type": kind, "points": points} for kind in ("polygon", "linestrip", "points")]
    shapes += [{"label": "person", "shape_type": kind, "points": points[:2]} for kind in ("circle", "rectangle")]
    shapes += [{"label": "person", "shape_type": "mask", "points": [[0, 0], [35, 47]], "mask": plain}]
    values = [
        {"rle": list(pack_runs([(int(value), 4) for value in mask.ravel()[:400]]))},
        {"points": points},
        {"x": 10, "y": 10, "radiusX": 20, "radiusY": 10, "rotation": 30},
        {"x": 10, "y": 10, "width": 20, "height": 10, "rotation": 30},
    ]
    size = {"original_width": _WIDTH, "original_height": _HEIGHT}
    results = [{**size, "value": {**value, "labels": ["person"]}} for value in values]
    documents: dict[str, object] = {
        "supervisely": {"size": {"height": _HEIGHT, "width": _WIDTH}, "objects": [bitmap, polygon]},
        "labelme": {"imageHeight": _HEIGHT, "imageWidth": _WIDTH, "shapes": shapes},
        "labelstudio": [{"data": {"image": "1.jpg"}, "annotations": [{"result": [one]}]} for one in results],
    }
    return {name: json.dumps(document).encode() for name, document in documents.items()}


TARGET = Target(
    check=draw,
    seeds=_seeds,
    tokens=(
        *JSON_TOKENS, b'"size"', b'"objects"', b'"exterior"', b'"interior"', b'"bitmap"', b'"origin"', b'"data"',
        b'"shapes"', b'"shape_type"', b'"circle"', b'"mask"', b'"points"', b'"result"', b'"value"', b'"rle"',
        b'"rotation"', b'"annotations"', b"[36, 48]", b"1e9", b"-1",
    ),
    max_bytes=16_384,
)  # fmt: skip
