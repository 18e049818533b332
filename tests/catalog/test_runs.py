"""A run that goes on is told from one that was killed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from segdata.catalog.runs import begin, finish, is_going_on
from segdata.catalog.tables import Catalog


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_goes_on_while_its_process_lives() -> None:
    row = {"status": "running", "host": platform.node(), "pid": os.getpid()}
    assert is_going_on(row) is True
    assert is_going_on({**row, "pid": ended_process()}) is False
    assert is_going_on({**row, "status": "done"}) is False
    assert is_going_on({**row, "host": "elsewhere"}) is None


def test_the_journal_says_who_runs_and_how_it_ended(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    run = begin(catalog, "r1", "mine", {"seed": 0}, seed=0)
    row = catalog.read("runs").to_pylist()[0]
    assert is_going_on(row) is True
    assert row["result"] is None
    finish(catalog, run, "failed", {"scored": 3}, "mine: no")
    (row,) = catalog.read("runs").to_pylist()
    assert (row["status"], row["error"], row["result"]) == ("failed", "mine: no", '{"scored": 3}')
    assert is_going_on(row) is False
