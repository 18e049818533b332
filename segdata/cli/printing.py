"""How a command's result is printed: one JSON object for programs, a short summary for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from segdata.records import printable


def print_json(value: Mapping[str, Any]) -> None:
    """Exactly one JSON object on stdout."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_json_rows(head: Mapping[str, Any], key: str, parts: Iterable[Sequence[Any]]) -> None:
    """One JSON object whose last key is a long list, given in parts.

    Only the text is held as a whole. Printing starts when all text is ready, so an error never leaves half an object on
    stdout.
    """
    texts = [json.dumps(plain(part), ensure_ascii=False, allow_nan=False)[1:-1] for part in parts if part]
    head_text = json.dumps(plain(head), ensure_ascii=False, allow_nan=False)[1:-1]
    for text in ("{", head_text, f', "{key}": [', *_joined(texts), "]}\n"):
        sys.stdout.write(text)
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, bytes as hex, no NaN, names of files that are not UTF-8 escaped.

    >>> plain({"a": float("nan"), "b": b"\\x01"})
    {'a': None, 'b': '01'}
    """
    if isinstance(value, Mapping):
        return {printable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, int | float | bool) else printable(str(value))


def say(line: str = "") -> None:
    """A line for people, on stdout."""
    sys.stdout.write(defused(line) + "\n")


def warn(line: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(defused(line) + "\n")


def defused(text: str) -> str:
    """Text without control characters: a file's name must not drive the terminal.

    >>> defused("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(
        c if c in "\n\t" or (c.isprintable() and c != "\x7f") else f"\\x{ord(c):02x}" for c in printable(text)
    )


def say_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table in plain columns: text to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [
        all(isinstance(value, int | float) or value is None for value in column) for column in zip(*rows, strict=True)
    ]
    widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    for line in [list(header), *cells]:
        padded = [
            text.rjust(width) if i < len(numeric) and numeric[i] else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        say("  " + "  ".join(padded).rstrip())


def say_histogram(counts: Sequence[int], width: int = 40) -> None:
    """Counts over equal parts of [0, 1], a bar each; empty parts below the first count are left out."""
    first = next((index for index, count in enumerate(counts) if count), len(counts))
    most = max(counts, default=0)
    for index in range(first, len(counts)):
        bar = "#" * (-(-counts[index] * width // most) if counts[index] else 0)
        low, high = index / len(counts), (index + 1) / len(counts)
        say(f"  mIoU {low:.2f} to {high:.2f}  {counts[index]:>6}  {bar}".rstrip())


def _joined(texts: Sequence[str]) -> Iterator[str]:
    for place, text in enumerate(texts):
        yield f", {text}" if place else text


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    text = value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
    text = text.replace("\n", " ")
    return text if len(text) <= 80 else text[:77] + "..."
