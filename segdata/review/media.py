"""The picture that the App shows: the source's own file, or a copy where a browser would not show it, or not so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from segdata.catalog.pixels import read_image_of
from segdata.catalog.workspace import Workspace
from segdata.errors import SegdataError

_BROWSERS_KNOW = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})


def picture_path(workspace: Workspace, sample: Mapping[str, Any], folder: Path) -> Path:
    """The file that the browser shows for a sample: its own, or a copy where they do not know its format.

    Args:
        workspace: where the sample's file is found.
        sample: its row of `samples`.
        folder: where copies go, by the hash of what they were made from.
    """
    path = workspace.resolve(sample["image_uri"])
    return path if path.suffix.lower() in _BROWSERS_KNOW else folder / f"{sample['image_sha256']}.jpg"


def shown_picture(workspace: Workspace, sample: dict[str, Any], folder: Path) -> str:
    """The path of a picture of the sample; a copy is made where it is needed and not there yet.

    Args:
        workspace: where the sample's file is found.
        sample: its row of `samples`.
        folder: where copies go.
    """
    path = picture_path(workspace, sample, folder)
    if path.parent == folder and not path.is_file():
        from segdata.imaging.encode import encode_jpeg
        from segdata.storage.files import atomic_write

        with suppress(SegdataError):  # the App says that it can't be shown
            atomic_write(path, encode_jpeg(read_image_of(workspace, sample), quality=92))
    return str(path)
