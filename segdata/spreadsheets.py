"""Keep spreadsheets from running cells of a CSV file: one that begins like a formula gets an apostrophe before it.

Spreadsheets of some languages split cells at semicolons, or at tabs, wherever these stand. So a formula may not begin
behind one of them either, nor at the start of a line. Quotation marks and spaces before it do not stop a formula: a
reader that splits elsewhere takes the quotes for those of a cell.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"""(^|[;\t\r\n])(?=['" ]*[=+\-@\t\r])""")
_GUARDED = re.compile(r"""(^|[;\t\r\n])'(?=['" ]*[=+\-@\t\r])""")


def guard_formulas(text: str) -> str:
    """The text with an apostrophe before each place at which a spreadsheet would begin a formula.

    >>> guard_formulas("=cmd()"), guard_formulas("a;=1+1"), guard_formulas("a, b")
    ("'=cmd()", "a;'=1+1", 'a, b')
    >>> print(guard_formulas('a;"=1+1'))
    a;'"=1+1
    """
    return _FORMULA.sub(r"\1'", text)


def unguard_formulas(text: str) -> str:
    """What `guard_formulas` was given.

    >>> unguard_formulas("'=cmd()")
    '=cmd()'
    """
    return _GUARDED.sub(r"\1", text)
