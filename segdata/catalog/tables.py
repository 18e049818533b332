"""The catalog's tables on disk: read, merge by key, append once, replace a part. The only importer of deltalake.

A commit is atomic and optimistic: whoever loses a race reopens the table and tries again. There is no commit over
several tables, so writers put files first, then rows, then the run's row, and each step can be repeated.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segdata.catalog import queries
from segdata.catalog.purging import purge_table
from segdata.catalog.schemas import KEYS, MERGED, SCHEMAS
from segdata.errors import CatalogError
from segdata.storage.files import sync_folder

if TYPE_CHECKING:
    from deltalake import DeltaTable

_ATTEMPTS = 12
_UNSORTED = frozenset({"predictions", "appearances"})  # kilobytes a row: sorting would copy every one of them


class Catalog:
    """Delta tables under `<root>/tables/<name>`, and what the tool itself renders under `<root>/files`.

    Args:
        root: a local folder; made by the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def files(self) -> Path:
        """The folder of what segdata renders: composites, cached foregrounds."""
        return self.root / "files"

    def read(self, name: str, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        """Rows of a table as it is now, in the order of its key; none if nobody wrote it yet.

        Args:
            name: one of `schemas.SCHEMAS`.
            columns: the columns wanted; all by default.
            where: one boolean SQL expression over the table's columns.

        Raises:
            CatalogError: The table is damaged, or of another schema.
            UsageError: `where` is not one boolean expression over known columns.
        """
        table = self._dataset(name)
        rows = _materialize(table, columns, name) if where is None else queries.filter_rows(table, where, columns)
        # Delta may spell a type another way on disk (string views, a list's `element`): ours again from here on.
        rows = rows.cast(pa.schema([SCHEMAS[name].field(column) for column in rows.column_names]))
        keys = [key for key in KEYS[name] if key in rows.column_names]
        if name in _UNSORTED or not keys or rows.num_rows == 0:
            return rows
        return rows.sort_by([(key, "ascending") for key in keys])

    def query(self, sql: str) -> pa.Table:
        """The answer to one SELECT over all tables, by DuckDB with no access to anything else.

        Raises:
            UsageError: It is not one SELECT statement, or DuckDB refuses it; the message says why.
            CatalogError: A table is damaged.
        """
        return queries.select(sql, {name: self._dataset(name) for name in SCHEMAS})

    def version(self, name: str) -> int:
        """The table's newest version; -1 if nobody wrote it yet."""
        table = self._open(name)
        return -1 if table is None else int(table.version())

    def merge(self, name: str, rows: pa.Table) -> None:
        """Insert rows, or update those whose key is there already. No rows, no commit.

        Raises:
            CatalogError: The table is damaged, or other writers win the race again and again.
            ValueError: `name` is an append-only table, or two rows share a key: a bug of the caller.
        """
        if name not in MERGED:
            raise ValueError(f"{name} is append-only")
        _check_keys(name, rows)
        if rows.num_rows:
            self._commit(name, lambda table: _merge(table, name, rows).execute())

    def replace(self, name: str, rows: pa.Table, where: str) -> None:
        """Make `rows` all that a merged table holds `where` the predicate is true: update, insert, delete the rest.

        Args:
            where: a predicate over the table's columns, in which each one is prefixed with `target.`.
        """
        if name not in MERGED:
            raise ValueError(f"{name} is append-only")
        _check_keys(name, rows)
        self._commit(name, lambda table: _merge(table, name, rows).when_not_matched_by_source_delete(where).execute())

    def delete(self, name: str, where: str) -> None:
        """Delete the rows of any table for which a predicate is true; older versions hold them until `purge`.

        Args:
            where: a predicate over the table's columns, as `quoted_in` writes one.
        """
        if self.query(f"SELECT 1 FROM {name} WHERE {where} LIMIT 1").num_rows:
            self._commit(name, lambda table: table.delete(where))

    def purge(self, name: str) -> None:
        """Remove for good what a table's older versions held: their data files, and the log that tells of them.

        The version stays what it is or grows; those before can't be read any more. Nobody may write meanwhile.
        """
        if self.version(name) >= 0:
            self._commit(name, lambda table: purge_table(table, SCHEMAS[name]))

    def append(self, name: str, rows: pa.Table, transaction: str | None = None) -> bool:
        """Append rows in one commit, once: a transaction that is in already is not written again.

        Args:
            transaction: names this piece of work for ever, such as `<run key>/<shard>`; None appends always.

        Returns:
            Whether the rows were written now.
        """
        if name in MERGED:
            raise ValueError(f"{name} is merged by key, never appended to")
        from deltalake import CommitProperties, Transaction, write_deltalake

        written = False

        def attempt(table: DeltaTable) -> None:
            nonlocal written
            # delta-rs does not enforce the transaction by itself: look, then write through the same handle, and
            # a writer that came between raises CommitFailedError, upon which we look again.
            if transaction is not None and table.transaction_version(transaction) is not None:
                return
            properties = CommitProperties(app_transactions=[Transaction(transaction, 1)]) if transaction else None
            write_deltalake(table, rows.cast(SCHEMAS[name]), mode="append", commit_properties=properties)
            written = True

        if rows.num_rows or transaction is not None:
            self._commit(name, attempt)
        return written

    def _path(self, name: str) -> Path:
        return self.root / "tables" / name

    def _open(self, name: str) -> DeltaTable | None:
        if name not in SCHEMAS:
            raise ValueError(f"no table {name!r}; the catalog has {', '.join(SCHEMAS)}")
        path = self._path(name)
        if not (path / "_delta_log").is_dir():
            return None
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(str(path))
        except TableNotFoundError:
            return None  # killed between making the folder and its first commit
        except (DeltaError, OSError, ValueError) as error:
            raise CatalogError(
                f"{path}: the table can't be opened ({error}); restore the folder from a copy, or move it away and "
                "run the commands that filled it"
            ) from error

    def _dataset(self, name: str) -> Any:
        """The table's live files as a pyarrow dataset: `to_pyarrow_table` may abort the process at its exit."""
        import pyarrow.dataset as ds

        table = self._open(name)
        files = [] if table is None else [_local(uri) for uri in table.file_uris()]
        if not files:
            return ds.InMemoryDataset(SCHEMAS[name].empty_table())
        if missing := [file for file in files if not Path(file).is_file()]:
            raise CatalogError(
                f"{missing[0]}: a file of table {name} is gone; restore it, or move {self._path(name)} away and run "
                "the commands that filled it"
            )
        try:
            return ds.dataset(files, format="parquet", schema=_schema_on_disk(files[0], name))
        except (pa.ArrowInvalid, OSError) as error:
            raise CatalogError(
                f"{self._path(name)}: can't be read ({error}); restore the folder from a copy"
            ) from error

    def _commit(self, name: str, attempt: Callable[[DeltaTable], Any]) -> None:
        from deltalake.exceptions import CommitFailedError, DeltaError

        for number in range(_ATTEMPTS):
            table = self._open(name) or self._create(name)
            before = table.version()
            try:
                attempt(table)
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.05 * 2 ** min(number, 5)))  # not part of any result: only who waits
                continue
            except (DeltaError, OSError) as error:
                raise CatalogError(
                    f"{self._path(name)}: can't be written ({error}); check the free space and the permissions"
                ) from error
            _make_durable(self._path(name), before, table.version())
            return
        raise CatalogError(f"{self._path(name)}: {_ATTEMPTS} commits in a row lost to other writers; run it again")

    def _create(self, name: str) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        path = self._path(name)
        try:
            path.mkdir(parents=True, exist_ok=True)
            return DeltaTable.create(str(path), schema=SCHEMAS[name], mode="ignore")
        except (DeltaError, OSError) as error:
            raise CatalogError(f"{path}: can't be made ({error}); check the permissions and the free space") from error


