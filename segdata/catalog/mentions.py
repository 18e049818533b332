"""Find the names of forgotten samples in texts, in JSON and in cells of tables, and replace them by stand-ins."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Set
from typing import cast
from urllib.parse import quote

import pyarrow as pa

from segdata.catalog.purging import quoted_in
from segdata.catalog.schemas import KEYS, rows_to_table
from segdata.catalog.tables import Catalog

FREE_TEXT = {
    "samples": ("fusion", "group_id"),
    "rejects": ("detail",),
    "scores": ("reason",),
    "selections": ("predicate", "why"),
    "verdicts": ("note", "reviewer", "tags"),
    "models": ("metrics", "name"),
    "runs": ("recipe", "result", "error"),
}
"""Columns of words, lists of words or JSON that may name a sample in passing.

All others are keys, places of files and closed lists.
"""
_LISTS = frozenset({"tags"})
_UNSPACED = (
    "\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff"  # Thai and Lao, Burmese, Khmer
    "\\u1100-\\u11ff\\ua960-\\ua97f\\uac00-\\ud7ff"  # Korean, whose particles touch the word
    "\\u2e80-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f\\U00020000-\\U0003ffff"  # Chinese and Japanese
)
"""Ranges of letters that touch the words beside them, in scripts without spaces."""
_CONTINUING = re.compile(rf"(?![{_UNSPACED}])[^\W_]")
_NAMES_PER_PATTERN = 200  # names in one regular expression: RE2 gives up beyond some thousand


class Mentions:
    """The names of some samples, and what stands in for each.

    A name counts where no letter or digit continues it: `people/1` is not in `people/10`, and it is in
    `/data/people/1.jpg`. Letters of scripts without spaces, such as Chinese, continue no name. Where a longer name of
    another sample stands, such as `people/1-b`, it is left as it is.

    It counts in each of its spellings: as it is, in SQL, in JSON, in HTML and in a URI.

    Args:
        stand_ins: by what they replace: sample ids, places and SHA-256 of files.
        others: ids of other samples that contain one of these names.

    >>> Mentions({"people/1": "forgotten/ab"}, {"people/1-b"}).replace_in_text("people/10, people/1-b, people/1.jpg")
    'people/10, people/1-b, forgotten/ab.jpg'
    """

    def __init__(self, stand_ins: Mapping[str, str], others: Set[str] = frozenset()) -> None:
        replaced = {form: stand_in for name, stand_in in stand_ins.items() for form in _spellings(name)}
        self._forms = sorted(replaced)
        self._stand_ins = {form: form for name in others for form in _spellings(name)} | replaced
        ordered = sorted(self._stand_ins, key=len, reverse=True)  # a composite's id contains that of its portrait
        alternatives = "|".join(map(re.escape, ordered)) or "(?!)"
        before, after = rf"(?:(?<![^\W_])|(?<=[{_UNSPACED}]))", rf"(?:(?![^\W_])|(?=[{_UNSPACED}]))"
        self._pattern = re.compile(f"{before}(?:{alternatives}){after}")
        self._spelt = {form.encode("utf-8", "surrogateescape"): form in replaced for form in ordered}
        self._starts = re.compile(b"(?=" + (b"|".join(map(re.escape, self._spelt)) or b"(?!)") + b")")

    def replace_in_text(self, text: str) -> str:
        """The text with stand-ins in place of the names."""
        return self._pattern.sub(lambda match: self._stand_ins[match[0]], text)

    def replace_in(self, value: object) -> object:
        """A value as JSON has them, with stand-ins in place of the names, in keys too."""
        return map_strings(value, self.replace_in_cell)

    def replace_in_cell(self, text: str) -> str:
        """The same for a cell. It may hold JSON, whose strings may hold JSON again: each level has its escapes."""
        if text.startswith(("{", "[", '"')):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                return self.replace_in_text(text)
            replaced = self.replace_in(value)
            if replaced != value:
                return json.dumps(replaced)
        return self.replace_in_text(text)

    def are_in(self, data: bytes) -> bool:
        """Whether a file's bytes name one of them, as text, in JSON or in HTML."""
        end = 0
        for start in (match.start() for match in self._starts.finditer(data)):
            form = next((form for form in self._spelt if _stands_alone(form, data, start)), None)
            if form is None or start < end:
                continue
            if self._spelt[form]:
                return True
            end = start + len(form)  # the name of another sample
        return False

    def replace_in_tables(self, catalog: Catalog) -> list[str]:
        """Replace the names in all cells of text, which are words or JSON; the tables that were changed."""
        return [name for name in FREE_TEXT if self._replace_in_table(catalog, name)]

    def _replace_in_table(self, catalog: Catalog, name: str) -> bool:
        columns = FREE_TEXT[name]
        key = KEYS[name][0]
        rows_with = {value for where in self._predicates(columns) for value in _values(catalog, name, key, where)}
        if not rows_with:
            return False

        def replaced(rows: pa.Table) -> pa.Table:
            new = [
                {column: self.replace_in(cell) if column in columns else cell for column, cell in row.items()}
                for row in rows.to_pylist()
            ]
            return rows_to_table(name, new)

        catalog.rewrite(name, quoted_in(key, rows_with), replaced)
        return True

    def _predicates(self, columns: tuple[str, ...]) -> Iterator[str]:
        """SQL that finds rows with one of the names in one of the columns."""
        texts = [f"array_to_string({name}, chr(10))" if name in _LISTS else name for name in columns]
        for start in range(0, len(self._forms), _NAMES_PER_PATTERN):
            pattern = "|".join(_literal(form) for form in self._forms[start : start + _NAMES_PER_PATTERN])
            quoted = pattern.replace("'", "''")
            yield " OR ".join(f"regexp_matches({text}, '{quoted}')" for text in texts)


