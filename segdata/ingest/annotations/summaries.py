"""The process that reads a file of annotations for the little that a reader needs before it draws any label."""

from __future__ import annotations

import json
from collections.abc import Callable

from segdata.ingest.annotations.labelled import label_in, list_in, parse_object

_LONGEST_NAME = 4096
_MOST_CLASSES = 10_000


def open_summaries(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Choose what is read.

    Args:
        setup: labelme, for the photo that a file names; supervisely, for the classes of meta.json.

    Returns:
        An empty greeting, and the function that answers a file with a JSON list of names.
    """
    names_in = {b"labelme": _image_named_in, b"supervisely": _classes_in}[setup]
    return b"", lambda data: json.dumps(names_in(data)).encode()


def _image_named_in(data: bytes) -> list[str]:
    path = parse_object(data).get("imagePath")
    return [path] if isinstance(path, str) and len(path) <= _LONGEST_NAME else []


def _classes_in(data: bytes) -> list[str]:
    classes = list_in(parse_object(data), "classes")
    if len(classes) > _MOST_CLASSES:
        raise ValueError(f"{len(classes):,} classes; at most {_MOST_CLASSES:,} are read")
    return [label_in(entry, "title")[:_LONGEST_NAME] for entry in classes if isinstance(entry, dict)]
