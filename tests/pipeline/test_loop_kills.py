"""The loop, killed at any moment and called again, ends as an undisturbed one: selections, verdicts, weights."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.models import all_models
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.verify import verify_tables
from segdata.catalog.workspace import RunContext, open_workspace

pytestmark = pytest.mark.slow
SETTINGS = (
    "model.spec=tiny",
    "train.epochs=2",
    "train.batch_size=8",
    "train.fusion=online",
    "train.val_fraction=0.3",
    "mine.where=miou < 2",
    "mine.budget=5",
    "mine.triage.suspect_from=1.0",
    "guard.tolerance=1.0",
)


def command_of(entry: Sequence[str], rounds: int) -> list[str]:
    sets = [word for setting in SETTINGS for word in ("--set", setting)]
    return [*entry, "run", "--rounds", str(rounds), "--workers", "1", *sets]


def ended(folder: Path) -> dict[str, Any]:
    """What must be the same: every selection with its cases, every verdict, every version with its weights' hash."""
    catalog = open_workspace(folder).catalog
    columns = ["selection", "sample_id", "image_sha256", "alpha_sha256", "rank", "triage", "weight", "scorer_id"]
    versions = [
        {key: row[key] for key in ("model_id", "name", "parent_model_id", "selection", "promoted", "test_pin")}
        | {key: row["metrics"].get(key) for key in ("arm", "settled", "selected")}
        for row in all_models(catalog)
    ]
    return {
        "selections": sorted(catalog.read("selections", columns).to_pylist(), key=str),
        "verdicts": sorted(catalog.read("verdicts").to_pylist(), key=str),
        "versions": sorted(versions, key=str),
        "splits": sorted(catalog.read("samples", ["sample_id", "split", "status"]).to_pylist(), key=str),
        "unfinished": sorted(path.name for path in (folder / "models" / ".training").glob("*")),
    }


def called(command: Sequence[str], folder: Path, kill_after_seconds: float | None = None) -> bool:
    """Run the loop, and kill it after so long; whether it was killed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, told = process.communicate(timeout=kill_after_seconds or 900)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    assert process.returncode == 0, told.decode()
    return process.returncode == -signal.SIGKILL


def judged(template: Path, folder: Path) -> Path:
    """A copy in which somebody has said that one label of the pool is wrong."""
    shutil.copytree(template, folder)
    catalog = open_workspace(folder).catalog
    row = catalog.read("samples", where="split = 'pool' AND kind = 'portrait'").to_pylist()[0]
    keys = {key: row[key] for key in ("sample_id", "image_sha256", "alpha_sha256")}
    said = {**keys, "verdict": "label_error", "reviewer": "r", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    catalog.append("verdicts", rows_to_table("verdicts", [said]))
    return folder


def survives(template: Path, place: Path, command: Sequence[str], kills: int) -> None:
    straight, killed = judged(template, place / "straight"), judged(template, place / "killed")
    started = time.monotonic()
    called(command, straight)
    whole = time.monotonic() - started
    draw, done = random.Random(1), 0
    for _ in range(4 * kills):
        # what two calls did before they were killed is less than the whole: both are killed at work
        done += called(command, killed, draw.uniform(0.1, 0.45) * whole)
        open_workspace(killed).catalog.read("models")  # can be read at once
        if done == kills:
            break
    assert done >= min(kills, 2), "the loop was through before it could be killed"
    called(command, killed)
    assert ended(killed) == ended(straight)
    assert verify_tables(RunContext(open_workspace(killed), "verify"))[1] == []


@pytest.mark.timeout(1800)
def test_a_loop_killed_twice_ends_as_an_undisturbed_one(
    tiny_template: Path, tmp_path: Path, segdata_entry: list[str]
) -> None:
    survives(tiny_template, tmp_path, command_of(segdata_entry, rounds=1), kills=2)


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_a_loop_killed_twenty_times_ends_as_an_undisturbed_one(
    tiny_template: Path, tmp_path: Path, segdata_entry: list[str]
) -> None:
    survives(tiny_template, tmp_path, command_of(segdata_entry, rounds=3), kills=20)
