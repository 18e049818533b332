"""Cut val from train, by group, the same way each time; and pin the test split when the first model is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Set
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


def val_groups(groups: Iterable[str], fraction: float, taught: Set[str] = frozenset()) -> set[str]:
    """The groups that become val: those whose hash lies below the fraction, and that nobody was trained on.

    A group's side depends on its own name alone: samples which come later move nobody, and trainings with several
    seeds are judged on the same val. Where no group falls below, the lowest becomes val, as long as another one is left
    to train on.

    >>> val_groups(["a", "b"], 0.0)
    set()
    """
    ordered = sorted(set(groups) - taught, key=_place)
    chosen = {group for group in ordered if _place(group) < fraction}
    if not chosen and fraction > 0 and ordered and len(ordered) + len(taught) > 1:
        chosen = {ordered[0]}
    return chosen


def cut_val(catalog: Catalog, fraction: float, trained: Set[str] = frozenset()) -> int:
    """Move the val share of the train portraits to split `val`; those that are val already stay.

    Where val exists, only groups that are new can join it, so that numbers of one workspace stay comparable; and a
    group that some version was trained on never does, whatever the fraction becomes: it would judge its own lesson.

    Args:
        catalog: holds the samples.
        fraction: share of the groups.
        trained: the sample_ids that versions were trained on.

    Returns:
        How many samples changed sides.
    """
    samples = catalog.read("samples", where=_CUT)
    moved = _moved(samples, fraction, trained)
    catalog.merge("samples", pa.Table.from_pylist(moved, schema=samples.schema))
    return len(moved)


def with_val_cut(samples: pa.Table, fraction: float, trained: Set[str] = frozenset()) -> pa.Table:
    """What `cut_val` would make of these samples, in memory alone: for older versions, and for dry runs."""
    moved = {row["sample_id"] for row in _moved(filter_rows(samples, _CUT), fraction, trained)}
    pairs = zip(samples["sample_id"].to_pylist(), samples["split"].to_pylist(), strict=True)
    splits = pa.array(["val" if name in moved else split for name, split in pairs], samples.schema.field("split").type)
    return samples.set_column(samples.schema.get_field_index("split"), "split", splits)


def _moved(samples: pa.Table, fraction: float, trained: Set[str]) -> list[dict[str, Any]]:
    """The rows that go from train to val, as they are then."""
    rows = samples.to_pylist()
    kept = {_group(row) for row in rows if row["split"] == "val"}
    taught = {_group(row) for row in rows if row["split"] == "train" and row["sample_id"] in trained}
    groups = {_group(row) for row in rows}
    joins = {group for group in groups if _place(group) < fraction} if kept else val_groups(groups, fraction, taught)
    chosen = (kept | joins) - taught
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


def _group(row: Row) -> str:
    return str(row["group_id"] or row["sample_id"])


def _place(group: str) -> float:
    return unit_hash("val", 0, group)
