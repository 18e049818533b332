"""What a fuzzing target consists of, and what all targets demand of a refusal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Target(NamedTuple):
    """One kind of input.

    Attributes:
        check: takes an input, and raises where segdata breaks its contract. Returns whether segdata accepted the
            input; False is a refusal with a documented error.
        seeds: valid inputs by name, from which the fuzzer starts.
        tokens: words of the format, which the fuzzer inserts.
        max_bytes: of an input.
    """

    check: Callable[[bytes], bool]
    seeds: Callable[[], Mapping[str, bytes]]
    tokens: tuple[bytes, ...]
    max_bytes: int


def check_message(message: str) -> None:
    """Demand that a refusal says something, in text that a table can keep."""
    assert message.strip(), "a refusal without a message"
    message.encode()


def check_text(*values: str | None) -> None:
    """Demand text that every table can keep: without half characters, which JSON can spell."""
    for value in values:
        if value is not None:
            value.encode()


@cache
def scratch_folder() -> Path:
    """A temporary folder of this process, for readers that take a path."""
    memory = Path("/dev/shm")  # a file is written for each input, which a disk makes slow
    folder = tempfile.TemporaryDirectory(prefix="segdata-fuzz-", dir=memory if memory.is_dir() else None)
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []  # each is removed when the process ends
