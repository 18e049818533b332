"""Runs a command's work: the progress beside it, the result after it, and the exit code of whatever went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import typer

from segdata.cli.options import Common
from segdata.cli.printing import print_json, say, warn
from segdata.cli.progress import progress_display
from segdata.errors import GateRefusedError, SegdataError, StorageError

if TYPE_CHECKING:
    from segdata.pipeline.session import Record, Session

INTERRUPTED = 130


def execute(
    common: Common,
    command: str,
    work: Callable[[Session], Record],
    show: Callable[[Mapping[str, Any]], None],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Run a command that has a row in the journal, and print its result.

    Args:
        common: the options of every command.
        command: its name.
        work: what it does with the session.
        show: prints the result for people.
        options: dotted recipe key -> value of the command's own options.
    """
    with Outcome(common.json, command) as told, progress_display() as progress:
        told.session = common.open(options, progress)
        record = work(told.session)
    if common.json:
        print_json(record.to_json())
    else:
        show(record.to_json())
        if common.dry_run:
            say("Dry run: nothing was written.")


class Outcome:
    """Turns what is raised inside into a message, one JSON object if wanted, and an exit code.

    Only `SegdataError`, Ctrl-C and what the machine lacks (room, open files, a writable disk) are caught: anything else
    is a bug and keeps its traceback.

    Attributes:
        session: what the command works with, once it is open: its journal knows the run that failed.
    """

    def __init__(self, as_json: bool, command: str) -> None:
        self.session: Session | None = None
        self._as_json = as_json
        self._command = command

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            warn("interrupted: what was done is kept; the same command goes on from there")
            self._finish("interrupted", {"kind": "Interrupted", "message": "interrupted", "exit_code": INTERRUPTED}, {})
        if isinstance(error, OSError):
            error = _lack_of(error) or error
        if isinstance(error, SegdataError):
            # many messages begin with the command themselves, for those who catch them in Python
            warn(f"segdata {self._command}: {str(error).removeprefix(f'{self._command}: ')}")
            told = {"kind": error.kind, "message": str(error), "exit_code": error.exit_code}
            self._finish("failed", told, error.result if isinstance(error, GateRefusedError) else {})

    def _finish(self, status: str, error: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        if self._as_json:
            runs = self.session.journal if self.session else []
            head = (
                {"run_id": runs[-1].run_id, "seconds": runs[-1].seconds} if runs else {"run_id": None, "seconds": 0.0}
            )
            kept = runs[-1].result if runs else {}
            print_json({**head, "command": self._command, **kept, **result, "status": status, "error": dict(error)})
        raise typer.Exit(error["exit_code"])


def _lack_of(error: OSError) -> StorageError | None:
    """What the machine lacks, wherever it was missed: loading a module with too few files to open fails like this."""
    from segdata.storage.files import remedy_for

    remedy = remedy_for(error.strerror or "")
    return StorageError(f"{error.filename or 'system'}: {error.strerror}; {remedy}") if remedy else None
