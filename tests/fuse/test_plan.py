"""Which composites there shall be follows from seed and ids alone."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import TooFewSamplesError
from segdata.fuse.plan import choose_portraits, pair_backgrounds, plan_composites
from segdata.fuse.recipe import FuseRecipe
from segdata.imaging.placement import Framing


def _portraits(count: int, **changes: Any) -> list[dict[str, Any]]:
    same = {"kind": "portrait", "split": "train", "status": "present", "alpha_uri": "a", "hole_count": 0, **changes}
    return [
        {
            "sample_id": f"p/{i:04}",
            "height": 80,
            "width": 60,
            "group_id": None,
            "image_sha256": f"i{i}",
            "alpha_sha256": f"a{i}",
            **same,
        }
        for i in range(count)
    ]


def _backgrounds(count: int, **changes: Any) -> list[dict[str, Any]]:
    same = {"kind": "background", "split": "none", "status": "present", "alpha_uri": None, "alpha_sha256": None}
    return [{"sample_id": f"b/{i:04}", "image_sha256": f"s{i}", **same, **changes} for i in range(count)]


@pytest.mark.parametrize(
    ("count", "ratio", "chosen"),
    [(10, 0.3, 3), (10, 0.0, 0), (10, 1.0, 10), (5, 0.5, 3), (1700, 0.3, 510), (3, 0.1, 0), (45, 0.1, 5)],
)
def test_a_ratio_chooses_exactly_the_rounded_share(count: int, ratio: float, chosen: int) -> None:
    assert len(choose_portraits(_portraits(count), ratio, seed=0)) == chosen


def test_the_choice_is_the_same_in_every_order_and_another_with_another_seed() -> None:
    rows = _portraits(100)
    chosen = [row["sample_id"] for row in choose_portraits(rows, 0.2, seed=0)]
    assert [row["sample_id"] for row in choose_portraits(rows[::-1], 0.2, seed=0)] == chosen
    assert [row["sample_id"] for row in choose_portraits(rows, 0.2, seed=1)] != chosen


def test_a_larger_ratio_keeps_every_composite_of_the_smaller_one() -> None:
    portraits, backgrounds = _portraits(60), _backgrounds(25)
    few, many = (
        {one.key for one in plan_composites(FuseRecipe(ratio=ratio, composites=2), portraits, backgrounds, seed=0)}
        for ratio in (0.3, 0.5)
    )
    assert few < many


def test_a_portrait_whose_label_is_empty_is_never_fused() -> None:
    portraits = [*_portraits(3), {**_portraits(1, foreground_fraction=0.0)[0], "sample_id": "p/empty"}]
    planned = plan_composites(FuseRecipe(ratio=1.0), portraits, _backgrounds(5), seed=0)
    assert [one.portraits[0]["sample_id"] for one in planned if one.portraits[0]["sample_id"] == "p/empty"] == []
    assert len(planned) == 3


def test_portraits_with_holes_come_first_where_they_are_preferred() -> None:
    rows = _portraits(50)
    for row in rows[10:14]:
        row["hole_count"] = 1
    with_holes = {row["sample_id"] for row in rows[10:14]}
    assert with_holes <= {row["sample_id"] for row in choose_portraits(rows, 0.2, 0, "holes")}
    assert not with_holes <= {row["sample_id"] for row in choose_portraits(rows, 0.2, 0, "any")}


@given(st.integers(1, 40), st.integers(1, 15), st.integers(0, 5))
def test_every_background_is_used_once_before_any_is_used_twice(composites: int, backgrounds: int, seed: int) -> None:
    names, ids = [f"c{i}" for i in range(composites)], [f"b{i}" for i in range(backgrounds)]
    used = Counter(pair_backgrounds(names, ids, seed))
    assert max(used.values()) <= -(-composites // backgrounds)
    assert len(used) == min(composites, backgrounds)


def test_backgrounds_are_drawn_uniformly() -> None:
    drawn = Counter(pair_backgrounds(["c"], [f"b{i}" for i in range(8)], seed)[0] for seed in range(1600))
    assert sum((drawn[i] - 200) ** 2 / 200 for i in range(8)) < 24.3  # chi square of 7 degrees of freedom at 0.001


def test_one_portrait_more_moves_few_pairs() -> None:
    recipe, backgrounds = FuseRecipe(ratio=1), _backgrounds(300)
    before = {one.key for one in plan_composites(recipe, _portraits(100), backgrounds, 0)}
    after = {one.key for one in plan_composites(recipe, _portraits(101), backgrounds, 0)}
    assert len(before & after) > 90


def test_several_composites_of_a_portrait_all_differ() -> None:
    planned = plan_composites(FuseRecipe(ratio=1, composites=3), _portraits(1), _backgrounds(1), seed=0)
    assert [one.sample_id for one in planned] == [f"composite/p/0000/{number}" for number in range(3)]
    assert len({(one.fusion.crop_x, one.fusion.crop_y) for one in planned}) == 3


def _free(row: Mapping[str, Any]) -> Framing:
    return Framing(False, False, False, (0.2, 0.3, 0.8))


def test_a_scene_of_several_has_as_many_different_people_as_asked() -> None:
    portraits = _portraits(30)
    for number, row in enumerate(portraits):
        row["group_id"] = f"shoot {number // 3}"
    planned = plan_composites(FuseRecipe(ratio=1, people="2..4"), portraits, _backgrounds(5), 0, _free)
    counts = Counter(len(one.portraits) for one in planned)
    assert set(counts) == {2, 3, 4}
    for one in planned:
        assert len({row["group_id"] for row in one.portraits}) == len(one.portraits), "nobody stands beside themselves"
        assert [role for role, _ in one.parents] == [
            "portrait",
            *["companion"] * (len(one.portraits) - 1),
            "background",
        ]
        assert {placed.portrait_id for placed in one.fusion.portraits} == {row["sample_id"] for row in one.portraits}


def test_whoever_spans_the_frame_has_a_scene_alone_and_is_in_nobodys_else() -> None:
    def framing(row: Mapping[str, Any]) -> Framing:
        spans = row["sample_id"] != "p/0003"
        return Framing(spans, spans, False, (0.0, 0.3, 1.0) if spans else (0.2, 0.3, 0.8), 0.3 if spans else 1.0)

    planned = plan_composites(FuseRecipe(ratio=1, people=2), _portraits(8), _backgrounds(5), 0, framing)
    for one in planned:
        others = [row["sample_id"] for row in one.portraits[1:]]
        assert others == []


def test_a_portrait_that_cannot_be_read_is_nobodys_companion() -> None:
    planned = plan_composites(FuseRecipe(ratio=1, people=2), _portraits(5), _backgrounds(5), 0, lambda row: None)
    assert [len(one.portraits) for one in planned] == [1] * 5


def test_fewer_people_than_a_scene_needs_are_too_few_samples() -> None:
    portraits = _portraits(4)
    for row in portraits:
        row["group_id"] = "one shoot"
    with pytest.raises(TooFewSamplesError, match=r"3 different people into a scene and the training portraits show 1"):
        plan_composites(FuseRecipe(people="3..4"), portraits, _backgrounds(2), 0, _free)


def test_the_companions_of_a_scene_decide_its_key() -> None:
    recipe, backgrounds = FuseRecipe(ratio=1, people=2), _backgrounds(1)
    before = plan_composites(recipe, _portraits(2), backgrounds, 0, _free)
    changed = _portraits(2)
    changed[1]["alpha_sha256"] = "x"
    after = plan_composites(recipe, changed, backgrounds, 0, _free)
    assert all(one.key != other.key for one, other in zip(before, after, strict=True))


def test_only_present_training_portraits_with_an_alpha_are_fused() -> None:
    unfit = [
        *_portraits(1, split="val"),
        *_portraits(1, split="test"),
        *_portraits(1, status="gone"),
        *_portraits(1, kind="composite"),
        *_portraits(1, alpha_uri=None),
    ]
    with pytest.raises(TooFewSamplesError, match="no training portraits; ingest a source with a training split"):
        plan_composites(FuseRecipe(ratio=1), unfit, _backgrounds(2), seed=0)


@pytest.mark.parametrize("changes", [{"split": "test"}, {"status": "gone"}, {"kind": "portrait"}])
def test_without_usable_backgrounds_the_message_says_how_to_get_them(changes: dict[str, str]) -> None:
    with pytest.raises(TooFewSamplesError, match="no backgrounds; ingest a source of person-free photos") as raised:
        plan_composites(FuseRecipe(), _portraits(4), _backgrounds(2, **changes), seed=0)
    assert raised.value.exit_code == 4


@pytest.mark.parametrize("change", ["portrait", "alpha", "background", "quality", "recipe"])
def test_whatever_decides_the_bytes_decides_the_key(change: str) -> None:
    portraits, backgrounds = _portraits(1), _backgrounds(1)
    before = plan_composites(FuseRecipe(ratio=1), portraits, backgrounds, 0)[0].key
    changed_portrait = portraits[0] | {
        "portrait": {"image_sha256": "x"}, "alpha": {"alpha_sha256": "x"}
    }.get(change, {})  # fmt: skip
    changed_scene = backgrounds[0] | ({"image_sha256": "x"} if change == "background" else {})
    recipe = {"quality": FuseRecipe(ratio=1, quality=90), "recipe": FuseRecipe(ratio=1, feather_px=3)}.get(
        change, FuseRecipe(ratio=1)
    )
    assert plan_composites(recipe, [changed_portrait], [changed_scene], 0)[0].key != before


def test_a_plan_keeps_a_few_bytes_of_each_composite_and_makes_the_same_one_again() -> None:
    recipe, portraits, backgrounds = FuseRecipe(ratio=1, composites=400), _portraits(5), _backgrounds(5)
    tracemalloc.start()
    try:
        planned = plan_composites(recipe, portraits, backgrounds, seed=0)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(planned) == 2000
    assert kept_bytes < 20 * len(planned)
    assert planned[1234] == planned[1234:1235][0]
    assert planned[-1] == planned[1999]
    assert [one.sample_id for one in planned] == list(planned.sample_ids())
    with pytest.raises(IndexError):
        planned[2000]
