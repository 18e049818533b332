"""What a sample keeps when its file is renamed: scores, predictions, verdicts and selections, by hash.

A row of these tables belongs to a sample_id *and* the hashes of the bytes it was made from. Rather than teach every
reader and every query to look by hash alone, the rows are written again under the new id: the old ones stay, as the
record of what was scored and judged under the old name. A selection, which holds one row a sample, is moved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from segdata.catalog.schemas import KEYS, rows_to_table
from segdata.catalog.tables import Catalog

Row = dict[str, Any]
_APPENDED = ("predictions", "scores", "verdicts")  # predictions first: it is a score that says a sample is done
_AT_ONCE = 500  # names; a prediction takes some kilobytes


def carry_over(
    catalog: Catalog, new_ids: Mapping[str, str], hashes: Mapping[str, tuple[str | None, str | None]]
) -> None:
    """Write what the catalog knows of renamed samples under their new ids. Can be repeated: nothing is written twice.

    Args:
        catalog: whose tables are read and appended to.
        new_ids: old sample_id -> the new one.
        hashes: old sample_id -> the SHA-256 of image and alpha, which are those of the new one: rows of other bytes
            are stale, and stay behind.

    Raises:
        CatalogError: A table can't be read or written.
    """
    names = iter(new_ids.items())
    while some := dict(islice(names, _AT_ONCE)):
        for table in _APPENDED:
            _copy(catalog, table, some, hashes)
        _move_selections(catalog, some, hashes)


def _copy(catalog: Catalog, table: str, new_ids: Mapping[str, str], hashes: Mapping[str, Any]) -> None:
    there = {_key(table, row) for row in _rows(catalog, table, list(new_ids.values()), KEYS[table])}
    renamed = [
        {**row, "sample_id": new_ids[row["sample_id"]]}
        for row in _rows(catalog, table, list(new_ids))
        if hashes[row["sample_id"]] == (row["image_sha256"], row["alpha_sha256"])
    ]
    new = [row for row in renamed if _key(table, row) not in there]
    if new:
        keys = json.dumps(sorted([*map(str, _key(table, row))] for row in new))
        # of two ingests that do the same at once, one writes
        catalog.append(table, rows_to_table(table, new), f"rename/{hashlib.sha256(keys.encode()).hexdigest()[:32]}")


def _move_selections(catalog: Catalog, new_ids: Mapping[str, str], hashes: Mapping[str, Any]) -> None:
    rows = [
        {**row, "sample_id": new_ids[row["sample_id"]]}
        for row in _rows(catalog, "selections", list(new_ids))
        if hashes[row["sample_id"]] == (row["image_sha256"], row["alpha_sha256"])
    ]
    if rows:
        moved = f"target.{_among(list(new_ids))}"
        catalog.replace("selections", rows_to_table("selections", rows), moved)


def _rows(catalog: Catalog, table: str, ids: Sequence[str], columns: Sequence[str] | None = None) -> list[Row]:
    rows: list[Row] = catalog.read(table, columns, where=_among(ids)).to_pylist()
    return rows


def _among(ids: Sequence[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in ids)
    return f"sample_id IN ({quoted})"


def _key(table: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS[table])
