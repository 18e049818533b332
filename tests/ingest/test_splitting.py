"""Groups and splits of a source: dealt by shares, read from lists, and never torn apart."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.splits import cut_val
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import SourceError
from segdata.imaging.encode import encode_png
from segdata.ingest.counts import SourceCounts
from segdata.ingest.dealing import deal_groups
from segdata.ingest.groups import group_ids
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run
from segdata.records import Split

SIZES = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 30), min_size=1, max_size=40)


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run", workers=1)


def write(root: Path, *names: str) -> None:
    """A pair of each name; no two photos are alike."""
    for name in names:
        for folder, pixels in (
            ("images", np.random.default_rng(len(name)).integers(0, 255, (8, 8, 3), np.uint8)),
            ("masks", np.tri(8, dtype=np.uint8) * np.uint8(255)),
        ):
            path = root / "d" / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(pixels))


def ingest(context: RunContext, **keys: Any) -> SourceCounts:
    return run(context, [SourceRecipe(**{"name": "mine", "reader": "folder", "root": "d", **keys})]).sources["mine"]


def splits(context: RunContext) -> dict[str, str]:
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    return {row["path"].removeprefix("images/").removesuffix(".png"): row["split"] for row in rows}


def train_a_model(context: RunContext) -> None:
    row = {"model_id": "m", "name": "m", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    context.catalog.merge("models", rows_to_table("models", [row]))


# groups


def test_a_folder_is_a_group_and_stays_on_one_side_of_val(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, *(f"v{video}/{frame}" for video in range(5) for frame in range(4)))
    ingest(context, group="folder")
    groups = set(context.catalog.read("samples")["group_id"].to_pylist())
    assert groups == {f"mine/images/v{video}" for video in range(5)}
    cut_val(context.catalog, 0.2)
    sides = splits(context)
    assert [len({sides[f"v{video}/{frame}"] for frame in range(4)}) for video in range(5)] == [1] * 5
    assert Counter(sides.values()) == {"train": 16, "val": 4}


def test_a_pattern_makes_groups_and_says_what_it_does_not_match(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "anna_1", "anna_2", "b/bo_10", "logo")
    counts = ingest(context, group=r"(.+)_\d+")
    rows = context.catalog.read("samples").to_pylist()
    assert {row["path"]: row["group_id"] for row in rows} == {
        "images/anna_1.png": "mine/images/anna",
        "images/anna_2.png": "mine/images/anna",
        "images/b/bo_10.png": "mine/images/b/bo",
        "images/logo.png": None,
    }
    assert counts.remarks == ("group matches 1 of 4 paths not; each of these is a group of its own",)


def test_a_group_that_is_added_to_the_recipe_needs_no_decoding(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "a/1", "a/2")
    ingest(context)
    counts = ingest(context, group="folder")
    assert (counts.unchanged, counts.decoded) == (2, 0)
    assert set(context.catalog.read("samples")["group_id"].to_pylist()) == {"mine/images/a"}


def test_groups_of_one_folder_alone_are_reported(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "1", "2")
    assert ingest(context, group="folder").remarks == (
        "group puts all 2 samples into one group, so nothing can be cut from it",
    )


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("(x", 'neither "folder" nor a regular expression'),
        ("x", "needs one group, and this has 0"),
        ("(x)(y)", "needs one group, and this has 2"),
        ("(?=x)(y)", "not a regular expression that RE2 takes"),
        (r"(x)\1", "not a regular expression that RE2 takes"),
        ("(" + "x" * 600 + ")", "more than 500 characters"),
    ],
)
def test_a_pattern_that_can_not_be_used_is_refused(group: str, told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        SourceRecipe(name="mine", reader="folder", root="d", group=group)


@pytest.mark.parametrize("group", ["(a+)+$", "(?:a|aa)+(b)$", "(.*.*.*.*.*.*x)"])
def test_a_pattern_that_would_take_for_ever_elsewhere_does_not_here(group: str) -> None:
    SourceRecipe(name="mine", reader="folder", root="d", group=group)
    assert group_ids("mine", ["a" * 4000 + "!"], group) == [None]  # `re` would need 2^4000 steps


# shares


@given(sizes=SIZES, shares=st.tuples(*[st.integers(1, 10)] * 3))
def test_each_split_has_its_share_to_within_one_group(sizes: dict[str, int], shares: tuple[int, ...]) -> None:
    names: tuple[Split, ...] = ("train", "test", "pool")
    fractions = {name: share / sum(shares) for name, share in zip(names, shares, strict=True)}
    sides = deal_groups(sizes, {}, fractions, False)
    assert sides.keys() == sizes.keys()
    for name, share in fractions.items():
        count = sum(size for group, size in sizes.items() if sides[group] == name)
        assert count < share * sum(sizes.values()) + max(sizes.values()) + 1e-9
        assert count > share * sum(sizes.values()) - 2 * max(sizes.values()) - 1e-9


@given(sizes=SIZES, new=SIZES, frozen=st.booleans())
def test_groups_that_have_a_split_keep_it_and_none_joins_a_frozen_test(
    sizes: dict[str, int], new: dict[str, int], frozen: bool
) -> None:
    fractions: dict[Split, float] = {"train": 0.6, "test": 0.2, "pool": 0.2}
    before = deal_groups(sizes, {}, fractions, False)
    after = deal_groups({**new, **sizes}, before, fractions, frozen)
    assert {group: after[group] for group in before} == before
    if frozen:
        assert "test" not in {after[group] for group in new.keys() - sizes.keys()}


SHARES = {"train": 0.5, "test": 0.25, "pool": 0.25}


def test_a_source_is_dealt_by_group_and_new_groups_never_join_test_after_a_model(
    context: RunContext, tmp_path: Path
) -> None:
    write(tmp_path, *(f"{person}/{number}" for person in "abcdefgh" for number in range(2)))
    ingest(context, split=SHARES, group="folder")
    first = splits(context)
    assert Counter(first.values()) == {"train": 8, "test": 4, "pool": 4}
    assert all(first[f"{person}/0"] == first[f"{person}/1"] for person in "abcdefgh")
    write(tmp_path, *(f"new{number}/0" for number in range(16)))
    ingest(context, split=SHARES, group="folder")
    second = splits(context)
    assert {name: second[name] for name in first} == first
    assert Counter(second.values()) == {"train": 16, "test": 8, "pool": 8}
    train_a_model(context)
    tested = next(name for name, split in first.items() if split == "test").partition("/")[0]
    write(tmp_path, f"{tested}/late", *(f"later{number}/0" for number in range(12)))
    counts = ingest(context, split=SHARES, group="folder")
    third = splits(context)
    assert {name: third[name] for name in second} == second
    assert "test" not in {split for name, split in third.items() if name not in second}
    assert third[f"{tested}/late"] == "none"
    assert "1 samples of groups in test are in no split" in counts.remarks[0]


def test_shares_that_are_changed_before_the_first_model_deal_anew_and_after_it_do_not(
    context: RunContext, tmp_path: Path
) -> None:
    write(tmp_path, *map(str, range(20)))
    ingest(context)
    assert set(splits(context).values()) == {"train"}
    counts = ingest(context, split={"train": 0.5, "test": 0.5})
    assert (counts.decoded, Counter(splits(context).values())) == (0, {"train": 10, "test": 10})
    train_a_model(context)
    before = splits(context)
    ingest(context, split={"pool": 1.0})
    assert splits(context) == before


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"train": 0.5, "test": 0.4}, "the shares add up to 0.9; make them add up to 1"),
        ({"train": 0.9, "val": 0.1}, "no split 'val' to deal samples to"),
        ("training", "write one of train, test, pool, none, lists"),
        ({"train": 2.0, "test": -1.0}, "less than or equal to 1"),
    ],
)
def test_a_split_that_can_not_be_used_is_refused(split: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        SourceRecipe(name="mine", reader="folder", root="d", split=split)


def test_a_recipe_with_shares_survives_its_own_json() -> None:
    source = SourceRecipe(name="mine", reader="folder", root="d", split=SHARES)
    assert SourceRecipe.model_validate(source.model_dump(mode="json")) == source


# lists


def lists(root: Path, **lines: str) -> None:
    for name, text in lines.items():
        (root / "d" / f"{name}.txt").write_text(text, encoding="utf-8")


def test_lists_give_the_splits_and_every_line_and_photo_is_accounted_for(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "1", "2", "a/3", "a/4", "b/4", "5", "6")
    lists(
        tmp_path,
        train="\ufeffimages/1.png\r\n2\nnowhere.jpg\n4\n",
        test="a\\3.png masks/a/3.png\n./images/b/4.png\n5\n",
        pool="5.jpg\na/4\n",
    )
    counts = ingest(context, split="lists")
    assert splits(context) == {"1": "train", "2": "train", "a/3": "test", "b/4": "test", "a/4": "pool"}
    assert counts.filtered == {"in_two_lists": 1, "not_listed": 1}
    assert counts.found == 5 + 2 + 2
    told = {row["path"]: row["detail"] for row in context.catalog.read("rejects").to_pylist()}
    assert told == {
        "nowhere.jpg": "a line of train.txt that names no photo",
        "4": "a line of train.txt that names several photos; write its whole path",
    }


def test_a_listed_photo_that_is_rejected_is_not_reported_twice(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "1", "2")
    (tmp_path / "d/masks/2.png").unlink()
    lists(tmp_path, train="1\n2\n")
    counts = ingest(context, split="lists")
    assert (counts.found, counts.added, counts.rejected) == (2, 1, 1)


def test_lists_that_are_missing_are_an_error(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "1")
    with pytest.raises(SourceError, match=r'split = "lists" needs train.txt, test.txt or pool.txt there'):
        ingest(context, split="lists")


def test_a_line_that_is_added_to_test_after_a_model_changes_no_test(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "1", "2")
    lists(tmp_path, test="1\n")
    ingest(context, split="lists")
    train_a_model(context)
    lists(tmp_path, test="1\n2\n")
    counts = ingest(context, split="lists")
    assert splits(context) == {"1": "test", "2": "none"}
    assert "1 samples of test.txt are in no split" in counts.remarks[0]


def test_a_group_that_lists_tear_apart_stays_on_one_side(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path, "a/1", "a/2", "b/1", "b/2", "c/1")
    lists(tmp_path, train="a/1\nb/1\nc/1", test="a/2", pool="b/2")
    counts = ingest(context, split="lists", group="folder")
    assert splits(context) == {"a/1": "none", "a/2": "test", "b/1": "train", "b/2": "none", "c/1": "train"}
    assert counts.remarks == ("2 samples are in no split, since other samples of their groups are in another",)
