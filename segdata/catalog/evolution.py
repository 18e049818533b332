"""Tables whose columns are not those of this version of segdata: older ones are completed, newer ones only read.

Columns are only ever added. A table of an older segdata lacks some: they read as null, and the next write adds them.
A table of a newer one has more: they are left alone, and writing is refused, since the rows would lose them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segdata.catalog.schemas import SCHEMAS
from segdata.errors import CatalogError

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable


def check_columns(name: str, path: Path, table: DeltaTable) -> None:
    """See that the columns which both know are of the same type.

    Raises:
        CatalogError: One is of another type.
    """
    written, ours = _types(table.schema()), _our_types(name)
    for column in ours:
        if column in written and written[column] != ours[column]:
            raise CatalogError(
                f"{path}: table {name} has column {column} as {written[column]} instead of {ours[column]}: it was "
                "written by another version of segdata; use that one, or begin a new catalog"
            )


def add_missing_columns(name: str, path: Path, table: DeltaTable, properties: CommitProperties) -> None:
    """Add the columns that a table lacks: one commit, and no data file is touched.

    Raises:
        CatalogError: It has columns that this version of segdata does not know, or of another type.
        CommitFailedError: Somebody else changes it at the same time.
    """
    check_columns(name, path, table)
    written, ours = _types(table.schema()), _our_types(name)
    if unknown := [column for column in written if column not in ours]:
        raise CatalogError(
            f"{path}: table {name} has columns that this version of segdata does not know ({', '.join(unknown)}): it "
            "can be read but not written, since its rows would lose them; update segdata"
        )
    if missing := [column for column in ours if column not in written]:
        from deltalake import Schema

        schema = Schema.from_arrow(pa.schema([SCHEMAS[name].field(column) for column in missing]))
        table.alter.add_columns(list(schema.fields), commit_properties=properties)


def _our_types(name: str) -> dict[str, str]:
    from deltalake import Schema

    return _types(Schema.from_arrow(SCHEMAS[name]))


def _types(schema: Any) -> dict[str, str]:
    return {field.name: _words(field.type) for field in schema.fields}


def _words(kind: Any) -> str:
    """A Delta type in words; whether its parts may be null is nobody's concern here."""
    if hasattr(kind, "fields"):
        return f"struct<{', '.join(f'{field.name}: {_words(field.type)}' for field in kind.fields)}>"
    if hasattr(kind, "element_type"):
        return f"list<{_words(kind.element_type)}>"
    return str(kind.type)
