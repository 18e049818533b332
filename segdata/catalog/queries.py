"""SQL over the catalog, by a DuckDB that can reach nothing but the tables handed to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segdata.errors import UsageError

if TYPE_CHECKING:
    import duckdb


def select(sql: str, tables: Mapping[str, Any]) -> pa.Table:
    """The rows of one SELECT statement over the given tables.

    Args:
        sql: one SELECT (or WITH … SELECT); anything else is refused.
        tables: name -> pyarrow Table or Dataset.

    Raises:
        UsageError: Not one SELECT, or DuckDB refuses it; the message carries its reason.

    >>> select("SELECT a + 1 AS b FROM t", {"t": pa.table({"a": [1]})}).to_pylist()
    [{'b': 2}]
    """
    import duckdb

    connection = _closed_connection(tables)
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(f"query: one SELECT statement, please; got {sql!r}")
        result: pa.Table = connection.sql(statements[0].query).to_arrow_table()
        return result
    except duckdb.Error as error:
        raise UsageError(f"query: {_first_lines(error)}\n  the tables are {', '.join(tables)}") from error
    finally:
        connection.close()


def filter_rows(table: Any, where: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one table for which a boolean SQL expression is true.

    Args:
        table: a pyarrow Table or Dataset.
        where: one boolean expression over its columns; no statement, no subquery, no aggregate.
        columns: the columns wanted; all by default.

    Raises:
        UsageError: `where` is something else, or names an unknown column; the message lists the columns.

    >>> filter_rows(pa.table({"miou": [0.5, 0.9]}), "miou < 0.8").num_rows
    1
    """
    check_predicate(where, table.schema)
    names = table.schema.names if columns is None else columns
    wanted = ", ".join(f'"{name}"' for name in names)
    rows = select(f"SELECT {wanted} FROM rows WHERE ({where}\n)", {"rows": table})
    return rows.cast(pa.schema([table.schema.field(name) for name in names]))


def check_predicate(where: str, schema: pa.Schema) -> None:
    """Refuse anything but one boolean expression over the schema's columns.

    Raises:
        UsageError: Says what is wrong and which columns there are.
    """
    import duckdb

    known = f"the columns are {', '.join(schema.names)}"
    try:
        duckdb.SQLExpression(where)
    except duckdb.Error as error:
        raise UsageError(f"{where!r}: not one boolean expression: {_first_lines(error)}") from error
    connection = _closed_connection({"rows": schema.empty_table()})
    try:
        # The parse tree says whether there is a subquery; a quotation mark inside a literal is escaped there.
        tree = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT 1 FROM rows WHERE ({where}\n)"]).fetchall()
        if '"class":"SUBQUERY"' in tree[0][0]:
            raise UsageError(f"{where!r}: a subquery has no place here; {known}")
        described = connection.execute(f"DESCRIBE SELECT ({where}\n) AS answer FROM rows").fetchall()
        if len(described) != 1 or described[0][1] != "BOOLEAN":
            raise UsageError(f"{where!r}: not true or false for each row; write one like miou < 0.8")
        # An aggregate is a fine SELECT but no WHERE: DuckDB says so when it is put there.
        connection.execute(f"SELECT 1 FROM rows WHERE ({where}\n)")
    except duckdb.Error as error:
        raise UsageError(f"{where!r}: {_first_lines(error)}; {known}") from error
    finally:
        connection.close()


def _closed_connection(tables: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """An empty in-memory database holding the tables: no files, no network, no extensions, no Python variables."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    for name, table in tables.items():
        connection.register(name, table)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _first_lines(error: Exception) -> str:
    return str(error).split("\n\n", maxsplit=1)[0].strip()
