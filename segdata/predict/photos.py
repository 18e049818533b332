"""Which photos are meant, and what the file made from each is called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import UsageError
from segdata.imaging.formats import HEAD_BYTES, IMAGE_SUFFIXES, looks_like_photo
from segdata.storage.files import checked_target

_MOST_NAME_BYTES = 255  # of ext4, APFS, NTFS and most others


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to predict.

    Attributes:
        path: the file.
        place: its path under the folder that was given, or its name: where its output lies under `out`.
    """

    path: Path
    place: Path


def find_photos(paths: Sequence[Path], out: Path) -> list[Photo]:
    """The photos that paths mean, each once: files as given, folders with all below them, sorted.

    In a folder a photo is what its name or its first bytes say is one. Hidden files and folders are passed over, and so
    is `out` where it lies inside a folder that is read: what was written by the last call is no photo.

    Raises:
        UsageError: A path that is not there, or no photo at all.
    """
    photos: dict[Path, Photo] = {}
    for path in paths:
        for photo in _below(path, out.resolve()):
            photos.setdefault(photo.path.resolve(), photo)
    if not photos:
        raise UsageError(f"predict: no photos in {', '.join(map(str, paths))}; files that end in {_listed()} are read")
    return list(photos.values())


def check_free(file: Path, photos: Sequence[Photo]) -> None:
    """Whether a result may be written without losing a photo.

    Raises:
        UsageError: It would lie on one of the photos.
    """
    if file.resolve() in {photo.path.resolve() for photo in photos}:
        raise UsageError(f"predict: {file} is a photo and would be overwritten; give another --out")


def name_outputs(photos: Sequence[Photo], out: Path, suffix: str) -> dict[Path, Path]:
    """Where the file made from each photo goes: under `out` as the photo under its folder, with another suffix.

    Of photos that would share a file, the second keeps its own suffix too (`x.jpg.png`), and further ones get a number.
    Names that differ by case alone count as shared: on some disks they are. A name that would be longer than file
    systems allow is cut before its suffix.

    Args:
        photos: in their order.
        out: the folder of the results.
        suffix: of the results, such as `.png`.

    Raises:
        UsageError: A result would lie on one of the photos.
    """
    inputs = {photo.path.resolve() for photo in photos}
    names: dict[Path, Path] = {}
    taken: set[str] = set()
    for photo in photos:
        place = next(
            place for place in _tries(photo.place, suffix, len(photos)) if place.as_posix().casefold() not in taken
        )
        taken.add(place.as_posix().casefold())
        names[photo.path] = checked_target(out, place)
        if names[photo.path].resolve() in inputs:
            raise UsageError(f"predict: {names[photo.path]} is a photo and would be overwritten; give another --out")
    return names


def _below(path: Path, out: Path) -> Iterator[Photo]:
    if path.is_file():
        yield Photo(path, Path(path.name))
        return
    if not path.is_dir():
        raise UsageError(f"predict: {path}: no such photo or folder")
    for file in sorted(path.rglob("*")):
        place = file.relative_to(path)
        hidden = any(part.startswith(".") for part in place.parts)
        own = out != path.resolve() and file.resolve().is_relative_to(out)
        if file.is_file() and not hidden and not own and _is_photo(file):
            yield Photo(file, place)


def _is_photo(file: Path) -> bool:
    """By its name, or, where that ends in nothing known, by its first bytes."""
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with file.open("rb") as opened:
            return looks_like_photo(opened.read(HEAD_BYTES))
    except OSError:  # not readable, and its name does not say that it is a photo
        return False


def _tries(place: Path, suffix: str, count: int) -> Iterator[Path]:
    own = place.suffix
    tails = (suffix, f"{own}{suffix}", *(f"{own}-{number}{suffix}" for number in range(2, count + 2)))
    yield from (place.with_name(_joined(place.stem, tail)) for tail in tails)


def _joined(stem: str, tail: str) -> str:
    """A stem and what follows it, the stem cut so that the name has at most as many bytes as file systems allow.

    >>> _joined("x" * 255, ".png") == "x" * 251 + ".png"
    True
    """
    room_bytes = _MOST_NAME_BYTES - len(os.fsencode(tail))
    while len(os.fsencode(stem)) > room_bytes:
        stem = stem[:-1]  # whole characters: a cut through the bytes of one would leave a name that is not UTF-8
    return stem + tail


def _listed() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
