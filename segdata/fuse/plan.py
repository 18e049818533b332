"""Which composites there shall be: drawn from seed and sample ids alone, so that every call draws the same.

Portraits are chosen by the hash of (seed, sample_id): a larger ratio adds some and keeps the others. Each composite in
turn then takes, among the backgrounds used least so far, the one with the least hash of the pair (rendezvous hashing):
every background is used once before any is used twice, and a portrait or background more or less moves few pairs.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from segdata.catalog.label_statistics import has_empty_label
from segdata.errors import TooFewSamplesError
from segdata.fuse.recipe import FuseRecipe
from segdata.imaging.fusion import FusionPlan, plan_fusion, unit_draw
from segdata.imaging.grouping import Member, fits, plan_group
from segdata.imaging.placement import Framing
from segdata.storage.files import sha256_of

Row = Mapping[str, Any]
FramingOf = Callable[[Row], Framing | None]

_RENDERER = 2  # what is rendered for the same plan: a change makes all composites new
_CANDIDATES = 64  # looked at for each companion's place before a scene makes do with fewer people


@dataclass(frozen=True)
class PlannedComposite:
    """One composite to be: its parents' rows, its fusion, and the name of its content.

    Attributes:
        sample_id: `composite/<first portrait's sample_id>/<number>`.
        portraits: rows of `samples`: the one that the composite is made for, then those who stand beside it.
        background: row of `samples`.
        fusion: how they are fused.
        quality: of the JPEG.
        key: names its files: a hash of everything that decides their bytes, the parents' included.
    """

    sample_id: str
    portraits: tuple[Row, ...]
    background: Row
    fusion: FusionPlan
    quality: int
    key: str

    @property
    def parents(self) -> tuple[tuple[str, Row], ...]:
        """Role and row of each parent: portrait, companions, background."""
        first, *others = self.portraits
        return ("portrait", first), *(("companion", other) for other in others), ("background", self.background)


class CompositePlan(Sequence[PlannedComposite]):
    """Composites in a fixed order, each made when it is asked for: of each, only the number of its background is kept.

    Args:
        recipe: how they are fused.
        chosen: rows of the portraits that composites are made for.
        scenes: rows of the backgrounds.
        pairs: (composites,) int32, the index of each one's background.
        gathering: finds companions.
        seed: decides every draw.
    """

    def __init__(
        self,
        recipe: FuseRecipe,
        chosen: Sequence[Row],
        scenes: Sequence[Row],
        pairs: NDArray[np.int32],
        gathering: _Gathering,
        seed: int,
    ) -> None:
        self._recipe, self._chosen, self._scenes, self._pairs = recipe, chosen, scenes, pairs
        self._gathering, self._seed = gathering, seed

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> PlannedComposite: ...

    @overload
    def __getitem__(self, index: slice) -> list[PlannedComposite]: ...

    def __getitem__(self, index: int | slice) -> PlannedComposite | list[PlannedComposite]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        place, number = divmod(range(len(self))[index], self._recipe.composites)
        group = self._gathering.group(self._chosen[place], number)
        return _planned(self._recipe, group, number, self._scenes[self._pairs[index]], self._seed)

    def sample_ids(self) -> Iterator[str]:
        """Of all composites in order, without planning them."""
        return (_sample_id(row, number) for row in self._chosen for number in range(self._recipe.composites))


def plan_composites(
    recipe: FuseRecipe,
    portraits: Sequence[Row],
    backgrounds: Sequence[Row],
    seed: int,
    framing: FramingOf | None = None,
) -> CompositePlan:
    """All composites that the recipe asks for, in a fixed order.

    Args:
        recipe: how many and how.
        portraits: rows of `samples`; what is no present training portrait with an alpha is left out.
        backgrounds: rows of `samples`; what is no present background outside of test is left out.
        seed: decides every draw.
        framing: says what a portrait's frame cuts, None where it can't be read; only asked for scenes of several
            people, which are not planned without it.

    Raises:
        TooFewSamplesError: No portraits are left, or fewer than a scene needs, or no backgrounds.
    """
    usable = [row for row in portraits if _is_training_portrait(row)]
    scenes = sorted((row for row in backgrounds if _is_scene(row)), key=lambda row: str(row["sample_id"]))
    _check_counts(usable, scenes, recipe)
    chosen = choose_portraits(usable, recipe.ratio, seed, recipe.prefer)
    names = (f"{row['sample_id']}/{number}" for row in chosen for number in range(recipe.composites))
    pairs = pair_backgrounds(names, [str(scene["sample_id"]) for scene in scenes], seed)
    return CompositePlan(recipe, chosen, scenes, pairs, _Gathering(recipe.people_range, usable, framing, seed), seed)


def choose_portraits(
    portraits: Sequence[Row], ratio: float, seed: int, prefer: Literal["any", "holes"] = "any"
) -> list[Row]:
    """Exactly round(ratio x n) of n portraits: those of the least hash, with `holes` those with a hole first.

    >>> rows = [{"sample_id": f"p/{i}", "hole_count": 0} for i in range(10)]
    >>> len(choose_portraits(rows, 0.3, seed=0))
    3
    """

    def order(row: Row) -> tuple[bool, float, str]:
        without_hole = prefer == "holes" and not row["hole_count"]
        return without_hole, unit_draw(seed, "portrait", str(row["sample_id"])), str(row["sample_id"])

    # Half up, as people round: Python's round() takes 0.5 to the even side, and 2.5 portraits to 2.
    return sorted(portraits, key=order)[: int(ratio * len(portraits) + 0.5)]


def pair_backgrounds(names: Iterable[str], background_ids: Sequence[str], seed: int) -> NDArray[np.int32]:
    """For each composite the index of its background: each is used once before any is used twice.

    Args:
        names: the composites', in order.
        background_ids: to draw from, at least one.
        seed: decides the draws.
    """
    keys = np.array([_word(seed, "background", one) for one in background_ids], np.uint64)
    fresh = np.ones(len(keys), bool)
    pairs = array("i")
    for name in names:
        if not fresh.any():
            fresh[:] = True
        index = int(np.argmin(np.where(fresh, _mixed(keys ^ _word(seed, "pair", name)), np.iinfo(np.uint64).max)))
        if not fresh[index]:  # only where every fresh one hashes to the very maximum
            index = int(np.argmax(fresh))
        fresh[index] = False
        pairs.append(index)
    return np.array(pairs, np.int32)


class _Gathering:
    """Finds those who stand beside a portrait: drawn by the hash of composite and portrait, as backgrounds are.

    Args:
        people: the fewest and the most of a scene.
        portraits: to draw from.
        framing: what a portrait's frame cuts.
        seed: decides the draws.
    """

    def __init__(self, people: tuple[int, int], portraits: Sequence[Row], framing: FramingOf | None, seed: int) -> None:
        self._people, self._framing, self._seed = people, framing, seed
        self._portraits = sorted(portraits, key=lambda row: str(row["sample_id"])) if people[1] > 1 else []
        self._keys = np.array([_word(seed, "companion", str(row["sample_id"])) for row in self._portraits], np.uint64)

    def group(self, first: Row, number: int) -> Sequence[tuple[Row, Member | None]]:
        """A portrait and those who stand beside it: fewer than drawn where nobody fits."""
        name = f"{first['sample_id']}/{number}"
        low, high = self._people
        wanted = low + int(unit_draw(self._seed, "people", name) * (high - low + 1))
        member = self._member(first) if wanted > 1 else None
        if member is None:
            return [(first, None)]
        group = [(first, member)]
        order = np.argsort(_mixed(self._keys ^ _word(self._seed, "beside", name)), kind="stable")
        for index in order[: _CANDIDATES * wanted]:
            if len(group) == wanted:
                break
            row = self._portraits[int(index)]
            if any(_same_person(row, other) for other, _ in group):
                continue
            candidate = self._member(row)
            if candidate is not None and fits([one for _, one in group], candidate):
                group.append((row, candidate))
        return group

    def _member(self, row: Row) -> Member | None:
        framing = self._framing(row) if self._framing else None
        return Member(str(row["sample_id"]), (row["height"], row["width"]), framing) if framing else None


def _planned(
    recipe: FuseRecipe, group: Sequence[tuple[Row, Member | None]], number: int, scene: Row, seed: int
) -> PlannedComposite:
    portraits = tuple(row for row, _ in group)
    sample_id = _sample_id(portraits[0], number)
    own_seed = int(_word(seed, "composite", str(number)))  # two composites of one pair differ by their number alone
    background_id = str(scene["sample_id"])
    members = [member for _, member in group if member is not None]
    if len(members) > 1:
        fusion = plan_group(recipe.settings(), members, background_id, own_seed)
    else:
        fusion = plan_fusion(recipe.settings(), str(portraits[0]["sample_id"]), background_id, own_seed)
    parents = [parent[name] for parent in portraits for name in ("image_sha256", "alpha_sha256")]
    content = json.dumps(
        [_RENDERER, sample_id, fusion.to_json(), [*parents, scene["image_sha256"]], recipe.quality],
    )
    return PlannedComposite(sample_id, portraits, scene, fusion, recipe.quality, sha256_of(content.encode())[:32])


def _sample_id(portrait: Row, number: int) -> str:
    return f"composite/{portrait['sample_id']}/{number}"


def _check_counts(portraits: Sequence[Row], backgrounds: Sequence[Row], recipe: FuseRecipe) -> None:
    if not portraits:
        raise TooFewSamplesError(
            "fuse: the catalog has no training portraits; ingest a source with a training split (segdata ingest "
            "portrait2000), or see what it has with segdata status"
        )
    if not backgrounds:
        raise TooFewSamplesError(
            "fuse: the catalog has no backgrounds; ingest a source of person-free photos: add [[sources]] with "
            'name = "coco" and its root to the recipe, then run segdata ingest coco'
        )
    fewest = recipe.people_range[0]
    people = len({row.get("group_id") or row["sample_id"] for row in portraits})
    if people < fewest:
        raise TooFewSamplesError(
            f"fuse: fuse.people = {recipe.people} puts {fewest} different people into a scene and the training "
            f"portraits show {people}; ingest more, or ask for fewer: --people 1"
        )


def _same_person(row: Row, other: Row) -> bool:
    known = row.get("group_id") is not None and row.get("group_id") == other.get("group_id")
    return bool(known or row["sample_id"] == other["sample_id"])


def _is_training_portrait(row: Row) -> bool:
    in_training = row["kind"] == "portrait" and row["split"] == "train" and row["status"] == "present"
    return in_training and row["alpha_uri"] is not None and not has_empty_label(row.get("foreground_fraction"))


def _is_scene(row: Row) -> bool:
    return row["kind"] == "background" and row["status"] == "present" and row["split"] not in {"test", "val"}


def _word(seed: int, *words: str) -> np.uint64:
    return np.uint64(int(unit_draw(seed, *words) * 2**53))


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele et al., OOPSLA 2014): every bit of the key moves every bit of the result."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = keys ^ (keys >> np.uint64(31))
    return mixed
