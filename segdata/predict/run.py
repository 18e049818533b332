"""`segdata predict`: one PNG a photo, named after it and as large as it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segdata.catalog.workspace import RunContext
from segdata.errors import UsageError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.decode import DecodeError, read_image
from segdata.imaging.encode import encode_png
from segdata.imaging.foreground import estimate_foreground
from segdata.inference.model_folder import read_spec
from segdata.inference.predict import predict_images
from segdata.inference.runtimes import open_runtime
from segdata.records import LABEL_CUT, Progress
from segdata.storage.files import atomic_write

KINDS = ("alpha", "mask", "cutout")
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class PredictResult:
    """How many files were written, where, and which photos could not be read."""

    written: int
    out: Path
    failed: tuple[dict[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `predict --json`."""
        return {"written": self.written, "out": str(self.out), "failed": list(self.failed)}


def run(
    context: RunContext, paths: Sequence[Path], model_folder: Path, out: Path, kind: str = "alpha"
) -> PredictResult:
    """Predict each photo; one that can't be read is told of, and the others go on.

    Args:
        context: `limit` takes so many photos; a dry run writes none.
        paths: photos, or folders of photos; of two photos with one name the second keeps its suffix too.
        model_folder: a trained version's.
        out: where the PNGs go.
        kind: `alpha` in grey, `mask` in black and white, or `cutout`: the estimated foreground, transparent around.

    Raises:
        UsageError: An unknown kind, or a path that is not there.
        CheckpointError: The version can't be used.
    """
    if kind not in KINDS:
        raise UsageError(f"predict: no kind {kind!r}; there are {', '.join(KINDS)}")
    photos = list(_photos(paths))[: context.limit]
    runtime, spec = open_runtime(model_folder), read_spec(model_folder)
    names = _names(photos)
    written, failed = 0, []
    for done, photo in enumerate(photos, 1):
        try:
            image = read_image(photo)
        except (DecodeError, OSError) as error:
            failed.append({"path": str(photo), "reason": str(error)})
            continue
        (probability,) = predict_images(runtime, spec, [image])
        if not context.dry_run:
            alpha = np.rint(probability * 255).astype(np.uint8)
            atomic_write(out / names[photo], encode_png(_picture(image, alpha, kind)))
            written += 1
        context.progress(Progress("predict", kind, done, len(photos)))
    return PredictResult(written, out, tuple(failed))


def _picture(image: Image, alpha: Alpha, kind: str) -> Image:
    if kind == "alpha":
        return alpha
    if kind == "mask":
        return np.where(alpha >= LABEL_CUT, np.uint8(255), np.uint8(0))
    return np.dstack([estimate_foreground(image, alpha, "multilevel"), alpha])


def _photos(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in _SUFFIXES)
            yield from (file for file in found if not file.name.startswith("."))
        elif path.exists():
            yield path
        else:
            raise UsageError(f"predict: {path}: no such photo or folder")


def _names(photos: Sequence[Path]) -> dict[Path, str]:
    """An output name for each photo: its stem, or its whole name, or that with a number, whatever is free first."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for photo in photos:
        tries = (
            f"{photo.stem}.png",
            f"{photo.name}.png",
            *(f"{photo.name}-{n}.png" for n in range(2, len(photos) + 2)),
        )
        names[photo] = next(name for name in tries if name not in taken)
        taken.add(names[photo])
    return names
