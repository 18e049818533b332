"""COCO files with mended labels: polygons, runs and compressed runs."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from pycocotools import mask as coco_mask

from segdata.ingest.annotations.coco import read_coco
from tests.fuzz.coco import JSON_TOKENS
from tests.fuzz.decoding import drawn_matte
from tests.fuzz.labels import draw_every_label
from tests.fuzz.target import Target


def draw(data: bytes) -> bool:
    """Draw the labels in the file."""
    return draw_every_label(data, read_coco)


def _document(*segmentations: object) -> bytes:
    annotations = [
        {"id": number, "image_id": 7, "category_id": 1, "segmentation": segmentation}
        for number, segmentation in enumerate(segmentations, 1)
    ]
    images = [{"id": 7, "file_name": "1.jpg", "width": 36, "height": 48}]
    return json.dumps({"images": images, "annotations": annotations, "categories": []}).encode()


def _seeds() -> Mapping[str, bytes]:
    compressed = coco_mask.encode(np.asfortranarray(drawn_matte() > 127, np.uint8))
    return {
        "polygon": _document([[2, 2, 20.5, 3, 18, 40]]),
        "polygons": _document([[2, 2, 20.5, 3, 18, 40], [-5, -5, 40, -5, 40, 60, 3, 9]]),
        "runs": _document({"size": [48, 36], "counts": [100, 50, 1000, 578]}),
        "compressed": _document({"size": [48, 36], "counts": compressed["counts"].decode()}),
        "several": _document([[2, 2, 20.5, 3, 18, 40]], {"size": [48, 36], "counts": [100, 50, 1000, 578]}),
        "no_shapes": _document(),
    }


TARGET = Target(
    check=draw,
    seeds=_seeds,
    tokens=(
        *JSON_TOKENS, b'"images"', b'"annotations"', b'"segmentation"', b'"counts"', b'"size"', b'"width"', b'"height"',
        b'"image_id"', b'"file_name"', b"[48, 36]", b"1728",
    ),
    max_bytes=16_384,
)  # fmt: skip
