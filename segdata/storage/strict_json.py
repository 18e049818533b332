"""Parse JSON that a stranger wrote: whatever is wrong with it ends in one kind of error, with a message."""

from __future__ import annotations

import json
from collections import Counter

from segdata.storage.memory import machine_memory
from segdata.storage.text import decode_text

_SHARE_OF_MEMORY = 0.8
# Bytes that CPython takes at most for each: a list, a dictionary, a number with its place in a list, a key's place in a
# dictionary, and half of a text without its letters.
_BYTES_OF = {"[": 80, "{": 80, ",": 40, ":": 100, '"': 16}


def parse_json(text: str | bytes, non_finite: bool = False) -> object:
    """The value that a JSON document holds.

    Args:
        text: the document; bytes are UTF-8, or what their byte-order mark says.
        non_finite: accept NaN and Infinity, which JSON does not have and Python writes.

    Raises:
        ValueError: It is not JSON, or has a key twice in one object, is nested too deeply, or needs more memory than
            there is.

    >>> parse_json(b'{"a": [1]}')
    {'a': [1]}
    """
    check_memory(text)
    try:
        document = decode_text(text) if isinstance(text, bytes) else text
        constant = None if non_finite else _refuse_constant
        value: object = json.loads(document, object_pairs_hook=_unique, parse_constant=constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not {error.encoding.upper()} at byte {error.start}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except MemoryError as error:
        raise ValueError("more than the memory that there is") from error
    return value


def parsed_bytes(text: str | bytes) -> int:
    """How much memory a JSON document may take once it is parsed, in bytes: an upper bound.

    A few bytes of text can be many of memory: an empty list takes 3 and 64. Counting takes a small part of the time of
    parsing.

    >>> parsed_bytes("[[],[]]")
    287
    """
    if isinstance(text, bytes):
        return 2 * len(text) + sum(size * text.count(mark.encode()) for mark, size in _BYTES_OF.items())
    return len(text) + sum(size * text.count(mark) for mark, size in _BYTES_OF.items())


def check_memory(text: str | bytes) -> None:
    """See that a document can be parsed in the memory of this machine.

    Raises:
        ValueError: It can't.
    """
    needed, most = parsed_bytes(text), int(_SHARE_OF_MEMORY * machine_memory())
    if needed > most:
        raise ValueError(f"parsing it may take {needed / 1e9:.1f} GB of memory; at most {most / 1e9:.1f} GB are used")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:40]!r} is twice in one object")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number in JSON")
