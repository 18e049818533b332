"""What `segdata export repair` gave out: the record by which returned labels find their samples again.

files/repairs/<run_id>.json     one file per export; samples that are forgotten are removed from it

The files that come back are changed by people and tools. So neither the names in them nor a list that lies beside them
decides which sample a label belongs to: this record does.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError
from segdata.storage.files import alone, atomic_write


@dataclass(frozen=True)
class ExportedSample:
    """A sample as it was given out.

    Attributes:
        sample_id: of the catalog.
        image: its photo's path in the exported folder.
        image_sha256, alpha_sha256: of its photo and label at that time.
    """

    sample_id: str
    image: str
    image_sha256: str | None
    alpha_sha256: str | None


@dataclass(frozen=True)
class RepairExport:
    """One call of `segdata export repair`.

    Attributes:
        run_id: the run that wrote it.
        format: folder, coco or cvat.
        at: when, with a time zone.
        samples: what was given out.
    """

    run_id: str
    format: str
    at: datetime
    samples: tuple[ExportedSample, ...]


def file_name_of(sample_id: str) -> str:
    """A sample's id as a path that any file system and any program takes, with an id that survives renaming.

    Tools put a prefix before a name, drop its folders or add a hash. The eight digits at its end stay, and no other
    sample has them.

    >>> file_name_of("p/training/00001")
    'p/training/00001-fa5dc7a9'
    """
    plain = "/".join(re.sub(r"[^A-Za-z0-9_.-]", "_", part).lstrip(".") or "_" for part in sample_id.split("/"))
    return f"{plain}-{hashlib.sha256(sample_id.encode()).hexdigest()[:8]}"


def exported_names_of(sample_id: str) -> tuple[str, str, str]:
    """What a returned file may be called: the exported name, that without folders, and its eight digits.

    >>> exported_names_of("p/anna lee")
    ('p/anna_lee-24270f72', 'anna_lee-24270f72', '24270f72')
    """
    name = file_name_of(sample_id)
    return name, name.rpartition("/")[2], name.rpartition("-")[2]


def folder_of_repairs(catalog: Catalog) -> Path:
    """Where the records lie."""
    return catalog.files / "repairs"


def record_export(catalog: Catalog, export: RepairExport) -> None:
    """Record an export, before anybody can return it.

    Raises:
        StorageError: The record can't be written.
    """
    rows = [asdict(sample) for sample in export.samples]
    record = {"run_id": export.run_id, "format": export.format, "at": export.at.isoformat(), "samples": rows}
    atomic_write(folder_of_repairs(catalog) / f"{export.run_id}.json", json.dumps(record, indent=1).encode())


def exports_of(catalog: Catalog) -> list[RepairExport]:
    """All exports, the newest first.

    Raises:
        CatalogError: A record is damaged.
    """
    exports = [_read(path) for path in folder_of_repairs(catalog).glob("*.json")]
    return sorted(exports, key=lambda export: (export.at, export.run_id), reverse=True)


def drop_exported(catalog: Catalog, names: Set[str], images: Set[str], held: Set[str]) -> None:
    """Remove samples from the records: they are forgotten, and labels of them are no longer accepted.

    Args:
        catalog: whose records.
        names: their sample ids.
        images: SHA-256 of their photos: a sample may have been given out under an earlier name.
        held: sample ids that have the same photo and stay.
    """
    if not folder_of_repairs(catalog).is_dir():
        return

    def stays(sample: ExportedSample) -> bool:
        same_photo = sample.image_sha256 in images and sample.sample_id not in held
        return sample.sample_id not in names and not same_photo

    with alone(folder_of_repairs(catalog)):
        for export in exports_of(catalog):
            remaining = tuple(filter(stays, export.samples))
            if len(remaining) == len(export.samples):
                continue
            if remaining:
                record_export(catalog, replace(export, samples=remaining))
            else:
                (folder_of_repairs(catalog) / f"{export.run_id}.json").unlink(missing_ok=True)


def _read(path: Path) -> RepairExport:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        samples = _samples(row["samples"])
        return RepairExport(str(row["run_id"]), str(row["format"]), datetime.fromisoformat(row["at"]), samples)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogError(f"{path}: can't be read ({error}); restore it from a backup, or move it away") from error


def _samples(rows: Sequence[Mapping[str, str | None]]) -> tuple[ExportedSample, ...]:
    return tuple(
        ExportedSample(str(row["sample_id"]), str(row["image"]), row["image_sha256"], row["alpha_sha256"])
        for row in rows
    )
