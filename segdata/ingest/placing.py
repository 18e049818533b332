"""Which group and which split the candidates of one source belong to, as the recipe says. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from segdata.ingest.dealing import deal_groups, side_of
from segdata.ingest.groups import group_ids
from segdata.ingest.known import Before
from segdata.ingest.recipe import SourceRecipe, SplitFractions
from segdata.ingest.split_lists import SplitLists, splits_of
from segdata.records import Candidate, Reject, Split

_BY_GROUP = "in no split, since other samples of their groups are in another"
_TOO_LATE = "in no split: a model is trained, and samples that come later do not go to test"


@dataclass(frozen=True)
class Placement:
    """How groups and splits of one source are decided.

    Attributes:
        keeps_splits: whether samples that the catalog knows keep their splits.
        test_is_frozen: whether a model is trained already: nothing new goes to test.
        lists: the lists of the source, if the recipe asks for them.
        decides_splits: whether the recipe deals the samples, or asks for lists.
    """

    keeps_splits: bool = False
    test_is_frozen: bool = False
    lists: SplitLists | None = None
    decides_splits: bool = False


@dataclass
class Placed:
    """What became of the candidates.

    Attributes:
        changed: candidates by id that have another group or split now.
        left_out: the reason why a candidate is left out, by its id.
        rejects: lines of lists that name no photo.
        remarks: what a person should know.
    """

    changed: dict[str, Candidate] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()
    remarks: list[str] = field(default_factory=list)


def place(
    candidates: Mapping[str, Candidate],
    before: Before,
    source: SourceRecipe,
    how: Placement,
    others: Collection[str] = (),
) -> Placed:
    """Give each candidate its group and its split.

    Args:
        candidates: by sample id.
        before: what the catalog knows of the source.
        source: its section of the recipe.
        how: how groups and splits are decided.
        others: paths of files that are no candidates, which lists may name as well.
    """
    placed = Placed()
    now = dict(candidates)
    if source.group is not None:
        _set_groups(placed, now, source.name, source.group)
    if how.lists is not None:
        _follow_lists(placed, now, before, how, others)
    elif isinstance(source.split, SplitFractions):
        _deal(placed, now, before, source.split, how)
    if source.group is not None and source.one_split is None:
        _keep_groups_together(placed, now)
    placed.changed = {sample_id: one for sample_id, one in now.items() if one is not candidates[sample_id]}
    return placed


def _set_groups(placed: Placed, now: dict[str, Candidate], dataset: str, group: str) -> None:
    ids = group_ids(dataset, [one.path for one in now.values()], group)
    for (sample_id, one), group_id in zip(list(now.items()), ids, strict=True):
        now[sample_id] = one._replace(group_id=group_id)
    if alone := ids.count(None):
        placed.remarks.append(f"group matches {alone:,} of {len(ids):,} paths not; each of these is a group of its own")
    if len(ids) > 1 and len(set(ids)) == 1 and ids[0] is not None:
        placed.remarks.append(f"group puts all {len(ids):,} samples into one group, so nothing can be cut from it")


def _follow_lists(
    placed: Placed, now: dict[str, Candidate], before: Before, how: Placement, others: Iterable[str]
) -> None:
    assert how.lists is not None
    listed = splits_of(how.lists, [one.path for one in now.values()], others)
    placed.rejects = listed.rejects
    late = 0
    for sample_id, one in list(now.items()):
        split = listed.splits.get(one.path)
        if split is None:
            placed.left_out[sample_id] = "in_two_lists" if one.path in listed.in_two_lists else "not_listed"
            del now[sample_id]
        elif one.kind == "portrait":
            known = before.samples.get(sample_id)
            is_late = split == "test" and how.test_is_frozen and (known is None or known.named.split != "test")
            late += is_late
            now[sample_id] = one._replace(split="none" if is_late else split)
    if late:
        placed.remarks.append(f"{late:,} samples of test.txt are {_TOO_LATE}")


def _deal(placed: Placed, now: dict[str, Candidate], before: Before, shares: SplitFractions, how: Placement) -> None:
    """Deal the portraits of the source by group; the groups that the catalog knows keep their splits."""
    portraits = {sample_id: one for sample_id, one in now.items() if one.kind == "portrait"}
    known: defaultdict[str, list[str]] = defaultdict(list)
    if how.keeps_splits:
        for sample_id, one in portraits.items():
            row = before.samples.get(sample_id)
            if row is not None and row.status != "forgotten":
                known[_group_of(one)].append(row.named.split)
    sides = {group: side_of(splits) for group, splits in known.items()}
    sizes = Counter(_group_of(one) for one in portraits.values())
    fractions: dict[Split, float] = {"train": shares.train, "test": shares.test, "pool": shares.pool}
    dealt = deal_groups(sizes, sides, fractions, how.test_is_frozen)
    late = 0
    for sample_id, one in portraits.items():
        split = dealt[_group_of(one)]
        row = before.samples.get(sample_id)
        if split == "test" and how.test_is_frozen and (row is None or row.named.split != "test"):
            split, late = "none", late + 1
        now[sample_id] = one._replace(split=split)
    if late:
        placed.remarks.append(f"{late:,} samples of groups in test are {_TOO_LATE}")


def _keep_groups_together(placed: Placed, now: dict[str, Candidate]) -> None:
    """Take samples out of their splits whose group is in test, or in train and pool, by other samples."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for one in now.values():
        if one.kind == "portrait" and one.group_id is not None and one.split != "none":
            splits[one.group_id].add(one.split)
    torn = {group: side_of(sides) for group, sides in splits.items() if len(sides) > 1}
    apart = [
        sample_id
        for sample_id, one in now.items()
        if one.kind == "portrait" and one.split != "none" and torn.get(one.group_id or "", one.split) != one.split
    ]
    for sample_id in apart:
        now[sample_id] = now[sample_id]._replace(split="none")
    if apart:
        placed.remarks.append(f"{len(apart):,} samples are {_BY_GROUP}")


def _group_of(one: Candidate) -> str:
    return one.group_id or one.sample_id
