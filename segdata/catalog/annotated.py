"""Labels drawn from annotations: kept beside the catalog, since a source is never written.

    files/annotated/<2 digits>/<hash of the sample's id>-<hash of its annotations>.png     grey, 255 is person

The name follows from the annotations, so that nothing has to be drawn to see whether a label is still right. Other
annotations make another file; the old one is swept by `segdata catalog maintain`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.storage.files import atomic_write, sha256_of

_DIGITS = 32


def folder_of(catalog: Catalog) -> Path:
    """Where the labels lie."""
    return catalog.files / "annotated"


def label_file(catalog: Catalog, sample_id: str, digest: str) -> str:
    """The file of a label.

    Args:
        catalog: beside which it lies.
        sample_id: of the sample.
        digest: of its annotations.
    """
    name = _name_of(sample_id)
    return f"{folder_of(catalog)}/{name[:2]}/{name}-{digest[:_DIGITS]}.png"


def keep_label(path: Path, png: bytes) -> None:
    """Write a label, unless the file holds it already.

    Raises:
        StorageError: It can't be written.
    """
    with contextlib.suppress(OSError):
        if path.read_bytes() == png:
            return
    atomic_write(path, png)


def drop_labels(catalog: Catalog, sample_ids: Iterable[str]) -> None:
    """Remove all labels that were ever drawn of samples, as of those that are forgotten."""
    for name in map(_name_of, sample_ids):
        for file in (folder_of(catalog) / name[:2]).glob(f"{name}-*.png"):
            file.unlink(missing_ok=True)


def unnamed_labels(workspace: Workspace) -> Iterator[Path]:
    """Labels that no sample names any more."""
    folder = folder_of(workspace.catalog)
    if not folder.is_dir():
        return
    uris = workspace.catalog.read("samples", ["alpha_uri"])["alpha_uri"].to_pylist()
    named = {workspace.resolve(uri) for uri in uris if uri is not None}
    yield from sorted(file for file in folder.glob("*/*.png") if file not in named)


def is_annotated(workspace: Workspace, uri: str | None) -> bool:
    """Whether a label was drawn from annotations."""
    return uri is not None and workspace.resolve(uri).is_relative_to(folder_of(workspace.catalog))


def _name_of(sample_id: str) -> str:
    return sha256_of(sample_id.encode())[:_DIGITS]
