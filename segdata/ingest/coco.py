"""COCO: person-free photos, as backgrounds.

    <root>/annotations/instances_val2017.json
    <root>/val2017/000000000139.jpg                 or <root>/images/val2017/

Person-free means that no annotation, crowds included, is of a person. A photo without any annotation is *unknown*, and
so not person-free; so is one with an annotation whose category can't be told. `file_name` is somebody's text: it is
looked up among the files of the images' folder.

pycocotools reads a whole file or raises, and prints meanwhile; here an entry that is broken costs that entry alone.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.errors import SourceError
from segdata.ingest.annotations.coco import entry_id
from segdata.ingest.reading import Found, Picture, Tree, fault_of, read_list, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import HAS_PERSON, Filtered, Reject, printable

LICENCE = "each photo its own Creative Commons licence"
_PREFIX = "instances_"
# Polygons are nine tenths of the file, and nobody here asks for them: they are dropped while it is parsed.
_KEPT = frozenset(
    {"images", "annotations", "categories", "licenses", "id", "image_id", "category_id", "file_name", "license"}
    | {"name", "supercategory"}
)


@dataclass(frozen=True)
class _Annotations:
    """One file of annotations, indexed.

    Attributes:
        images: the entries, as they are.
        ids: how often each image id is given.
        categories: category id -> (name, supercategory).
        seen: image id -> the category ids annotated in it, None among them where one is missing.
        licences: licence id -> its name.
    """

    images: list[Any]
    ids: Counter[Any]
    categories: dict[Any, tuple[str, str]]
    seen: dict[Any, set[Any]]
    licences: dict[Any, str]


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the backgrounds among the annotated photos.

    Raises:
        SourceError: The root is missing, holds no annotations/instances_*.json or no images, or one can't be read.
    """
    require_folders(root, source.name, "annotations")
    files = sorted((root / "annotations").glob(f"{_PREFIX}*.json"))
    if not files:
        raise SourceError(
            f"source {source.name}: {root / 'annotations'}: no {_PREFIX}*.json; unpack the annotations there"
        )
    tree = Tree(root, source.name)
    for file in files:
        yield from _read_annotations(tree, root, file, source)
    yield from tree.refused


def _read_annotations(tree: Tree, root: Path, file: Path, source: SourceRecipe) -> Iterator[Found]:
    name = file.stem.removeprefix(_PREFIX)
    folder = next((place for place in (name, f"images/{name}") if (root / place).is_dir()), None)
    if folder is None:
        raise SourceError(f"source {source.name}: {root}: {file.name} is there, and its photos in {name}/ are not")
    told = _load(root, file, source.name)
    there = {picture.path: picture for picture in tree.pictures(folder, any_name=True)}
    seen: set[str] = set()
    for number, entry in sorted(enumerate(told.images), key=_by_id):
        text = entry.get("file_name") if isinstance(entry, dict) else None
        fault = fault_of(text) if isinstance(text, str) else "is missing"
        where = f"{folder}/{text if isinstance(text, str) else f'entry {number}'}"
        if fault:
            yield Reject(source.name, where, "unsafe_path", f"file_name {repr(text)[:200]} {fault}")
            continue
        path = posixpath.normpath(f"{folder}/{text}")
        unwanted = "listed_twice" if path in seen else _unwanted(told, entry, source.supercategories)
        seen.add(path)
        if unwanted:
            yield Filtered(source.name, path, unwanted, there=path in there and not there[path].leads_out)
        else:
            yield _background(tree, there.get(path), path, source, told.licences.get(entry_id(entry, "license")))


def _background(tree: Tree, picture: Picture | None, path: str, source: SourceRecipe, licence: str | None) -> Found:
    if picture is None:
        return Reject(source.name, path, "missing_image", "annotated, and not there")
    return tree.pair(picture, None, kind="background", split="none", licence=licence or LICENCE)


def _unwanted(told: _Annotations, entry: Mapping[str, Any], wanted: tuple[str, ...]) -> str | None:
    """Why a photo is no background, if it is none."""
    image_id = entry_id(entry, "id")
    annotated = told.seen.get(image_id, set()) if image_id is not None else set()
    categories = [told.categories[one] for one in annotated if one in told.categories]
    if any(name.casefold() == "person" for name, _ in categories):
        return HAS_PERSON
    if not annotated:
        return "no_annotations"
    if len(categories) < len(annotated):
        return "unknown_category"
    if told.ids[image_id] > 1:
        return "ambiguous_id"
    if wanted and not any(supercategory in wanted for _, supercategory in categories):
        return "other_supercategory"
    return None


def _load(root: Path, file: Path, dataset: str) -> _Annotations:
    """One file's annotations.

    Raises:
        SourceError: It is no JSON, not what COCO's files are, or a link that leaves the root.
    """
    try:
        told = json.loads(read_list(root, f"annotations/{file.name}", dataset).decode("utf-8"), object_pairs_hook=_kept)
        if not isinstance(told, dict):
            raise TypeError("not an object")
        images, annotations, categories = (told[key] for key in ("images", "annotations", "categories"))
        if not (isinstance(images, list) and isinstance(annotations, list) and isinstance(categories, list)):
            raise TypeError("images, annotations and categories should be lists")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise SourceError(
            f"source {dataset}: {file}: not COCO annotations ({type(error).__name__}: {error}); unpack them again"
        ) from error
    seen: dict[Any, set[Any]] = {}
    for one in annotations:
        if (image_id := entry_id(one, "image_id")) is not None:
            seen.setdefault(image_id, set()).add(entry_id(one, "category_id"))
    named: dict[Any, tuple[str, str]] = {}
    for one in categories:
        if (category_id := entry_id(one, "id")) is not None and named.get(category_id, ("",))[0] != "person":
            named[category_id] = (str(one.get("name", "")), str(one.get("supercategory", "")))
    licences = told.get("licenses")
    return _Annotations(
        images=images,
        ids=Counter(entry_id(one, "id") for one in images),
        categories=named,
        seen=seen,
        licences={entry_id(one, "id"): printable(str(one.get("name", ""))) for one in licences if isinstance(one, dict)}
        if isinstance(licences, list)
        else {},
    )


def _kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key in _KEPT}


def _by_id(numbered: tuple[int, Any]) -> tuple[int, int | str, int]:
    number, entry = numbered
    value = entry_id(entry, "id")
    return (0, value, number) if isinstance(value, int) else (1, str(value), number)
