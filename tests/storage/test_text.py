"""Text with the byte-order marks that editors and shells of Windows write."""

from __future__ import annotations

import pytest

from segdata.storage.text import decode_text


@pytest.mark.parametrize(
    "data",
    [
        "é=1\r\n".encode(),
        "é=1\r\n".encode("utf-8-sig"),
        b"\xff\xfe" + "é=1\r\n".encode("utf-16-le"),
        b"\xfe\xff" + "é=1\r\n".encode("utf-16-be"),
        b"\xff\xfe\0\0" + "é=1\r\n".encode("utf-32-le"),
        b"\0\0\xfe\xff" + "é=1\r\n".encode("utf-32-be"),
    ],
    ids=["no mark", "UTF-8", "UTF-16 LE", "UTF-16 BE", "UTF-32 LE", "UTF-32 BE"],
)
def test_a_byte_order_mark_names_the_encoding_and_is_no_part_of_the_text(data: bytes) -> None:
    assert decode_text(data) == "é=1\r\n"


def test_a_mark_within_the_text_stays() -> None:
    assert decode_text("a\ufeffb".encode()) == "a\ufeffb"


def test_bytes_that_are_no_text_are_an_error_or_replaced() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(b"\xff\xfea")  # half a character of UTF-16
    with pytest.raises(UnicodeDecodeError):
        decode_text(b"caf\xe9")
    assert decode_text(b"caf\xe9", errors="replace") == "caf\ufffd"
