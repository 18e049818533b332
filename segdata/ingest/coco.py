"""COCO: person-free photos, as backgrounds; or with kind = "portrait" the photos of people, with their masks as labels.

    <root>/annotations/instances_val2017.json
    <root>/val2017/000000000139.jpg                 or <root>/images/val2017/

Exports of annotation tools are read too: `segdata.ingest.coco_sets` says which, and `coco_names` how their `file_name`
is looked up among the files of the photos' folder. A set without photos is skipped and reported.

Person-free means that no annotation, crowds included, is of a person; `segdata.ingest.people` says which categories
are. A photo without any annotation is *unknown*, and so not person-free; so is one with an annotation whose category
can't be told.

The label of a portrait is the union of the masks of all its people; `segdata.ingest.annotations.coco_people` says what
becomes of crowds. It is drawn in a process of its own and kept beside the catalog.

pycocotools reads a whole file or raises, and prints meanwhile; here an entry that is broken costs that entry alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from segdata.catalog.forgotten_names import stem_of
from segdata.errors import SourceError
from segdata.ingest.annotations.coco import entry_id
from segdata.ingest.annotations.drawing import Setup
from segdata.ingest.coco_annotations import (
    Annotations,
    BackgroundTest,
    PortraitTest,
    parse_annotations,
    people_in,
)
from segdata.ingest.coco_names import match_names
from segdata.ingest.coco_sets import AnnotationFile, PhotoFolders, choose_sets
from segdata.ingest.label_drawing import LabelDrawer
from segdata.ingest.people import person_test, plain_name
from segdata.ingest.reading import Found, Picture, Tree, is_picture_name, read_list
from segdata.ingest.recipe import SourceRecipe
from segdata.records import HAS_PERSON, Candidate, Drawing, Filtered, PhotoSet, Reject, printable

LICENCE = "each photo its own Creative Commons licence"
_ANY_OBJECT = "its categories have no supercategories, so photos with any object are backgrounds"
_MOST_SHOWN = 8
# Worst first. Whatever other entries say of the same file, it is no background.
_NEVER = (HAS_PERSON, "unknown_category", "ambiguous_id")


class _Entry(NamedTuple):
    """One photo that is listed in a file of annotations.

    Attributes:
        path: of its file, under the root.
        fault: the detail of a reject where its file_name can't be used; None if it can.
        unwanted: why it is no background; None if it is one.
        licence: of the photo.
        drawing: of its label, as a portrait.
    """

    path: str
    fault: str | None
    unwanted: str | None
    licence: str
    drawing: Drawing | None = None


class _Set(NamedTuple):
    """A set whose photos are there.

    Attributes:
        report: what the summary says about it.
        entries: in the order of their ids.
        files: of its folder, by their path under the root.
        category_names: plain, of all its categories.
    """

    report: PhotoSet
    entries: Sequence[_Entry]
    files: Mapping[str, Picture]
    category_names: frozenset[str]


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the backgrounds among the annotated photos.

    Raises:
        SourceError: The root is missing, has no annotations or no photos of any set, or a file can't be read.
    """
    files = choose_sets(root, source)
    tree = Tree(root, source.name, source.links)
    opened = _open_sets(root, source, files, PhotoFolders(root, tree, {file.set_name for file in files}))
    sets = [one for one in opened if isinstance(one, _Set)]
    _check_person_categories(source, sets)
    never = _never_backgrounds(sets) if source.kind == "background" else _ambiguous_portraits(sets)
    yield from (one for one in opened if isinstance(one, PhotoSet))
    listed: set[str] = set()
    for one in sets:
        yield one.report
        for entry in one.entries:
            if entry.path in listed:  # one photo, whatever the number of its entries
                continue
            listed.add(entry.path)
            unwanted = never.get(entry.path, entry.unwanted)
            yield _judge(tree, entry._replace(unwanted=unwanted), one.files.get(entry.path), source.name)
    photos = {path: file for one in sets for path, file in one.files.items()}
    for path in sorted(photos.keys() - listed):
        if is_picture_name(path):
            yield Filtered(source.name, path, "not_listed", there=not photos[path].leads_out)
    yield from tree.refused


