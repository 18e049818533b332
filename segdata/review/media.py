"""The picture that the App shows: the source's own file, or a copy where a browser would not show it, or not so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segdata.catalog.pixels import read_image_of
from segdata.catalog.workspace import Workspace
from segdata.errors import SegdataError

_BROWSERS_KNOW = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})


def shown_picture(workspace: Workspace, sample: dict[str, Any], folder: Path) -> str:
    """The path of a picture of the sample.

    Args:
        workspace: where the sample's file is found.
        sample: its row of `samples`.
        folder: where copies go, by the hash of what they were made from.
    """
    path = workspace.resolve(sample["image_uri"])
    if path.suffix.lower() in _BROWSERS_KNOW:
        return str(path)
    copy = folder / f"{sample['image_sha256']}.jpg"
    if not copy.is_file():
        from segdata.imaging.encode import encode_jpeg
        from segdata.storage.files import atomic_write

        try:
            atomic_write(copy, encode_jpeg(read_image_of(workspace, sample), quality=92))
        except SegdataError:
            return str(path)  # the App says that it can't be shown
    return str(copy)
