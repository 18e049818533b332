"""Labels that came back, decoded in a process of their own: one that crashes it is skipped, and changes nothing."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from segdata.engines.isolated import IsolatedWorker, Limits, RequestRefusedError, WorkerDiedError
from segdata.errors import SourceError
from segdata.imaging.arrays import Alpha
from segdata.ingest.annotations.answering import Remarks, decode_reply, encode_request
from segdata.ingest.annotations.manifest import Line, Manifest
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.records import printable

OPENER = "segdata.ingest.annotations.answering:open_folder"
LIMITS = Limits()
_LONGEST_GREETING = 1 << 29
_LONGEST_REMARKS = 1 << 16


@dataclass(frozen=True)
class NamedLabel:
    """A label that came back, before it is drawn.

    Attributes:
        number: by which the process knows it.
        file: where it is, under the folder or in the archive.
        names: what the file calls the image, the likeliest first.
        other_labels: labels of its shapes that are no person.
        unsupported: kinds of its shapes that can't be drawn.
        is_picture: whether the file is a picture, and has no names of its own.
    """

    number: int
    file: str
    names: tuple[str, ...]
    other_labels: tuple[str, ...]
    unsupported: tuple[str, ...]
    is_picture: bool

    @property
    def entry(self) -> str:
        """How messages name it."""
        name = self.names[0] if self.names else "an image without a name"
        return printable(self.file if self.is_picture or not self.names else f"{self.file}: image {name[:200]!r}")


class MendedFolder:
    """A folder, an archive or a file that came back from an annotation tool.

    Args:
        path: of it.

    Attributes:
        labels: what there is.
        skipped: files and entries that can't be used, with the reason.
        manifest: segdata.json; None where there is none.

    Raises:
        SourceError: There are no labels, or their list can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._worker = IsolatedWorker(OPENER, os.fsencode(os.path.realpath(path)), LIMITS)
        try:
            greeting = json.loads(self._worker.start(_LONGEST_GREETING))
        except (RequestRefusedError, WorkerDiedError) as error:
            self._worker.close()
            raise SourceError(
                f"{printable(str(path))}: no labels that can be read ({error}); give the folder, ZIP or file that the "
                "annotation tool exported"
            ) from error
        self.labels = tuple(_label_of(number, label) for number, label in enumerate(greeting["labels"]))
        self.skipped = tuple((printable(str(name)), printable(str(reason))) for name, reason in greeting["skipped"])
        self.manifest = None if greeting["manifest"] is None else _manifest_of(greeting["manifest"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()

    def decode(self, label: NamedLabel, size_hw: SizeHW) -> tuple[Alpha, Remarks]:
        """The pixels of a label.

        Args:
            label: one of `labels`.
            size_hw: of its photo, as the catalog has it.

        Returns:
            (H, W) uint8, 255 is person; and what it comes with.

        Raises:
            ShapeError: It can't be decoded; the message says why.
        """
        height, width = size_hw
        try:
            reply = self._worker.ask(encode_request(label.number, size_hw), height * width + _LONGEST_REMARKS)
            pixels, remarks = decode_reply(reply)
        except (RequestRefusedError, WorkerDiedError, ValueError) as error:
            raise ShapeError(str(error)) from error
        if len(pixels) != height * width:
            raise ShapeError(f"its label has {len(pixels)} pixels, the photograph {width}x{height}")
        return np.frombuffer(pixels, np.uint8).reshape(size_hw), remarks


def _label_of(number: int, label: dict[str, Any]) -> NamedLabel:
    names, others, unsupported = (
        tuple(str(text) for text in label[key]) for key in ("names", "other_labels", "unsupported")
    )
    return NamedLabel(number, str(label["file"]), names, others, unsupported, bool(label["is_picture"]))


def _manifest_of(manifest: dict[str, Any]) -> Manifest:
    lines = tuple(Line(**line) for line in manifest["lines"])
    skipped = tuple((str(name), str(reason)) for name, reason in manifest["skipped"])
    return Manifest(manifest["format"], lines, skipped, manifest["run"])
