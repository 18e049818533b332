"""Make a Delta table forget: data files of older versions, and the log, whose statistics hold ids and hashes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from segdata.storage.files import sync_folder

if TYPE_CHECKING:
    from deltalake import DeltaTable


def purge_table(table: DeltaTable, schema: pa.Schema) -> None:
    """Leave of a table only what its newest version needs. Killed in between, it can be called again.

    Vacuum removes the files of dead rows. A commit's own log tells which rows it deleted, so one that adds nothing
    comes last, and a checkpoint of it stands for all before it: these are then removed.

    Args:
        table: opened at its newest version; at a newer one afterwards.
        schema: its columns.
    """
    from deltalake import write_deltalake

    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    write_deltalake(table, schema.empty_table(), mode="append")
    table.create_checkpoint()
    log = Path(unquote(table.table_uri.removeprefix("file://"))) / "_delta_log"
    for file in sorted(log.iterdir()):
        number = file.name.partition(".")[0]
        if number.isdigit() and int(number) < table.version():
            file.unlink(missing_ok=True)
    sync_folder(log)


def quoted_in(column: str, values: set[str]) -> str:
    """An SQL predicate: the column is one of the values.

    >>> quoted_in("sample_id", {"p/o'neil"})
    "sample_id IN ('p/o''neil')"
    """
    listed = ", ".join(map(quoted, sorted(values)))
    return f"{column} IN ({listed})" if values else "1 = 0"


def quoted(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
