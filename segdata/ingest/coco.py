"""COCO: person-free photos, as backgrounds.

    <root>/annotations/instances_val2017.json
    <root>/val2017/000000000139.jpg                 or <root>/images/val2017/

Person-free means that no annotation, crowds included, is of a person. A photo without any annotation is *unknown*, and
so not person-free. `file_name` is somebody's text: it has to stay under the images' folder.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from segdata.errors import SourceError
from segdata.ingest.reading import Found, leads_out, require_folders, sample_id
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Filtered, Reject

LICENCE = "each photo its own Creative Commons licence"
_PREFIX = "instances_"


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
    for file in files:
        yield from _read_annotations(root, file, source)


def _read_annotations(root: Path, file: Path, source: SourceRecipe) -> Iterator[Found]:
    name = file.stem.removeprefix(_PREFIX)
    folder = next((place for place in (root / name, root / "images" / name) if place.is_dir()), None)
    if folder is None:
        raise SourceError(f"source {source.name}: {root}: {file.name} is there, and its photos in {name}/ are not")
    coco = _load(file, source.name)
    licences = {row.get("id"): str(row.get("name", "")) for row in coco.dataset.get("licenses", [])}
    seen: set[str] = set()
    for image_id in sorted(coco.imgs):
        image = coco.imgs[image_id]
        path = str(image.get("file_name", ""))
        where = f"{folder.relative_to(root).as_posix()}/{path}"
        unwanted = _unwanted(coco, image_id, source.supercategories)
        if where in seen:
            yield Filtered(source.name, where, "listed_twice")
        elif unwanted:
            yield Filtered(source.name, where, unwanted)
        else:
            yield _background(root, folder, path, source, licences.get(image.get("license"), "") or LICENCE)
        seen.add(where)


def _unwanted(coco: Any, image_id: int, wanted: tuple[str, ...]) -> str | None:
    """Why a photo is no background, if it is none."""
    annotations = coco.imgToAnns.get(image_id, [])
    categories = [coco.cats[one["category_id"]] for one in annotations if one.get("category_id") in coco.cats]
    if not categories:
        return "no_annotations"
    if any(category["name"] == "person" for category in categories):
        return "has_person"
    if wanted and not any(category.get("supercategory") in wanted for category in categories):
        return "other_supercategory"
    return None


def _background(root: Path, folder: Path, path: str, source: SourceRecipe, licence: str) -> Found:
    pure, file = PurePosixPath(path), folder / path
    where = f"{folder.relative_to(root).as_posix()}/{path}"
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        return Reject(source.name, where, "unsafe_path", f"file_name {path!r} leaves the images' folder")
    if leads_out(file, root):
        return Reject(source.name, where, "unsafe_path", "a link that leaves the root")
    if not file.is_file():
        return Reject(source.name, where, "missing_image", "annotated, and not there")
    return Candidate(
        dataset=source.name,
        sample_id=sample_id(source.name, where),
        path=where,
        kind="background",
        split="none",
        image=file,
        licence=licence,
    )


def _load(file: Path, dataset: str) -> Any:
    """The annotations; pycocotools prints what it does on stdout, which belongs to the command."""
    from pycocotools.coco import COCO

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(file))
        if not isinstance(coco.dataset.get("images"), list) or not isinstance(coco.dataset.get("categories"), list):
            raise KeyError("images or categories")
    except (OSError, ValueError, KeyError, AssertionError, TypeError, AttributeError) as error:
        raise SourceError(
            f"source {dataset}: {file}: not COCO annotations ({type(error).__name__}: {error}); unpack them again"
        ) from error
    return coco
