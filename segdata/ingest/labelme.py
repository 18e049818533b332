"""LabelMe: a JSON file of shapes beside each photo.

    <root>/<images>/<any path>/1.jpg       or the photos anywhere below the root, if there is no such folder
    <root>/<images>/<any path>/1.json      or <root>/<masks>/<the same path>/1.json, if there is such a folder

A JSON file belongs to the photo of its own name, or else to the photo that its `imagePath` names beside it. What shapes
count and how they are drawn is described in `segdata.ingest.annotations.labelme`. Photos without a JSON file are
rejected as missing_alpha; photos whose shapes are no person are left out as no_person.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from segdata.engines.isolated import RequestRefusedError, WorkerDiedError
from segdata.ingest.annotation_files import AnnotationFiles, refuse_backgrounds, split_files, without_photo
from segdata.ingest.annotation_names import AnnotationNames
from segdata.ingest.reading import Found, Picture, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Reject

_DEEPEST = 1  # folders above a photo where the root has no folder of images: in a root one too high it has more


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the photos with their annotations.

    Raises:
        SourceError: The root is missing, or has neither photos nor annotations.
    """
    refuse_backgrounds(source)
    require_folders(root, source.name)
    tree = Tree(root, source.name, source.links)
    folder = source.images if (root / source.images).is_dir() else "."
    own = source.masks if (root / source.masks).is_dir() and source.masks != folder else folder
    photos, annotations = split_files(tree.pictures(folder, any_name=True))
    if own != folder:
        _, apart = split_files(tree.pictures(own, any_name=True))
        start = _length(own)
        annotations = {_join(folder, stem[start:]): file for stem, file in apart.items()}
    if folder == "." and all(file.path.count("/") > _DEEPEST for file in (*photos, *annotations.values())):
        require_folders(root, source.name, source.images)
    files = AnnotationFiles(root, source, "labelme", tree)
    alone = annotations.keys() - {photo.stem for photo in photos}
    renamed = _named_inside(files, {stem: annotations[stem] for stem in alone}, photos)
    taken = set()
    for photo in photos:
        stem = photo.stem if photo.stem in annotations else renamed.get(photo.path)
        if stem is None:
            detail = "no JSON file of LabelMe with its name; annotate it, or remove it"
            yield Reject(source.name, photo.path, "missing_alpha", detail)
        else:
            taken.add(stem)
            yield files.pair(photo, annotations[stem])
    yield from without_photo({stem: file for stem, file in annotations.items() if stem not in taken}, source.name)
    yield from tree.refused


def _named_inside(files: AnnotationFiles, alone: dict[str, Picture], photos: list[Picture]) -> dict[str, str]:
    """Path of a photo -> the annotations without a photo of their own name whose `imagePath` names it."""
    by_path = {photo.path: photo for photo in photos}
    named: dict[str, list[str]] = {}
    with AnnotationNames("labelme") as names:
        for stem, file in sorted(alone.items()):
            try:
                paths = names.read(files.read(file.path))
            except (OSError, RequestRefusedError, WorkerDiedError):
                continue
            for path in paths:
                beside = _join(stem.rpartition("/")[0], path.replace("\\", "/").rpartition("/")[2])
                if beside in by_path:
                    named.setdefault(beside, []).append(stem)
    return {path: stems[0] for path, stems in named.items() if len(stems) == 1}


def _join(folder: str, name: str) -> str:
    return name if folder in ("", ".") else f"{os.path.normpath(folder)}/{name}"


def _length(folder: str) -> int:
    start = os.path.normpath(folder)
    return 0 if start == "." else len(start) + 1
