"""Verdicts that the report's page saved to a file, as JSON or CSV: read with distrust, every mistake located."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from segdata.catalog.verdicts import Judgement
from segdata.errors import DataError
from segdata.records import VERDICTS, is_text, printable
from segdata.spreadsheets import unguard_formulas
from segdata.storage.files import read_bytes
from segdata.storage.strict_json import parse_json
from segdata.storage.text import decode_text

FORMAT = "segdata verdicts 1"
"""What the JSON file says it is."""
_LONGEST = 10_000
_CLOCKS_DIFFER = timedelta(days=1)
_LARGEST_FILE = 1 << 26  # bytes: some 300,000 verdicts; parsed, JSON takes up to 30 times its bytes


@dataclass(frozen=True)
class VerdictFile:
    """The judgements in a file.

    Attributes:
        judgements: those that can be used.
        undated: which of these have no time of their own, but that of the import.
        refused: sample_id, or the empty string where there is none, and the reason, of every other row.
    """

    judgements: tuple[Judgement, ...]
    undated: tuple[Judgement, ...]
    refused: tuple[tuple[str, str], ...]


def read_verdicts(path: Path, reviewer: str, names: Collection[str]) -> VerdictFile:
    """The judgements in a file. A row that is wrong is refused, and costs no other.

    Args:
        path: what the page saved, or a CSV that a spreadsheet saved from it.
        reviewer: for rows that name nobody.
        names: the catalog's sample ids: a CSV puts an apostrophe before text that a spreadsheet would run, and only the
            catalog tells it from one that belongs to the name.

    Raises:
        DataError: The file can't be read, or is something else.
    """
    text = decode_text(read_bytes(path, _LARGEST_FILE), errors="replace")
    is_csv = path.suffix.lower() == ".csv"
    rows = _csv_rows(text, path, names) if is_csv else _json_rows(text, path)
    now = datetime.now(UTC)
    judgements, refused = [], []
    for place, row in rows:
        try:
            where = f"{path}: {'line' if is_csv else 'verdict'} {place}"
            judgements.append(_judgement(row, where, reviewer, now))
        except DataError as error:
            name = row.get("sample_id") if isinstance(row, Mapping) else None
            refused.append((printable(name[:_LONGEST]) if isinstance(name, str) else "", printable(str(error))))
    undated = tuple(one for one in judgements if one.at is now)
    return VerdictFile(tuple(judgements), undated, tuple(refused))


def _json_rows(text: str, path: Path) -> list[tuple[int, object]]:
    try:
        document = parse_json(text)
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); save the page's verdicts again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f'{path}: no file of verdicts: "format" is not "{FORMAT}"')
    rows = document.get("verdicts")
    if not isinstance(rows, list):
        raise DataError(f'{path}: "verdicts" is no list')
    return list(enumerate(rows, 1))


def _csv_rows(text: str, path: Path, names: Collection[str]) -> list[tuple[int, object]]:
    # Spreadsheets differ in what they put between cells; the header has it, and nothing else of its kind.
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names_of_columns = reader.fieldnames or ()
        if "sample_id" not in names_of_columns or "verdict" not in names_of_columns:
            raise DataError(f"{path}: the first line must name the columns, sample_id and verdict among them")
        return [(reader.line_num, _plain(row, names)) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.reader.line_num}: {error}") from error


def _plain(row: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The cells without the apostrophes that keep spreadsheets from running them."""
    cells = {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    return {
        key: value if key == "sample_id" and value in names else unguard_formulas(value) for key, value in cells.items()
    }


def _judgement(row: object, where: str, reviewer: str, now: datetime) -> Judgement:
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: it is no object; remove it")

    def text(name: str) -> str | None:
        value = row.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > _LONGEST or not is_text(value):
            raise DataError(f"{where}: {name} is no text, or too long")
        return value

    verdict, name = text("verdict"), text("sample_id")
    if name is None:
        raise DataError(f"{where}: it names no sample_id")
    if verdict is not None and verdict not in VERDICTS:
        raise DataError(f"{where}: verdict {verdict!r}; it is one of {', '.join(VERDICTS)}")
    known = next((one for one in VERDICTS if one == verdict), None)
    hashes = text("image_sha256"), text("alpha_sha256")
    return Judgement(name, *hashes, known, text("reviewer") or reviewer, _moment(text("at"), where, now), text("note"))


def _moment(value: str | None, where: str, now: datetime) -> datetime:
    """When a verdict was given; the time of import where the file does not say."""
    if value is None or not value.strip():
        return now
    try:
        moment = datetime.fromisoformat(value)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: at is {value!r}; a time like 2026-03-01T09:00:00Z, please") from error
    if moment > now + _CLOCKS_DIFFER:
        raise DataError(
            f"{where}: at is {value!r}, which is still to come: such a verdict would be the last word for ever"
        )
    return moment
