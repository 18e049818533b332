"""Supervisely: a project folder.

    <root>/meta.json                          the classes
    <root>/<dataset>/img/1.jpg                or <root>/img/1.jpg
    <root>/<dataset>/ann/1.jpg.json           or ann/1.json, as older versions wrote it

What objects count and how they are drawn is described in `segdata.ingest.annotations.supervisely`. Photos without
annotations are rejected as missing_alpha; photos whose objects are no person are left out as no_person.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.engines.isolated import RequestRefusedError, WorkerDiedError
from segdata.errors import SourceError
from segdata.ingest.annotation_files import AnnotationFiles, refuse_backgrounds, split_files, without_photo
from segdata.ingest.annotation_names import AnnotationNames
from segdata.ingest.people import plain_name
from segdata.ingest.reading import Found, Tree, read_list, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import PhotoSet, Reject, printable

_META = "meta.json"
_IMAGES, _ANNOTATIONS = "img", "ann"
_MOST_SHOWN = 8


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the photos with their annotations.

    Raises:
        SourceError: The root is missing, has no such folders, or meta.json can't be read or lacks a class that the
            recipe names.
    """
    refuse_backgrounds(source)
    require_folders(root, source.name)
    datasets = _find_datasets(root)
    if not datasets:
        children = sorted(child.name for child in root.iterdir() if child.is_dir() and _find_datasets(child))
        hint = f"; {root / children[0]} has them: make that the root" if children else ". Correct the root"
        raise SourceError(f"source {source.name}: root {root}: no folder with img/ and ann/ in it{hint}")
    _check_labels(root, source)
    tree = Tree(root, source.name, source.links)
    files = AnnotationFiles(root, source, "supervisely", tree)
    for dataset in datasets:
        yield from _read_dataset(dataset, source.name, tree, files)
    yield from tree.refused


def _read_dataset(dataset: str, source_name: str, tree: Tree, files: AnnotationFiles) -> Iterator[Found]:
    start = f"{dataset}/" if dataset != "." else ""
    images, annotations_folder = f"{start}{_IMAGES}", f"{start}{_ANNOTATIONS}"
    photos, _ = split_files(tree.pictures(images, any_name=True))
    _, by_path = split_files(tree.pictures(annotations_folder, any_name=True))
    annotations = {path[len(annotations_folder) + 1 :]: file for path, file in by_path.items()}
    yield PhotoSet(source_name, printable(dataset), len(photos))
    taken = set()
    for photo in photos:
        names = photo.path[len(images) + 1 :], photo.stem[len(images) + 1 :]
        name = next((name for name in names if name in annotations), None)
        if name is None:
            detail = f"no {names[0]}.json in {annotations_folder}/; annotate it, or remove it"
            yield Reject(source_name, photo.path, "missing_alpha", detail)
        else:
            taken.add(name)
            yield files.pair(photo, annotations[name])
    alone = {name: file for name, file in annotations.items() if name not in taken}
    yield from without_photo(alone, source_name, images)


def _find_datasets(root: Path) -> list[str]:
    """The folders with img/ and ann/ in them, `.` for the root itself.

    A folder and a link to it are one: the link's name counts, since somebody made it for its name.
    """
    folders = [".", *sorted(child.name for child in root.iterdir() if not child.name.startswith("."))]
    found = [one for one in folders if all((root / one / part).is_dir() for part in (_IMAGES, _ANNOTATIONS))]
    real = {}
    for one in sorted(found, key=lambda one: (root / one).is_symlink()):
        real[(root / one).resolve()] = one
    return sorted(real.values())


def _check_labels(root: Path, source: SourceRecipe) -> None:
    """Refuse a class that the project does not have: a misspelt one would leave people out.

    Raises:
        SourceError: The recipe names such a class, or meta.json can't be read.
    """
    if not source.person_labels:
        return
    try:
        data = read_list(root, _META, source.name, source.links)
        with AnnotationNames("supervisely") as names:
            classes = names.read(data)
    except FileNotFoundError:
        return
    except (OSError, RequestRefusedError, WorkerDiedError) as error:
        raise SourceError(
            f"source {source.name}: {root / _META}: can't be read ({error}); download the project again"
        ) from error
    plain_classes = {plain_name(name) for name in classes}
    for label in source.person_labels:
        if plain_name(label) not in plain_classes:
            known = ", ".join(printable(name) for name in sorted(classes)[:_MOST_SHOWN])
            raise SourceError(f"source {source.name}: person_labels: no class is named {label!r}; {_META} has {known}")
