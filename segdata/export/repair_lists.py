"""The annotation files of an export for repair, laid out as the libraries of annotation tools expect them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from segdata.imaging.arrays import Mask

_LABEL, _NO_PERSON = "person", "no_person"
COCO_FILE, CVAT_FILE = "annotations/instances_default.json", "annotations.xml"


@dataclass(frozen=True, eq=False)
class ExportedLabel:
    """A sample's label in an annotation file.

    Attributes:
        name: of the photo, below `images/`.
        mask: (H, W) bool.
    """

    name: str
    mask: Mask


def encode_coco(labels: Iterable[ExportedLabel]) -> bytes:
    """COCO's JSON. A label is one RLE, since polygons can't have holes."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, label in enumerate(labels, 1):
        height, width = label.mask.shape
        images.append({"id": number, "file_name": label.name, "width": width, "height": height})
        annotations.append(_coco_annotation(number, label.mask))
    categories = [{"id": 1, "name": _LABEL, "supercategory": _LABEL}]
    document = {"info": {"description": "labels for repair"}, "licenses": [], "categories": categories}
    return json.dumps({**document, "images": images, "annotations": annotations}).encode()


def encode_cvat(labels: Iterable[ExportedLabel]) -> bytes:
    """CVAT for images 1.1. A label is one mask; an empty label is an image without shapes."""
    root = Xml.Element("annotations")
    Xml.SubElement(root, "version").text = "1.1"
    images = [_cvat_image(number, label) for number, label in enumerate(labels)]
    root.append(_cvat_meta(len(images)))
    root.extend(images)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def encode_rle(mask: Mask) -> dict[str, Any]:
    """COCO's run-length encoding, compressed, as JSON has it.

    Args:
        mask: (H, W) bool.
    """
    from pycocotools import mask as coco

    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def cvat_rle(mask: Mask) -> dict[str, str]:
    """CVAT's mask: the box around it, and runs of it row by row, beginning with background.

    Args:
        mask: (H, W) bool, not empty.

    >>> cvat_rle(np.array([[False, True, True], [False, True, False]]))
    {'rle': '0, 3, 1', 'left': '1', 'top': '0', 'width': '2', 'height': '2'}
    """
    left, top, width, height = _box_of(mask)
    flat = mask[top : top + height, left : left + width].ravel().astype(np.int8)
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes.tolist(), flat.size]).tolist()
    if flat[0]:
        runs.insert(0, 0)
    box = {"left": left, "top": top, "width": width, "height": height}
    return {"rle": ", ".join(str(run) for run in runs), **{name: str(value) for name, value in box.items()}}


def _box_of(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, width and height of the box around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def _coco_annotation(number: int, mask: Mask) -> dict[str, object]:
    return {
        "id": number, "image_id": number, "category_id": 1, "iscrowd": 1, "segmentation": encode_rle(mask),
        "area": int(mask.sum()), "bbox": list(_box_of(mask)) if mask.any() else [0, 0, 0, 0],
    }  # fmt: skip


def _cvat_image(number: int, label: ExportedLabel) -> Xml.Element:
    height, width = label.mask.shape
    size = {"width": str(width), "height": str(height)}
    image = Xml.Element("image", {"id": str(number), "name": label.name, **size})
    if label.mask.any():
        common = {"label": _LABEL, "source": "file", "occluded": "0", "z_order": "0"}
        Xml.SubElement(image, "mask", common | cvat_rle(label.mask))
    return image


def _cvat_meta(images: int) -> Xml.Element:
    """What CVAT writes about the task: readers of its files refuse one without."""
    meta = Xml.Element("meta")
    task = Xml.SubElement(meta, "task")
    facts = {"id": "0", "name": "segdata repair", "size": str(images), "mode": "annotation", "overlap": "0"}
    for name, text in facts.items():
        Xml.SubElement(task, name).text = text
    labels = Xml.SubElement(task, "labels")
    for name in (_LABEL, _NO_PERSON):
        label = Xml.SubElement(labels, "label")
        Xml.SubElement(label, "name").text = name
        Xml.SubElement(label, "attributes")
    return meta
