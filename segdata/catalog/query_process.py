"""The process in which one user's query runs: it reads a question on stdin, and writes the answer on stdout.

`limited_queries` starts it. A line of JSON begins both: the question, and `{}` or an error. Arrow streams follow.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from typing import IO, Any

import duckdb
import pyarrow as pa

from segdata.catalog.queries import ParquetFiles, Source, check_predicate, select
from segdata.errors import SegdataError, UsageError
from segdata.storage.memory import limit_process


class _MemoryLimitError(Exception):
    """A limit on memory stops the query."""


def main() -> None:
    """Answer one question and end."""
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no part of the answer
    request = json.loads(questions.readline())
    _limit(request["timeout_s"], request["memory"])
    try:
        result = _answer(questions, request)
    except SegdataError as error:
        _write_error(answers, error.kind, str(error))
    except (_MemoryLimitError, MemoryError, duckdb.OutOfMemoryException, pa.ArrowMemoryError):
        _write_error(answers, "memory", "")
    except Exception:
        _write_error(answers, "bug", traceback.format_exc())
    else:
        answers.write(b"{}\n")
        with pa.ipc.new_stream(answers, result.schema) as stream:
            stream.write_table(result)
    answers.flush()
    os._exit(0)  # at once: nothing has to be put away


def _limit(timeout_s: float, memory: int) -> None:
    """Let the operating system end this process after a time, and refuse it memory beyond a limit."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process whatever it computes: no Python code has to run
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    limit_process(memory)


def _answer(questions: IO[bytes], request: dict[str, Any]) -> pa.Table:
    columns = pa.ipc.open_stream(questions).read_all().schema
    tables: dict[str, Source] = {}
    for name, paths in request["tables"].items():
        table = pa.ipc.open_stream(questions).read_all()
        tables[name] = table if paths is None else ParquetFiles(tuple(paths), table.schema)
    try:
        if request["where"] is not None:
            check_predicate(request["where"], columns, request["memory"])
        result = pa.table({})
        if request["sql"] is not None:
            result = select(request["sql"], tables, request["memory"])
    except UsageError as error:
        if isinstance(error.__cause__, duckdb.OutOfMemoryException):
            raise _MemoryLimitError from error
        raise
    if 2 * result.nbytes > request["memory"]:
        raise _MemoryLimitError
    return result


def _write_error(answers: IO[bytes], kind: str, message: str) -> None:
    answers.write(json.dumps({"error": kind, "message": message}).encode() + b"\n")
