"""Parse JSON that a stranger wrote: whatever is wrong with it ends in one kind of error, with a message."""

from __future__ import annotations

import json
from collections import Counter

from segdata.storage.text import decode_text


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


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:40]!r} is twice in one object")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number in JSON")
