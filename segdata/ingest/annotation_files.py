"""Photos with a file of annotations each: what the readers of LabelMe and Supervisely share."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from segdata.errors import SourceError
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.ingest.annotations.drawing import Setup
from segdata.ingest.label_drawing import LabelDrawer, digest_of_file
from segdata.ingest.reading import Found, Picture, Tree
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Drawing, Reject
from segdata.storage.root import Root

SUFFIX = ".json"
LONGEST_FILE = 1 << 29  # a file of LabelMe contains its photo, too


class AnnotationFiles:
    """Draws the labels of photos that have a file of annotations each. A file is read when its label is drawn.

    Args:
        root: of the source.
        source: its section of the recipe.
        format: of the files.
        tree: of the source.
    """

    def __init__(self, root: Path, source: SourceRecipe, format: Literal["labelme", "supervisely"], tree: Tree) -> None:
        self._root, self._source, self._tree = root, source, tree
        self._opened = Root(root)
        self._drawer = LabelDrawer(Setup(format, source.person_labels, max_pixels=source.max_pixels))

    def pair(self, photo: Picture, file: Picture) -> Candidate | Reject:
        """A photo and its annotations as a candidate, if their names can be trusted."""
        candidate = self._tree.pair(photo, file, kind="portrait", split="train")
        if isinstance(candidate, Reject):
            return candidate
        return candidate._replace(alpha=None, drawing=self._drawing(file.path))

    def read(self, path: str) -> bytes:
        """A file of annotations.

        Args:
            path: under the root.

        Raises:
            OSError: It can't be read, or leaves the root.
        """
        return self._opened.read(path, LONGEST_FILE)[0]

    def _drawing(self, path: str) -> Drawing:
        try:
            status = (self._root / path).stat()
            digest = digest_of_file(path, status.st_size, status.st_mtime_ns)
        except OSError:  # the reason is given when it is read
            digest = digest_of_file(path, 0, 0)
        return self._drawer.of_file(digest, lambda: self.read(path), path)


def split_files(files: Iterator[Picture]) -> tuple[list[Picture], dict[str, Picture]]:
    """The photos among the files of a folder, and the files of annotations by their path without `.json`.

    Args:
        files: from `Tree.pictures` with any name; hidden files are left out.
    """
    photos: list[Picture] = []
    annotations: dict[str, Picture] = {}
    for file in files:
        name = file.path.rpartition("/")[2]
        suffix = "." + name.rpartition(".")[2].lower()
        if name.startswith("."):
            continue
        if suffix == SUFFIX:
            annotations[file.path[: -len(SUFFIX)]] = file
        elif suffix in IMAGE_SUFFIXES:
            photos.append(file)
    return photos, annotations


def refuse_backgrounds(source: SourceRecipe) -> None:
    """Refuse a recipe that asks for backgrounds.

    Raises:
        SourceError: It does.
    """
    if source.kind != "portrait":
        raise SourceError(
            f"source {source.name}: kind: the reader {source.reader_name} reads portraits alone; export the "
            'annotations as COCO for backgrounds, and use reader = "coco"'
        )


def describe_fault(error: OSError) -> str:
    """Why a file can't be read."""
    return "leaves the root" if error.errno == errno.EXDEV else f"can't be read ({error.strerror})"


def without_photo(annotations: Mapping[str, Picture], dataset: str, photos_folder: str = ".") -> Iterator[Found]:
    """Rejects of files of annotations that no photo belongs to.

    Args:
        annotations: by the path that their photo would have below its folder, with or without its suffix.
        dataset: the source's name in the recipe.
        photos_folder: of the photos, under the root.
    """
    start = dataset if photos_folder == "." else f"{dataset}/{photos_folder}"
    for name in sorted(annotations):
        path = annotations[name].path
        stem, dot, suffix = name.rpartition(".")
        sample_id = f"{start}/{stem if f'{dot}{suffix}'.lower() in IMAGE_SUFFIXES else name}"
        detail = f"no photo belongs to {path}; put it there, or remove the file"
        yield Reject(dataset, path, "missing_image", detail, sample_id=sample_id)
