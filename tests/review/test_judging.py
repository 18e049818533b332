"""A reviewer's acts on a FiftyOne dataset, and what a pull makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from segdata.errors import UsageError
from segdata.review.cases import FIELDS
from segdata.review.overlays import Overlays

NUMBERS = itertools.count()
BEGUN = {"under_review": True, "verdicts": [], "disagree": False, "image_sha256": "i", "alpha_sha256": "a", "tags": []}


def case(name: str, rank: int, **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(FIELDS), **BEGUN, "sample_id": name, "rank": rank} | more


def prepare(batch: Sequence[dict[str, Any]]) -> Iterable[tuple[str, Overlays]]:
    return [(f"/photos/{row['sample_id']}.jpg", Overlays(None, None, None)) for row in batch]


@pytest.fixture
def dataset(fiftyone: Any, tmp_path: Path) -> Any:
    """Three cases, none of them judged; the dataset is made once, which takes longer than most tests."""
    from segdata.review.dataset import MARK, open_dataset, sync

    opened = open_dataset("segdata-test", tmp_path, own=True)
    opened.clear()
    opened.delete_saved_views()
    opened.info[MARK] = {"workspace": str(tmp_path)}
    opened.save()
    sync(opened, [case(name, rank) for rank, name in enumerate("abc")], tmp_path, prepare, lambda done: None)
    return opened


def ids(dataset: Any) -> dict[str, str]:
    return dict(zip(dataset.values("sample_id"), dataset.values("id"), strict=True))


def said(dataset: Any) -> dict[str, tuple[str | None, str | None]]:
    return {row["sample_id"]: (row["verdict"], row["note"]) for row in dataset}


def test_a_verdict_is_given_noted_and_undone(dataset: Any) -> None:
    from segdata.review.judging import annotate, judge, next_case, progress, undo

    key = ids(dataset)
    view = dataset.sort_by("rank")
    assert (next_case(view, None), progress(view)) == (key["a"], (0, 3))
    judge(dataset, [key["a"]], "hard", "kim")
    assert (next_case(view, key["a"]), progress(view)) == (key["b"], (1, 3))
    annotate(dataset, key["a"], "a hat", "kim")
    judge(dataset, [key["b"], key["c"]], "drop", "kim")
    assert said(dataset) == {"a": ("hard", "a hat"), "b": ("drop", None), "c": ("drop", None)}
    assert next_case(view, key["c"]) is None
    assert sorted(undo(dataset, "kim")) == sorted([key["b"], key["c"]]), "both at once, as they were given"
    assert undo(dataset, "ben") == [], "another reviewer's acts are theirs"
    assert undo(dataset, "kim") == [key["a"]]
    assert said(dataset)["a"] == ("hard", None)
    assert undo(dataset, "kim") == [key["a"]]
    assert said(dataset)["a"] == (None, None)
    assert undo(dataset, "kim") == []


def test_two_reviewers_stand_beside_one_another(dataset: Any) -> None:
    from segdata.review.judging import judge

    key = ids(dataset)["a"]
    judge(dataset, [key], "hard", "kim")
    judge(dataset, [key], "fine", "ben")
    sample = dataset[key]
    assert (sample["verdicts"], sample["disagree"]) == (["kim: hard", "ben: fine"], True)
    judge(dataset, [key], "fine", "kim")
    assert (dataset[key]["verdicts"], dataset[key]["disagree"]) == (["ben: fine", "kim: fine"], False)


def test_a_pull_finds_verdicts_notes_and_tags_and_what_was_pulled_stays(dataset: Any) -> None:
    from segdata.review.judging import annotate, judge, undo
    from segdata.review.pulling import judgements_of, remember_pull

    key = ids(dataset)
    judge(dataset, [key["a"]], "hard", "kim", note="hair")
    annotate(dataset, key["b"], "look again", "kim")
    tagged = dataset[key["c"]]
    tagged.tags = ["hat", "Label error"]
    tagged.save()
    found = {one.sample_id: one for one in judgements_of(dataset, {}, "kim")}
    assert {name: (one.verdict, one.note, one.tags) for name, one in found.items()} == {
        "a": ("hard", "hair", ()),
        "b": (None, "look again", ()),
        "c": ("label_error", None, ("Label error", "hat")),
    }
    assert {one.reviewer for one in found.values()} == {"kim"}
    known = {("c", "i", "a"): ("Label error", "hat")}
    assert {one.sample_id for one in judgements_of(dataset, known, "kim")} == {"a", "b"}, "known tags are no news"
    remember_pull(dataset, max(one.at for one in found.values()))
    assert undo(dataset, "kim") == []


def test_a_note_stays_its_authors_whoever_judges_after_them(dataset: Any) -> None:
    from segdata.review.judging import annotate, judge, own_note
    from segdata.review.pulling import judgements_of

    key = ids(dataset)["a"]
    judge(dataset, [key], "hard", "kim", note="hair")
    judge(dataset, [key], "fine", "ben")
    assert (own_note(dataset[key], "kim"), own_note(dataset[key], "ben")) == ("hair", "")
    (one,) = judgements_of(dataset, {}, "ben")
    assert (one.reviewer, one.verdict, one.note) == ("ben", "fine", None), "ben noted nothing"
    annotate(dataset, key, "", "ben")
    assert dataset[key]["note"] == "hair", "there is none of ben's to take away"
    annotate(dataset, key, "", "kim")
    (one,) = judgements_of(dataset, {}, "kim")
    assert (one.reviewer, one.verdict, one.note) == ("kim", None, ""), "taken back, which is said"


def test_the_bar_has_the_last_word_on_a_sample_that_was_tagged_before(dataset: Any) -> None:
    from segdata.review.judging import judge
    from segdata.review.pulling import judgements_of

    key = ids(dataset)["a"]
    tagged = dataset[key]
    tagged.tags = ["fine"]
    tagged.save()
    judge(dataset, [key], "hard", "kim")
    (one,) = judgements_of(dataset, {}, "kim")
    assert (one.verdict, one.tags) == ("hard", ("fine",))
    tagged.reload()
    tagged.tags = ["fine", "drop"]
    tagged.save()
    first, second = judgements_of(dataset, {}, "kim")
    assert (first.verdict, second.verdict) == ("hard", "drop") and first.at < second.at, "tagged after it, it counts"


def test_what_was_said_of_a_label_that_was_mended_is_not_said_of_the_new_one(dataset: Any, tmp_path: Path) -> None:
    from segdata.review.dataset import sync
    from segdata.review.judging import judge, undo
    from segdata.review.pulling import judgements_of

    key = ids(dataset)
    judge(dataset, [key["a"]], "label_error", "kim")
    tagged = dataset[key["b"]]
    tagged.tags = ["hat", "label error"]
    tagged.save()
    mended = [case(name, rank, alpha_sha256="mended") for rank, name in enumerate("ab")]
    sync(dataset, mended, tmp_path, prepare, lambda done: None)
    assert judgements_of(dataset, {}, "kim") == []
    assert dataset[key["b"]].tags == ["hat"], "the user's own tag stays"
    assert undo(dataset, "kim") == [], "nothing was done to the new bytes"
    judge(dataset, [key["b"]], "fine", "kim")
    (one,) = judgements_of(dataset, {}, "kim")
    assert (one.alpha_sha256, one.verdict, one.tags) == ("mended", "fine", ("hat",))
    assert undo(dataset, "kim") == [key["b"]]


def test_what_the_user_saved_in_our_dataset_stays(dataset: Any) -> None:
    from segdata.review.views import save_views

    own = dataset.sort_by("sample_id", reverse=True)
    dataset.save_view("failure: my own", own)
    dataset.save_view("holes", own)
    save_views(dataset, "hard-1", {"outline", "missed_hole"})
    save_views(dataset, "hard-1", {"outline"})
    assert dataset.load_saved_view("holes").values("sample_id") == ["c", "b", "a"], "theirs, though named as ours"
    named = {name for name in dataset.list_saved_views() if name.startswith("failure: ")}
    assert named == {"failure: my own", "failure: outline"}


def test_a_dataset_of_an_older_segdata_gets_the_fields_it_lacks(dataset: Any, tmp_path: Path) -> None:
    from segdata.review.dataset import open_dataset

    dataset.delete_sample_field("noted_by")
    assert "noted_by" in open_dataset(dataset.name, tmp_path, own=True).get_field_schema()


def test_samples_that_the_catalog_has_no_more_go(dataset: Any) -> None:
    from segdata.review.dataset import remove_others

    assert remove_others(dataset, {"a", "c", "elsewhere"}) == 1
    assert dataset.values("sample_id") == ["a", "c"]


def test_a_second_opening_adds_only_what_is_new_and_shows_what_changed(dataset: Any, tmp_path: Path) -> None:
    from segdata.review.dataset import sync
    from segdata.review.views import save_views

    rows = [case("a", 0), case("b", 1, verdict="fine", verdicts=["ben: fine"]), case("d", 2, failure_mode="outline")]
    synced = sync(dataset, rows, tmp_path, prepare, lambda done: None)
    assert (synced.added, synced.changed, synced.unchanged) == (1, 1, 1)
    again = sync(dataset, rows, tmp_path, prepare, lambda done: None)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 3)
    save_views(dataset, "hard-1", {"outline"})
    assert dataset.load_saved_view("worst first").values("sample_id") == ["a", "b", "d"], "c is not under review now"
    assert dataset.load_saved_view("unreviewed").values("sample_id") == ["a", "d"]
    assert dataset.load_saved_view("failure: outline").values("sample_id") == ["d"]
    assert len(dataset) == 4, "what was there is kept"


def test_a_dataset_of_somebody_elses_is_never_opened(fiftyone: Any, dataset: Any, tmp_path: Path) -> None:
    from segdata.review.dataset import open_dataset

    name = f"theirs-{next(NUMBERS)}"
    theirs = fiftyone.Dataset(name, persistent=True)
    with pytest.raises(UsageError, match="did not make, and leaves alone"):
        open_dataset(name, tmp_path, own=True)
    assert len(theirs) == 0 and theirs.info == {}
    with pytest.raises(UsageError, match=f"is of the workspace {tmp_path}"):
        open_dataset(dataset.name, tmp_path / "another", own=False)
