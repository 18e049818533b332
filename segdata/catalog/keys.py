"""A sample as it is now: its id and the hashes of its bytes. Scores, predictions, selections and verdicts carry all
three, so that what was said about other bytes is told apart; a background has no alpha, and null for its hash.

A pool's rows stay in Arrow's columns, where a row takes some hundred bytes; as a Python dictionary it takes 5 KB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Key = tuple[str, str | None, str | None]

COLUMNS = ("sample_id", "image_sha256", "alpha_sha256")

_AT_ONCE = 256


def key_of(row: Mapping[str, Any]) -> Key:
    """The key of one row."""
    return row["sample_id"], row["image_sha256"], row["alpha_sha256"]


def mask_file_sha256(alpha_sha256: str | None, alpha_file_sha256: str | None) -> str | None:
    """SHA-256 of the bytes of a sample's mask, hex; None if it has none.

    Args:
        alpha_sha256: of the label: of its file, and of how it is read where that changed.
        alpha_file_sha256: of the file alone, where that is another hash.
    """
    return alpha_file_sha256 or alpha_sha256


def keys_of(rows: pa.Table) -> pa.ChunkedArray:
    """The keys of many rows, a text each, to be looked up in one another.

    Args:
        rows: a table with `COLUMNS`.

    >>> rows = pa.table({"sample_id": ["a"], "image_sha256": ["0f"], "alpha_sha256": pa.array([None], pa.string())})
    >>> keys_of(rows).to_pylist()
    ['a 0f ']
    """
    columns = [rows[name] for name in COLUMNS]  # hashes have no blanks: the last two of them part the text
    return pc.binary_join_element_wise(*columns, " ", null_handling="replace", null_replacement="")


def rows_in(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows one after the other as dictionaries, of which only some hundred are in memory."""
    for batch in rows.to_batches(max_chunksize=_AT_ONCE):
        yield from batch.to_pylist()
