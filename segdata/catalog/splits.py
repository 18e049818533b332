"""Cut val from train, by group, the same way each time; and pin the test split when the first model is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from segdata.catalog.queries import filter_rows
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError

Row = Mapping[str, Any]

_CUT = "kind = 'portrait' AND split IN ('train', 'val')"


def unit_hash(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone: the same on every machine, in any order of work.

    >>> unit_hash(0, "a") == unit_hash(0, "a") != unit_hash(1, "a")
    True
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def val_groups(groups: Iterable[str], fraction: float, seed: int) -> set[str]:
    """The groups that become val: those whose hash lies below the fraction.

    A group's side depends on its own name alone, so that samples which come later move nobody. Where no group falls
    below, the lowest becomes val, as long as another one is left to train on.

    >>> val_groups(["a", "b"], 0.0, seed=0)
    set()
    """
    ordered = sorted(set(groups), key=lambda group: unit_hash("val", seed, group))
    chosen = {group for group in ordered if unit_hash("val", seed, group) < fraction}
    if not chosen and fraction > 0 and len(ordered) > 1:
        chosen = {ordered[0]}
    return chosen


def cut_val(catalog: Catalog, fraction: float, seed: int) -> int:
    """Move the val share of the train portraits to split `val`; those that are val already stay.

    Where val exists, only groups that are new can join it, so that numbers of one workspace stay comparable.

    Returns:
        How many samples changed sides.
    """
    samples = catalog.read("samples", where=_CUT)
    moved = _moved(samples, fraction, seed)
    catalog.merge("samples", pa.Table.from_pylist(moved, schema=samples.schema))
    return len(moved)


def with_val_cut(samples: pa.Table, fraction: float, seed: int) -> pa.Table:
    """What `cut_val` would make of these samples, in memory alone: for older versions, and for dry runs."""
    moved = {row["sample_id"] for row in _moved(filter_rows(samples, _CUT), fraction, seed)}
    pairs = zip(samples["sample_id"].to_pylist(), samples["split"].to_pylist(), strict=True)
    splits = pa.array(["val" if name in moved else split for name, split in pairs], samples.schema.field("split").type)
    return samples.set_column(samples.schema.get_field_index("split"), "split", splits)


def _moved(samples: pa.Table, fraction: float, seed: int) -> list[dict[str, Any]]:
    """The rows that go from train to val, as they are then."""
    rows = samples.to_pylist()
    kept = {_group(row) for row in rows if row["split"] == "val"}
    chosen = kept | ({g for g in _all_groups(rows) if _below(g, fraction, seed)} if kept else set())
    if not kept:
        chosen = val_groups(_all_groups(rows), fraction, seed)
    return [{**row, "split": "val"} for row in rows if row["split"] == "train" and _group(row) in chosen]


def test_pin(samples: pa.Table) -> str:
    """The hash of a test split: its ids and the bytes of its files, in any order.

    Args:
        samples: rows of `samples` with split test.
    """
    columns = ("sample_id", "image_sha256", "alpha_sha256")
    lines = sorted("\x1f".join(str(row[column]) for column in columns) for row in samples.to_pylist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_test_pin(pinned: str | None, samples: pa.Table) -> str:
    """The pin of the test split as it is, which has to be the one that earlier models were measured on.

    Raises:
        CatalogError: The test split has changed since.
    """
    pin = test_pin(samples)
    if pinned not in (None, pin):
        raise CatalogError(
            "samples: the test split is not the one that the earlier models were measured on, so no comparison holds; "
            "restore the test files and run segdata ingest, or begin a new workspace"
        )
    return pin


def _all_groups(rows: Iterable[Row]) -> list[str]:
    return [_group(row) for row in rows]


def _group(row: Row) -> str:
    return str(row["group_id"] or row["sample_id"])


def _below(group: str, fraction: float, seed: int) -> bool:
    return unit_hash("val", seed, group) < fraction
