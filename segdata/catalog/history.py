"""What the catalog's tables hold now, and the versions that they went through."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from segdata.catalog import delta
from segdata.catalog.damage import readable_versions
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog


@dataclass(frozen=True)
class TableState:
    """A table as it is now.

    Attributes:
        table: its name.
        rows: live rows.
        files: live data files.
        bytes: their size.
        version: the newest one.
        written_at: when that was committed.
    """

    table: str
    rows: int
    files: int
    bytes: int
    version: int
    written_at: datetime

    def to_json(self) -> dict[str, Any]:
        """As printed with `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class TableVersion:
    """One version of a table.

    Attributes:
        table: its name.
        version: its number.
        at: when it was committed.
        operation: what made it: CREATE TABLE, MERGE, WRITE (an append), OPTIMIZE, VACUUM START, …
        run_id: the run that wrote it; None where that is not known.
        rows: rows inserted or updated; None where the operation does not say.
        deleted: rows deleted; None where the operation does not say.
        readable: whether all its data files are still there; None where that can't be known.
    """

    table: str
    version: int
    at: datetime
    operation: str
    run_id: str | None
    rows: int | None
    deleted: int | None
    readable: bool | None

    def to_json(self) -> dict[str, Any]:
        """As printed with `--json`."""
        return asdict(self)


def table_states(catalog: Catalog) -> list[TableState]:
    """Every table that was written to, in the order of `schemas.SCHEMAS`.

    Raises:
        CatalogError: A table can't be opened.
    """
    states = []
    for name in SCHEMAS:
        table = catalog.open(name)
        if table is None:
            continue
        files = table.get_add_actions(flatten=True)
        at = delta.history_of(catalog.path(name), table, 1)[0]["timestamp"]
        states.append(
            TableState(
                name,
                sum(files["num_records"].to_pylist()),
                files.num_rows,
                sum(files["size_bytes"].to_pylist()),
                int(table.version()),
                _moment(at),
            )
        )
    return states


def table_history(catalog: Catalog, names: list[str] | None = None) -> list[TableVersion]:
    """The versions that the tables' logs still know, the newest first.

    Args:
        names: the tables wanted; all by default.

    Raises:
        CatalogError: A table can't be opened.
    """
    versions = []
    for name in names or list(SCHEMAS):
        table = catalog.open(name)
        commits = [] if table is None else delta.history_of(catalog.path(name), table)
        known = readable_versions(catalog.path(name))
        for commit in commits:
            readable = None if known is None else int(commit["version"]) in known
            versions.append(_version(name, commit, readable))
    return sorted(versions, key=lambda version: (version.at, version.version), reverse=True)


def _version(name: str, commit: dict[str, Any], readable: bool | None) -> TableVersion:
    metrics = commit.get("operationMetrics") or {}
    inserted, updated = metrics.get("num_target_rows_inserted"), metrics.get("num_target_rows_updated")
    rows = metrics.get("num_added_rows") if inserted is None else int(inserted) + int(updated or 0)
    deleted = metrics.get("num_target_rows_deleted")
    return TableVersion(
        name,
        int(commit["version"]),
        _moment(commit["timestamp"]),
        str(commit.get("operation", "")),
        commit.get("run_id"),
        None if rows is None else int(rows),
        None if deleted is None else int(deleted),
        readable,
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
