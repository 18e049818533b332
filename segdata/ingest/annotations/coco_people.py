"""COCO, the people of each image: their masks make one label, and crowds are where nobody decided.

A region of `iscrowd` covers people and what lies between them. Its pixels are treated as those of *ignore* in a label
map: each goes with the nearest pixel that has a label (`segdata.imaging.label_maps`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from segdata.imaging.arrays import Alpha
from segdata.imaging.label_maps import IGNORE, from_label_map
from segdata.ingest.annotations.coco import entry_id, read_segmentation
from segdata.ingest.annotations.images import AnnotatedImage, draw_label
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.storage.strict_json import check_memory
from segdata.storage.text import decode_text

_PERSON = 1
_KEPT = frozenset({"images", "annotations", "id", "image_id", "category_id", "iscrowd", "width", "height"})


@dataclass
class CocoPeople:
    """The people of an image.

    Attributes:
        declared_hw: what the file says; None if it says nothing usable.
        people: segmentations of people.
        crowds: segmentations of crowds.
    """

    declared_hw: SizeHW | None
    people: list[object] = field(default_factory=list)
    crowds: list[object] = field(default_factory=list)

    @property
    def unwanted(self) -> str | None:
        """Why it has no label; None if it has one."""
        return None if self.people else "only_crowd" if self.crowds else "no_person"

    @property
    def size_hw(self) -> SizeHW:
        """The size of the image.

        Raises:
            ShapeError: The file does not say it.
        """
        if self.declared_hw is None:
            raise ShapeError("its width or height is not a whole number")
        return self.declared_hw

    def content(self) -> object:
        """All that decides about the label."""
        return [self.declared_hw, self.people, self.crowds]

    def draw(self, size_hw: SizeHW) -> Alpha:
        """The label.

        Returns:
            (H, W) uint8, 255 is person.

        Raises:
            ShapeError: A shape can't be drawn.
        """
        people = draw_label(AnnotatedImage(size_hw, read_segmentation, self.people), size_hw)
        if not self.crowds:
            return people
        crowds = draw_label(AnnotatedImage(size_hw, read_segmentation, self.crowds), size_hw)
        classes = np.where(crowds > 0, np.uint8(IGNORE), np.uint8(0))
        classes[people > 0] = _PERSON
        return from_label_map(classes, _PERSON)


def read_coco_people(data: bytes, categories: frozenset[int | str]) -> dict[int | str, CocoPeople]:
    """The images that show people or crowds, by their id.

    Args:
        data: the file. Segmentations of other categories are dropped while it is parsed: they are most of it.
        categories: ids of the categories of people.

    Raises:
        ValueError: It is no such file.
    """
    try:
        check_memory(data)
        document = json.loads(decode_text(data), object_pairs_hook=_keep(categories))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    images: dict[int | str, CocoPeople] = {}
    for annotation in _list_in(document, "annotations"):
        image_id, category = entry_id(annotation, "image_id"), entry_id(annotation, "category_id")
        if image_id is None or category not in categories or not isinstance(annotation, dict):
            continue
        image = images.setdefault(image_id, CocoPeople(None))
        (image.crowds if annotation.get("iscrowd") == 1 else image.people).append(annotation.get("segmentation"))
    for entry in _list_in(document, "images"):
        image_id = entry_id(entry, "id")
        if image_id in images and isinstance(entry, dict):
            height, width = entry.get("height"), entry.get("width")
            if type(height) is int and type(width) is int:
                images[image_id].declared_hw = height, width
    return images


def _list_in(document: dict[str, object], key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _keep(categories: frozenset[int | str]) -> Callable[[list[tuple[str, object]]], dict[str, object]]:
    """A JSON object without the keys that are not needed; polygons of people alone are kept."""

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        entry = dict(pairs)
        kept = {key: value for key, value in entry.items() if key in _KEPT}
        if "segmentation" in entry and entry_id(entry, "category_id") in categories:
            kept["segmentation"] = entry["segmentation"]
        elif "counts" in entry:  # a segmentation itself
            return {"size": entry.get("size"), "counts": entry["counts"]}
        return kept

    return keep
