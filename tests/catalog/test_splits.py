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


@given(groups=GROUPS, fraction=st.floats(0.01, 0.9), seed=st.integers(0, 99))
def test_what_comes_later_moves_nobody(groups: list[str], fraction: float, seed: int) -> None:
    before = val_groups(groups, fraction, seed)
    after = val_groups([*groups, "a group that is new"], fraction, seed)
    assert after - before <= {"a group that is new"} or not before or len(before) == 1


@given(groups=GROUPS, seed=st.integers(0, 99))
def test_some_group_is_val_and_some_is_left(groups: list[str], seed: int) -> None:
    chosen = val_groups(groups, 0.001, seed)
    assert chosen
    assert chosen != set(groups)


def test_a_shoot_is_never_cut_in_two(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [
        {"sample_id": f"p/{n}", "kind": "portrait", "split": "train", "group_id": f"shoot {n // 3}"} for n in range(60)
    ]
    catalog.merge("samples", rows_to_table("samples", rows))
    moved = cut_val(catalog, 0.3, seed=0)
    after = catalog.read("samples", ["split", "group_id"]).to_pylist()
    sides = {
        group: {row["split"] for row in after if row["group_id"] == group} for group in {r["group_id"] for r in after}
    }
    assert moved > 0
    assert all(len(side) == 1 for side in sides.values())
    assert cut_val(catalog, 0.3, seed=0) == 0


def test_only_train_portraits_become_val(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    rows = [
        {"sample_id": f"{kind}/{split}/{n}", "kind": kind, "split": split}
        for kind, split in [("portrait", "test"), ("portrait", "pool"), ("composite", "train"), ("background", "none")]
        for n in range(20)
    ]
    catalog.merge("samples", rows_to_table("samples", rows))
    assert cut_val(catalog, 0.5, seed=0) == 0


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
        cut = with_val_cut(catalog.read("samples"), fraction, seed=0)
        cut_val(catalog, fraction, seed=0)
        assert cut.equals(catalog.read("samples"))
    assert set(cut["split"].to_pylist()) == {"train", "val", "pool", None}
