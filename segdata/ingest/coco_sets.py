"""Where COCO annotations and their photos lie: as they are published, and as annotation tools export them.

    annotations/instances_<set>.json    photos in <set>/, images/<set>/, or images/    as published; CVAT
    <set>/_annotations.coco.json        photos beside it                               Roboflow
    result.json                         photos in images/                              Label Studio
    labels.json                         photos in data/                                FiftyOne

Captions, keypoints and whatever else lies in annotations/ are no sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from segdata.errors import SourceError
from segdata.ingest.reading import Picture, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import printable

_PREFIX = "instances_"
_ROBOFLOW = "_annotations.coco.json"
_LABEL_STUDIO = "result.json"
_MOST_SHOWN = 8


class AnnotationFile(NamedTuple):
    """A file of annotations, and where its photos may lie.

    Attributes:
        set_name: as the recipe's `sets` chooses it.
        path: of the file, under the root.
        folders: where the photos may lie, in the order in which they are tried.
        published: whether it is named as COCO's own annotations are.
        moved: whether its file names may be paths of the machine that wrote it: only their last part counts then.
    """

    set_name: str
    path: str
    folders: tuple[str, ...]
    published: bool = False
    moved: bool = False


class PhotoFolders:
    """The files of the folders of photos, each walked once.

    Args:
        root: of the source, its own links resolved.
        tree: of the source.
        set_names: of all sets: a folder of one of these below images/ belongs to that set alone.
    """

    def __init__(self, root: Path, tree: Tree, set_names: Collection[str]) -> None:
        self._root, self._tree = root, tree
        self._of_sets = {f"images/{name}/" for name in set_names}
        self._walked: dict[str, dict[str, Picture]] = {}

    def files(self, folder: str) -> dict[str, Picture]:
        """The files below a folder by their path under the root; none if there is no such folder."""
        if folder not in self._walked:
            pictures = self._tree.pictures(folder, any_name=True) if (self._root / folder).is_dir() else ()
            by_path = {picture.path: picture for picture in pictures}
            if folder == "images":
                by_path = {path: picture for path, picture in by_path.items() if not self._is_of_a_set(path)}
            self._walked[folder] = by_path
        return self._walked[folder]

    def _is_of_a_set(self, path: str) -> bool:
        return "/".join(path.split("/", 2)[:2]) + "/" in self._of_sets


def choose_sets(root: Path, source: SourceRecipe) -> list[AnnotationFile]:
    """The files of annotations that the recipe asks for, by name.

    Raises:
        SourceError: The root is missing, there are no annotations, or the recipe names a set that is not there.
    """
    found = _find_annotations(root, source)
    if source.sets is None:
        return found
    names = [printable(one.set_name) for one in found]
    if unknown := sorted(set(source.sets) - set(names)):
        raise SourceError(
            f"source {source.name}: sets: no annotations of {unknown[0]!r}; there are those of "
            f"{', '.join(names[:_MOST_SHOWN])}"
        )
    return [one for one, name in zip(found, names, strict=True) if name in source.sets]


def _find_annotations(root: Path, source: SourceRecipe) -> list[AnnotationFile]:
    require_folders(root, source.name)
    found = [_as_published(file.stem.removeprefix(_PREFIX)) for file in (root / "annotations").glob(f"{_PREFIX}*.json")]
    for file in (*root.glob(_ROBOFLOW), *root.glob(f"*/{_ROBOFLOW}")):
        folder = file.parent.relative_to(root).as_posix()
        if folder != "." and folder.startswith((".", "_", "@")):  # leftovers, such as __MACOSX
            continue
        found.append(AnnotationFile(file.parent.name, file.relative_to(root).as_posix(), (folder,)))
    if (root / _LABEL_STUDIO).is_file():
        found.append(AnnotationFile("result", _LABEL_STUDIO, ("images",), moved=True))
    if (root / "labels.json").is_file():
        found.append(AnnotationFile("labels", "labels.json", ("data",)))
    if not found:
        require_folders(root, source.name, "annotations")
        raise SourceError(
            f"source {source.name}: {root / 'annotations'}: no {_PREFIX}*.json; unpack the annotations there"
        )
    names = Counter(one.set_name for one in found)
    found = [one._replace(set_name=one.path) if names[one.set_name] > 1 else one for one in found]
    return sorted(found, key=lambda one: one.path)


def _as_published(name: str) -> AnnotationFile:
    own = () if name in ("", ".", "..") else (name, f"images/{name}")
    path = f"annotations/{_PREFIX}{name}.json"
    return AnnotationFile(name, path, (*own, "images"), published=name != "default")
