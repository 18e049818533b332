"""Second opinions, folds and the contact sheet, with networks that take brightness for a person."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segdata.mine.recipe import MineRecipe
from segdata.mine.run import Further, run
from tests.mine.conftest import BrightIsPerson

RECIPE = MineRecipe(runtime="torch", precision="fp32")


class DarkIsPerson(BrightIsPerson):
    """It contradicts the other wherever that is sure."""

    def probabilities(self, batch):
        return 1 - super().probabilities(batch)


def opener(folder, name, precision):
    return (DarkIsPerson if "dark" in str(folder) else BrightIsPerson)(folder, name, precision)


def must_not_open(folder, name, precision):
    raise AssertionError("opened a network with nothing to score")


def selected(context):
    return sorted(context.catalog.read("selections").to_pylist(), key=lambda row: row["rank"])


def version(workspace, name, trained=(), resize="stretch"):
    """A version's folder, trained on the samples named."""
    folder = workspace.root / name
    folder.mkdir()
    (folder / "model.toml").write_text(f'name = "{name}"\ninput_hw = [64, 64]\nresize = "{resize}"\n')
    (folder / "weights.safetensors").write_bytes(name.encode())
    columns = {
        "sample_id": [row["sample_id"] for row in trained],
        "image_sha256": [row["image_sha256"] for row in trained],
    }
    pq.write_table(
        pa.table({key: pa.array(values, pa.string()) for key, values in columns.items()}), folder / "training.parquet"
    )
    return folder


def mine(context, eligible, recipe=RECIPE, opener=opener, **further):
    return run(context, recipe, context.workspace.root / "model", eligible, 0, Further(**further), opener=opener)


def suspicions(context, selection):
    return {row["sample_id"]: row for row in selected(context) if row["selection"] == selection}


def test_an_opinion_that_agrees_against_the_label_raises_the_suspicion_and_one_that_does_not_lowers_it(
    context, eligible
):
    like, unlike = version(context.workspace, "alike"), version(context.workspace, "dark")
    found = {}
    for names, models in (((), ()), (("alike",), (like,)), (("dark",), (unlike,))):
        recipe = RECIPE.model_copy(update={"second_opinions": names})
        result = mine(context, eligible, recipe, opinions=models)
        found[names] = suspicions(context, result.selection)["it's/torso_dropped"]
    assert len({row["selection"] for row in found.values()}) == 3
    alone, agreed, contested = found.values()
    assert contested["label_suspicion"] < alone["label_suspicion"] < agreed["label_suspicion"]
    assert "another model contradicts the label in 100% of that" in agreed["why"]
    assert "another model contradicts the label in 0% of that" in contested["why"]
    assert result.to_json()["second_opinions"] == [
        {"model": "dark", "model_id": result.second_opinions[0]["model_id"], "asked": 3, "trained_on": 0, "scored": 3,
         "reused": 0, "failed": 0},
    ]  # fmt: skip


def test_only_the_selected_are_asked_about_and_none_that_the_opinion_was_trained_on(context, eligible):
    rows = {row["sample_id"]: row for row in eligible.to_pylist()}
    other = version(context.workspace, "alike", trained=[rows["it's/torso_dropped"]])
    result = mine(context, eligible, opinions=(other,))
    (told,) = result.second_opinions
    assert (told["asked"], told["trained_on"], told["scored"]) == (2, 1, 2)
    assert "another model" not in suspicions(context, result.selection)["it's/torso_dropped"]["why"]
    again = mine(context, eligible, opener=must_not_open, opinions=(other,))
    assert (again.second_opinions[0]["scored"], again.second_opinions[0]["reused"]) == (0, 2)


def test_what_was_trained_on_is_scored_by_the_folds_version_and_selected_with_the_rest(context, eligible):
    one, two = version(context.workspace, "fold-1"), version(context.workspace, "fold-2")
    folds = ((one, eligible.slice(1, 1)), (two, eligible.slice(2, 2)))
    result = mine(context, eligible.slice(0, 1), folds=folds)
    rows = selected(context)
    assert [row["sample_id"] for row in rows] == ["it's/torso_dropped", "it's/dim", "it's/gap_filled"]
    assert [row["triage"] for row in rows] == ["suspect_label", "hard", "hard"]
    assert rows[0]["scorer_id"] == rows[1]["scorer_id"] != rows[2]["scorer_id"]
    assert (result.scored, result.folds, sum(result.histogram)) == (4, 2, 4)
    assert mine(context, eligible.slice(0, 1), opener=must_not_open, folds=folds).reused == 4
    diverse = RECIPE.model_copy(update={"budget": 2, "diverse": True})
    assert mine(context, eligible.slice(0, 1), diverse, must_not_open, folds=folds).selected == 2


def test_a_version_that_keeps_the_aspect_is_weighed_without_its_bars(context, eligible):
    keeping = version(context.workspace, "kept", resize="keep")
    stretched = mine(context, eligible)
    kept = run(context, RECIPE, keeping, eligible, 0, opener=opener)
    for name, row in suspicions(context, kept.selection).items():
        other = suspicions(context, stretched.selection)[name]
        assert row["label_suspicion"] == pytest.approx(other["label_suspicion"], abs=0.1)


def test_the_sheet_shows_the_worst_with_counts_on_top(context, eligible):
    result = mine(context, eligible)
    assert result.sheet == "reports/run-1/mined.png"
    page = cv2.imread(str(context.workspace.root / result.sheet))[..., ::-1]
    title, caption, tile, gap = 28, 34, 220, 6
    assert page.shape[0] == title + gap + caption + tile + gap  # three cases of four pictures side by side
    assert page.shape[1] == 3 * (4 * 120 + gap) + gap
    orange = (np.abs(page.astype(int) - (240, 150, 0)).sum(axis=2) < 12).sum()
    assert orange > 500  # the torso that the label dropped
    assert mine(context, eligible, RECIPE.model_copy(update={"sheet": 0})).sheet is None


def test_a_case_that_cant_be_drawn_is_passed_over(context, eligible):
    mine(context, eligible)
    for name in ("dim", "torso_dropped"):
        (context.workspace.root / f"{name}_image.png").unlink()
    one = mine(context, eligible, opener=must_not_open)
    assert cv2.imread(str(context.workspace.root / one.sheet)).shape[0] < 2 * 254
    (context.workspace.root / "gap_filled_image.png").unlink()
    assert mine(context, eligible, opener=must_not_open).sheet is None