def _merge(table: DeltaTable, name: str, rows: pa.Table) -> Any:
    on = " AND ".join(f"target.{key} = source.{key}" for key in KEYS[name])
    merger = table.merge(rows.cast(SCHEMAS[name]), on, source_alias="source", target_alias="target")
    return merger.when_matched_update_all().when_not_matched_insert_all()


def _check_keys(name: str, rows: pa.Table) -> None:
    keys = list(zip(*(rows.column(key).to_pylist() for key in KEYS[name]), strict=True))
    if len(set(keys)) != len(keys):
        raise ValueError(f"two rows for {name} share a key")


def _materialize(dataset: Any, columns: Sequence[str] | None, name: str) -> pa.Table:
    try:
        rows: pa.Table = dataset.to_table(columns=list(SCHEMAS[name].names if columns is None else columns))
        return rows
    except (pa.ArrowInvalid, OSError) as error:
        raise CatalogError(f"table {name} can't be read ({error}); restore its folder from a copy") from error


def _schema_on_disk(file: str, name: str) -> pa.Schema:
    """The catalog's schema with the spelling of the files: Parquet calls a list's values `element`, Arrow `item`."""
    import pyarrow.parquet as pq

    written = pq.read_schema(file)
    if unknown := [column for column in SCHEMAS[name].names if column not in written.names]:
        raise CatalogError(
            f"{file}: table {name} lacks the columns {', '.join(unknown)}: it was written by another version of "
            "segdata; use that one, or begin a new catalog"
        )
    return written


def _local(uri: str) -> str:
    from urllib.parse import unquote

    path = uri.removeprefix("file://")
    return path if Path(path).exists() else unquote(path)


def _make_durable(path: Path, before: int, after: int) -> None:
    """Fsync what the commits since `before` brought: delta-rs writes files whole, but does not sync them."""
    for version in range(before + 1, after + 1):
        log = path / "_delta_log" / f"{version:020d}.json"
        try:
            actions = [json.loads(line) for line in log.read_text().splitlines()]
        except OSError:
            continue  # compacted away by another writer meanwhile: it is in a checkpoint
        for added in (action["add"]["path"] for action in actions if "add" in action):
            _sync_file(path / added)
        _sync_file(log)
        sync_folder(log.parent)
        sync_folder(path)


def _sync_file(path: Path) -> None:
    import os

    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