def _judge(tree: Tree, entry: _Entry, picture: Picture | None, dataset: str) -> Found:
    sample_id = f"{dataset}/{stem_of(entry.path)}"
    if entry.fault is not None:
        return Reject(dataset, entry.path, "unsafe_path", entry.fault, sample_id=sample_id)
    if entry.unwanted is not None:
        is_inside = picture is not None and not picture.leads_out
        return Filtered(dataset, entry.path, entry.unwanted, there=is_inside)
    if picture is None:
        return Reject(dataset, entry.path, "missing_image", "annotated, and not there", sample_id=sample_id)
    if entry.drawing is not None:
        found = tree.pair(picture, None, kind="portrait", split="train", licence=entry.licence)
        return found._replace(drawing=entry.drawing) if isinstance(found, Candidate) else found
    return tree.pair(picture, None, kind="background", split="none", licence=entry.licence)


def _never_backgrounds(sets: Sequence[_Set]) -> dict[str, str]:
    """Path -> why the file is no background, whatever other entries say of it: one entry with a person decides."""
    reasons: dict[str, str] = {}
    for entry in (entry for one in sets for entry in one.entries):
        if entry.unwanted in _NEVER:
            reasons[entry.path] = min(reasons.get(entry.path, entry.unwanted), entry.unwanted, key=_NEVER.index)
    return reasons


def _ambiguous_portraits(sets: Sequence[_Set]) -> dict[str, str]:
    """Path -> why the file is no portrait: of one that is listed twice, each entry may lack people of the other."""
    often = Counter(entry.path for one in sets for entry in one.entries)
    return {path: "listed_twice" for path, times in often.items() if times > 1}


def _check_person_categories(source: SourceRecipe, sets: Sequence[_Set]) -> None:
    """Refuse the name of a category that no annotations have: a misspelt one would make people backgrounds.

    Raises:
        SourceError: The recipe names such a category.
    """
    names = frozenset[str]().union(*(one.category_names for one in sets))
    for name in source.person_categories or ():
        if plain_name(name) not in names:
            known_names = ", ".join(printable(name) for name in sorted(names)[:_MOST_SHOWN])
            raise SourceError(
                f"source {source.name}: person_categories: no category is named {name!r}; the annotations have "
                f"{known_names}"
            )


def _open_sets(
    root: Path, source: SourceRecipe, files: Sequence[AnnotationFile], folders: PhotoFolders
) -> list[_Set | PhotoSet]:
    """The sets, or reports of those that are skipped for having no photos.

    If no set has photos in a folder of its own, they may be listed by their paths from the root.

    Raises:
        SourceError: No set has photos, or a file can't be read.
    """
    opened = [_open_set(root, source, file, folders) for file in files]
    if not any(isinstance(one, _Set) for one in opened):
        skipped = [f"{one.name}: {one.skipped}" for one in opened if isinstance(one, PhotoSet)]
        opened = [_open_set(root, source, file._replace(folders=(".",)), folders) for file in files]
        if not any(isinstance(one, _Set) for one in opened):
            raise SourceError(
                f"source {source.name}: {root}: no set has photos. {'; '.join(skipped[:_MOST_SHOWN])}. Unpack the "
                "photos of a set there"
            )
    return opened


def _open_set(root: Path, source: SourceRecipe, file: AnnotationFile, folders: PhotoFolders) -> _Set | PhotoSet:
    name = printable(file.set_name)
    folder = next((folder for folder in file.folders if folders.files(folder)), None)
    if folder is None:  # without reading the annotations: those of train2017 take half a minute
        return PhotoSet(source.name, name, 0, f"no photos in {_either(file.folders)}")
    files = folders.files(folder)
    annotations, data = _load(root, file.path, source)
    order = sorted(enumerate(annotations.images), key=_by_id)
    entries = _list_entries(annotations, order, (file, folder, files), source)
    photos = len({entry.path for entry in entries if entry.path in files})
    if not photos:
        return PhotoSet(source.name, name, 0, f"none of its {len(entries):,} photos is in {_either((folder,))}")
    if source.kind == "portrait":
        entries = _with_drawings(entries, order, (annotations, data), (source, f"{root / file.path}"))
        return _Set(PhotoSet(source.name, name, photos), entries, files, annotations.category_names)
    remark = None if not source.supercategories or annotations.have_supercategories else _ANY_OBJECT
    return _Set(PhotoSet(source.name, name, photos, None, remark), entries, files, annotations.category_names)


