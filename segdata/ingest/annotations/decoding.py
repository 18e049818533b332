"""Mended labels, decoded in a process of their own: an entry that crashes it is skipped, and no label changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from segdata.engines.isolated import IsolatedWorker, Limits, RequestRefusedError, WorkerDiedError
from segdata.errors import SourceError
from segdata.imaging.arrays import Alpha
from segdata.ingest.annotations.answering import LONGEST_MANIFEST, encode_request
from segdata.ingest.annotations.manifest import Line
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.records import printable

OPENER = "segdata.ingest.annotations.answering:open_folder"
LIMITS = Limits()


class MendedFolder:
    """A folder that `segdata export repair` wrote, and somebody mended.

    Args:
        folder: its path.

    Attributes:
        lines: the samples that it has labels of.
        skipped: entries of its manifest that can't be used, with the reason.

    Raises:
        SourceError: It is no such folder, or its lists can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self._worker = IsolatedWorker(OPENER, os.fsencode(os.path.realpath(folder)), LIMITS)
        try:
            greeting = json.loads(self._worker.start(2 * LONGEST_MANIFEST))
        except (RequestRefusedError, WorkerDiedError) as error:
            self._worker.close()
            raise SourceError(
                f"{printable(str(folder))}: no folder that segdata export repair wrote, or a damaged one ({error})"
            ) from error
        self.lines = tuple(Line(*line) for line in greeting["lines"])
        self.skipped = tuple((str(name), str(reason)) for name, reason in greeting["skipped"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()

    def decode(self, line: Line, size_hw: SizeHW) -> Alpha:
        """The label of a sample.

        Args:
            line: one of `lines`.
            size_hw: of its photo, as the catalog has it.

        Returns:
            (H, W) uint8, 255 is person.

        Raises:
            ShapeError: It can't be decoded; the message says why.
        """
        height, width = size_hw
        try:
            pixels = self._worker.ask(encode_request(line, size_hw), height * width)
        except (RequestRefusedError, WorkerDiedError) as error:
            raise ShapeError(str(error)) from error
        if len(pixels) != height * width:
            raise ShapeError(f"its label has {len(pixels)} pixels, the photograph {width}x{height}")
        return np.frombuffer(pixels, np.uint8).reshape(size_hw)