def map_strings(value: object, change: Callable[[str], str]) -> object:
    """A value as JSON has them, with each string and key changed.

    >>> map_strings({"a": ["b", 1]}, str.upper)
    {'A': ['B', 1]}
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {map_strings(key, change): map_strings(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [map_strings(part, change) for part in value]
    return value


def continues_name(character: str) -> bool:
    """Whether a name goes on with the character that touches it; an empty string stands for the end of the text.

    >>> [continues_name(character) for character in ("7", "é", "_", "", "是", "은")]
    [True, True, False, False, False, False]
    """
    return _CONTINUING.match(character) is not None


def _spellings(name: str) -> set[str]:
    """A name as it stands in a text, with composed and decomposed accents, in SQL, in JSON, in HTML and in a URI."""
    normalized = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    plain = {name, *normalized}
    plain |= {form.replace("'", "''") for form in plain}
    escaped = {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in plain for ascii_only in (True, False)}
    escaped |= {form.replace("/", r"\/") for form in escaped}  # as PHP does
    nested = {json.dumps(form)[1:-1] for form in escaped}
    in_uris = {quote(form, safe=safe, errors="surrogatepass") for form in plain for safe in ("/", "")}
    in_uris |= {re.sub("%..", lambda code: code[0].lower(), form) for form in in_uris}
    return plain | escaped | nested | in_uris | {html.escape(form) for form in plain}


def _stands_alone(form: bytes, data: bytes, start: int) -> bool:
    """Whether a name is at that place, and no letter or digit continues it."""
    if not data.startswith(form, start):
        return False
    end = start + len(form)
    before = data[max(0, start - 4) : start].decode("utf-8", "ignore")[-1:]
    after = data[end : end + 4].decode("utf-8", "ignore")[:1]
    return not continues_name(before) and not continues_name(after)


def _values(catalog: Catalog, name: str, key: str, where: str) -> list[str]:
    return cast(list[str], catalog.read(name, [key], where)[key].to_pylist())


def _literal(text: str) -> str:
    """A text as a pattern of RE2 that matches it alone."""
    return "\\Q" + text.replace("\\E", "\\E\\\\E\\Q") + "\\E"
