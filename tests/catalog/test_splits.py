"""Val is cut by group, the same way each time; the test split is pinned."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.splits import check_test_pin, cut_val, test_pin, val_groups, with_val_cut
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError

test_pin.__test__ = False  # type: ignore[attr-defined]  # its name begins like a test's

GROUPS = st.lists(st.text(min_size=1, max_size=5), min_size=2, unique=True)


@given(groups=GROUPS, fraction=st.floats(0.01, 0.9))
def test_what_comes_later_moves_nobody(groups: list[str], fraction: float) -> None:
    before = val_groups(groups, fraction)
    after = val_groups([*groups, "a group that is new"], fraction)
    assert after - before <= {"a group that is new"} or not before or len(before) == 1


@given(groups=GROUPS)
def test_some_group_is_val_and_some_is_left(groups: list[str]) -> None:
    chosen = val_groups(groups, 0.001)
    assert chosen
    assert chosen != set(groups)


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
    assert not val_groups(groups, fraction, taught) & taught


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
