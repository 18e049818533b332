"""Mended labels stay, also those that were mended again, until their sample is forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segdata.catalog.mends import (
    drop_mends,
    folder_of,
    hand_over,
    keep_mends,
    measured_anew,
    mends_of,
    undo_mends,
)
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError
from segdata.storage.files import sha256_of

PHOTO = "photograph"
FIRST, SECOND, THIRD = (sha256_of(data) for data in (b"1", b"2", b"3"))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """One label that was mended three times, and another that was mended once, to the same bytes as one of these."""
    catalog = Catalog(tmp_path)
    for data, before in ((b"1", "source"), (b"2", FIRST), (b"3", SECOND)):
        keep_mends(catalog, {"p/1": data}, {"p/1": (PHOTO, before)})
    keep_mends(catalog, {"p/2": b"2"}, {"p/2": ("another photograph", "other")})
    return catalog


def files(catalog: Catalog) -> set[str]:
    return {path.stem for path in folder_of(catalog).glob("*.png")}


def test_a_label_that_is_mended_again_keeps_all_that_it_was(catalog: Catalog) -> None:
    mend = mends_of(catalog)["p/1"]
    assert (mend.file, mend.replaces) == (f"{THIRD}.png", SECOND)
    assert mend.earlier == (f"{FIRST}.png", f"{SECOND}.png")
    assert files(catalog) == {FIRST, SECOND, THIRD}


def test_what_versions_were_measured_on_is_known_until_they_are_measured_anew(catalog: Catalog) -> None:
    assert {name: mend.measured for name, mend in mends_of(catalog).items()} == {"p/1": "source", "p/2": "other"}
    measured_anew(catalog, {"p/1"})
    assert {name: mend.measured for name, mend in mends_of(catalog).items()} == {"p/1": None, "p/2": "other"}
    keep_mends(catalog, {"p/1": b"4"}, {"p/1": (PHOTO, THIRD)})
    assert mends_of(catalog)["p/1"].measured == THIRD


def test_a_forgotten_samples_labels_go_and_another_ones_stay(catalog: Catalog) -> None:
    assert drop_mends(catalog, {"p/1", "p/unknown"}) == 1
    assert files(catalog) == {SECOND}, "which is the other sample's too"
    assert set(mends_of(catalog)) == {"p/2"}


def test_a_name_that_got_another_photograph_keeps_the_mend_of_the_one_before(catalog: Catalog) -> None:
    keep_mends(catalog, {"p/1": b"4"}, {"p/1": ("new", "its label")})
    mends = mends_of(catalog)
    assert (mends["p/1"].image, mends["p/1"].source, mends["p/1"].earlier) == ("new", "its label", ())
    kept = mends[f"p/1#{PHOTO}"]
    assert (kept.file, kept.source, kept.earlier) == (f"{THIRD}.png", "source", (f"{FIRST}.png", f"{SECOND}.png"))


def test_a_forgotten_photograph_takes_its_labels_along_from_every_name(catalog: Catalog) -> None:
    keep_mends(catalog, {"p/1": b"4"}, {"p/1": ("new", "its label")})
    hand_over(catalog, {"p/copy": mends_of(catalog)[f"p/1#{PHOTO}"]})
    assert drop_mends(catalog, {"p/9"}, {PHOTO}, held={"p/copy"}) == 1
    assert files(catalog) == {FIRST, SECOND, THIRD, sha256_of(b"4")}, "the copy stays, and its labels"
    assert drop_mends(catalog, {"p/9"}, {PHOTO}) == 1
    assert set(mends_of(catalog)) == {"p/1", "p/2"}
    assert files(catalog) == {SECOND, sha256_of(b"4")}


def test_a_forgotten_sample_takes_the_mend_of_its_earlier_photograph_along(catalog: Catalog) -> None:
    keep_mends(catalog, {"p/1": b"new"}, {"p/1": ("its photograph of now", "source of now")})
    assert f"p/1#{PHOTO}" in mends_of(catalog)
    drop_mends(catalog, {"p/1"}, {"its photograph of now"})
    assert set(mends_of(catalog)) == {"p/2"}
    assert files(catalog) == {SECOND}


def test_a_damaged_index_is_named(catalog: Catalog) -> None:
    (folder_of(catalog) / "index.json").write_text("{")
    with pytest.raises(CatalogError, match=r"index\.json: can't be read"):
        mends_of(catalog)


def test_a_run_is_undone_and_what_it_brought_stays_in_the_history(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    keep_mends(catalog, {"p/1": b"1", "p/2": b"1"}, dict.fromkeys(("p/1", "p/2"), (PHOTO, "source")), "first")
    keep_mends(catalog, {"p/1": b"2"}, {"p/1": (PHOTO, FIRST)}, "second")
    undone = undo_mends(catalog, "first")
    assert (undone.restored, undone.later) == (("p/2",), {"p/1": "second"})
    assert (mends_of(catalog)["p/2"].file, mends_of(catalog)["p/2"].alpha) == (None, "source")
    assert undo_mends(catalog, "second", dry_run=True).restored == ("p/1",)
    assert mends_of(catalog)["p/1"].file == f"{SECOND}.png"
    assert undo_mends(catalog, "second").restored == ("p/1",)
    mend = mends_of(catalog)["p/1"]
    assert (mend.alpha, mend.earlier, mend.runs, mend.undone) == (FIRST, (), ("first",), (f"{SECOND}.png",))
    assert (mend.measured, mend.replaces) == ("source", "source")
    assert undo_mends(catalog, "first").restored == ("p/1",), "which was skipped before"
    assert undo_mends(catalog, "first").restored == ()
    assert mends_of(catalog)["p/1"].undone == (f"{SECOND}.png", f"{FIRST}.png")
    assert files(catalog) == {FIRST, SECOND}
    assert drop_mends(catalog, {"p/1", "p/2"}) == 2
    assert files(catalog) == set()


def test_a_label_that_was_undone_can_be_mended_again_and_is_measured_anew(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    keep_mends(catalog, {"p/1": b"1"}, {"p/1": (PHOTO, "source")}, "first")
    measured_anew(catalog, {"p/1"})
    undo_mends(catalog, "first")
    assert mends_of(catalog)["p/1"].measured == FIRST, "versions were measured on what was undone"
    keep_mends(catalog, {"p/1": b"1"}, {"p/1": (PHOTO, "source")}, "third")
    mend = mends_of(catalog)["p/1"]
    assert (mend.alpha, mend.run, mend.undone, mend.source) == (FIRST, "third", (), "source")


def test_a_label_that_comes_back_to_what_it_was_is_undone_step_by_step(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    for run_id, data, before in (("a", b"1", "source"), ("b", b"2", FIRST), ("c", b"1", SECOND)):
        keep_mends(catalog, {"p/1": data}, {"p/1": (PHOTO, before)}, run_id)
    for run_id, alpha in (("c", SECOND), ("b", FIRST), ("a", "source")):
        undo_mends(catalog, run_id)
        assert mends_of(catalog)["p/1"].alpha == alpha


def test_an_index_of_an_older_segdata_is_read_and_its_labels_have_no_run(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    row = {"file": f"{SECOND}.png", "replaces": FIRST, "earlier": [f"{FIRST}.png"], "measured": None}
    folder_of(catalog).mkdir(parents=True)
    (folder_of(catalog) / "index.json").write_text(json.dumps({"p/1": row}))
    assert mends_of(catalog)["p/1"].runs == (None, None)
    keep_mends(catalog, {"p/1": b"3"}, {"p/1": (PHOTO, SECOND)}, "new")
    assert mends_of(catalog)["p/1"].runs == (None, None, "new")
