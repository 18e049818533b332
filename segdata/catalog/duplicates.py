"""Duplicates over the whole catalog, and the leaks among them: what shows a held-out photograph and is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from segdata.catalog.near_duplicates import COLUMNS, Duplicate, find_duplicates, find_within, tell_apart
from segdata.catalog.workspace import Workspace

Row = dict[str, Any]

_PLACES = (*COLUMNS, "kind", "split")
_HELD_OUT = "status = 'present' AND kind <> 'composite' AND split IN ('test', 'val')"
_TRAINED_ON = "status = 'present' AND kind <> 'composite' AND split NOT IN ('test', 'val')"
_CLOSENESS = ("identical", "copy", "alike", "same_shoot")


@dataclass(frozen=True)
class DuplicateGroup:
    """Samples that hang together by duplicates.

    Attributes:
        kind: of the loosest of its pairs.
        sample_ids: in order.
    """

    kind: str
    sample_ids: tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """A sample that may be trained on and shows a held-out photograph, or one of its shoot.

    Attributes:
        pair: the sample and the held-out one, `other_id`.
        kind: of the sample: portrait, background or composite.
        split: of the sample.
        other_split: test or val.
        via: of a composite, the parent that leaks; None otherwise.
    """

    pair: Duplicate
    kind: str
    split: str
    other_split: str
    via: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The keys of a leak in `catalog leaks --json`; `kind` is how the two are alike."""
        own = {"sample_kind": self.kind, "split": self.split, "other_split": self.other_split, "via": self.via}
        return {**vars(self.pair), **own}


def all_duplicates(workspace: Workspace, threads: int | None = None) -> list[Duplicate]:
    """Every pair of portraits or backgrounds of one photograph or shoot; see `find_within`."""
    samples = workspace.catalog.read("samples", COLUMNS, "status = 'present' AND kind <> 'composite'")
    pairs = find_within(workspace, samples, threads)
    return tell_apart(workspace, pairs, _rows_of(samples, pairs))


def grouped(pairs: Iterable[Duplicate]) -> list[DuplicateGroup]:
    """The pairs as groups: what is a duplicate of a duplicate belongs together.

    >>> pairs = [Duplicate("b", "a", 0, 1.0, False, "identical"), Duplicate("c", "b", 2, 0.95, False, "copy")]
    >>> grouped(pairs)
    [DuplicateGroup(kind='copy', sample_ids=('a', 'b', 'c'))]
    """
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while (above := leader.setdefault(name, name)) != name:
            leader[name] = leader[above]
            name = above
        return name

    known = list(pairs)
    for pair in known:
        one, other = sorted((find(pair.sample_id), find(pair.other_id)))
        leader[other] = one
    members: dict[str, set[str]] = {}
    kinds: dict[str, set[str]] = {}
    for pair in known:
        members.setdefault(find(pair.sample_id), set()).update((pair.sample_id, pair.other_id))
        kinds.setdefault(find(pair.sample_id), set()).add(pair.kind)
    return [
        DuplicateGroup(max(kinds[first], key=_CLOSENESS.index), tuple(sorted(members[first])))
        for first in sorted(members)
    ]


def all_leaks(workspace: Workspace, threads: int | None = None) -> list[Leak]:
    """The pairs that cross from test or val to what may be trained on: train, the pool, backgrounds, and composites.

    A composite leaks by its parents: where one of them leaks, or has become held out itself.
    """
    catalog = workspace.catalog
    held_out = catalog.read("samples", _PLACES, _HELD_OUT)
    trained_on = catalog.read("samples", _PLACES, _TRAINED_ON)
    pairs = find_duplicates(workspace, trained_on, held_out, threads)
    rows = {**_rows_of(trained_on, pairs), **_rows_of(held_out, pairs)}
    leaks = [
        Leak(pair, rows[pair.sample_id]["kind"], rows[pair.sample_id]["split"], rows[pair.other_id]["split"])
        for pair in tell_apart(workspace, pairs, rows)
    ]
    composites = catalog.read("samples", ["sample_id", "split", "parents"], "status = 'present' AND kind = 'composite'")
    splits = dict(zip(held_out["sample_id"].to_pylist(), held_out["split"].to_pylist(), strict=True))
    leaks += _of_composites(composites.to_pylist(), leaks, splits)
    return sorted(leaks, key=lambda leak: (leak.pair.sample_id, leak.pair.other_id))


def _of_composites(composites: Iterable[Row], leaks: Sequence[Leak], held_out: Mapping[str, str]) -> list[Leak]:
    by_parent: dict[str, list[Leak]] = {}
    for leak in leaks:
        by_parent.setdefault(leak.pair.sample_id, []).append(leak)
    found = []
    for row in composites:
        for parent in (one["sample_id"] for one in row["parents"] or ()):
            pairs = [(leak.pair, leak.other_split) for leak in by_parent.get(parent, ())]
            if parent in held_out:
                pairs.append((Duplicate(parent, parent, 0, 1.0, False, "identical"), held_out[parent]))
            found += [
                Leak(
                    Duplicate(**{**vars(pair), "sample_id": row["sample_id"]}), "composite", row["split"], split, parent
                )
                for pair, split in pairs
            ]
    return found


def _rows_of(samples: pa.Table, pairs: Iterable[Duplicate]) -> dict[str, Row]:
    """The rows of the samples that the pairs name, by id: of a million rows, a few."""
    import pyarrow.compute as pc

    names = pa.array(sorted({name for pair in pairs for name in (pair.sample_id, pair.other_id)}), pa.string())
    return {
        row["sample_id"]: row for row in samples.filter(pc.is_in(samples["sample_id"], value_set=names)).to_pylist()
    }
