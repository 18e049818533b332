"""`segdata predict`: one picture a photo, or one of all people; named after the photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from segdata.catalog.workspace import RunContext
from segdata.engines.local import map_threads
from segdata.errors import DataError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.decode import DecodeError, read_image
from segdata.imaging.group import Member
from segdata.imaging.head import HeadNotFoundError
from segdata.inference.model_folder import read_spec
from segdata.inference.predict import predict_images
from segdata.inference.runtimes import open_runtime
from segdata.predict.photos import Photo, check_free, find_photos, name_outputs
from segdata.predict.pictures import (
    KINDS,
    Colour,
    Make,
    PictureOptions,
    check,
    group_picture,
    maker_of,
    member_of,
    parse_background,
)
from segdata.records import Progress
from segdata.storage.files import atomic_write

AlphaOf = Callable[[Image], Alpha]
Outcome = TypeVar("Outcome")

__all__ = ["KINDS", "PictureOptions", "PredictResult", "run"]


@dataclass(frozen=True)
class Told:
    """Something about one photo: why it failed, what to look at, or another name than its own."""

    path: str
    reason: str


@dataclass(frozen=True)
class PredictResult:
    """What was written.

    Attributes:
        written: how many files.
        out: their folder.
        failed: photos that could not be used, with the reason.
        notes: pictures to look over before they are used, and why.
        renamed: photos whose file is not called by their own stem, since another's is, and what it is called.
    """

    written: int
    out: Path
    failed: tuple[Told, ...] = ()
    notes: tuple[Told, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The keys of `predict --json`."""
        return {
            "written": self.written,
            "out": str(self.out),
            "failed": [asdict(one) for one in self.failed],
            "notes": [{"path": one.path, "note": one.reason} for one in self.notes],
            "renamed": [{"path": path, "file": file} for path, file in self.renamed],
        }


def open_predictor(model_folder: Path) -> AlphaOf:
    """What gives the alpha of any photo, (H, W) uint8 of (H, W, 3) uint8 RGB: the probability in 255ths, rounded.

    Several threads may call it.

    Args:
        model_folder: a version's.

    Raises:
        CheckpointError: The version can't be used.
    """
    runtime, spec, turn = open_runtime(model_folder), read_spec(model_folder), Lock()

    def alpha_of(image: Image) -> Alpha:
        with turn:  # a runtime computes one batch at a time
            (probability,) = predict_images(runtime, spec, [image])
        return np.rint(probability * 255).astype(np.uint8)

    return alpha_of


def run(
    context: RunContext,
    paths: Sequence[Path],
    model_folder: Path,
    out: Path,
    options: PictureOptions | None = None,
    opener: Callable[[Path], AlphaOf] = open_predictor,
) -> PredictResult:
    """Predict each photo; one that can't be used is told of, and the others go on.

    Args:
        context: `workers` threads decode and encode; `limit` takes so many photos; a dry run writes none.
        paths: photos, or folders of photos.
        model_folder: a trained version's.
        out: where the files go.
        options: what is made of the photos; their alpha by default.
        opener: opens the version.

    Raises:
        UsageError: Options that don't go together, a path that is not there, or a file that would lie on a photo.
        CheckpointError: The version can't be used.
        StorageError: A file can't be written.
    """
    options = options or PictureOptions()
    check(options)
    suffix = ".jpg" if options.jpeg else ".png"
    if options.kind == "group":
        background = parse_background(options.background or "white")
        photos = find_photos(paths, out)[: context.limit]
        check_free(out / f"group{suffix}", photos)
        return _group(context, photos, opener(model_folder), background, out / f"group{suffix}")
    make = maker_of(options)
    photos = find_photos(paths, out)[: context.limit]
    files = name_outputs(photos, out, suffix)
    work = _Work(opener(model_folder), make, files, options.jpeg, context.dry_run)
    outcomes = _each(context, photos, work, options.kind)
    failed = tuple(Told(str(photo.path), reason) for photo, reason in outcomes if isinstance(reason, str))
    notes = tuple(Told(str(photo.path), note) for photo, told in outcomes if isinstance(told, tuple) for note in told)
    renamed = tuple((str(path), str(file)) for path, file in files.items() if file.stem != path.stem)
    written = 0 if context.dry_run else len(photos) - len(failed)
    return PredictResult(written, out, failed, notes, renamed)


def _group(
    context: RunContext, photos: Sequence[Photo], alpha_of: AlphaOf, background: Colour | Image, file: Path
) -> PredictResult:
    """One picture of all people whose head can be measured."""

    def load(photo: Photo) -> str | Member:
        try:
            image = read_image(photo.path)
            return member_of(image, alpha_of(image))
        except (DecodeError, HeadNotFoundError, OSError) as error:
            return str(error)

    outcomes = _each(context, photos, load, "group")
    failed = tuple(Told(str(photo.path), reason) for photo, reason in outcomes if isinstance(reason, str))
    people = [(photo, member) for photo, member in outcomes if isinstance(member, Member)]
    if not people:
        return PredictResult(0, file.parent, failed)
    picture, told = group_picture([member for _, member in people], background)
    if not context.dry_run:
        atomic_write(file, picture.encoded(file.suffix == ".jpg"))
    notes = tuple(Told(str(photo.path), note) for (photo, _), some in zip(people, told, strict=True) for note in some)
    return PredictResult(int(not context.dry_run), file.parent, failed, notes)


def _each(
    context: RunContext, photos: Sequence[Photo], work: Callable[[Photo], Outcome], task: str
) -> list[tuple[Photo, Outcome]]:
    """What the work makes of each photo, in order; threads do it, and progress is told."""
    outcomes: list[tuple[Photo, Outcome]] = []
    context.progress(Progress("predict", task, 0, len(photos)))
    for photo, outcome in zip(photos, map_threads(work, photos, context.workers), strict=True):
        outcomes.append((photo, outcome))
        failed = sum(isinstance(one, str) for _, one in outcomes)
        note = f"{failed} failed" if failed else ""
        context.progress(Progress("predict", task, len(outcomes), len(photos), note=note))
    return outcomes


def check_any(result: PredictResult) -> None:
    """Refuse a result in which no photo at all could be used.

    Raises:
        DataError: The first reason is in the message.
    """
    if result.failed and not result.written:
        first = result.failed[0]
        raise DataError(f"predict: no photo could be used ({len(result.failed)} failed); {first.path}: {first.reason}")


@dataclass(frozen=True)
class _Work:
    """What a thread does with a photo."""

    alpha_of: AlphaOf
    make: Make
    files: dict[Path, Path]
    jpeg: bool
    dry_run: bool

    def __call__(self, photo: Photo) -> str | tuple[str, ...]:
        """The picture's notes, or why there is none."""
        try:
            image = read_image(photo.path)
            picture = self.make(image, self.alpha_of(image))
        except (DecodeError, HeadNotFoundError, OSError) as error:
            return str(error)
        if not self.dry_run:
            atomic_write(self.files[photo.path], picture.encoded(self.jpeg))
        return picture.notes
