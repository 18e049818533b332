"""Cut val from train, by group, the same way each time; and pin the test split when the first model is trained.

A group is a person or a shoot where that is known. When val is cut, photos that look like those of one shoot are a
group as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segdata.catalog.queries import filter_rows
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError

Row = Mapping[str, Any]

FindAlike = Callable[[pa.Table], Iterable[tuple[str, str]]]
"""Finds the pairs of samples that show one photograph or one shoot: rows of `samples` -> their sample_ids."""

_NOT_THERE = ("gone", "forgotten")
_CUT = "kind = 'portrait' AND split IN ('train', 'val')"


def unit_hash(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone: the same on every machine, in any order of work.

    >>> unit_hash(0, "a") == unit_hash(0, "a") != unit_hash(1, "a")
    True
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def val_groups(
    sizes: Mapping[str, int], fraction: float, held: Set[str] = frozenset(), taught: Set[str] = frozenset()
) -> set[str]:
    """The groups that become val: as many samples as the fraction says, to within one group.

    Groups are taken in an order that depends on their names alone, each one that brings val nearer to the fraction, so
    that trainings with several seeds are judged on the same val. If none does, the smallest becomes val, as long as
    another one is left to train on.

    Args:
        sizes: samples of each group.
        fraction: share of all samples.
        held: groups that are val already.
        taught: groups that a version was trained on; none of them becomes val.

    >>> val_groups({"a": 10, "b": 10, "c": 10}, 1 / 3) < {"a", "b", "c"}, val_groups({"a": 1, "b": 1}, 0.0)
    (True, set())
    """
    if fraction <= 0:
        return set()
    held = held & sizes.keys()
    wanted = fraction * sum(sizes.values())
    taken = sum(sizes[group] for group in held)
    ordered = sorted(sizes.keys() - held - taught, key=_place)
    chosen: set[str] = set()
    for group in ordered:
        if taken + sizes[group] / 2 <= wanted and len(held | chosen) + 1 < len(sizes):
            chosen.add(group)
            taken += sizes[group]
    if not (chosen or held) and ordered and len(sizes) > 1:
        chosen = {min(ordered, key=lambda group: sizes[group])}
    return chosen


def cut_val(
    catalog: Catalog, fraction: float, trained: Set[str] = frozenset(), find_alike: FindAlike | None = None
) -> int:
    """Move the val share of the train portraits to split `val`; those that are val already stay.

    What comes later moves nobody, so that numbers of one workspace stay comparable: new groups join val until it has
    its share again. A group that some version was trained on never does, whatever the fraction becomes: it would judge
    its own lesson.

    Args:
        catalog: holds the samples.
        fraction: share of the samples.
        trained: the sample_ids that versions were trained on.
        find_alike: finds near-duplicates; the groups that they connect are one group.

    Returns:
        How many samples changed sides.
    """
    samples = catalog.read("samples", where=_CUT)
    moved = _moved_ids(samples, fraction, trained, find_alike)
    rows = samples.filter(pc.is_in(samples["sample_id"], pa.array(sorted(moved), pa.string())))
    place, field = samples.schema.get_field_index("split"), samples.schema.field("split")
    catalog.merge("samples", rows.set_column(place, field, pa.array(["val"] * len(moved), field.type)))
    return len(moved)


def with_val_cut(
    samples: pa.Table, fraction: float, trained: Set[str] = frozenset(), find_alike: FindAlike | None = None
) -> pa.Table:
    """What `cut_val` would make of these samples, in memory alone: for older versions, and for dry runs."""
    moved = _moved_ids(filter_rows(samples, _CUT), fraction, trained, find_alike)
    pairs = zip(samples["sample_id"].to_pylist(), samples["split"].to_pylist(), strict=True)
    splits = pa.array(["val" if name in moved else split for name, split in pairs], samples.schema.field("split").type)
    return samples.set_column(samples.schema.get_field_index("split"), "split", splits)


def _moved_ids(samples: pa.Table, fraction: float, trained: Set[str], find_alike: FindAlike | None) -> set[str]:
    """The ids of the samples that go from train to val.

    Near-duplicates are looked for, which takes a while, only if some group is to become val.
    """
    rows = samples.to_pylist()
    groups = {str(row["sample_id"]): _group(row) for row in rows}
    chosen = _chosen(rows, groups, fraction, trained)
    if find_alike is not None and any(row["split"] == "train" and groups[row["sample_id"]] in chosen for row in rows):
        groups = _connected(groups, find_alike(samples.filter(_is_there(samples))))
        chosen = _chosen(rows, groups, fraction, trained)
    return {row["sample_id"] for row in rows if row["split"] == "train" and groups[row["sample_id"]] in chosen}


def _chosen(rows: Sequence[Row], groups: Mapping[str, str], fraction: float, trained: Set[str]) -> set[str]:
    """The groups that are or become val, but for those that a version was trained on."""
    held = {groups[row["sample_id"]] for row in rows if row["split"] == "val"}
    taught = {groups[row["sample_id"]] for row in rows if row["split"] == "train" and row["sample_id"] in trained}
    sizes = dict.fromkeys(groups.values(), 0)
    for row in rows:
        sizes[groups[row["sample_id"]]] += row["status"] not in _NOT_THERE
    sizes_present = {group: size for group, size in sizes.items() if size}
    return (held | val_groups(sizes_present, fraction, held, taught)) - taught


def _connected(groups: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The same groups, with one name for those that pairs of samples connect: the first of their names.

    >>> _connected({"a": "g", "b": "g", "c": "h", "d": "i"}, [("b", "c")])
    {'a': 'g', 'b': 'g', 'c': 'g', 'd': 'i'}
    """
    first = {group: group for group in groups.values()}

    def find(group: str) -> str:
        while first[group] != group:
            first[group] = group = first[first[group]]
        return group

    for one, other in pairs:
        low, high = sorted((find(groups[one]), find(groups[other])))
        first[high] = low
    return {sample_id: find(group) for sample_id, group in groups.items()}


def _is_there(samples: pa.Table) -> pa.Array:
    return pa.array([status not in _NOT_THERE for status in samples["status"].to_pylist()])


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
