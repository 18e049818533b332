"""Decode text that any editor or shell may have written: a byte-order mark names the encoding."""

from __future__ import annotations

import codecs

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, errors: str = "strict") -> str:
    """The text of a file, without its byte-order mark.

    Editors and shells of Windows write a mark before UTF-8, and UTF-16 with one.

    Args:
        data: all bytes of the file; UTF-8 unless a byte-order mark says otherwise.
        errors: what to do with bytes that are no text, as in `bytes.decode`.

    Raises:
        UnicodeDecodeError: The bytes are not in that encoding, and `errors` is "strict".

    >>> decode_text(b"\\xef\\xbb\\xbfa"), decode_text(b"\\xff\\xfea\\x00"), decode_text(b"a")
    ('a', 'a', 'a')
    """
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors)
