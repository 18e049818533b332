"""Write a table's live rows as one file: Parquet for programs, CSV for spreadsheets.

The catalog's folders hold Parquet files too, but rows that were replaced or removed lie in them until they are
vacuumed: `pd.read_parquet` on such a folder counts the dead. This is the way out that does not.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from segdata.catalog.schemas import SCHEMAS
from segdata.errors import UsageError
from segdata.records import Progress
from segdata.spreadsheets import guard_formulas

if TYPE_CHECKING:
    from segdata.catalog.workspace import RunContext

Format = Literal["parquet", "csv"]
FORMATS: tuple[Format, ...] = ("parquet", "csv")

_BATCH_ROWS = 5000


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        table: the catalog's table.
        path: the file, absolute.
        uri: the same as the catalog would name it: relative to the workspace where it lies inside.
        format: parquet or csv.
        rows: rows in it.
        file_bytes: its size; 0 for a dry run, which writes nothing.
    """

    table: str
    path: Path
    uri: str
    format: Format
    rows: int
    file_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The keys of `segdata export --json`."""
        return {
            "table": self.table,
            "path": self.uri,
            "format": self.format,
            "rows": self.rows,
            "bytes": self.file_bytes,
        }


def run(context: RunContext, table: str, out: Path, file_format: Format | None = None) -> ExportResult:
    """Write a table's live rows to one file.

    Args:
        context: its `limit` takes the first so many rows in the order of the table's key.
        table: one of the catalog's tables.
        out: the file, or a folder that exists, in which it is named after the table; an existing file is replaced.
        file_format: parquet or csv; None goes by the file's suffix, and is Parquet in a folder.

    Raises:
        UsageError: No such table, or the suffix names no format.
        StorageError: The file can't be written.
        CatalogError: The table is damaged.
    """
    from segdata.storage.files import atomic_write

    if table not in SCHEMAS:
        raise UsageError(f"export: no table {table!r}; the catalog has {', '.join(SCHEMAS)}")
    path, chosen = _destination(table, out, file_format)
    rows = context.catalog.read(table)
    if context.limit is not None:
        rows = rows.slice(0, context.limit)
    data = b"" if context.dry_run else to_parquet(rows) if chosen == "parquet" else to_csv(rows)
    if not context.dry_run:
        atomic_write(path, data)
    context.progress(Progress("export", table, rows.num_rows, rows.num_rows, "rows"))
    return ExportResult(table, path, context.workspace.uri_of(path), chosen, rows.num_rows, len(data))


def run_parquet(context: RunContext, tables: Sequence[str], out: Path) -> tuple[ExportResult, ...]:
    """Write tables as Parquet: a file each in a folder, or one table to one file.

    Args:
        context: its `limit` takes the first so many rows of each.
        tables: the tables wanted; none named means every one that has rows.
        out: a folder, made if need be; or, for one table, a file that ends in .parquet.

    Raises:
        UsageError: No such table, or one file for several.
        StorageError: A file can't be written.
        CatalogError: A table is damaged.
    """
    if unknown := [name for name in tables if name not in SCHEMAS]:
        raise UsageError(f"export: no table {unknown[0]!r}; the catalog has {', '.join(SCHEMAS)}")
    wanted = list(dict.fromkeys(tables)) or [name for name in SCHEMAS if context.catalog.version(name) >= 0]
    if out.suffix.lower() == ".parquet" and not out.is_dir():
        if len(wanted) != 1:
            told = f"{len(wanted)} tables" if wanted else "an empty catalog"
            raise UsageError(f"export: {out}: one file for {told}; name a folder, or one table")
        return (run(context, wanted[0], out, "parquet"),)
    return tuple(run(context, name, out / f"{name}.parquet", "parquet") for name in wanted)


def to_parquet(rows: pa.Table) -> bytes:
    """Rows as one Parquet file, zstd inside, every type as the catalog has it."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def to_csv(rows: pa.Table) -> bytes:
    """Rows as CSV in UTF-8 with a byte order mark, without which spreadsheets read other letters.

    Null is an empty cell. Lists become JSON, bytes Base64, times ISO 8601. Text that a spreadsheet would run as a
    formula gets an apostrophe before it, which spreadsheets take as "this is text".
    """
    out = io.StringIO(newline="")
    # CR LF as in RFC 4180: with another line end, Python would leave a CR within a cell unquoted, and break the row
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(rows.column_names)
    for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
        writer.writerows(_lines(batch))
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", errors="replace")


def cell(value: object) -> str:
    """One value as a cell.

    >>> cell("=cmd()"), cell(-0.5), cell(None), cell("a,b"), cell([1]), cell(b"a")
    ("'=cmd()", '-0.5', '', 'a,b', '[1]', 'YQ==')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return guard_formulas(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | dict):
        return guard_formulas(json.dumps(value, ensure_ascii=False, default=str))
    return str(value)


def _lines(batch: pa.RecordBatch) -> Iterator[list[str]]:
    columns = [batch.column(index).to_pylist() for index in range(batch.num_columns)]
    for values in zip(*columns, strict=True):
        yield [cell(value) for value in values]


def _destination(table: str, out: Path, file_format: Format | None) -> tuple[Path, Format]:
    if out.is_dir():
        chosen = file_format or "parquet"
        return (out / f"{table}.{chosen}").absolute(), chosen
    suffix = out.suffix.lower().removeprefix(".")
    by_suffix = next((known for known in FORMATS if known == suffix), None)
    chosen_or_none = file_format or by_suffix
    if chosen_or_none is None:
        raise UsageError(
            f"export: {out}: a file name that ends in {' or '.join('.' + name for name in FORMATS)}, please"
        )
    return out.absolute(), chosen_or_none
