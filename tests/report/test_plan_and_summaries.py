"""What goes on the page and how it is counted, on rows small enough to count by eye."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import UsageError
from segdata.report import plan
from segdata.report.plan import Scored, Scorer
from segdata.report.summaries import cut_of, histogram, newest_runs, overview, selection_summary
from segdata.report.versions import Version

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def sample(sample_id: str, **more: Any) -> dict[str, Any]:
    row = {"sample_id": sample_id, "image_sha256": f"i-{sample_id}", "alpha_sha256": f"a-{sample_id}"}
    return row | {"dataset": "d", "kind": "portrait", "split": "pool", "status": "present"} | more


def score(scorer_id: str, sample_id: str, miou: float | None) -> tuple[plan.Key, dict[str, Any]]:
    return (scorer_id, sample_id, f"i-{sample_id}", f"a-{sample_id}"), {"miou": miou}


def selected(name: str, sample_id: str, rank: int, run_id: str = "r", **more: Any) -> dict[str, Any]:
    row = {"selection": name, "rank": rank, "triage": "hard", "run_id": run_id, "scorer_id": "s", "predicate": "p"}
    return row | sample(sample_id) | more


def version(label: str, model_id: str, *scorers: str) -> Version:
    return Version(
        label, model_id, label, "", None, None, None, False, None, None, {}, {}, frozenset(scorers), ()
    )  # fmt: skip


def test_samples_are_counted_by_dataset_kind_and_split_and_the_gone_apart() -> None:
    rows = [sample("1"), sample("2"), sample("3", split="test"), sample("4", status="gone")]
    rejects = [{"dataset": "d", "reason": "missing_alpha"}, {"dataset": "other", "reason": "empty_file"}] * 2
    found = overview(rows, rejects)
    assert [(line.dataset, dict(line.splits), line.gone, dict(line.rejects)) for line in found.datasets] == [
        ("d", {"test": 1, "pool": 2}, 1, {"missing_alpha": 2}),
        ("other", {}, 0, {"empty_file": 2}),
    ]
    assert (found.kinds["portrait"], found.rejected) == (3, 4)


def test_rejects_of_a_dataset_with_two_kinds_are_told_once() -> None:
    rows = [sample("1"), sample("2", kind="background")]
    found = overview(rows, [{"dataset": "d", "reason": "empty_file"}])
    assert [sum(line.rejects.values()) for line in found.datasets] == [1, 0]


@pytest.mark.parametrize(
    ("predicate", "cut"),
    [
        ("miou < 0.8 OR hole_recall < 0.5", 0.8),
        ("MIOU<=.75", 0.75),
        ("hole_recall < 0.5", None),
        ("mean_miou < 0.8", None),
        ("miou < threshold", None),
        (None, None),
    ],
)
def test_the_cut_is_read_from_a_predicate_that_names_one(predicate: str | None, cut: float | None) -> None:
    assert cut_of(predicate) == cut


def test_a_score_on_the_cut_lies_right_of_it_though_stored_in_single_precision() -> None:
    found = histogram([float(np.float32(0.9)), 0.899, 1.0], [], 0.9)
    assert found is not None
    bins = dict(zip((f"{edge:.2f}" for edge in found.edges), found.latest, strict=False))
    assert (bins["0.88"], bins["0.90"], bins["0.98"], found.below) == (1, 1, 1, (1, None))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.lists(st.floats(0, 1), max_size=50))
def test_every_score_falls_into_one_bin(latest: list[float], first: list[float]) -> None:
    found = histogram(latest, first, 0.8)
    assert found is not None
    assert (sum(found.latest), sum(found.first)) == (len(latest), len(first))
    assert found.edges[0] <= min(latest) and found.edges[-1] == 1.0


def test_no_scores_make_no_histogram() -> None:
    assert histogram([], [], 0.8) is None


def test_a_selection_is_counted_by_triage_and_failure_mode_most_first() -> None:
    rows = [selected("s", str(number), number) for number in range(3)]
    rows.append(selected("s", "3", 3, triage="suspect_label"))
    found = selection_summary("s", "p", rows, {"0": "missed_hole", "1": "ragged", "2": "missed_hole", "3": None})
    assert found.triage == (("hard", 3), ("suspect_label", 1))
    assert found.failure_modes == (("missed_hole", 2), ("ragged", 1))


def test_the_newest_runs_come_first_and_the_reports_own_not_at_all() -> None:
    rows = [{"run_id": str(day), "started_at": DAY + timedelta(days=day)} for day in range(4)]
    assert [row["run_id"] for row in newest_runs([*rows, {"run_id": "x", "started_at": None}], "3", 2)] == ["2", "1"]


def test_the_newest_selection_is_that_whose_run_began_last() -> None:
    runs = [{"run_id": "z", "started_at": DAY}, {"run_id": "a", "started_at": DAY + timedelta(days=1)}]
    rows = [selected("one", "1", 0, "z"), selected("two", "2", 1, "a"), selected("two", "3", 0, "a")]
    found = plan.choose_selection(rows, runs, None)
    assert found is not None
    assert (found.name, found.predicate, [row["sample_id"] for row in found.rows]) == ("two", "p", ["3", "2"])


def test_a_selection_may_be_asked_for_by_name_and_an_unknown_one_lists_the_known() -> None:
    rows = [selected("one", "1", 0), selected("two", "2", 0)]
    found = plan.choose_selection(rows, [], "one")
    assert found is not None and found.name == "one"
    with pytest.raises(UsageError, match=r"report\.selection: no selection 'three'; there are one, two"):
        plan.choose_selection(rows, [], "three")
    with pytest.raises(UsageError, match=r"there are none yet: run segdata mine"):
        plan.choose_selection([], [], "three")


def test_suspects_come_most_suspicious_first_and_hard_cases_by_rank() -> None:
    rows = [
        selected("s", "a", 0, triage="suspect_label", label_suspicion=0.6),
        selected("s", "b", 1),
        selected("s", "c", 2, triage="suspect_label", label_suspicion=0.9),
        selected("s", "d", 3),
    ]
    cases = plan.selected_cases(rows, {}, {}, {})
    hard, suspects = plan.split_by_triage(cases, 24, 12)
    assert [case.sample_id for case in hard] == ["b", "d"]
    assert [case.sample_id for case in suspects] == ["c", "a"]
    assert [len(shelf) for shelf in plan.split_by_triage(cases, 1, 0)] == [1, 0]


def test_a_case_whose_files_changed_since_it_was_mined_is_stale() -> None:
    rows = [selected("s", "a", 0), selected("s", "b", 1)]
    samples = {"a": sample("a"), "b": sample("b", image_sha256="mended")}
    assert [case.stale for case in plan.selected_cases(rows, samples, {}, {})] == [False, True]


def test_changes_are_split_into_improved_and_worsened_the_largest_first() -> None:
    before = {"a": 0.5, "b": 0.9, "c": 0.8, "d": 0.7, "e": 0.6}
    after = {"a": 0.9, "b": 0.6, "c": 0.95, "d": 0.7004}
    scores = dict([score("s0", *pair) for pair in before.items()] + [score("s1", *pair) for pair in after.items()])
    improved, worsened = plan.changed_cases([sample(name) for name in "abcde"], scores, ("s0", "s1"), 5)
    assert [case.sample_id for case in improved] == ["a", "c"]
    assert [(case.sample_id, round(case.delta or 0, 6)) for case in worsened] == [("b", -0.3)]


def test_composites_are_spread_over_all_of_them() -> None:
    rows = [sample(f"composite/{number:02d}") for number in range(10)]
    assert [case.sample_id[-2:] for case in plan.composite_cases(rows, 3)] == ["00", "03", "06"]
    assert plan.composite_cases([], 3) == []


def test_the_scorer_that_the_metrics_name_stands_for_a_version() -> None:
    scored = [Scored("a", "torch", "test", 5), Scored("a", "openvino", "test", 9), Scored("a", "x", "pool", 99)]
    assert plan.scorer_of(version("m0", "a", "torch"), scored, "test") == Scorer("m0", "torch")
    assert plan.scorer_of(version("m0", "a"), scored, "test") == Scorer("m0", "openvino")
    assert plan.scorer_of(version("m0", "b"), scored, "test") is None


def test_the_pool_shows_the_first_and_the_latest_version_that_scored_it() -> None:
    versions = [version("m0", "a"), version("m1", "b"), version("m2", "c")]
    both = [Scored("a", "sa", "pool", 5), Scored("b", "sb", "pool", 5)]
    assert plan.pool_scorers(versions, both) == (Scorer("m0", "sa"), Scorer("m1", "sb"))
    assert plan.pool_scorers(versions, both[:1]) == (None, Scorer("m0", "sa"))
    assert plan.pool_scorers(versions, [Scored("foreign-model", "f", "pool", 1)]) == (None, Scorer("foreign-", "f"))
    assert plan.pool_scorers(versions, []) == (None, None)


def test_the_pool_is_compared_only_on_images_that_both_versions_scored() -> None:
    rows = [sample("a"), sample("b"), sample("c")]
    scores = dict([score("s0", "a", 0.3), score("s0", "b", 0.7), score("s1", "b", 0.8), score("s1", "c", 0.9)])
    assert plan.shared_scores(rows, scores, Scorer("m0", "s0"), Scorer("m1", "s1")) == ([0.8], [0.7])
    assert plan.shared_scores(rows, scores, None, Scorer("m1", "s1")) == ([0.8, 0.9], [])


def test_holes_come_with_the_lowest_recall_first_and_whole_gaps_not_at_all() -> None:
    recalls = {"a": 1.0, "b": 0.5, "c": None, "d": 0.0}
    scores = {
        ("s", name, "i", "a"): {"sample_id": name, "hole_recall": recall, "miou": 0.9}
        for name, recall in recalls.items()
    }
    rows = [sample(name, image_sha256="i", alpha_sha256="a") for name in recalls]
    found = plan.hole_cases(rows, scores, Scorer("m0", "s"), {}, 5)
    assert [case.sample_id for case in found] == ["d", "b"]
    assert plan.hole_cases(rows, scores, None, {}, 5) == []
