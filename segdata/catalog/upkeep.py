"""Keep the tables small and quick: fewer files, a checkpoint, and no files that nobody will read again.

Nothing here changes what a table holds. What is kept for time travel: every version of the last days, and for ever the
versions of what a training reads that a model's run names, so that a model's training can be looked at and repeated.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.catalog import delta
from segdata.catalog.annotated import unnamed_labels
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.records import Progress
from segdata.storage.files import sync_file, sync_folder

if TYPE_CHECKING:
    from deltalake import DeltaTable

_FILE_BYTES = 64 << 20  # large enough to read quickly, small enough that a merge rewrites little
_TOO_MANY_FILES = 100
_PINNED = ("samples", "verdicts", "selections", "models")  # scores and predictions can be made again from these
UNFINISHED_NAME = re.compile(
    r"\..+\.[a-z0-9_]{8}"
)  # how `storage.files` names them, and the tempfile module before it did
_DEAD_AFTER_HOURS = 24.0  # no command writes at one file for longer


@dataclass(frozen=True)
class TableUpkeep:
    """What was done to a table.

    Attributes:
        table: its name.
        files_before, files_after: live data files.
        vacuumed: data files of older versions that were deleted.
        vacuumed_bytes: their size.
        pinned: the versions that models' runs name, and that stay readable.
    """

    table: str
    files_before: int
    files_after: int
    vacuumed: int
    vacuumed_bytes: int
    pinned: tuple[int, ...]


@dataclass(frozen=True)
class Upkeep:
    """What was done.

    Attributes:
        tables: table by table.
        swept: what writers left that were killed, and labels drawn from annotations that no sample names any more:
            files and folders, relative to the workspace.
    """

    tables: tuple[TableUpkeep, ...]
    swept: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `catalog maintain --json`."""
        return {"tables": [asdict(one) for one in self.tables], "swept": list(self.swept)}


def maintain(context: RunContext, keep_days: float, dead_after_hours: float = _DEAD_AFTER_HOURS) -> Upkeep:
    """Compact every table, write its checkpoint, delete what nobody will read again, and sweep what the dead left.

    Args:
        context: a dry run only counts.
        keep_days: versions of so many days stay readable. With 0, no other command may run at the same time.
        dead_after_hours: temporary files older than this belong to nobody.

    Raises:
        CatalogError: A table is damaged, or can't be written.
    """
    catalog, done = context.catalog, []
    pins = pinned_versions(catalog)
    for number, name in enumerate(SCHEMAS):
        context.progress(Progress("maintain", name, number, len(SCHEMAS), "tables"))
        if catalog.open(name) is not None:
            done.append(_maintain_table(context, name, keep_days, pins.get(name, ())))
    context.progress(Progress("maintain", "temporary files", len(SCHEMAS), len(SCHEMAS), "tables"))
    return Upkeep(tuple(done), tuple(_sweep(context, dead_after_hours)))


def tidy(catalog: Catalog) -> None:
    """Compact the tables that have become many small files: what long stages do at their end."""
    for name in SCHEMAS:
        if name not in catalog.held and _live_files(catalog, name) >= _TOO_MANY_FILES:
            compact(catalog, name)


def compact(catalog: Catalog, name: str) -> None:
    """Join small files into larger ones, and write a checkpoint. The rows stay what they are."""

    def attempt(table: DeltaTable) -> None:
        table.optimize.compact(
            target_size=_FILE_BYTES,
            commit_properties=catalog.commit_properties(),
            post_commithook_properties=delta.keep_log(),
        )

    def checkpoint(table: DeltaTable) -> None:
        table.create_checkpoint()
        log = catalog.path(name) / "_delta_log"
        for file in (log / f"{table.version():020d}.checkpoint.parquet", log / "_last_checkpoint"):
            if file.is_file():  # after a kill between the two, Delta does without the second: it finds the first
                sync_file(file)
        sync_folder(log)

    catalog.commit(name, attempt)
    catalog.commit(name, checkpoint)


def pinned_versions(catalog: Catalog) -> dict[str, tuple[int, ...]]:
    """Table -> the versions that stay readable for ever: what the runs behind the models read."""
    makers = set(catalog.read("models", ["run_id"])["run_id"].to_pylist())
    runs = catalog.read("runs", ["run_id", "table_versions"], "table_versions IS NOT NULL").to_pylist()
    named = [json.loads(run["table_versions"]) for run in runs if run["run_id"] in makers]
    return {name: tuple(sorted({read[name] for read in named if read.get(name, -1) >= 0})) for name in _PINNED}


def _maintain_table(context: RunContext, name: str, keep_days: float, pinned: tuple[int, ...]) -> TableUpkeep:
    catalog = context.catalog
    before = _live_files(catalog, name)
    if not context.dry_run:
        compact(catalog, name)
    path = catalog.path(name)
    doomed: list[str] = []
    vacuumed_bytes = 0

    def vacuum(table: DeltaTable) -> None:
        nonlocal doomed, vacuumed_bytes
        known = [version for version in pinned if version <= table.version()]
        hours = int(keep_days * 24)
        # A full vacuum also takes files that no commit names: with a grace of days none of them is being written.
        settings = {"enforce_retention_duration": False, "full": hours >= _DEAD_AFTER_HOURS, "keep_versions": known}
        doomed = table.vacuum(hours, dry_run=True, **settings)
        vacuumed_bytes = sum((path / file).stat().st_size for file in doomed if (path / file).is_file())
        if doomed and not context.dry_run:
            table.vacuum(
                hours,
                dry_run=False,
                commit_properties=catalog.commit_properties(),
                post_commithook_properties=delta.keep_log(),
                **settings,
            )

    table = catalog.open(name)
    if context.dry_run and table is not None:
        vacuum(table)  # and not through a commit, which may have columns to add
    else:
        catalog.commit(name, vacuum)
    after = before if context.dry_run else _live_files(catalog, name)
    return TableUpkeep(name, before, after, len(doomed), vacuumed_bytes, pinned)


def _live_files(catalog: Catalog, name: str) -> int:
    table = catalog.open(name)
    return 0 if table is None else len(delta.data_files(catalog.path(name), table))


def _sweep(context: RunContext, dead_after_hours: float) -> Iterator[str]:
    oldest = time.time() - dead_after_hours * 3600
    for path in chain(unfinished_files(context.workspace), unnamed_labels(context.workspace)):
        try:
            if path.lstat().st_mtime > oldest:
                continue
            if not context.dry_run:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except FileNotFoundError:
            continue  # somebody else sweeps too
        yield context.workspace.uri_of(path)


def unfinished_files(workspace: Workspace) -> Iterator[Path]:
    """What a killed writer leaves: `<name>#<n>` of delta-rs, `.segdata.<random>.tmp` and `.segdata.<random>` of ours.

    Earlier releases wrote the final name in the place of `segdata`.
    """
    yield from (workspace.catalog.root / "tables").glob("*/*#*")
    yield from (workspace.catalog.root / "tables").glob("*/_delta_log/*#*")
    for folder in (workspace.catalog.files, workspace.reports, workspace.models):
        yield from (
            path for path in folder.rglob(".*.tmp") if UNFINISHED_NAME.fullmatch(path.name.removesuffix(".tmp"))
        )
    yield from (path for path in workspace.models.glob(".*") if path.is_dir() and UNFINISHED_NAME.fullmatch(path.name))
