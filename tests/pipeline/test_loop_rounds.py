"""The loop: it waits for verdicts, passes over rounds that are done, stops when mining no longer helps, and plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.pipeline.loop import _Loop
from segdata.pipeline.recipe import LoopRecipe, Recipe
from segdata.pipeline.rounds import Round

Open = Callable[..., Any]


def judge(workspace: Any, row: dict[str, Any], verdict: str) -> None:
    columns = ("sample_id", "image_sha256", "alpha_sha256")
    said = {"verdict": verdict, "reviewer": "r", "at": datetime.now(UTC) + timedelta(seconds=1)}
    catalog = workspace._session.workspace.catalog
    catalog.append("verdicts", rows_to_table("verdicts", [{key: row[key] for key in columns} | said]))


@pytest.mark.slow
def test_the_loop_waits_for_verdicts_and_then_goes_on_and_verdicts_on_what_is_done_unmake_nothing(
    mined: Path, open_tiny: Open
) -> None:
    workspace = open_tiny(mined, sources=[], loop__control=False)
    waiting = workspace.run(rounds=2, review=True)
    assert waiting["status"] == "done"
    assert len(waiting["rounds"]) == 1
    told = waiting["stopped_because"]
    assert told.startswith("round 1 waits for verdicts: 5 hard cases and 0 suspect labels")
    assert "segdata review --pull" in told
    assert workspace.status()["loop"] == {"run_id": waiting["run_id"], "rounds": 0, "stopped_because": told}

    cases = sorted(workspace.selections().to_pylist(), key=lambda row: row["rank"])
    judge(workspace, cases[0], "label_error")
    on = workspace.run(rounds=2, review=True)
    assert len(on["rounds"]) == 2
    assert on["stopped_because"].startswith("round 2 waits for verdicts")
    selection = [row["sample_id"] for row in workspace.selections().to_pylist()]
    first = on["rounds"][1]["model_id"]

    # what was trained on turns out to be wrong: later rounds leave it out, this one stays as it was made
    judge(workspace, cases[1], "label_error")
    again = workspace.run(rounds=2, review=True)
    assert again["rounds"] == on["rounds"]
    assert [row["sample_id"] for row in workspace.selections().to_pylist()] == selection
    newest = sorted(workspace.selections().to_pylist(), key=lambda row: row["run_id"])[-1]
    judge(workspace, newest, "hard")
    done = workspace.run(rounds=2, review=True)
    assert done["stopped_because"] == "2 rounds done"
    assert [row["model_id"] for row in done["rounds"]][1] == first


@pytest.mark.slow
def test_a_round_is_held_against_its_control_and_found_again(mined: Path, open_tiny: Open) -> None:
    workspace = open_tiny(mined, sources=[])
    said = workspace.run(rounds=1)
    one = said["rounds"][1]
    assert one["control"]["images"] == one["selected"] == 5
    assert one["claim"].startswith("No claim: 1 seed")
    assert said["stopped_because"] == "1 round done"
    again = workspace.run(rounds=1)
    assert again["rounds"] == said["rounds"]
    plan = open_tiny(mined, sources=[])
    plan._session = replace(plan._session, dry_run=True)
    forecast = plan.run(rounds=1)
    assert [step["done"] for step in forecast["plan"]] == [True, True, True]
    assert forecast["estimated_seconds"] == 0
    assert forecast["estimated_by"] == "the newest training of this spec"


@pytest.mark.slow
def test_a_dry_run_plans_every_round_and_measures_a_step_where_nothing_was_trained(tiny: Path, open_tiny: Open) -> None:
    workspace = open_tiny(tiny, sources=[], retrain__seeds=3, train__epochs=4, retrain__max_epochs=2)
    workspace._session = replace(workspace._session, dry_run=True)
    said = workspace.run(rounds=2)
    assert said["rounds"] == []
    assert [step["what"] for step in said["plan"]] == [
        "first training",
        "round 1: mine",
        "round 1: retrain",
        "round 2: mine",
        "round 2: retrain",
    ]
    training, mining, retraining = said["plan"][:3]
    assert (training["epochs"], training["times"]) == (4, 1)
    assert (retraining["epochs"], retraining["times"]) == (2, 6)  # three seeds, mined and control
    assert mining["samples"] == 24
    rate = training["seconds"] / (4 * training["samples"])
    assert retraining["seconds"] == pytest.approx(rate * 2 * 6 * retraining["samples"])
    assert said["estimated_seconds"] == pytest.approx(sum(step["seconds"] for step in said["plan"]), abs=0.1)
    assert "a step measured now" in said["estimated_by"]
    assert workspace.status()["models"] == []


def made(val: float | None, gain: float | None, missing: str | None = None) -> Round:
    judgement = None if gain is None else SimpleNamespace(gain=gain, refused=False)
    trained: Any = SimpleNamespace(judgement=judgement)
    return Round(2, 5, trained, None if val is None else {"val": val}, missing)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (made(0.004, -0.01), None),
        (made(-0.001, 0.02), "round 2: -0.0010 mIoU on val against its control, not more than loop.gain (0.001)"),
        (made(0.001, 0.02), "round 2: +0.0010 mIoU on val against its control, not more than loop.gain (0.001)"),
        (made(None, 0.02), None),
        (
            made(None, 0.0),
            "round 2: +0.0000 mIoU on val against the version before it, not more than loop.gain (0.001)",
        ),
        (made(None, None), None),
    ],
)
def test_the_loop_stops_when_a_round_no_longer_beats_its_control_or_else_the_version_before(
    found: Round, told: str | None
) -> None:
    context: Any = None
    loop = _Loop(context, Recipe(loop=LoopRecipe(gain=0.001)), review=False)
    assert loop._no_longer_helps(found) == told


def test_why_there_was_no_control_is_told_with_the_reason_to_stop() -> None:
    context: Any = None
    told = _Loop(context, Recipe(), review=False)._no_longer_helps(made(None, -0.1, "control: the pool is too small"))
    assert told is not None
    assert told.endswith("the version before it, not more than loop.gain (0); control: the pool is too small")
