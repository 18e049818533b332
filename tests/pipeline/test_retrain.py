"""Retraining: the control that says what mining was worth, the last version of a line, and kills in between."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from segdata.errors import GateRefusedError, UsageError
from segdata.pipeline import retrain as retraining
from segdata.pipeline import training
from segdata.pipeline.guard import Comparison, Judgement

Run = Callable[..., Any]
Open = Callable[..., Any]
pytestmark = pytest.mark.slow


class Killed(BaseException):
    """What a test raises for a kill."""


def models_of(workspace: Any) -> list[dict[str, Any]]:
    from segdata.catalog.models import all_models

    return all_models(workspace._session.workspace.catalog)


def trained_on(folder: Path, row: dict[str, Any]) -> set[str]:
    return set(pq.read_table(folder / row["uri"] / "training.parquet")["sample_id"].to_pylist())


def die(*given: Any, **options: Any) -> Any:
    raise Killed


def test_a_control_differs_in_the_images_alone_and_two_seeds_support_no_claim(
    mined: Path, open_tiny: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_tiny(mined)
    splits = {row["sample_id"]: row["split"] for row in workspace.samples().to_pylist()}
    (first,) = models_of(workspace)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(retraining, "prove", die)
        workspace.retrain(control=True, seeds=2)
    # the mined version is promoted by now, and the same command still makes its control, not a follower of it
    said = workspace.retrain(control=True, seeds=2)
    assert (said["parent"], said["reused"]) == (first["model_id"], True)
    assert said["claim"].startswith("No claim: 2 seeds")
    arms = {arm["name"]: arm for arm in said["evidence"]["arms"]}
    assert [len(arms[name]["model_ids"]) for name in ("old", "mined", "control")] == [1, 2, 2]
    assert said["control"]["model_id"] == arms["control"]["model_ids"][0]
    assert said["difference"]["low"] <= said["difference"]["mean"] <= said["difference"]["high"]
    rows = {row["model_id"]: row for row in models_of(workspace)}
    sets = {name: [trained_on(mined, rows[one]) for one in arms[name]["model_ids"]] for name in ("mined", "control")}
    assert sets["mined"][0] == sets["mined"][1]
    chosen = {name for name in sets["mined"][0] if splits[name] == "pool"}
    assert len(chosen) == said["hard"] == 5
    for drawn in sets["control"]:
        assert drawn - {name for name in drawn if splits[name] == "pool"} == sets["mined"][0] - chosen
        assert len(drawn) == len(sets["mined"][0])
    assert sets["control"][0] != sets["control"][1]  # each seed draws anew
    assert {rows[one]["metrics"]["arm"] for one in arms["control"]["model_ids"]} == {"control-0", "control-1"}
    assert [row["promoted"] for row in rows.values() if row["metrics"]["arm"]] == [False] * 3
    assert "random" not in (mined / rows[said["model_id"]]["uri"] / "CARD.md").read_text()
    assert "arm of a comparison" in (mined / rows[arms["control"]["model_ids"][0]]["uri"] / "CARD.md").read_text()

    before = len(models_of(workspace))
    again = workspace.retrain(control=True, seeds=2, model=said["parent"])
    assert len(models_of(workspace)) == before  # nothing is trained twice
    assert (again["evidence"], again["claim"], again["reused"]) == (said["evidence"], said["claim"], True)
    page = (mined / workspace.report()["path"]).read_text()
    assert 'href="#worth"' in page and "Was mining worth it?" in page
    assert "No claim: 2 seeds" in page


def test_the_last_version_is_trained_on_all_that_is_asked_for_and_says_so(mined: Path, open_tiny: Open) -> None:
    workspace = open_tiny(mined)
    samples = [row for row in workspace.samples().to_pylist() if row["kind"] == "portrait"]
    of = {split: {row["sample_id"] for row in samples if row["split"] == split} for split in ("val", "test", "pool")}
    said = workspace.retrain(final="all_data")
    rows = {row["model_id"]: row for row in models_of(workspace)}
    taught = trained_on(mined, rows[said["model_id"]])
    assert of["val"] <= taught and not of["test"] & taught
    assert len(of["pool"] - taught) == said["leaks_removed"] + said["unlicensed"]
    assert said["promoted"] is False and said["metrics"]["miou_image"] is not None
    card = (mined / said["path"] / "CARD.md").read_text()
    assert "Trained on everything but test (--all-data)" in card
    assert "Leakage gate: every sample was held against" in card

    all_of_it = workspace.retrain(final="include_test")
    assert of["test"] <= trained_on(mined, {"uri": all_of_it["path"]})
    assert all_of_it["metrics"] == {"miou_image": None, "miou_dataset": None, "boundary_iou": None}
    card = (mined / all_of_it["path"] / "CARD.md").read_text()
    assert "it can't be evaluated here" in card
    assert "Leakage gate: nothing was held out to check against" in card
    assert workspace.status()["models"][0]["promoted"] is True
    with pytest.raises(UsageError, match="the last of its line"):
        workspace.retrain(model=all_of_it["model_id"])
    with pytest.raises(UsageError, match="trained on held-out samples"):
        from segdata.pipeline.versions import promote_model

        promote_model(workspace._session, all_of_it["model_id"])
    with pytest.raises(UsageError, match="--control needs held-out images"):
        workspace.retrain(control=True, final="all_data")
    assert workspace.train()["reused"] is True  # val is what it was: nobody moved


def test_pretrained_weights_and_all_epochs_are_the_start_where_the_recipe_says_so(mined: Path, open_tiny: Open) -> None:
    workspace = open_tiny(mined, retrain__start="pretrained", retrain__max_epochs=1, train__epochs=2)
    said = workspace.retrain()
    card = (mined / said["path"] / "CARD.md").read_text()
    assert "Starts from: the pretrained weights of its spec" in card
    assert "Follows: tiny-" in card
    assert "epochs: 2" in card


def test_an_experiment_and_the_line_of_versions_do_not_train_the_same_twice_nor_demote_each_other(
    mined: Path, open_tiny: Open
) -> None:
    from segdata.pipeline.ablation import ablate

    workspace = open_tiny(mined, ablation=[{"name": "the recipe itself"}])
    (first,) = models_of(workspace)
    said = ablate(workspace._session).to_json()
    assert said["rows"][0]["model_ids"] == [first["model_id"]]
    assert models_of(workspace) == [first]  # promoted as before, and no arm


def test_a_version_that_the_guard_refuses_is_kept_and_the_one_before_stays_promoted(
    mined: Path, open_tiny: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = Judgement((Comparison("holes", 20, -0.05, -0.06, -0.04, worse=True),))
    monkeypatch.setattr(training, "judge", lambda *given: worse)
    workspace = open_tiny(mined)
    (before,) = models_of(workspace)
    with pytest.raises(GateRefusedError) as refused:
        workspace.retrain()
    result = refused.value.result
    assert (result["promoted"], result["guard"]["refused"]) == (False, True)
    assert (mined / result["path"] / "weights.safetensors").is_file()
    assert {row["model_id"]: row["promoted"] for row in models_of(workspace)} == {
        before["model_id"]: True,
        result["model_id"]: False,
    }
    with pytest.raises(GateRefusedError):  # found again, and refused again
        workspace.retrain()

    looped = open_tiny(mined, sources=[], loop__control=False).run(rounds=2)
    assert (looped["status"], len(looped["rounds"]), looped["rounds"][1]["promoted"]) == ("done", 2, False)
    name = looped["rounds"][1]["name"]
    assert looped["stopped_because"] == (
        f"round 1: the guard refused the new version; segdata models show {name} says why"
    )


@pytest.mark.parametrize("step", ["evaluate", "_settle", "_mark_settled", "discard"])
def test_a_kill_after_the_training_costs_no_training_and_no_promotion(
    tiny: Path, open_tiny: Open, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from segdata.train import run as train_run

    workspace = open_tiny(tiny)
    with monkeypatch.context() as patch:
        if step == "discard":
            patch.setattr(train_run, "discard_state", die)
        else:
            patch.setattr(training, step, die)
        with pytest.raises(Killed):
            workspace.train()
    steps: list[str] = []
    real = train_run.Trainer.train_epoch
    monkeypatch.setattr(
        train_run.Trainer, "train_epoch", lambda self, *given: steps.append("epoch") or real(self, *given)
    )
    said = workspace.train()
    assert steps == []
    (row,) = models_of(workspace)
    assert (row["promoted"], row["metrics"]["settled"], said["promoted"]) == (True, True, True)
    assert "mIoU, mean over images" in (tiny / row["uri"] / "CARD.md").read_text()
    assert "| test |" in (tiny / row["uri"] / "CARD.md").read_text()
    if step != "discard":
        assert not list((tiny / "models" / ".training").glob("*"))


def test_leaks_are_listed_and_refused_where_they_must_not_be(drawn_data: Path, segdata: Run, tmp_path: Path) -> None:
    shutil.copytree(drawn_data, tmp_path / "data")
    test = next((tmp_path / "data" / "portrait2000" / "testing").glob("*_matte.png"))
    for part in (test.name, test.name.replace("_matte", "")):
        shutil.copyfile(test.with_name(part), tmp_path / "data" / "portrait2000" / "training" / f"99{part}")
    folder = tmp_path / "ws"
    segdata("init", folder, f"--portrait2000={tmp_path / 'data' / 'portrait2000'}", cwd=tmp_path)
    assert segdata("ingest", cwd=folder).code == 0
    strict = segdata("train", "--strict-leaks", "--set", "train.fusion=none", "--json", cwd=folder)
    assert strict.code == 5
    (leak,) = strict.json["leaks"]
    assert leak["sample_id"] == f"portrait2000/training/99{test.name.removesuffix('_matte.png')}"
    assert leak["of"] == f"portrait2000/testing/{test.name.removesuffix('_matte.png')}"
    assert strict.json["error"]["kind"] == "GateRefusedError"
    assert "segdata catalog leaks" in strict.err
    assert segdata("train", "--dry-run", "--set", "train.fusion=none", "--json", cwd=folder).json["leaks_removed"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--seeds", "3"), "--seeds goes with --control"), (("--all-data", "--include-test"), "give one of")],
)
def test_options_that_make_no_sense_together_are_told(
    workspace: Path, segdata: Run, options: tuple[str, ...], message: str
) -> None:
    answer = segdata("retrain", *options, "--json", cwd=workspace)
    assert answer.code == 2
    assert message in answer.json["error"]["message"]
