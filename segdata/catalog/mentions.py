"""Where forgotten samples are named: in texts, in JSON, in cells of tables. Found here, and replaced by stand-ins."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

import pyarrow as pa

from segdata.catalog.purging import quoted_in
from segdata.catalog.schemas import KEYS, rows_to_table
from segdata.catalog.tables import Catalog

_FREE_TEXT = {
    "samples": ("fusion",),
    "rejects": ("detail",),
    "scores": ("reason",),
    "selections": ("predicate", "why"),
    "verdicts": ("note",),
    "models": ("metrics", "name"),
    "runs": ("recipe", "result", "error"),
}
"""Columns of words or JSON that may name a sample in passing; all others are keys, places of files and closed lists."""
_AT_ONCE = 200  # names in one regular expression: RE2 gives up beyond some thousand


class Mentions:
    """The names of some samples, and what stands in for each.

    A name counts where no letter or digit touches it: `people/1` is not in `people/10`, and it is in
    `/data/people/1.jpg`.

    Args:
        stand_ins: by what they replace: sample ids and SHA-256 of files.

    >>> Mentions({"people/1": "forgotten/ab"}).replace_in_text("people/10, people/1.jpg")
    'people/10, forgotten/ab.jpg'
    """

    def __init__(self, stand_ins: Mapping[str, str]) -> None:
        self._stand_ins = dict(stand_ins)
        names = sorted(self._stand_ins, key=len, reverse=True)  # a composite's id contains that of its portrait
        self._pattern = re.compile(_standing_alone(names))
        spellings = {form for name in names for form in (name, json.dumps(name)[1:-1], html.escape(name))}
        self._forms = sorted(spellings, key=len, reverse=True)
        self._in_bytes = re.compile(_standing_alone(self._forms).encode("utf-8", "surrogateescape"))

    def replace_in_text(self, text: str) -> str:
        """The text with stand-ins in place of the names."""
        return self._pattern.sub(lambda match: self._stand_ins[match[0]], text)

    def replace_in(self, value: object) -> object:
        """A value as JSON has them, with stand-ins in place of the names, in keys too."""
        if isinstance(value, str):
            return self.replace_in_text(value)
        if isinstance(value, Mapping):
            return {self.replace_in(key): self.replace_in(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.replace_in(part) for part in value]
        return value

    def replace_in_cell(self, text: str) -> str:
        """The same for a cell, which may hold JSON: there a name may be spelt with escapes."""
        if text[:1] in "{[":
            try:
                value = json.loads(text)
            except ValueError:
                return self.replace_in_text(text)
            replaced = self.replace_in(value)
            return text if replaced == value else json.dumps(replaced)
        return self.replace_in_text(text)

    def are_in(self, data: bytes) -> bool:
        """Whether a file's bytes name one of them, as text, in JSON or in HTML."""
        return self._in_bytes.search(data) is not None

    def replace_in_tables(self, catalog: Catalog) -> list[str]:
        """Replace the names in all cells of text, which are words or JSON; the tables that were changed."""
        return [name for name in _FREE_TEXT if self._replace_in_table(catalog, name)]

    def _replace_in_table(self, catalog: Catalog, name: str) -> bool:
        columns = _FREE_TEXT[name]
        key = KEYS[name][0]
        rows_with = {value for where in self._predicates(columns) for value in _values(catalog, name, key, where)}
        if not rows_with:
            return False

        def replaced(rows: pa.Table) -> pa.Table:
            new = [
                {k: self.replace_in_cell(v) if k in columns and v is not None else v for k, v in row.items()}
                for row in rows.to_pylist()
            ]
            return rows_to_table(name, new)

        catalog.rewrite(name, quoted_in(key, rows_with), replaced)
        return True

    def _predicates(self, columns: tuple[str, ...]) -> Iterator[str]:
        """SQL that finds rows with one of the names in one of the columns."""
        for start in range(0, len(self._forms), _AT_ONCE):
            pattern = "|".join(_literal(form) for form in self._forms[start : start + _AT_ONCE])
            quoted = pattern.replace("'", "''")
            yield " OR ".join(f"regexp_matches({column}, '{quoted}')" for column in columns)


def _standing_alone(names: list[str]) -> str:
    """A pattern of one of the names, the longest of them first, where no letter or digit touches it."""
    alternatives = "|".join(map(re.escape, names)) or "(?!)"
    return f"(?<![0-9A-Za-z])(?:{alternatives})(?![0-9A-Za-z])"


def _values(catalog: Catalog, name: str, key: str, where: str) -> list[str]:
    return cast(list[str], catalog.read(name, [key], where)[key].to_pylist())


def _literal(text: str) -> str:
    """A text as a pattern of RE2 that matches it alone."""
    return "\\Q" + text.replace("\\E", "\\E\\\\E\\Q") + "\\E"
