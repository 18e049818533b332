"""Is everything as it was written? The tables to the end of each file, and what samples name, by its hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from segdata.catalog import damage, delta
from segdata.catalog.annotated import is_annotated
from segdata.catalog.damage import Damage
from segdata.catalog.keys import mask_file_sha256
from segdata.catalog.schemas import KEYS, SCHEMAS
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.local import map_threads
from segdata.errors import CatalogError, StorageError
from segdata.records import Progress
from segdata.storage.files import read_bytes, sha256_of


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is broken.

    Attributes:
        tables: tables whose log and data files were read to the end.
        files: files of samples whose hash was computed.
        models: versions whose hash was computed.
        damage: what is broken.
    """

    tables: int
    files: int
    models: int
    damage: tuple[Damage, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `catalog verify --json`."""
        broken = [{"path": str(one.path), "what": one.what, "remedy": one.remedy} for one in self.damage]
        return {"tables": self.tables, "files": self.files, "models": self.models, "damage": broken}


def verify_tables(context: RunContext) -> tuple[int, list[Damage]]:
    """How many tables there are, and everything that is broken in them: nothing stops at the first finding."""
    found: list[Damage] = []
    known = [name for name in SCHEMAS if context.catalog.path(name).is_dir()]
    for number, name in enumerate(known):
        context.progress(Progress("verify", name, number, len(known), "tables"))
        found += _table_damage(context.catalog, name)
    return len(known), found


def verify_files(context: RunContext) -> tuple[int, list[Damage]]:
    """How many files the present samples name, and those whose bytes are not what the catalog says.

    Raises:
        CatalogError: The table `samples` can't be read.
    """
    columns = [f"{part}_{what}" for part in ("image", "alpha") for what in ("uri", "sha256", "size", "mtime_ns")]
    rows = context.catalog.read("samples", ["kind", *columns, "alpha_file_sha256"], "status = 'present'").to_pylist()
    named = {file.path: file for row in rows for file in _files_of(context.workspace, row)}
    files = list(named.values())[: context.limit]
    found = []
    for done, broken in enumerate(map_threads(_file_damage, files, context.workers), start=1):
        found += [] if broken is None else [broken]
        if done % 64 == 0 or done == len(files):
            context.progress(Progress("verify", "files", done, len(files), "files"))
    return len(files), found


@dataclass(frozen=True)
class _File:
    path: Path
    made_by: str | None  # the command that makes it again; None for a file of a source
    sha256: str
    size_bytes: int | None
    mtime_ns: int | None


def _files_of(workspace: Workspace, row: Mapping[str, Any]) -> Iterator[_File]:
    parts: tuple[Literal["image", "alpha"], ...] = ("image", "alpha")
    alpha = mask_file_sha256(row["alpha_sha256"], row["alpha_file_sha256"])
    files = {"image": row["image_sha256"], "alpha": alpha}
    for part in parts:
        if row[f"{part}_uri"] and (sha256 := files[part]):
            path = workspace.resolve(row[f"{part}_uri"])
            yield _File(path, _maker_of(workspace, row, part), sha256, row[f"{part}_size"], row[f"{part}_mtime_ns"])


def _maker_of(workspace: Workspace, row: Mapping[str, Any], part: str) -> str | None:
    if row["kind"] == "composite":
        return "segdata fuse"
    drawn = part == "alpha" and is_annotated(workspace, row["alpha_uri"])
    return "segdata ingest --verify" if drawn else None


def _file_damage(file: _File) -> Damage | None:
    make_again = None if file.made_by is None else f"run: {file.made_by}"
    try:
        data = read_bytes(file.path, most=None)
    except StorageError as error:
        what = str(error).removeprefix(f"{file.path}: ").partition(";")[0]
        return Damage(file.path, what, make_again or "restore it, or run segdata ingest, which marks it gone")
    if sha256_of(data) == file.sha256:
        return None
    stamps = file.path.stat()
    touched = (stamps.st_size, stamps.st_mtime_ns) != (file.size_bytes, file.mtime_ns)
    if touched:
        return Damage(file.path, "it has changed since it was read", make_again or "run: segdata ingest")
    what = "its bytes are others, though its size and time are the same: the disk or a copy went wrong"
    taken_anew = "restore it (or leave it, if it is right), then: segdata ingest --verify"
    return Damage(file.path, what, taken_anew if file.made_by is None else f"delete it and run: {file.made_by}")


def _table_damage(catalog: Catalog, name: str) -> list[Damage]:
    path = catalog.path(name)
    found = damage.log_damage(path)
    try:
        table = catalog.open(name)
    except CatalogError as error:
        return found or [Damage(path, "the table can't be opened", str(error).removeprefix(f"{path}: "))]
    if table is None:
        return found
    files = delta.data_files(path, table)
    broken = list(map_threads(partial(_data_file_damage), files, 2))
    found += [one for one in broken if one is not None]
    return found or _key_damage(catalog, name)


def _data_file_damage(file: tuple[Path, int, int]) -> Damage | None:
    return damage.file_damage(*file, deep=True)


def _key_damage(catalog: Catalog, name: str) -> list[Damage]:
    keys, quoted = ", ".join(KEYS[name]), ", ".join(f'"{key}"' for key in KEYS[name])  # `at` is a word of SQL
    sql = f"SELECT count(*) - count(DISTINCT ({quoted})) AS twice FROM {name}"
    try:
        twice = catalog.query(sql)["twice"][0].as_py()
    except CatalogError as error:
        return [Damage(catalog.path(name), "the table can't be read", str(error))]
    what = f"{twice} rows have the key ({keys}) of another row"
    return (
        [Damage(catalog.path(name), what, "this is a bug in segdata, or another program wrote there")] if twice else []
    )
