"""Val is cut by group, the same way each time; the test split is pinned."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.splits import check_test_pin, cut_val, test_pin, val_groups, with_val_cut
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError

test_pin.__test__ = False  # type: ignore[attr-defined]  # its name begins like a test's

GROUPS = st.lists(st.text(min_size=1, max_size=5), min_size=2, unique=True)
SIZES = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 40), min_size=2, max_size=40)


@given(sizes=SIZES, fraction=st.floats(0.01, 0.9))
def test_val_has_its_share_to_within_one_group(sizes: dict[str, int], fraction: float) -> None:
    chosen = val_groups(sizes, fraction)
    left = sizes.keys() - chosen
    assert chosen and left
    away = abs(sum(sizes[group] for group in chosen) - fraction * sum(sizes.values()))
    assert (
        away <= max(sizes.values()) / 2
        or len(left) == 1
        or (len(chosen) == 1 and min(sizes.values()) == sizes[min(chosen)])
    )


@pytest.mark.parametrize("seed", range(20))
def test_fifteen_of_a_hundred_samples_without_groups_are_val(seed: int) -> None:
    assert len(val_groups({f"{seed}/{number}": 1 for number in range(200)}, 0.15)) == 30


@given(sizes=SIZES, fraction=st.floats(0.01, 0.9))
def test_what_comes_later_moves_nobody(sizes: dict[str, int], fraction: float) -> None:
    val = val_groups(sizes, fraction)
    assert val_groups(sizes, fraction, held=val) == set()
    taught = set(sizes) - val
    later = val_groups({**sizes, "a group that is new": 5}, fraction, held=val, taught=taught)
    assert later <= {"a group that is new"}


@given(groups=GROUPS)
def test_some_group_is_val_and_some_is_left(groups: list[str]) -> None:
    chosen = val_groups(dict.fromkeys(groups, 1), 0.001)
    assert chosen
    assert chosen != set(groups)


def test_near_duplicates_are_one_group_when_val_is_cut(tmp_path: Path) -> None:
    rows = [{"sample_id": f"p/{n:02}", "kind": "portrait", "split": "train"} for n in range(40)]
    shoots = [(f"p/{n:02}", f"p/{n + 1:02}") for n in range(39) if n % 4 != 3]  # ten shoots of four photos, in chains
    samples = rows_to_table("samples", rows)

    def sides(alike: bool) -> list[set[str]]:
        cut = with_val_cut(samples, 0.3, find_alike=(lambda _: shoots) if alike else None)
        assert cut["split"].to_pylist().count("val") == 12
        splits = dict(zip(cut["sample_id"].to_pylist(), cut["split"].to_pylist(), strict=True))
        return [{splits[f"p/{n:02}"] for n in range(first, first + 4)} for first in range(0, 40, 4)]

    assert all(len(side) == 1 for side in sides(alike=True))
    assert any(len(side) == 2 for side in sides(alike=False))


def test_near_duplicates_are_looked_for_only_if_somebody_is_to_become_val(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [{"sample_id": f"p/{n}", "kind": "portrait", "split": "train", "status": "present"} for n in range(20)]
    catalog.merge("samples", rows_to_table("samples", [*rows, {**rows[0], "sample_id": "p/gone", "status": "gone"}]))
    asked: list[int] = []

    def find_alike(samples: pa.Table) -> list[tuple[str, str]]:
        asked.append(samples.num_rows)
        return []

    assert cut_val(catalog, 0.1, find_alike=find_alike) == 2
    assert cut_val(catalog, 0.1, find_alike=find_alike) == 0
    assert asked == [20]


def test_a_shoot_is_never_cut_in_two(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [
        {"sample_id": f"p/{n}", "kind": "portrait", "split": "train", "group_id": f"shoot {n // 3}"} for n in range(60)
    ]
    catalog.merge("samples", rows_to_table("samples", rows))
    moved = cut_val(catalog, 0.3)
    after = catalog.read("samples", ["split", "group_id"]).to_pylist()
    sides = {
        group: {row["split"] for row in after if row["group_id"] == group} for group in {r["group_id"] for r in after}
    }
    assert moved > 0
    assert all(len(side) == 1 for side in sides.values())
    assert cut_val(catalog, 0.3) == 0


@given(groups=GROUPS, fraction=st.floats(0.0, 0.9), data=st.data())
def test_whoever_was_trained_on_never_becomes_val(groups: list[str], fraction: float, data: st.DataObject) -> None:
    taught = data.draw(st.sets(st.sampled_from(groups)))
    assert not val_groups(dict.fromkeys(groups, 1), fraction, taught=taught) & taught


def test_a_larger_fraction_takes_new_groups_only_and_never_those_that_were_trained_on(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [{"sample_id": f"p/{n}", "kind": "portrait", "split": "train", "group_id": f"g{n // 2}"} for n in range(40)]
    catalog.merge("samples", rows_to_table("samples", rows))
    cut_val(catalog, 0.2)
    before = {row["sample_id"]: row["split"] for row in catalog.read("samples", ["sample_id", "split"]).to_pylist()}
    # one photo of each shoot was trained on, which is enough to know the person
    trained = {name for name, split in before.items() if split == "train" and int(name.removeprefix("p/")) % 2}
    new = [{"sample_id": f"q/{n}", "kind": "portrait", "split": "train", "group_id": f"new{n}"} for n in range(20)]
    catalog.merge("samples", rows_to_table("samples", new))
    assert cut_val(catalog, 0.6, trained) > 0
    after = {row["sample_id"]: row["split"] for row in catalog.read("samples", ["sample_id", "split"]).to_pylist()}
    assert {name: after[name] for name in before} == before
    assert "val" in {after[row["sample_id"]] for row in new}


def test_only_train_portraits_become_val(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [
        {"sample_id": f"{kind}/{split}/{n}", "kind": kind, "split": split}
        for kind, split in [("portrait", "test"), ("portrait", "pool"), ("composite", "train"), ("background", "none")]
        for n in range(20)
    ]
    catalog.merge("samples", rows_to_table("samples", rows))
    assert cut_val(catalog, 0.5) == 0


def test_a_changed_test_split_is_refused() -> None:
    one = rows_to_table("samples", [{"sample_id": "p/1", "image_sha256": "i", "alpha_sha256": "a"}])
    other = rows_to_table("samples", [{"sample_id": "p/1", "image_sha256": "i", "alpha_sha256": "b"}])
    pin = test_pin(one)
    assert check_test_pin(None, one) == check_test_pin(pin, one) == pin
    with pytest.raises(CatalogError, match=r"the test split is not the one .* restore the test files"):
        check_test_pin(pin, other)


def test_val_cut_in_memory_is_what_the_catalog_would_have_become(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [
        {"sample_id": f"p/{n}", "kind": "portrait", "split": "train" if n % 3 else "pool", "group_id": f"g{n // 2}"}
        for n in range(40)
    ]
    catalog.merge("samples", rows_to_table("samples", [*rows, {"sample_id": "b/1", "kind": "background"}]))
    for fraction in (0.2, 0.5):  # the second time val is there already, and only new groups could join it
        cut = with_val_cut(catalog.read("samples"), fraction)
        cut_val(catalog, fraction)
        assert cut.equals(catalog.read("samples"))
    assert set(cut["split"].to_pylist()) == {"train", "val", "pool", None}
