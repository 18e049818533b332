"""Read TOML that anybody may have written: whatever is wrong with it becomes one error."""

from __future__ import annotations

import errno
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from segdata.storage.files import read_steady
from segdata.storage.text import decode_text

_MOST_CHARACTERS = 1 << 20
_DEEPEST = 32
# A dotted key of more parts. tomllib needs time and memory that grow with the square of their number: 32 kB took 14 s.
_KEY_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w\\-])(?:{_KEY_PART}){{{_DEEPEST}}}", re.ASCII)
_INTEGERS = range(-(2**63), 2**63)  # those of TOML


class TomlError(ValueError):
    """Text that is not TOML, or is more than anybody would write; the message says what."""


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a file.

    Raises:
        TomlError: The file is too large, or `parse_toml` refuses it.
        OSError: The file can't be read, or is no regular file: a pipe would be waited for without end.
        UnicodeDecodeError: The file is neither UTF-8 nor what its byte-order mark says.
    """
    try:
        data, _ = read_steady(path, most=4 * _MOST_CHARACTERS)  # a character has at most four bytes
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise TomlError(f"more than {_MOST_CHARACTERS:,} characters") from error
        raise
    return parse_toml(decode_text(data).replace("\r\n", "\n"))


def parse_toml(text: str) -> dict[str, Any]:
    """The document in a text.

    Raises:
        TomlError: The text is not TOML, has more than a million characters, is nested deeper than 32 levels, or has an
            integer of more than 64 bits, which neither JSON nor the tables can keep.

    >>> parse_toml("train.epochs = 20")
    {'train': {'epochs': 20}}
    """
    if len(text) > _MOST_CHARACTERS:
        raise TomlError(f"more than {_MOST_CHARACTERS:,} characters")
    if long_key := _LONG_KEY.search(text):
        raise TomlError(f"{long_key[0][:80]}: nested deeper than {_DEEPEST} levels")
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise TomlError(f"nested deeper than {_DEEPEST} levels") from error
    except ValueError as error:  # not only TOMLDecodeError: Python refuses integers of very many digits
        raise TomlError(str(error)) from error
    _check_values(document)
    return document


def toml_text(text: str) -> str:
    """A text as a basic string of TOML.

    >>> toml_text('a"b')
    '"a\\\\"b"'
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_values(document: dict[str, Any]) -> None:
    # A list of what is left to check instead of a recursion: dotted keys nest as deeply as they are long.
    waiting: list[tuple[str, int, Any]] = [(key, 1, value) for key, value in document.items()]
    while waiting:
        key, depth, value = waiting.pop()
        if depth > _DEEPEST:
            raise TomlError(f"{key[:80]}: nested deeper than {_DEEPEST} levels")
        if isinstance(value, int) and value not in _INTEGERS:
            raise TomlError(f"{key[:80]}: an integer of more than 64 bits")
        if isinstance(value, dict):
            waiting += [(f"{key}.{name}", depth + 1, inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(key, depth + 1, inner) for inner in value]
