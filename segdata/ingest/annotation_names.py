"""Names in files of annotations, read by a process with limits: a file that needs more ends that process alone."""

from __future__ import annotations

import json
from typing import Literal, Self

from segdata.engines.isolated import IsolatedWorker, Limits

OPENER = "segdata.ingest.annotations.summaries:open_summaries"
_LIMITS = Limits()
_LONGEST_ANSWER = 1 << 28


class AnnotationNames:
    """Reads the names in files. The process is started for the first file.

    Args:
        format: labelme, for the photo that a file names; supervisely, for the classes of meta.json.
    """

    def __init__(self, format: Literal["labelme", "supervisely"]) -> None:
        self._worker = IsolatedWorker(OPENER, format.encode(), _LIMITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.close()

    def read(self, data: bytes) -> list[str]:
        """The names in a file; at most one for LabelMe.

        Raises:
            RequestRefusedError: It can't be read.
            WorkerDiedError: It needs more memory or time than the process may use.
        """
        names: list[str] = json.loads(self._worker.ask(data, _LONGEST_ANSWER))
        return names
