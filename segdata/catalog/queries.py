"""SQL over the catalog, by a DuckDB that can reach nothing but the tables handed to it.

Everything here runs in this process, without limits: it is for segdata's own statements. What a user typed goes through
`limited_queries`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from segdata.catalog.damage import unreadable
from segdata.errors import CatalogError, UsageError
from segdata.storage.files import remedy_for

if TYPE_CHECKING:
    import duckdb

_SPILL_PREFIX = "segdata-rows-"
_LONGEST_MESSAGE = 2000
_FILES_TO_BEGIN = 4
_MEMORY_OF_A_THREAD = 128 * 2**20


@dataclass(frozen=True)
class ParquetFiles:
    """A table as files on disk, which DuckDB reads by itself: several times faster than through Arrow's datasets.

    Attributes:
        paths: the files; older ones may lack columns.
        schema: the columns that the table must show; those that no file has are null.
    """

    paths: tuple[str, ...]
    schema: pa.Schema


Source: TypeAlias = "pa.Table | ParquetFiles"


def select(sql: str, tables: Mapping[str, Source], memory: int | None = None) -> pa.Table:
    """The rows of one SELECT statement over the given tables.

    Args:
        sql: one SELECT (or WITH … SELECT); anything else is refused.
        tables: name -> what is read under it.
        memory: bytes that DuckDB may hold; it writes no temporary files then. By default it holds up to 80 % of the
            machine's memory, and writes to a private temporary folder what does not fit.

    Raises:
        UsageError: Not one SELECT, or DuckDB refuses it; the message carries its reason.
        CatalogError: A file can't be read.

    >>> select("SELECT a + 1 AS b FROM t", {"t": pa.table({"a": [1]})}).to_pylist()
    [{'b': 2}]
    """
    import duckdb

    with open_tables(tables, memory, spills=memory is None) as connection:
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError(f"query: one SELECT statement, please; got {sql!r}")
            result: pa.Table = connection.sql(statements[0].query).to_arrow_table()
            return result
        except duckdb.Error as error:
            _blame_files(tables, error)
            raise UsageError(f"query: {_first_lines(error)}\n  the tables are {', '.join(tables)}") from error


def batches(sql: str, tables: Mapping[str, Source], rows: int = 16_384) -> Iterator[pa.RecordBatch]:
    """The rows of one of our own SELECT statements, some at a time: for what is too large to lie in memory twice.

    Args:
        sql: one SELECT, nobody's input.
        tables: name -> what is read under it.
        rows: at most so many a batch.

    Raises:
        CatalogError: A file can't be read.
    """
    import duckdb

    with open_tables(tables) as connection:
        try:
            yield from connection.sql(sql).to_arrow_reader(rows)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            _blame_files(tables, error)
            raise


def rows_of(source: Source, schema: pa.Schema, where: str | None = None, order: Sequence[str] = ()) -> pa.Table:
    """The rows of one table, cast to a schema.

    Args:
        source: the table.
        schema: the columns wanted and their types.
        where: what `check_predicate` has let pass; all rows by default.
        order: the columns to sort by, in byte order, nulls last.

    Raises:
        UsageError: `where` can't be worked out for some row, such as a text that is no number.
        CatalogError: A file can't be read.

    >>> rows_of(pa.table({"a": [2, 1, 3]}), pa.schema({"a": pa.int64()}), "a < 3", ["a"])["a"].to_pylist()
    [1, 2]
    """
    # Types come back spelled another way (string views, a list's `element`): ours again from here on.
    return select(selection_of(schema, where, order), {"rows": source}).cast(schema)


def selection_of(schema: pa.Schema, where: str | None = None, order: Sequence[str] = ()) -> str:
    """The statement that selects a schema's columns from a table called `rows`; see `rows_of`.

    >>> selection_of(pa.schema({"a": pa.int64()}), "a < 3", ["a"])
    'SELECT "a" FROM rows WHERE (a < 3\\n) ORDER BY "a"'
    """
    wanted = ", ".join(f'"{name}"' for name in schema.names)
    condition = "" if where is None else f" WHERE ({where}\n)"
    sorting = " ORDER BY " + ", ".join(f'"{name}"' for name in order) if order else ""
    return f"SELECT {wanted} FROM rows{condition}{sorting}"


def filter_rows(table: pa.Table, where: str) -> pa.Table:
    """The rows of one table for which a boolean SQL expression is true.

    Args:
        where: one boolean expression over its columns; no statement, no subquery, no aggregate.

    Raises:
        UsageError: `where` is something else, or names an unknown column; the message lists the columns.

    >>> filter_rows(pa.table({"miou": [0.5, 0.9]}), "miou < 0.8").num_rows
    1
    """
    check_predicate(where, table.schema)
    return rows_of(table, table.schema, where)


def check_predicate(where: str, schema: pa.Schema, memory: int | None = None) -> None:
    """Refuse anything but one boolean expression over the schema's columns.

    Args:
        where: the expression.
        schema: the columns.
        memory: bytes that DuckDB may hold; 80 % of the machine's by default.

    Raises:
        UsageError: Says what is wrong and which columns there are.
    """
    import duckdb

    known = f"the columns are {', '.join(schema.names)}"
    try:
        duckdb.SQLExpression(where)
    except duckdb.Error as error:
        raise UsageError(f"{where!r}: not one boolean expression: {_first_lines(error)}") from error
    selection = f"SELECT 1 FROM rows WHERE ({where}\n)"
    with open_tables({"rows": schema.empty_table()}, memory, spills=False) as connection:
        try:
            # The parse tree says whether there is a subquery; a quotation mark inside a literal is escaped there.
            tree = connection.execute("SELECT json_serialize_sql(?)", [selection]).fetchall()
            if '"class":"SUBQUERY"' in tree[0][0]:
                raise UsageError(f"{where!r}: a subquery has no place here; {known}")
            described = connection.execute(f"DESCRIBE SELECT ({where}\n) AS answer FROM rows").fetchall()
            if len(described) != 1 or described[0][1] != "BOOLEAN":
                raise UsageError(f"{where!r}: not true or false for each row; write one like miou < 0.8")
            # An aggregate is a fine SELECT but no WHERE: DuckDB says so when it is put there.
            connection.execute(selection)
        except duckdb.Error as error:
            raise UsageError(f"{where!r}: {_first_lines(error)}; {known}") from error


@contextmanager
def open_tables(
    tables: Mapping[str, Source], memory: int | None = None, spills: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to DuckDB that can reach nothing but the tables; it is closed at the end.

    Args:
        tables: name -> what is read under it.
        memory: bytes that DuckDB may hold; 80 % of the machine's by default.
        spills: whether DuckDB may write rows that do not fit into memory to a private temporary folder, which is
            removed at the end.

    Raises:
        CatalogError: A file can't be read.
    """
    with _private_folder() if spills else nullcontext("") as folder:
        connection = _closed_connection(tables, memory, folder)
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def _private_folder() -> Iterator[str]:
    """A new temporary folder of mode 0700: DuckDB would create one that other users can read.

    It is locked as long as it is in use, so that `remove_left_folders` can tell it from that of a killed process, whose
    process id may have been given to another. Where none can be created, the path is empty, and DuckDB writes no
    temporary files.
    """
    try:
        folder, lock = _create_locked_folder()
    except OSError:
        yield ""
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _create_locked_folder() -> tuple[str, int]:
    """A new folder, and the descriptor that holds its lock until it is closed.

    Raises:
        OSError: None can be created.
    """
    while True:
        folder = tempfile.mkdtemp(prefix=_SPILL_PREFIX)
        lock = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks: the folder looks abandoned there, which loses no rows
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if Path(folder).is_dir():
            return folder, lock
        os.close(lock)  # removed before it was locked


