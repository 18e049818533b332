"""Status says what waits for somebody: suspect labels without a verdict, hard cases, and a loop that stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.cli.showing import show_run, show_trained
from segdata.pipeline.forecast import Forecast, Step

Open = Callable[..., Any]


@pytest.mark.slow
def test_suspect_labels_are_to_be_reviewed_until_each_has_a_verdict(mined: Path, open_tiny: Open) -> None:
    workspace = open_tiny(mined)
    catalog = workspace._session.workspace.catalog
    rows = workspace.selections().to_pylist()
    suspects = [{**row, "triage": "suspect_label"} for row in rows[:2]]
    catalog.merge("selections", rows_to_table("selections", suspects))
    hard, next_ = len(rows) - 2, [line.partition("   # ") for line in workspace.status()["next"]]
    assert [(command, why) for command, _, why in next_[:2]] == [
        ("segdata review", "2 suspect labels wait for a verdict"),
        ("segdata retrain", f"{hard} hard cases wait"),
    ]
    keys = ("sample_id", "image_sha256", "alpha_sha256")
    for row, verdict in zip(suspects, ("drop", None), strict=True):  # a note alone is no verdict
        said = {key: row[key] for key in keys} | {"verdict": verdict, "reviewer": "r", "at": datetime.now(UTC)}
        catalog.append("verdicts", rows_to_table("verdicts", [said]))
    assert workspace.status()["next"][0].endswith("1 suspect labels wait for a verdict")
    assert [row["suspect_label"] for row in workspace.status()["selections"]] == [2]
    assert workspace.status()["loop"] is None


@pytest.mark.slow
def test_after_a_retraining_the_new_version_has_to_mine_first(mined: Path, open_tiny: Open) -> None:
    workspace = open_tiny(mined)
    assert workspace.status()["next"][0].startswith("segdata retrain ")
    name = Path(workspace.retrain()["path"]).name
    assert workspace.status()["next"][0] == f"segdata mine   # {name} has not looked at the pool yet"
    workspace.mine()
    assert workspace.status()["next"][0].startswith("segdata retrain ")


def test_a_plan_says_that_it_waits_and_what_a_retraining_would_be_of(capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"plan": [], "estimated_seconds": 120.0, "estimated_by": "a step", "assumed_hard_share": 0.1}
    show_run({**plan, "review": True})
    assert "waits until somebody has given a verdict" in capsys.readouterr().out
    show_run({**plan, "review": False})
    assert "verdict" not in capsys.readouterr().out
    counts = {"training_samples": 40, "leaks_removed": 2, "unlicensed": 0, "capped": 3, "hard": 10}
    show_trained(counts)
    told = capsys.readouterr().out
    assert "40 samples would be trained on, 10 of them mined; 2 leaks and 0 of other licences left out." in told
    assert "3 hard cases are one too many for retrain.hard_share" in told


def test_of_an_empty_catalog_no_time_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    empty = Forecast((Step("first training", 0, 6, 1, 0.0),), "a step", 0.1).to_json()
    assert empty["estimated_seconds"] is None
    show_run({**empty, "review": False})
    told = capsys.readouterr().out
    assert "run segdata ingest, and ask again" in told
    assert "first training" in told and "About" not in told
    assert Forecast((Step("first training", 9, 6, 1, 30.0),), "a step", 0.1).to_json()["estimated_seconds"] == 30.0


@pytest.mark.slow
def test_labels_that_the_recipe_reads_in_another_way_are_scored_anew(mined: Path, open_tiny: Open) -> None:
    assert open_tiny(mined).mine()["scored"] == 0
    recipe = mined / "pipelines" / "portrait.toml"
    text = recipe.read_text()
    assert text.count('name = "aisegment"\n') == 1
    recipe.write_text(text.replace('name = "aisegment"\n', 'name = "aisegment"\nalpha_invert = true\n'))
    workspace = open_tiny(mined)
    changed = workspace.ingest()["sources"]["aisegment"]["changed"]
    assert changed > 0
    assert workspace.mine()["scored"] == changed
