"""Label Studio: a JSON export beside the photos.

    <root>/<any name>.json         or in a folder of the root, such as annotations/
    <root>/images/1.jpg            or anywhere below the root, if there is no such folder

A task names its photo by an address on the server. An upload has 8 hexadecimal digits and `-` before its name there,
and `_` in place of spaces; it is looked up by its full name first. What regions count is described in
`segdata.ingest.annotations.labelstudio`. Tasks that nobody annotated are left out as no_annotations, those without a
person as no_person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from segdata.catalog.forgotten_names import stem_of
from segdata.errors import SourceError
from segdata.ingest.annotation_files import refuse_backgrounds, split_files
from segdata.ingest.annotations.drawing import Listed, Setup
from segdata.ingest.label_drawing import LabelDrawer
from segdata.ingest.path_ends import PathEnds
from segdata.ingest.reading import Found, Picture, Tree, read_list, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Filtered, PhotoSet, Reject, printable

_UPLOAD = re.compile(r"\A[0-9a-f]{8}-")
_REMOVED_BY_UPLOAD = re.compile(r"[^-\w.]")
_MOST_SHOWN = 8


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the photos of the tasks.

    Raises:
        SourceError: The root is missing, or has no export, several, or one that can't be read.
    """
    refuse_backgrounds(source)
    require_folders(root, source.name)
    file = _find_export(root, source)
    try:
        data = read_list(root, file, source.name, source.links)
    except OSError as error:
        raise SourceError(f"source {source.name}: {root / file}: can't be read ({error.strerror})") from error
    drawer = LabelDrawer(Setup("labelstudio", source.person_labels, max_pixels=source.max_pixels), data)
    tasks = drawer.list_images(f"source {source.name}: {root / file}")
    tree = Tree(root, source.name, source.links)
    folder = source.images if (root / source.images).is_dir() else "."
    photos, _ = split_files(tree.pictures(folder, any_name=True))
    matches = match_tasks([task.names for task in tasks], [photo.path for photo in photos])
    tasks_of: dict[str, list[Listed]] = {}
    for task, path in zip(tasks, matches, strict=True):
        if path is not None:
            tasks_of.setdefault(path, []).append(task)
    yield PhotoSet(source.name, printable(Path(file).stem), len(tasks_of), None, _remark(tasks))
    for number, (task, path) in enumerate(zip(tasks, matches, strict=True)):
        if path is None:
            yield _without_photo(task, number, folder, source.name)
    for photo in photos:
        own = tasks_of.get(photo.path, [])
        reason = "listed_twice" if len(own) > 1 else own[0].unwanted if own else "no_annotations"
        if reason is not None:
            yield Filtered(source.name, photo.path, reason, there=not photo.leads_out)
        else:
            yield _pair(tree, photo, own[0], drawer)
    yield from tree.refused


def match_tasks(names: Sequence[Sequence[str]], paths: Sequence[str]) -> list[str | None]:
    """The photo that each task means: the one whose path ends as an address does, or else one whose name an upload had.

    Args:
        names: what each task calls its photo, the likeliest name first.
        paths: of the photos, under the root.

    Returns:
        A path for each task; None where no photo, or more than one, can be meant.

    >>> match_tasks([["/data/upload/1/0a1b2c3d-my_photo.jpg"], ["s3://b/a/2.jpg"]], ["my photo.jpg", "a/2.jpg"])
    ['my photo.jpg', 'a/2.jpg']
    """
    by_name: dict[str, list[str]] = {}
    by_upload: dict[str, list[str]] = {}
    for path in paths:
        name = path.rpartition("/")[2]
        by_name.setdefault(name, []).append(path)
        by_upload.setdefault(_as_uploaded(name), []).append(path)
    ends = PathEnds(paths)
    return [_match(task, ends, by_name, by_upload) for task in names]


def _match(
    names: Sequence[str], ends: PathEnds, by_name: dict[str, list[str]], by_upload: dict[str, list[str]]
) -> str | None:
    parts = [_path_in(name).split("/") for name in names]
    for own in parts:
        alike = ends.find(own) or by_name.get(own[-1], [])
        if len(alike) == 1:
            return alike[0]
    for own in parts:
        if _UPLOAD.match(own[-1]):
            alike = by_upload.get(_as_uploaded(own[-1][9:]), [])
            if len(alike) == 1:
                return alike[0]
    return None


def _path_in(name: str) -> str:
    """The path that an address holds; of local files it is in the query."""
    try:
        address = urlsplit(name)
        local = parse_qs(address.query).get("d")
    except ValueError:
        return name
    path = local[0] if local else unquote(address.path) or name
    return path.replace("\\", "/")


def _as_uploaded(name: str) -> str:
    """What an upload makes of a file's name."""
    return _REMOVED_BY_UPLOAD.sub("", name.strip().replace(" ", "_"))


def _without_photo(task: Listed, number: int, folder: str, dataset: str) -> Found:
    name = _path_in(task.names[0]).rpartition("/")[2] if task.names else f"task {number + 1}"
    name = _UPLOAD.sub("", name, count=1)
    path = f"{folder}/{name}" if folder != "." else name
    if task.unwanted is not None:
        return Filtered(dataset, path, task.unwanted)
    detail = f"task {number + 1} is of this photo, and none of the files is it alone; put it into {folder}/"
    return Reject(dataset, path, "missing_image", detail, sample_id=f"{dataset}/{stem_of(path)}")


def _pair(tree: Tree, photo: Picture, task: Listed, drawer: LabelDrawer) -> Found:
    found = tree.pair(photo, None, kind="portrait", split="train")
    if isinstance(found, Reject):
        return found
    return found._replace(drawing=drawer.of_listed(task.image, task.digest, f"the task of {photo.path}"))


def _remark(tasks: Sequence[Listed]) -> str | None:
    others = sorted(set[str]().union(*(task.other_labels for task in tasks)))
    if not others:
        return None
    shown = ", ".join(repr(printable(name)) for name in others[:_MOST_SHOWN])
    return f"regions labelled {shown} are no person; person_labels names those that are"


def _find_export(root: Path, source: SourceRecipe) -> str:
    """The export, under the root.

    Raises:
        SourceError: There is none, or more than one.
    """
    found = sorted((*root.glob("*.json"), *root.glob("*/*.json")), reverse=True)
    found = sorted({file.resolve(): file for file in found}.values())  # a file and a link to it are one
    names = [file.relative_to(root).as_posix() for file in found]
    names = [name for name in names if not any(part.startswith((".", "_", "@")) for part in name.split("/"))]
    if source.sets is not None:
        names = [name for name in names if Path(name).stem in source.sets]
    if len(names) == 1:
        return names[0]
    if not names:
        require_folders(root, source.name, "annotations")
        raise SourceError(f"source {source.name}: {root}: no JSON export of Label Studio; put it there")
    shown = ", ".join(printable(name) for name in names[:_MOST_SHOWN])
    raise SourceError(
        f'source {source.name}: {root}: several JSON files: {shown}; choose one, as in sets = ["{Path(names[0]).stem}"]'
    )
