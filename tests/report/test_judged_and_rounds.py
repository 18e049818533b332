"""What people said and what changed since the last round, on rows small enough to check by eye."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from segdata.report.judged import judged
from segdata.report.rounds import last_change, last_gains
from segdata.report.versions import read_versions

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def said(
    name: str, verdict: str | None, reviewer: str, day: int, alpha: str = "a", note: str | None = None
) -> dict[str, Any]:
    key = {"sample_id": name, "image_sha256": "i", "alpha_sha256": alpha}
    return {**key, "verdict": verdict, "reviewer": reviewer, "at": DAY + timedelta(days=day), "note": note}


def sample(name: str) -> dict[str, Any]:
    return {"sample_id": name, "image_sha256": "i", "alpha_sha256": "a"}


def test_of_two_reviewers_both_are_kept_and_the_last_one_counts() -> None:
    rows = [said("p/1", "fine", "ben", 2), said("p/1", "hard", "kim", 1), said("p/2", "drop", "kim", 3)]
    found = judged(rows, [sample("p/1"), sample("p/2")])
    assert found.counted == {"drop": 1, "fine": 1}
    (one,) = found.disagreements
    assert [(word.reviewer, word.verdict) for word in one.words] == [("kim", "hard"), ("ben", "fine")]
    assert [name for name, _ in found.reviewers] == ["kim", "ben"]


def test_whoever_changes_their_mind_disagrees_with_nobody() -> None:
    found = judged([said("p/1", "hard", "kim", 1), said("p/1", "fine", "kim", 2)], [sample("p/1")])
    assert (found.counted, found.disagreements) == ({"fine": 1}, ())


def test_a_verdict_on_other_bytes_and_a_note_alone_count_for_nothing() -> None:
    rows = [said("p/1", "hard", "kim", 1, alpha="old"), said("p/1", None, "kim", 2)]
    found = judged(rows, [sample("p/1")])
    assert (found.counted, found.stale) == ({}, 1)


def test_notes_are_told_with_and_without_a_verdict_as_long_as_their_bytes_are_there() -> None:
    rows = [
        said("p/1", "hard", "kim", 1, note="hair"), said("p/1", None, "ben", 2, note="hat"),
        said("p/1", None, "eve", 3, alpha="old", note="blur"),
    ]  # fmt: skip
    assert judged(rows, [sample("p/1")]).notes == {("p/1", "i", "a"): {"kim": "hair", "ben": "hat"}}


def test_cases_come_stay_are_learned_and_go() -> None:
    rows = [
        {"selection": name, "sample_id": sample_id, "run_id": run}
        for name, run, ids in (("one", "r1", "abcd"), ("two", "r2", "ae"))
        for sample_id in ids
    ]
    runs = [{"run_id": "r1", "started_at": DAY}, {"run_id": "r2", "started_at": DAY + timedelta(days=1)}]
    change = last_change(rows, runs, "two", {"m1": {"b", "x"}})
    assert change is not None and (change.before, change.after) == ("one", "two")
    assert (change.came, change.stayed, change.learned, change.went) == (("e",), ("a",), ("b",), ("c", "d"))
    assert last_change(rows, runs, "one", {}) is None


def test_the_newest_version_is_compared_with_its_parent_on_the_same_test_split() -> None:
    def model(model_id: str, miou: float, parent: str | None, pin: str, day: int) -> dict[str, Any]:
        metrics = f'{{"test": {{"miou_image": {miou}}}}}'
        moment = DAY + timedelta(days=day)
        return {
            "model_id": model_id, "parent_model_id": parent, "test_pin": pin, "metrics": metrics, "created_at": moment
        }  # fmt: skip

    models = [model("a", 0.9, None, "p", 1), model("b", 0.95, "a", "p", 2), model("c", 0.5, "b", "other", 3)]
    found = last_gains(read_versions(models, {}))
    assert found is not None
    parent, latest, (gain,) = found
    assert (parent, latest, gain.title, round(gain.delta, 6)) == ("m0", "m1", "mIoU per image", 0.05)
    assert last_gains(read_versions(models[:1], {})) is None
