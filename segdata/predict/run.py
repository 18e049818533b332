"""`segdata predict`: one picture a photo, or one of all people; named after the photos."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from segdata.catalog.workspace import RunContext
from segdata.engines.local import map_threads
from segdata.errors import DataError, SegdataError
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

_log = logging.getLogger(__name__)
_LONGEST_REASON = 200  # characters of an exception's message

__all__ = ["KINDS", "PictureOptions", "PredictResult", "run"]


@dataclass(frozen=True)
class Told:
    """Something about one photo: why it failed, what to look at, or another name than its own."""

    path: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """Why nothing was made of one photo.

    Attributes:
        reason: what is wrong, for people.
        fault: an exception that segdata does not expect of a photo; None for the expected ones.
    """

    reason: str
    fault: Exception | None = None


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
    """Predict each photo. A photo that fails, for whatever reason, is reported and does not stop the others.

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
        Exception: Every photo failed, and the first failure was a fault of the program and not of the photo.
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
    failed = _failures(outcomes)
    notes = tuple(Told(str(photo.path), note) for photo, told in outcomes if isinstance(told, tuple) for note in told)
    renamed = tuple((str(path), str(file)) for path, file in files.items() if file.stem != path.stem)
    written = 0 if context.dry_run else len(photos) - len(failed)
    return PredictResult(written, out, failed, notes, renamed)


def _group(
    context: RunContext, photos: Sequence[Photo], alpha_of: AlphaOf, background: Colour | Image, file: Path
) -> PredictResult:
    """One picture of all people whose head can be measured."""

    def load(photo: Photo) -> Member:
        image = read_image(photo.path)
        return member_of(image, alpha_of(image))

    outcomes = _each(context, photos, load, "group")
    failed = _failures(outcomes)
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
) -> list[tuple[Photo, Outcome | Failure]]:
    """What the work makes of each photo, in order; threads do it, and progress is told."""
    outcomes: list[tuple[Photo, Outcome | Failure]] = []
    context.progress(Progress("predict", task, 0, len(photos)))
    failed = 0
    results = map_threads(lambda photo: _attempt(work, photo), photos, context.workers)
    for photo, outcome in zip(photos, results, strict=True):
        outcomes.append((photo, outcome))
        failed += isinstance(outcome, Failure)
        note = f"{failed} failed" if failed else ""
        context.progress(Progress("predict", task, len(outcomes), len(photos), note=note))
    _report_faults(outcomes)
    return outcomes


def _attempt(work: Callable[[Photo], Outcome], photo: Photo) -> Outcome | Failure:
    """What the work makes of a photo, or why it makes nothing: one photo must not cost the results of the others."""
    try:
        return work(photo)
    except MemoryError:
        return Failure("needs more memory than there is; make the photo smaller, or give --workers 1")
    except (DecodeError, HeadNotFoundError, OSError, SegdataError) as error:
        return Failure(str(error))
    except Exception as error:  # a network, OpenCV or PyMatting may raise anything
        return Failure(f"unexpected {type(error).__name__}: {str(error)[:_LONGEST_REASON]}", error)


def _report_faults(outcomes: Sequence[tuple[Photo, object]]) -> None:
    """Log the traceback of the first unexpected exception; raise it where no photo succeeded."""
    failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
    faults = [failure.fault for failure in failures if failure.fault is not None]
    if not faults:
        return
    if len(failures) == len(outcomes):
        raise faults[0]
    _log.warning("predict: %d photos failed unexpectedly; the first exception:", len(faults), exc_info=faults[0])


def _failures(outcomes: Sequence[tuple[Photo, object]]) -> tuple[Told, ...]:
    return tuple(Told(str(photo.path), found.reason) for photo, found in outcomes if isinstance(found, Failure))


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

    def __call__(self, photo: Photo) -> tuple[str, ...]:
        """Write the picture.

        Returns:
            The picture's notes.
        """
        image = read_image(photo.path)
        picture = self.make(image, self.alpha_of(image))
        if not self.dry_run:
            atomic_write(self.files[photo.path], picture.encoded(self.jpeg))
        return picture.notes
