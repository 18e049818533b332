"""TOML from strangers: what nobody would write is refused, and before it costs time or memory."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from segdata.storage.toml import TomlError, parse_toml, read_toml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000, "nested deeper than 32 levels"),
        ("a = " + "{ a = " * 5000, "nested deeper than 32 levels"),
        ("a = " + "[" * 33 + "]" * 33, "a: nested deeper than 32 levels"),
        ("a = " + "1" * 5000, "Exceeds the limit"),
        ("[train]\nseed = 0x8000000000000000", "train.seed: an integer of more than 64 bits"),
        ("seed = [1, -9223372036854775809]", "seed: an integer of more than 64 bits"),
        ("a = 1" + "#" * (1 << 20), "more than 1,048,576 characters"),
        ("a = ", "Invalid value"),
    ],
    ids=["arrays", "tables", "33 arrays", "digits", "hexadecimal", "negative", "large", "no TOML"],
)
def test_what_nobody_would_write_is_refused(text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        parse_toml(text)


LONG_KEYS = {
    "bare": "a" + ".a" * 16_000 + " = 1",
    "spaced": "a" + " .\ta" * 16_000 + " = 1",
    "quoted": r'"\""' + r'."\""' * 16_000 + " = 1",
    "literal": "''" + ".'x y'" * 16_000 + " = 1",
    "header": "[a" + ".a" * 16_000 + "]",
    "inline": "b = { c = 1, a" + ".a" * 16_000 + " = 1 }",
}


@pytest.mark.parametrize("text", LONG_KEYS.values(), ids=LONG_KEYS)
def test_a_dotted_key_of_thousands_of_parts_takes_no_memory(text: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TomlError, match="nested deeper than 32 levels"):
        parse_toml(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10, "kilobytes"


def test_what_people_write_is_read(tmp_path: Path) -> None:
    deep = ".".join("a" * 32)
    text = f"{deep} = 1\nlow = -9223372036854775808\r\nhigh = 9223372036854775807\ntext = '1.2.3.4'\nnumber = 1.5\n"
    document = parse_toml(text)
    assert (document["low"], document["high"]) == (-(2**63), 2**63 - 1)
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    assert read_toml(tmp_path / "x.toml") == document


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "x.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TomlError, match="more than 1,048,576 characters"):
        read_toml(tmp_path / "x.toml")


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.toml")
    with pytest.raises(OSError, match="a pipe, socket or device"):
        read_toml(tmp_path / "x.toml")
