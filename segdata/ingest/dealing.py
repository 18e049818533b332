"""`split = { train = 0.8, test = 0.1, pool = 0.1 }`: deal the groups of one source into splits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from segdata.catalog.splits import unit_hash
from segdata.records import Split

_PRECEDENCE: tuple[Split, ...] = ("test", "train", "pool", "none")
"""Which split a group of several belongs to: a group in test must be nowhere else."""


def side_of(splits: Iterable[str]) -> Split:
    """The one split that a group belongs to whose samples are in these.

    >>> side_of(["pool", "val"]), side_of(["train", "test"])
    ('train', 'test')
    """
    sides = {"train" if split == "val" else split for split in splits}
    return next((side for side in _PRECEDENCE if side in sides), "none")


def deal_groups(
    sizes: Mapping[str, int], known: Mapping[str, Split], fractions: Mapping[Split, float], test_is_frozen: bool
) -> dict[str, Split]:
    """The split of each group: those known keep theirs, and each new one goes where most samples are missing.

    So every split has its share to within one group.

    Args:
        sizes: samples of each group.
        known: the splits of groups that have one.
        fractions: the shares wanted, which add up to 1.
        test_is_frozen: whether no new group may go to test.

    >>> sorted(deal_groups({"a": 3, "b": 1}, {"a": "train"}, {"train": 0.75, "test": 0.25}, False).items())
    [('a', 'train'), ('b', 'test')]
    """
    open_to_new = {side: share for side, share in fractions.items() if share > 0}
    if test_is_frozen:
        open_to_new.pop("test", None)
    if not sum(open_to_new.values()):
        open_to_new = {"pool": 1.0}
    taken = dict.fromkeys(_PRECEDENCE, 0)
    for group, side in known.items():
        taken[side] += sizes.get(group, 0)
    total = sum(sizes.values()) - sum(count for side, count in taken.items() if side not in open_to_new)
    wanted = {side: share * total / sum(open_to_new.values()) for side, share in open_to_new.items()}
    sides = {group: known[group] for group in sizes if group in known}
    for group in sorted(sizes.keys() - known.keys(), key=lambda group: unit_hash("split", group)):
        side = max(wanted, key=lambda side: wanted[side] - taken[side])
        sides[group] = side
        taken[side] += sizes[group]
    return sides
