"""SQL that a user typed, in a process of its own that ends at a time limit and at a memory limit.

DuckDB looks for an interruption only between the parts of its work: a long function call on one value, or an expression
that the planner evaluates, can't be stopped, and allocates beyond DuckDB's memory limit. A process can be ended at any
moment, by the clock or by Ctrl-C, and the operating system limits its memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from segdata.catalog.queries import ParquetFiles, Source, selection_of
from segdata.errors import CatalogError, UsageError
from segdata.storage.memory import machine_memory

TIMEOUT_S = 300.0
_LONGEST_HEADER = 1 << 20  # bytes: messages are cut to some thousand characters
_GIB = 1 << 30


def half_of_memory() -> int:
    """Bytes: half of what the machine, or this process's control group, has."""
    return machine_memory() // 2


@dataclass(frozen=True)
class QueryLimits:
    """When a user's SQL is stopped.

    Attributes:
        timeout_s: seconds from its start until its answer is handed over; the recipe's `query.timeout_s`.
        memory: bytes that its process may hold. The answer is held twice while it is handed over, so it may have half.
    """

    timeout_s: float = TIMEOUT_S
    memory: int = field(default_factory=half_of_memory)


@dataclass(frozen=True)
class Question:
    """What is asked of some tables.

    Attributes:
        name: begins messages, such as `query`.
        sql: one SELECT statement; None only checks the predicate.
        where: a predicate to check first, as `queries.check_predicate` does; `sql` may contain it then.
        columns: the columns that the predicate may name.
    """

    name: str
    sql: str | None
    where: str | None = None
    columns: pa.Schema | None = None


def select_limited(sql: str, tables: Mapping[str, Source], limits: QueryLimits) -> pa.Table:
    """The rows of one SELECT statement that a user wrote.

    Raises:
        UsageError: It is not one SELECT, DuckDB refuses it, or a limit stops it; the message says which.
        CatalogError: A file can't be read.
    """
    return _ask(Question("query", sql), tables, limits)


def check_predicate_limited(where: str, columns: pa.Schema, limits: QueryLimits) -> None:
    """Refuse anything but one boolean expression over the columns.

    Raises:
        UsageError: Says what is wrong and which columns there are, or which limit stops it.
    """
    _ask(Question(repr(where), None, where, columns), {}, limits)


def select_where_limited(
    sql: str, tables: Mapping[str, Source], where: str, columns: pa.Schema, limits: QueryLimits
) -> pa.Table:
    """The rows of one of our own statements that contains a user's predicate, once the predicate is checked.

    Args:
        sql: one SELECT statement with `where` in it, in parentheses and with a line break behind.
        tables: name -> what is read under it.
        where: the user's predicate.
        columns: the columns that it may name.
        limits: when it is stopped.

    Raises:
        UsageError: The predicate is wrong, or a limit stops it.
        CatalogError: A file can't be read.
    """
    return _ask(Question(repr(where), sql, where, columns), tables, limits)


def filter_rows_limited(table: pa.Table, where: str, limits: QueryLimits) -> pa.Table:
    """The rows of one table for which a user's predicate is true; see `queries.filter_rows`.

    Raises:
        UsageError: The predicate is wrong, or a limit stops it.

    >>> filter_rows_limited(pa.table({"miou": [0.5, 0.9]}), "miou < 0.8", QueryLimits()).num_rows
    1
    """
    sql = selection_of(table.schema, where)
    return select_where_limited(sql, {"rows": table}, where, table.schema, limits).cast(table.schema)


def _ask(question: Question, tables: Mapping[str, Source], limits: QueryLimits) -> pa.Table:
    _refuse_undecodable(question)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from segdata.catalog.query_process import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the other one
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        with suppress(OSError):  # the process may end before it has read everything, and still say why
            _send(process.stdin, question, tables, limits)
        header = process.stdout.readline(_LONGEST_HEADER)
        if header.endswith(b"\n"):
            reply: dict[str, Any] = json.loads(header)
            if "error" in reply:
                raise _reported(question, reply, limits)
            return pa.ipc.open_stream(process.stdout).read_all()
    except (OSError, pa.ArrowException):
        pass  # the process has ended: its exit status says why
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    raise _ended(question, process.returncode, limits)


def _send(pipe: IO[bytes], question: Question, tables: Mapping[str, Source], limits: QueryLimits) -> None:
    """The question as one line of JSON, then the schema of its columns and each table as Arrow streams."""
    request = {
        "sql": question.sql,
        "where": question.where,
        "timeout_s": limits.timeout_s,
        "memory": limits.memory,
        "tables": {
            name: list(source.paths) if isinstance(source, ParquetFiles) else None for name, source in tables.items()
        },
    }
    try:
        pipe.write(json.dumps(request).encode() + b"\n")
        _write(pipe, (question.columns or pa.schema([])).empty_table())
        for source in tables.values():
            _write(pipe, source.schema.empty_table() if isinstance(source, ParquetFiles) else source)
    finally:
        pipe.close()


def _write(pipe: IO[bytes], table: pa.Table) -> None:
    with pa.ipc.new_stream(pipe, table.schema) as stream:
        stream.write_table(table)


def _environment() -> dict[str, str]:
    """This process's, with segdata's own folder first; Arrow allocates by `malloc`, which reserves little."""
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }


def _refuse_undecodable(question: Question) -> None:
    for text in (question.sql, question.where):
        try:
            (text or "").encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{question.name}: {text!r}: is not UTF-8; write it in UTF-8") from error


def _reported(question: Question, reply: Mapping[str, Any], limits: QueryLimits) -> Exception:
    """The error that the process reports."""
    kind, message = reply["error"], reply["message"]
    if kind == "memory":
        return UsageError(_too_large(question, limits))
    if kind in ("UsageError", "CatalogError"):
        return (CatalogError if kind == "CatalogError" else UsageError)(message)
    return RuntimeError(f"a query's process failed:\n{message}")


def _ended(question: Question, status: int, limits: QueryLimits) -> UsageError:
    """What the exit status of a process that gave no answer says."""
    if status == -signal.SIGALRM:
        return UsageError(
            f"{question.name}: stopped after {limits.timeout_s:g} s (query.timeout_s); ask for fewer rows or a simpler "
            "expression, or raise the limit: --set query.timeout_s=SECONDS"
        )
    if status == -signal.SIGKILL:  # by the kernel, which ran out of memory first
        return UsageError(_too_large(question, limits))
    name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    # At the limit on memory some of DuckDB's functions crash instead of raising an error.
    return UsageError(_too_large(question, limits, f"DuckDB crashed ({name}), as it may where it"))


def _too_large(question: Question, limits: QueryLimits, subject: str = "it") -> str:
    return (
        f"{question.name}: stopped: {subject} needs more than half of the machine's memory, "
        f"{limits.memory / _GIB:.1f} GiB (the answer alone may have {limits.memory / 2 / _GIB:.1f} GiB); ask for fewer "
        "rows or columns, or a simpler expression"
    )
