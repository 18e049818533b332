"""Mining end to end with a network that takes brightness for a person."""

import pytest

from segdata.catalog.workspace import RunContext
from segdata.errors import RecipeError, TooFewSamplesError
from segdata.mine.recipe import MineRecipe
from segdata.mine.run import run, scoring_options
from tests.mine.conftest import BrightIsPerson

RECIPE = MineRecipe(runtime="torch", precision="fp32")


def must_not_open(folder, name, precision):
    raise AssertionError("opened a network with nothing to score")


def mine(context, eligible, recipe=RECIPE, skipped=0, opener=BrightIsPerson):
    return run(context, recipe, context.workspace.root / "model", eligible, skipped, opener=opener)


def selected(context):
    return sorted(context.catalog.read("selections").to_pylist(), key=lambda row: row["rank"])


def test_hard_cases_are_selected_worst_first_and_triaged(context, eligible):
    result = mine(context, eligible, skipped=7)
    rows = selected(context)
    assert [row["sample_id"] for row in rows] == ["it's/torso_dropped", "it's/dim", "it's/gap_filled"]
    assert [row["rank"] for row in rows] == [0, 1, 2]
    assert [row["triage"] for row in rows] == ["suspect_label", "hard", "hard"]
    assert rows[0]["why"].startswith("the label lacks")
    assert {row["selection"] for row in rows} == {result.selection}
    assert {row["predicate"] for row in rows} == {RECIPE.where}
    assert all(0 <= row["label_suspicion"] <= 1 and row["weight"] == 1 for row in rows)
    assert result.to_json() | {"model_id": "", "scorer_id": "", "selection": ""} == {
        "model_id": "", "scorer_id": "", "runtime": "torch", "precision": "fp32", "scored": 4, "reused": 0,
        "failed": 0, "skipped": 7, "selection": "", "selected": 3, "hard": 2, "suspect_label": 1,
        "failure_modes": {"hole_filled": 1, "leaked_background": 1, "missed_part": 1},
            "histogram": [0] * 9 + [2] + [0] * 9 + [2], "parity": None, "folds": 0,
            "second_opinions": [], "sheet": "reports/run-1/mined.png",
    }  # fmt: skip


def test_mining_again_scores_nothing_and_selects_the_same(context, eligible):
    first = mine(context, eligible)
    rows = selected(context)
    again = mine(context, eligible, opener=must_not_open)
    assert (again.scored, again.reused, again.selection) == (0, 4, first.selection)
    assert selected(context) == rows


def test_another_predicate_is_another_selection_over_all_that_is_scored(context, eligible):
    first = mine(context, eligible)
    holes = mine(context, eligible, RECIPE.model_copy(update={"where": "hole_recall < 0.5"}), opener=must_not_open)
    assert holes.selection != first.selection
    assert (holes.reused, holes.selected) == (4, 1)
    assert len(selected(context)) == 4


def test_what_is_no_longer_selected_leaves_the_selection(context, eligible):
    mine(context, eligible)
    mine(context, eligible.slice(0, 2))
    assert [row["sample_id"] for row in selected(context)] == ["it's/gap_filled"]


def test_a_limit_scores_the_first_and_selects_among_all_that_is_scored(context, eligible):
    assert mine(context.limited(2), eligible).scored == 2
    assert [row["sample_id"] for row in selected(context)] == ["it's/gap_filled"]
    mine(context, eligible)
    limited = mine(context.limited(1), eligible, opener=must_not_open)
    assert (limited.reused, limited.selected) == (1, 3)


def test_a_dry_run_writes_nothing(context, eligible):
    dry = RunContext(context.workspace, "run-2", dry_run=True)
    assert mine(dry, eligible, opener=must_not_open).scored == 4
    assert context.catalog.read("scores").num_rows == context.catalog.read("selections").num_rows == 0


def test_an_image_that_is_gone_by_now_is_hard_and_says_so(context, eligible):
    mine(context, eligible)
    (context.workspace.root / "dim_image.png").unlink()
    mine(context, eligible, opener=must_not_open)
    assert selected(context)[1]["triage"] == "hard"
    assert "can't be read any more" in selected(context)[1]["why"]


def test_nothing_eligible_says_what_to_do(context, eligible):
    with pytest.raises(TooFewSamplesError, match=r"9 were left out.*split is pool.*run: segdata ingest"):
        mine(context, eligible.slice(0, 0), skipped=9)


def test_a_wrong_predicate_is_refused_before_anything_is_scored(context, eligible):
    with pytest.raises(RecipeError, match=r"^mine\.where: .*miuo"):
        mine(context, eligible, RECIPE.model_copy(update={"where": "miuo < 1"}), opener=must_not_open)


def test_evaluation_runs_the_network_as_mining_does():
    options = scoring_options(MineRecipe(runtime="openvino", precision="bf16", batch=4))
    assert (options.runtime, options.precision, options.batch) == ("openvino", "bf16", 4)


def test_progress_ends_with_all_cases_triaged(workspace, eligible):
    seen = []
    mine(RunContext(workspace, "run-1", progress=seen.append), eligible)
    last = seen[-1]
    assert (last.stage, last.task, last.done, last.total) == ("mine", "triage", 3, 3)


def test_a_budget_keeps_the_worst_and_a_diverse_one_spreads(context, eligible):
    everything = mine(context, eligible, RECIPE.model_copy(update={"where": "miou < 2"}))
    assert sum(everything.histogram) == everything.selected == 4
    worst = mine(context, eligible, RECIPE.model_copy(update={"where": "miou < 2", "budget": 2}))
    spread = mine(context, eligible, RECIPE.model_copy(update={"where": "miou < 2", "budget": 2, "diverse": True}))
    assert worst.selected == spread.selected == 2
    rows = context.catalog.read("selections").to_pylist()
    assert len({row["selection"] for row in rows}) == 3
    chosen = {row["sample_id"] for row in rows if row["selection"] == worst.selection}
    ordered = sorted((row for row in rows if row["selection"] == everything.selection), key=lambda row: row["rank"])
    assert chosen == {row["sample_id"] for row in ordered[:2]}
    assert next(r["predicate"] for r in rows if r["selection"] == spread.selection) == "miou < 2; 2 of them, spread"
