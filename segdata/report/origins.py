"""Where a case comes from and what came of it, in a few words beside its pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segdata.report.plan import Case

Row = dict[str, Any]


def composites_by_parent(samples: Iterable[Row]) -> dict[str, int]:
    """How many composites were made of each sample."""
    counts: dict[str, int] = {}
    for row in samples:
        for parent in row.get("parents") or ():
            counts[str(parent["sample_id"])] = counts.get(str(parent["sample_id"]), 0) + 1
    return counts


def origin_of(
    case: Case, scorers: Mapping[str, str], trained: Mapping[str, set[str]], composites: Mapping[str, int]
) -> tuple[str, ...]:
    """The words of one case.

    Args:
        case: the card.
        scorers: the label of a scorer's version, by scorer_id.
        trained: by version, the sample ids that it was trained on.
        composites: by sample_id, how many were made of it.

    >>> case = Case("p/1", {"dataset": "p", "split": "pool", "licence": "cc0"}, keys=(("s", "p/1", None, None),))
    >>> origin_of(case, {"s": "m0"}, {"m1": {"p/1"}}, {"p/1": 2})
    ('p, pool, cc0', 'scored by m0', 'trained on by m1', '2 composites')
    """
    sample = case.sample or {}
    words = [", ".join(str(sample[key]) for key in ("dataset", "split", "licence") if sample.get(key))]
    parents = [str(parent["sample_id"]) for parent in sample.get("parents") or ()]
    if parents:
        words.append(f"made of {' and '.join(parents)}")
    if case.keys and case.keys[0][0] in scorers:
        words.append(f"scored by {scorers[case.keys[0][0]]}")
    if learned := [label for label, ids in trained.items() if case.sample_id in ids]:
        words.append(f"trained on by {', '.join(learned)}")
    if made := composites.get(case.sample_id, 0):
        words.append(f"{made} composite{'s' if made != 1 else ''}")
    return tuple(word for word in words if word)
