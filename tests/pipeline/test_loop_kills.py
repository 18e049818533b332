"""The loop, killed at any moment and called again, ends as an undisturbed one: selections, verdicts, weights."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
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


# From the photos on: what is ingested and rendered is among what is killed, and no round is the last one too early.
FROM_THE_PHOTOS = (*SETTINGS, "train.fusion=rendered", "loop.gain=-1")


def command_of(entry: Sequence[str], rounds: int, settings: Sequence[str] = SETTINGS) -> list[str]:
    sets = [word for setting in settings for word in ("--set", setting)]
    return [*entry, "run", "--rounds", str(rounds), "--workers", "1", *sets]


def ended(folder: Path) -> dict[str, Any]:
    """What must be the same: every selection with its cases, every verdict, every version with its weights' hash."""
    catalog = open_workspace(folder).catalog
    columns = ["selection", "sample_id", "image_sha256", "alpha_sha256", "rank", "triage", "weight", "scorer_id"]
    samples = ["sample_id", "split", "status", "image_sha256", "alpha_sha256"]
    versions = [
        {key: row[key] for key in ("model_id", "name", "parent_model_id", "selection", "promoted", "test_pin")}
        | {key: row["metrics"].get(key) for key in ("arm", "settled", "selected")}
        for row in all_models(catalog)
    ]
    return {
        "selections": sorted(catalog.read("selections", columns).to_pylist(), key=str),
        "verdicts": sorted(catalog.read("verdicts").to_pylist(), key=str),
        "versions": sorted(versions, key=str),
        "samples": sorted(catalog.read("samples", samples).to_pylist(), key=str),
        "unfinished": sorted(path.name for path in (folder / "models" / ".training").glob("*")),
    }


def files_of(folder: Path) -> set[str]:
    """The paths of all files under a folder, as far as they can be listed while others come and go."""
    return {f"{place}/{name}" for place, _, names in os.walk(folder) for name in names}


def called(command: Sequence[str], folder: Path, kill_at: tuple[float, float] | None = None) -> tuple[bool, int]:
    """Run the loop.

    Args:
        command, folder: what is called, and where.
        kill_at: kill it once it has written so many files, and so many seconds later. Files are counted and not
            seconds, so that a busy machine is killed at the same places as a quiet one.

    Returns:
        Whether it was killed, and how many files it had written.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before, new = files_of(folder), set[str]()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        while process.poll() is None:
            new |= files_of(folder) - before
            if kill_at is not None and len(new) >= kill_at[0]:
                time.sleep(kill_at[1])
                process.kill()
            time.sleep(0.05)
        told.seek(0)
        assert process.returncode in (0, -signal.SIGKILL), told.read().decode()
    return process.returncode == -signal.SIGKILL, len(new)


def judged(template: Path, folder: Path, ingested: bool) -> Path:
    """A copy in which somebody has said that one label of the pool is wrong; else nothing, where it is not ingested."""
    shutil.copytree(template, folder)
    row = open_workspace(template).catalog.read("samples", where="split = 'pool' AND kind = 'portrait'").to_pylist()[0]
    if not ingested:
        shutil.rmtree(folder / "catalog")
    keys = {key: row[key] for key in ("sample_id", "image_sha256", "alpha_sha256")}
    said = {**keys, "verdict": "label_error", "reviewer": "r", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    open_workspace(folder).catalog.append("verdicts", rows_to_table("verdicts", [said]))
    return folder


def survives(straight: Path, killed: Path, command: Sequence[str], kills: int, most: float) -> None:
    """Kill a loop at random places, and hold its end against an undisturbed one's.

    Args:
        straight, killed: two equal workspaces.
        command: the loop.
        kills: how often.
        most: share of all files that a call writes at most until it is killed.
    """
    _, files = called(command, straight)
    end = ended(straight)
    draw, done, at_work = random.Random(1), 0, 0
    for _ in range(4 * kills):
        done += called(command, killed, (draw.uniform(0, most) * files, draw.uniform(0, 1)))[0]
        versions = open_workspace(killed).catalog.read("models")  # can be read at once
        at_work = done if len(versions) < len(end["versions"]) else at_work
        if done == kills:
            break
    print(f"killed {done} times, {at_work} of them before the last of {len(end['versions'])} versions was there")
    assert done == kills
    assert at_work >= kills / 2, "the loop was through before it could be killed"
    called(command, killed)
    assert ended(killed) == end
    assert verify_tables(RunContext(open_workspace(killed), "verify"))[1] == []


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_a_loop_killed_twice_ends_as_an_undisturbed_one(
    tiny_template: Path, tmp_path: Path, segdata_entry: list[str]
) -> None:
    straight, killed = (judged(tiny_template, tmp_path / name, True) for name in ("straight", "killed"))
    survives(straight, killed, command_of(segdata_entry, rounds=1), 2, most=0.5)


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_a_loop_killed_twenty_times_from_its_first_photo_on_ends_as_an_undisturbed_one(
    tiny_template: Path, tmp_path: Path, segdata_entry: list[str]
) -> None:
    straight, killed = (judged(tiny_template, tmp_path / name, False) for name in ("straight", "killed"))
    survives(straight, killed, command_of(segdata_entry, 3, FROM_THE_PHOTOS), 20, most=0.15)