def remove_left_folders() -> None:
    """Remove the temporary folders of processes that were killed: rows of a catalog may be in them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SPILL_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # somebody else's, or no folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # locked: in use
            continue
        finally:
            os.close(lock)


def _closed_connection(tables: Mapping[str, Source], memory: int | None, folder: str) -> duckdb.DuckDBPyConnection:
    """An empty in-memory database holding the tables: no other files, no network, no extensions, no Python variables.

    The files of the tables are the only ones that may be opened, and only a SELECT gets this far: nothing is written
    but temporary files in `folder`, which is empty where there are none.
    """
    import duckdb

    _check_open_files()
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    try:
        # First of all: the bar would be drawn on stdout, where --json is, and on a busy machine the next line is slow.
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        # By default DuckDB would write rows to `.tmp` in the current folder where memory is short.
        connection.execute(f"SET temp_directory = {_text(folder)}")
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}B'")
            connection.execute(f"SET threads = {max(1, min(_cores(), memory // _MEMORY_OF_A_THREAD))}")
        files = [path for source in tables.values() if isinstance(source, ParquetFiles) for path in source.paths]
        if files:
            connection.execute(f"SET allowed_paths = [{', '.join(map(_text, files))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for name, source in tables.items():
            if isinstance(source, ParquetFiles):
                _show_files(connection, name, source)
            else:
                connection.register(name, source)
    except duckdb.Error as error:
        connection.close()
        _blame_files(tables, error)
        raise
    return connection


def _check_open_files() -> None:
    """See that a few files can be opened: DuckDB ends the process if it can't open those that it needs to begin with.

    Raises:
        OSError: Too many are open.
    """
    with ExitStack() as opened:
        for _ in range(_FILES_TO_BEGIN):
            opened.enter_context(Path(os.devnull).open("rb"))


def _show_files(connection: duckdb.DuckDBPyConnection, name: str, source: ParquetFiles) -> None:
    """A view of the files; a column that none of them has is null, of the type that the schema gives it."""
    listed = ", ".join(map(_text, source.paths))  # a file that exists by that name is no pattern to DuckDB
    files = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    there = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()}
    absent = [column for column in source.schema.names if column not in there]
    columns = "*"
    if absent:
        connection.register("absent", pa.schema([source.schema.field(column) for column in absent]).empty_table())
        types = {row[0]: row[1] for row in connection.execute("DESCRIBE absent").fetchall()}
        connection.unregister("absent")
        columns += "".join(f', NULL::{kind} AS "{column}"' for column, kind in types.items())
    connection.execute(f'CREATE VIEW "{name}" AS SELECT {columns} FROM {files}')


def _blame_files(tables: Mapping[str, Source], error: Exception) -> None:
    """Raise what is wrong with the files, if that is what DuckDB stumbled over.

    Raises:
        CatalogError: A file can't be read; the message names it.
    """
    import duckdb

    for source in tables.values():
        for path in source.paths if isinstance(source, ParquetFiles) else ():
            if reason := unreadable(path):
                told = remedy_for(reason) or "segdata catalog verify says more, and the way back"
                raise CatalogError(f"{path}: a file of the catalog can't be read ({reason}); {told}") from error
    reason = _first_lines(error)
    if isinstance(error, duckdb.IOException) or remedy_for(reason):
        raise CatalogError(f"a table can't be read ({reason}); {remedy_for(reason) or 'run it again'}") from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first_lines(error: Exception) -> str:
    """What DuckDB says, without the statement that it repeats; a query can make that of any length."""
    text = str(error)[: 2 * _LONGEST_MESSAGE].split("\n\n", maxsplit=1)[0].strip()
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} [...]"
