"""Labels that were merged from several masks of one photo: kept beside the catalog, since a source is never written.

files/merged/<2 digits>/<hash of the sample's id>-<hash of the names of its masks>.png     grey, 255 is person
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from segdata.catalog.tables import Catalog
from segdata.storage.files import atomic_write, sha256_of

_DIGITS = 32


def merged_file(catalog: Catalog, sample_id: str, decided_by: object) -> Path:
    """The file of a merged label.

    Args:
        catalog: beside which it lies.
        sample_id: of the sample.
        decided_by: all that decides about the label but for the bytes of the masks, as JSON has it.
    """
    name = _name_of(sample_id)
    digest = sha256_of(json.dumps(decided_by).encode())[:_DIGITS]
    return catalog.files / "merged" / name[:2] / f"{name}-{digest}.png"


def keep_merged(path: Path, png: bytes) -> None:
    """Write a merged label, and remove the one that the sample had of other masks.

    Raises:
        StorageError: It can't be written.
    """
    if not path.is_file() or path.read_bytes() != png:
        atomic_write(path, png)
    for other in path.parent.glob(f"{path.name.partition('-')[0]}-*.png"):
        if other != path:
            with contextlib.suppress(FileNotFoundError):
                other.unlink()


def drop_merged(catalog: Catalog, sample_ids: Iterable[str]) -> None:
    """Remove the merged labels of samples, as of those that are forgotten."""
    for name in map(_name_of, sample_ids):
        for file in (catalog.files / "merged" / name[:2]).glob(f"{name}-*.png"):
            file.unlink(missing_ok=True)


def _name_of(sample_id: str) -> str:
    return sha256_of(sample_id.encode())[:_DIGITS]