def _either(folders: Sequence[str]) -> str:
    """The folders in words.

    >>> _either(["a", "b", "c"]), _either(["."])
    ('a/, b/ or c/', 'the root')
    """
    *others, last = [f"{printable(folder)}/" if folder != "." else "the root" for folder in folders]
    return f"{', '.join(others)} or {last}" if others else last


def _list_entries(
    annotations: Annotations,
    order: Sequence[tuple[int, Any]],
    place: tuple[AnnotationFile, str, Mapping[str, Picture]],
    source: SourceRecipe,
) -> list[_Entry]:
    """The entries of a set, with the file that each names and why it is no background."""
    file, folder, files = place
    names = [entry.get("file_name") if isinstance(entry, dict) else None for _, entry in order]
    matches = match_names(names, folder, files.keys(), file.moved)
    is_person = person_test(source.person_categories)
    judge = (
        BackgroundTest(annotations, source.supercategories, is_person)
        if source.kind == "background"
        else PortraitTest(annotations, is_person)
    )
    licence = LICENCE if file.published else ""
    entries = []
    for (number, entry), name, match in zip(order, names, matches, strict=True):
        if match.fault is not None:
            path = f"{folder}/{name if isinstance(name, str) else f'entry {number}'}"
            entries.append(_Entry(path, f"file_name {repr(name)[:200]} {match.fault}", None, ""))
            continue
        own = annotations.licences.get(entry_id(entry, "license"))
        entries.append(_Entry(match.path, None, judge.unwanted(entry_id(entry, "id")), own or licence))
    return entries


def _with_drawings(
    entries: list[_Entry],
    order: Sequence[tuple[int, Any]],
    read: tuple[Annotations, bytes],
    place: tuple[SourceRecipe, str],
) -> list[_Entry]:
    """The entries of a set, those of portraits with the drawing of their label.

    Raises:
        SourceError: The process that draws can't read the annotations.
    """
    (annotations, data), (source, path) = read, place
    people = tuple(sorted(people_in(annotations, person_test(source.person_categories)), key=str))
    drawer = LabelDrawer(Setup("coco", person_categories=people, max_pixels=source.max_pixels), data)
    listed = {one.image: one.digest for one in drawer.list_images(f"source {source.name}: {path}")}
    drawn = []
    for entry, (_, image) in zip(entries, order, strict=True):
        image_id = entry_id(image, "id")
        if entry.fault is not None or entry.unwanted is not None:
            drawn.append(entry)
        elif image_id is None or image_id not in listed:
            drawn.append(entry._replace(unwanted="no_person"))
        else:
            drawing = drawer.of_listed(image_id, listed[image_id], f"{PurePosixPath(path).name}: image {image_id}")
            drawn.append(entry._replace(drawing=drawing))
    return drawn


def _load(root: Path, path: str, source: SourceRecipe) -> tuple[Annotations, bytes]:
    """One file's annotations, and its bytes.

    Raises:
        SourceError: It is no JSON, not what COCO's files are, or a link that leaves the root.
    """
    try:
        data = read_list(root, path, source.name, source.links)
        return parse_annotations(data), data
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise SourceError(
            f"source {source.name}: {root / path}: not COCO annotations ({type(error).__name__}: {error}); unpack "
            "them again"
        ) from error


def _by_id(numbered: tuple[int, Any]) -> tuple[int, int | str, int]:
    number, entry = numbered
    value = entry_id(entry, "id")
    return (0, value, number) if isinstance(value, int) else (1, str(value), number)
