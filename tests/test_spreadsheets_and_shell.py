"""What is written for other programs to read: no cell becomes a formula, and no name is run by a shell."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.shell import shell_word
from segdata.spreadsheets import guard_formulas, unguard_formulas

CELLS = st.text("ab'=+-@;,\t\r\n\" ", max_size=12)


@given(CELLS)
def test_no_piece_of_a_cell_begins_like_a_formula_and_the_text_comes_back(text: str) -> None:
    guarded = guard_formulas(text)
    pieces = (piece.lstrip('" ') for piece in re.split(r"[;\t\r\n]", guarded))  # some readers drop these
    assert not any(piece.startswith(("=", "+", "-", "@")) for piece in pieces)
    assert unguard_formulas(guarded) == text


@pytest.mark.parametrize(
    "text",
    ["p/00001", "a b", "$(touch x)", "`id`", "it's", "José", "安娜", "a\nb", "\x1b[31m", "\\", "a\\'\n", "", "-n", "~"],
)
def test_a_shell_reads_a_word_as_it_was(text: str) -> None:
    script = f"printf %s {shell_word(text)}" if text != "-n" else f"printf -- {shell_word(text)}"
    told = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert told.stdout == text.encode()
    assert shell_word(text).isprintable()
