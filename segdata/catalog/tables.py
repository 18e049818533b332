"""The catalog's tables: read, merge by key, append once, replace a part; as they are now, or as they once were.

A commit is atomic and optimistic: whoever loses a race reopens the table and tries again. There is no commit over
several tables, so writers put files first, then rows, then the run's row, and each step can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from segdata.catalog import delta, queries
from segdata.catalog.damage import file_size_damage, ranges, readable_versions
from segdata.catalog.evolution import add_missing_columns, check_columns
from segdata.catalog.limited_queries import QueryLimits, select_limited, select_where_limited
from segdata.catalog.purging import purge_table
from segdata.catalog.queries import ParquetFiles
from segdata.catalog.schemas import KEYS, MERGED, SCHEMAS
from segdata.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

# Kilobytes a row: sorting would copy every one of them.
_UNSORTED = frozenset({"predictions", "appearances", "embeddings"})


@dataclass(frozen=True, eq=False)
class Catalog:
    """Delta tables under `<root>/tables/<name>`, and what the tool itself renders under `<root>/files`.

    Attributes:
        root: a local folder; made by the first write.
        run_id: the run that writes: each commit says it.
        versions: table -> the version that is read instead of the newest; -1 is before it was made. Writes go to now.
        held: table -> rows that are read instead of the table; such a table can't be written.
        limits: when SQL that a user typed is stopped.
    """

    root: Path
    run_id: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, pa.Table] = field(default_factory=dict)
    limits: QueryLimits = field(default_factory=QueryLimits)

    @property
    def files(self) -> Path:
        """The folder of what segdata renders: composites, cached foregrounds."""
        return self.root / "files"

    def for_run(self, run_id: str) -> Catalog:
        """The same catalog, whose commits say that a run made them."""
        return replace(self, run_id=run_id)

    def at(self, versions: Mapping[str, int]) -> Catalog:
        """The same catalog, read as it was: `versions` names the version of each table that is not read as it is."""
        return replace(self, versions=dict(versions))

    def holding(self, name: str, rows: pa.Table) -> Catalog:
        """The same catalog, in which a table is read as these rows, and can't be written."""
        return replace(self, held={**self.held, name: rows})

    def read(self, name: str, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        """Rows of a table, in the order of its key; none if nobody wrote it yet.

        Args:
            name: one of `schemas.SCHEMAS`.
            columns: the columns wanted; all by default.
            where: one boolean SQL expression over the table's columns, that no user typed.

        Raises:
            CatalogError: The table is damaged, or of another schema.
            UsageError: `where` is not one boolean expression over known columns.
        """
        source = self._source(name)
        schema = SCHEMAS[name]
        if where is not None:
            queries.check_predicate(where, schema)
        wanted = pa.schema([schema.field(column) for column in (schema.names if columns is None else columns)])
        if isinstance(source, pa.Table) and not source.num_rows:
            return wanted.empty_table()  # starting DuckDB would take longer than all the rest
        order = () if name in _UNSORTED else [key for key in KEYS[name] if key in wanted.names]
        return queries.rows_of(source, wanted, where, order)

    def read_where(self, name: str, where: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of a table for which a user's expression is true, in the order of its key, within `limits`.

        Args:
            name: one of `schemas.SCHEMAS`.
            where: one boolean SQL expression over the table's columns.
            columns: the columns wanted; all by default.

        Raises:
            CatalogError: The table is damaged, or of another schema.
            UsageError: `where` is not one boolean expression over known columns, or a limit stops it.
        """
        schema = SCHEMAS[name]
        wanted = pa.schema([schema.field(column) for column in (schema.names if columns is None else columns)])
        order = () if name in _UNSORTED else [key for key in KEYS[name] if key in wanted.names]
        sql = queries.selection_of(wanted, where, order)
        return select_where_limited(sql, {"rows": self._source(name)}, where, schema, self.limits).cast(wanted)

    def matching(self, name: str, column: str, wanted: pa.Table) -> Iterator[pa.RecordBatch]:
        """A column of a table, beside what is asked for, in no order and some rows at a time: it is never held whole.

        Args:
            name: one of `schemas.SCHEMAS`.
            column: of that table.
            wanted: a column `key`, of the table's own key, which has no other part; and more, which come back.

        Raises:
            CatalogError: The table is damaged.
        """
        (key,) = KEYS[name]
        sql = f'SELECT wanted.*, rows."{column}" FROM rows JOIN wanted ON rows."{key}" = wanted.key'
        return queries.batches(sql, {"rows": self._source(name), "wanted": wanted})

    def query(self, sql: str) -> pa.Table:
        """The answer to one SELECT of segdata's own over all tables, by DuckDB with no access to anything else.

        Raises:
            UsageError: It is not one SELECT statement, or DuckDB refuses it; the message says why.
            CatalogError: A table is damaged.
        """
        return queries.select(sql, self._sources_for(sql))

    def query_limited(self, sql: str) -> pa.Table:
        """The answer to one SELECT that a user typed, within `limits`; else as `query`.

        Raises:
            UsageError: It is not one SELECT statement, DuckDB refuses it, or a limit stops it; the message says why.
            CatalogError: A table is damaged.
        """
        return select_limited(sql, self._sources_for(sql), self.limits)

    def _sources_for(self, sql: str) -> dict[str, pa.Table | ParquetFiles]:
        """All tables; one that the text does not even name is not opened."""
        words = set(re.findall(r"\w+", sql.lower()))
        return {name: self._source(name) if name in words else _none(name) for name in SCHEMAS}

    def version(self, name: str) -> int:
        """The version that is read: the newest, unless the catalog is read as it was; -1 if nobody wrote it yet."""
        if name in self.versions:
            return self.versions[name]
        table = self.open(name)
        return -1 if table is None else int(table.version())

    def check(self, name: str) -> None:
        """See that every file of the version that is read is there.

        Raises:
            CatalogError: One is gone or damaged; for an older version the message says which can still be read.
        """
        self._source(name)

    def merge(self, name: str, rows: pa.Table) -> None:
        """Insert rows, or update those whose key is there already. No rows, no commit.

        Only files whose range of the key's first column meets that of the rows are read: what it costs follows what
        is new. Rows none of which is there are appended, which takes less of everything.

        Raises:
            CatalogError: The table is damaged, or other writers win the race again and again.
            ValueError: `name` is an append-only table, or two rows share a key: a bug of the caller.
        """
        if name not in MERGED:
            raise ValueError(f"{name} is append-only")
        _check_keys(name, rows)
        if rows.num_rows:
            rows = rows.cast(SCHEMAS[name])
            self.commit(name, lambda table: self._upsert(table, name, rows))

    def replace(self, name: str, rows: pa.Table, where: str) -> None:
        """Make `rows` all that a merged table holds `where` the predicate is true: update, insert, delete the rest.

        Args:
            where: a predicate over the table's columns, in which each one is prefixed with `target.`.
        """
        if name not in MERGED:
            raise ValueError(f"{name} is append-only")
        _check_keys(name, rows)

        def attempt(table: DeltaTable) -> None:
            self._merger(table, name, rows).when_not_matched_by_source_delete(where).execute()

        self.commit(name, attempt)

    def delete(self, name: str, where: str) -> None:
        """Delete the rows of any table for which a predicate is true; older versions hold them until `purge`.

        Args:
            where: a predicate over the table's columns, as `quoted_in` writes one.
        """
        if self.query(f"SELECT 1 FROM {name} WHERE {where} LIMIT 1").num_rows:
            self.commit(name, lambda table: table.delete(where))

    def rewrite(self, name: str, where: str, change: Callable[[pa.Table], pa.Table]) -> None:
        """Put changed rows in place of those for which a predicate is true, in one commit; of append-only tables too.

        Args:
            where: a predicate over key columns, as `quoted_in` writes one.
            change: gets these rows as they are, and returns them with the same keys; may be called several times.
        """

        def attempt(table: DeltaTable) -> None:
            from deltalake import write_deltalake

            rows = change(self.read(name, where=where)).cast(SCHEMAS[name])
            properties = self.commit_properties(retries=0)
            write_deltalake(table, rows, mode="overwrite", predicate=where, commit_properties=properties)

        self.commit(name, attempt)

    def purge(self, name: str) -> None:
        """Remove for good what a table's older versions held: their data files, and the log that tells of them.

        The version stays what it is or grows; those before can't be read any more. Nobody may write meanwhile.
        """
        if self.version(name) >= 0:
            self.commit(name, lambda table: purge_table(table, SCHEMAS[name]))

    def append(self, name: str, rows: pa.Table, transaction: str | None = None, after: int | None = None) -> bool:
        """Append rows in one commit, once: a transaction that is in already is not written again.

        Args:
            transaction: names this piece of work for ever, such as `<run key>/<shard>`; None appends always.
            after: write only if this is the table's version still; None writes whatever came meanwhile.

        Returns:
            Whether the rows were written now.
        """
        if name in MERGED:
            raise ValueError(f"{name} is merged by key, never appended to")
        written = False

        def attempt(table: DeltaTable) -> None:
            nonlocal written
            # delta-rs does not enforce the transaction by itself: look, then write through the same handle, and
            # a writer that came between raises CommitFailedError, upon which we look again.
            if transaction is not None and table.transaction_version(transaction) is not None:
                return
            if after is not None and table.version() != after:
                return
            self._append(table, rows.cast(SCHEMAS[name]), self.commit_properties(transaction))
            written = True

        if rows.num_rows or transaction is not None:
            self.commit(name, attempt)
        return written

    def path(self, name: str) -> Path:
        """A table's folder."""
        if name not in SCHEMAS:
            raise ValueError(f"no table {name!r}; the catalog has {', '.join(SCHEMAS)}")
        return self.root / "tables" / name

    def open(self, name: str, version: int | None = None) -> DeltaTable | None:
        """The Delta table itself, for the modules of this package; None if nobody wrote it yet.

        Args:
            version: the version wanted; the newest by default.

        Raises:
            CatalogError: It is damaged.
        """
        return delta.open_table(self.path(name), version)

    def commit_properties(self, transaction: str | None = None, retries: int | None = None) -> CommitProperties:
        """What each commit carries: the run that made it, and the transaction that it ends.

        Args:
            retries: how often delta-rs may try again by itself, where it finds that what came between does no harm.
        """
        from deltalake import CommitProperties, Transaction

        return CommitProperties(
            max_commit_retries=retries,
            custom_metadata={"run_id": self.run_id} if self.run_id else None,
            app_transactions=[Transaction(transaction, 1)] if transaction else None,
        )

    def _upsert(self, table: DeltaTable, name: str, rows: pa.Table) -> None:
        """Insert or update: an append where no key is known.

        delta-rs lets an append pass whatever came between, the same key too; without retries it lets nothing pass.
        """
        if self._knows_any(table, name, rows):
            self._merger(table, name, rows).execute()
        else:
            self._append(table, rows, self.commit_properties(retries=0))

    def _knows_any(self, table: DeltaTable, name: str, rows: pa.Table) -> bool:
        """Whether the key of one of the rows is in that version of the table.

        Files that can't hold it, by the bounds of the key's first column, stay closed.
        """
        wanted = rows.select(KEYS[name])
        first = pc.min_max(wanted.column(0)).as_py()
        files = delta.data_files_meeting(self.path(name), table, KEYS[name][0], first["min"], first["max"])
        if not files:
            return False
        keys = ", ".join(f'"{key}"' for key in KEYS[name])
        sql = f"SELECT 1 FROM rows SEMI JOIN wanted USING ({keys}) LIMIT 1"
        return bool(queries.select(sql, {"rows": self._readable(name, files), "wanted": wanted}).num_rows)

    def _append(self, table: DeltaTable, rows: pa.Table, properties: CommitProperties) -> None:
        from deltalake import write_deltalake

        write_deltalake(
            table, rows, mode="append", commit_properties=properties, post_commithook_properties=delta.keep_log()
        )

    def _merger(self, table: DeltaTable, name: str, rows: pa.Table) -> Any:
        on = " AND ".join(f"target.{key} = source.{key}" for key in KEYS[name])
        merger = table.merge(
            rows.cast(SCHEMAS[name]),
            on,
            source_alias="source",
            target_alias="target",
            streamed_exec=False,  # only of rows that lie in memory does delta-rs know the range of keys
            commit_properties=self.commit_properties(),
            post_commithook_properties=delta.keep_log(),
        )
        return merger.when_matched_update_all().when_not_matched_insert_all()

    def _source(self, name: str) -> pa.Table | ParquetFiles:
        """What is read of a table: its live files; `to_pyarrow_table` may abort the process at its exit."""
        if name in self.held:
            return self.held[name]
        version = self.versions.get(name)
        table = None if version == -1 else self.open(name, version)
        if table is None:
            return _none(name)
        check_columns(name, self.path(name), table)
        files = delta.data_files(self.path(name), table)
        return self._readable(name, files, version) if files else _none(name)

    def _readable(self, name: str, files: Sequence[tuple[Path, int, int]], version: int | None = None) -> ParquetFiles:
        """Files of a version of a table, the newest by default, each of which is there and as long as the log says."""
        if gone := next((file for file in files if not file[0].is_file()), None):
            raise CatalogError(self._file_is_gone(name, gone[0], version))
        if damaged := next((found for file in files if (found := file_size_damage(*file[:2]))), None):
            raise CatalogError(str(damaged))
        return ParquetFiles(tuple(str(path) for path, _, _ in files), SCHEMAS[name])

    def _file_is_gone(self, name: str, file: Path, version: int | None) -> str:
        if version is not None:
            return (
                f"{file.parent}: version {version} of table {name} can't be read any more: its files were "
                f"swept away by segdata catalog maintain; what can: {ranges(readable_versions(file.parent) or [])}"
            )
        return (
            f"{file}: a file of table {name} is gone; restore it, or move {self.path(name)} away and run the commands "
            "that filled it"
        )

    def commit(self, name: str, attempt: Callable[[DeltaTable], Any]) -> None:
        """Commit something else to a table: tried again until no other writer comes between, and made durable.

        Args:
            attempt: works on the newest version; may be called several times.

        Raises:
            CatalogError: The table is damaged, or can't be written.
        """
        if name in self.held:
            raise ValueError(f"{name} is held in memory and can't be written")

        path = self.path(name)

        def completed(table: DeltaTable) -> None:
            add_missing_columns(name, path, table, self.commit_properties())
            attempt(table)

        delta.commit(path, lambda: self.open(name) or delta.create_table(path, SCHEMAS[name]), completed)


def known_table(name: str) -> str:
    """The name of a table, given by hand.

    Raises:
        UsageError: There is no such table.
    """
    if name not in SCHEMAS:
        raise UsageError(f"no table {name!r}; the catalog has {', '.join(SCHEMAS)}")
    return name


def _none(name: str) -> pa.Table:
    return SCHEMAS[name].empty_table()


def _check_keys(name: str, rows: pa.Table) -> None:
    keys = rows.select(KEYS[name])
    if keys.group_by(keys.column_names, use_threads=False).aggregate([]).num_rows != rows.num_rows:
        raise ValueError(f"two rows for {name} share a key")
