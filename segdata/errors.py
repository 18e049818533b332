"""Every error that segdata raises on purpose, and the exit code that each becomes.

    SegdataError                 1   never raised itself
    ├── UsageError               2   the call is wrong: an option, a name, a path given by hand
    │   └── RecipeError          2   the recipe is wrong: located by file and dotted key
    ├── DataError                3   something on disk is not as expected
    │   ├── SourceError          3   a source tree: its root is missing, its layout is another
    │   ├── CatalogError         3   a catalog table: missing, truncated, of another schema
    │   ├── CheckpointError      3   weights or a model folder: unreadable, a pickle, another network's
    │   ├── StorageError         3   a file can't be read or written: permissions, a full disk
    │   └── PixelError           3   arrays whose shapes or types don't go together
    ├── TooFewSamplesError       4   fewer samples than what was asked needs
    └── GateRefusedError         5   a gate refused: regression, leakage; carries what it found

A message says where, what, and what to do. Only the command line catches these; anything else is a bug and keeps
its traceback. A bad *sample* is not an error: it becomes a row in the `rejects` table.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SegdataError(Exception):
    """Root of the tree: what the command line turns into one line and an exit code."""

    exit_code: ClassVar[int] = 1

    @property
    def kind(self) -> str:
        """The class's name, as in `--json`'s `error.kind`."""
        return type(self).__name__


class UsageError(SegdataError):
    """The call is wrong: an option, a name, or a path given by hand."""

    exit_code: ClassVar[int] = 2


class RecipeError(UsageError):
    """The recipe is wrong; the message begins with `file: dotted.key:`."""


class DataError(SegdataError):
    """Something on disk is not as expected."""

    exit_code: ClassVar[int] = 3


class SourceError(DataError):
    """A source tree is missing or of another layout."""


class CatalogError(DataError):
    """A catalog table is missing, damaged, or of another schema."""


class CheckpointError(DataError):
    """Weights or a model folder can't be used: unreadable, a pickle, or another network's."""


class StorageError(DataError):
    """A file can't be read or written."""


class PixelError(DataError):
    """Arrays whose shapes, types or ranges don't go together."""


class TooFewSamplesError(SegdataError):
    """Fewer samples than what was asked needs."""

    exit_code: ClassVar[int] = 4


class GateRefusedError(SegdataError):
    """A gate refused: a regression on val, or leakage. The work is kept; the result says what was found.

    Args:
        message: where, what, and what to do.
        result: the JSON keys that the command prints all the same.
    """

    exit_code: ClassVar[int] = 5

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result: dict[str, Any] = dict(result or {})
