"""Labels that were mended: kept beside the catalog, since a source is never written, and used in place of the source's.

files/mended/<hash of the mended file>.png     grey, 255 is person; never removed by a later mend
files/mended/index.json                        sample_id -> the file that counts, and what was there before
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError
from segdata.storage.files import atomic_write, sha256_of


@dataclass(frozen=True)
class Mend:
    """A mended label.

    Attributes:
        file: its name under `files/mended`.
        replaces: SHA-256 of the alpha that was there before, of an earlier mend or of the source.
        earlier: files of earlier mends, the newest last: kept as the label's history.
        measured: SHA-256 of the alpha that versions were measured on before it was mended, until they are measured on
            this one: a command that is killed in between is finished by the next ingest.
    """

    file: str
    replaces: str | None
    earlier: tuple[str, ...] = ()
    measured: str | None = None


def folder_of(catalog: Catalog) -> Path:
    """Where mended labels lie."""
    return catalog.files / "mended"


def mends_of(catalog: Catalog) -> dict[str, Mend]:
    """The mended labels by sample_id.

    Raises:
        CatalogError: Their index is damaged.
    """
    path = folder_of(catalog) / "index.json"
    if not path.is_file():
        return {}
    try:
        rows: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: _mend(row) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogError(f"{path}: can't be read ({error}); restore it from a backup, or move it away") from error


def keep_mends(catalog: Catalog, mended: Mapping[str, bytes], replaced: Mapping[str, str | None]) -> None:
    """Keep mended labels, whole or not at all; the next ingest of their source uses them.

    Args:
        catalog: beside which they lie.
        mended: PNG by sample_id.
        replaced: the hash of the alpha that each one replaces.
    """
    known = mends_of(catalog)
    for name, data in mended.items():
        file = f"{sha256_of(data)}.png"
        atomic_write(folder_of(catalog) / file, data)
        was = known.get(name)
        earlier = () if was is None else tuple(one for one in (*was.earlier, was.file) if one != file)
        measured = was.measured if was is not None and was.measured is not None else replaced[name]
        known[name] = Mend(file, replaced[name], earlier, measured)
    _write(catalog, known)


def measured_anew(catalog: Catalog, names: Set[str]) -> None:
    """Note that versions have been measured on the mended labels of samples as they are."""
    known = mends_of(catalog)
    _write(catalog, {name: replace(mend, measured=None) if name in names else mend for name, mend in known.items()})


def drop_mends(catalog: Catalog, names: set[str]) -> int:
    """Remove mended labels of samples, files and all, as of those that are forgotten; how many there were."""
    known = mends_of(catalog)
    gone = {name: known.pop(name) for name in names & known.keys()}
    if gone:
        kept = {file for mend in known.values() for file in (mend.file, *mend.earlier)}
        _write(catalog, known)
        for file in {file for mend in gone.values() for file in (mend.file, *mend.earlier)} - kept:
            (folder_of(catalog) / file).unlink(missing_ok=True)
    return len(gone)


def _mend(row: Mapping[str, Any]) -> Mend:
    return Mend(str(row["file"]), row["replaces"], tuple(row.get("earlier", ())), row.get("measured"))


def _write(catalog: Catalog, known: Mapping[str, Mend]) -> None:
    text = json.dumps({name: asdict(known[name]) for name in sorted(known)}, indent=1)
    atomic_write(folder_of(catalog) / "index.json", text.encode())
