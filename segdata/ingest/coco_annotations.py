"""What COCO annotations say of their photos: which show a person, and which have an object of a wanted kind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segdata.ingest.annotations.coco import entry_id
from segdata.ingest.people import IsPerson, plain_name
from segdata.records import HAS_PERSON, printable
from segdata.storage.strict_json import check_memory
from segdata.storage.text import decode_text

# Polygons are nine tenths of the file, and nobody here asks for them: they are dropped while it is parsed.
_KEPT = frozenset(
    {"images", "annotations", "categories", "licenses", "id", "image_id", "category_id", "file_name", "license"}
    | {"name", "supercategory"}
)


@dataclass(frozen=True)
class Annotations:
    """One file of annotations, indexed.

    Attributes:
        images: the entries, as they are.
        ids: how often each image id is given.
        categories: category id -> its (name, supercategory) pairs: more than one where the id is given twice.
        seen: image id -> the category ids annotated in it, None among them where one is missing.
        licences: licence id -> its name.
    """

    images: list[Any]
    ids: Counter[Any]
    categories: dict[Any, list[tuple[str, str]]]
    seen: dict[Any, set[Any]]
    licences: dict[Any, str]

    @property
    def category_names(self) -> frozenset[str]:
        """The plain names of all categories."""
        return frozenset(plain_name(name) for same in self.categories.values() for name, _ in same)

    @property
    def have_supercategories(self) -> bool:
        """Whether the file has supercategories: CVAT and Label Studio write none, Roboflow the project's name."""
        every = [category for same in self.categories.values() for category in same]
        names = {plain_name(name) for name, kind in every if plain_name(kind) in ("", "none")}
        return any(plain_name(kind) not in {"", "none"} | names for _, kind in every)


def parse_annotations(data: bytes) -> Annotations:
    """Index a file of annotations.

    Raises:
        ValueError, KeyError, TypeError, RecursionError, MemoryError: It is no JSON, or not what COCO's files are.
    """
    check_memory(data)
    document = json.loads(decode_text(data), object_pairs_hook=_without_polygons)
    if not isinstance(document, dict):
        raise TypeError("not an object")
    images, annotations, categories = (document[key] for key in ("images", "annotations", "categories"))
    if not (isinstance(images, list) and isinstance(annotations, list) and isinstance(categories, list)):
        raise TypeError("images, annotations and categories should be lists")
    seen: dict[Any, set[Any]] = {}
    for one in annotations:
        if (image_id := entry_id(one, "image_id")) is not None:
            seen.setdefault(image_id, set()).add(entry_id(one, "category_id"))
    named: dict[Any, list[tuple[str, str]]] = {}
    for one in categories:
        if (category_id := entry_id(one, "id")) is not None:
            category = str(one.get("name") or ""), str(one.get("supercategory") or "")
            named.setdefault(category_id, []).append(category)
    licences = document.get("licenses")
    licences = licences if isinstance(licences, list) else []
    return Annotations(
        images=images,
        ids=Counter(entry_id(one, "id") for one in images),
        categories=named,
        seen=seen,
        licences={
            entry_id(one, "id"): printable(str(one.get("name", ""))) for one in licences if isinstance(one, dict)
        },
    )


class BackgroundTest:
    """Says why a photo is no background.

    Args:
        annotations: of its set.
        supercategories: one of its objects must be of one of these; any object will do where the list is empty or the
            file has no supercategories.
        is_person: recognises categories of people.
    """

    def __init__(self, annotations: Annotations, supercategories: Sequence[str], is_person: IsPerson) -> None:
        self._annotations = annotations
        categories = annotations.categories
        self._people = people_in(annotations, is_person)
        wanted = {plain_name(name) for name in supercategories}
        self._any_object = not wanted or not annotations.have_supercategories
        self._wanted = {one for one, same in categories.items() if any(plain_name(kind) in wanted for _, kind in same)}

    def unwanted(self, image_id: int | str | None) -> str | None:
        """Why the photo with an image id is no background; None if it is one."""
        seen = self._annotations.seen.get(image_id, set()) if image_id is not None else set()
        if not seen.isdisjoint(self._people):
            return HAS_PERSON
        if not seen:
            return "no_annotations"
        if not seen <= self._annotations.categories.keys():
            return "unknown_category"
        if self._annotations.ids[image_id] > 1:
            return "ambiguous_id"
        if not self._any_object and seen.isdisjoint(self._wanted):
            return "other_supercategory"
        return None


class PortraitTest:
    """Says why a photo is no portrait with a label.

    Args:
        annotations: of its set.
        is_person: recognises categories of people.
    """

    def __init__(self, annotations: Annotations, is_person: IsPerson) -> None:
        self._annotations = annotations
        self._people = people_in(annotations, is_person)

    def unwanted(self, image_id: int | str | None) -> str | None:
        """Why the photo with an image id is no portrait; None if it is one."""
        seen = self._annotations.seen.get(image_id, set()) if image_id is not None else set()
        if not seen:
            return "no_annotations"
        if not seen <= self._annotations.categories.keys():
            return "unknown_category"
        if seen.isdisjoint(self._people):
            return "no_person"
        return "ambiguous_id" if self._annotations.ids[image_id] > 1 else None


def people_in(annotations: Annotations, is_person: IsPerson) -> set[Any]:
    """The ids of the categories of people."""
    categories = annotations.categories.items()
    return {one for one, same in categories if any(is_person(*category) for category in same)}


def _without_polygons(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object without the keys that nobody here reads."""
    return {key: value for key, value in pairs if key in _KEPT}
