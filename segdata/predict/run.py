"""`segdata predict`: one picture a photo, or one of all people; named after the photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from segdata.catalog.workspace import RunContext
from segdata.engines.local import map_threads
from segdata.errors import DataError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.decode import DecodeError, read_image
from segdata.imaging.head import HeadNotFoundError
from segdata.inference.model_folder import read_spec
from segdata.inference.predict import predict_images
from segdata.inference.runtimes import open_runtime
from segdata.predict.photos import Photo, find_photos, name_outputs
from segdata.predict.pictures import KINDS, Make, PictureOptions, maker_of
from segdata.records import Progress
from segdata.storage.files import atomic_write

AlphaOf = Callable[[Image], Alpha]

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
    make = maker_of(options)
    photos = find_photos(paths, out)[: context.limit]
    suffix = ".jpg" if options.jpeg else ".png"
    files = name_outputs(photos, out, suffix)
    work = _Work(opener(model_folder), make, files, options.jpeg, context.dry_run)
    context.progress(Progress("predict", options.kind, 0, len(photos)))
    failed, notes = [], []
    for done, (photo, outcome) in enumerate(zip(photos, map_threads(work, photos, context.workers), strict=True), 1):
        if isinstance(outcome, str):
            failed.append(Told(str(photo.path), outcome))
        else:
            notes += [Told(str(photo.path), note) for note in outcome]
        note = f"{len(failed)} failed" if failed else ""
        context.progress(Progress("predict", options.kind, done, len(photos), note=note))
    renamed = [(str(path), str(file)) for path, file in files.items() if file.stem != path.stem]
    written = 0 if context.dry_run else len(photos) - len(failed)
    return PredictResult(written, out, tuple(failed), tuple(notes), tuple(renamed))


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
