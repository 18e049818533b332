"""Exit code 0 means done: commands that only read never die on their way out, however often they are called."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

READS = [
    ["status"],
    ["query", "SELECT dataset, count(*) FROM samples LEFT JOIN scores USING (sample_id) GROUP BY ALL"],
    ["query", "SELECT count(*) FROM samples", "--as-of", "1", "--json"],
    ["catalog", "tables"],
    ["catalog", "history"],
    ["catalog", "verify"],
    ["catalog", "duplicates"],
    ["catalog", "leaks", "--json"],
    ["catalog", "export", "parquet", "tables"],
    ["export", "samples", "samples.csv"],
    ["--help"],
]

ALL_IN_ONE = """
import json, sys
from segdata.cli.main import entry

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["segdata", *arguments]
    try:
        entry()
    except SystemExit as done:
        assert done.code == 0, (arguments, done.code)
"""


def test_a_process_that_read_everything_ends_well(workspace: Path) -> None:
    for _ in range(3):
        call = [sys.executable, "-c", ALL_IN_ONE, json.dumps(READS)]
        done = subprocess.run(call, cwd=workspace, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("arguments", READS, ids=lambda words: "-".join(words[:2]).partition(" ")[0])
def test_fifty_calls_end_with_0(arguments: list[str], workspace: Path, segdata: Run) -> None:
    answers = [segdata(*arguments, cwd=workspace) for _ in range(50)]
    assert [(answer.code, answer.err) for answer in answers if answer.code] == []
