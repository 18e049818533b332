"""What all tests share: no reports home, deterministic hypothesis, and workspaces with drawn portraits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from segdata.privacy import keep_quiet
from tests.tiny_network import train_tiny_network

keep_quiet()
os.environ.setdefault("OMP_NUM_THREADS", "2")
for name in ("FIFTYONE_DATABASE_URI", "FIFTYONE_DATABASE_DIR", "FIFTYONE_DATABASE_NAME"):
    os.environ.pop(name, None)  # a database of whoever runs the tests: they have their own
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and so would the commands that they start: those are tested on it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Machines that run tests are shared and slow at times: an example has no deadline, and the same ones come each time.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs beside the checkout; the test is skipped where there is none."""
    if not (SHARED / "data" / "lay_out.py").is_file():
        pytest.skip("no real photographs beside this checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn portraits in the three public layouts. Read only: copy what you change."""
    from segdata.draw.run import DrawCounts
    from segdata.draw.run import run as draw

    folder = tmp_path_factory.mktemp("drawn") / "data"
    draw(folder, DrawCounts(portraits=30, pool=24, backgrounds=10), 0, 2)
    return folder


ENTRY = [sys.executable, "-c", "from segdata.cli.main import entry; entry()"]


@dataclass(frozen=True)
class Answer:
    """What a command said: exit code, the lines for people, and the object for programs where `--json` was given."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        lines = self.out.strip().splitlines()
        assert len(lines) == 1, self.out + self.err
        found = json.loads(lines[0])
        assert isinstance(found, dict)
        return found


def segdata(*arguments: str | Path, cwd: Path) -> Answer:
    """Run a command as a user would: in a process of its own."""
    call = [*ENTRY, *map(str, arguments)]
    done = subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=900, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session", name="segdata")
def _segdata() -> Callable[..., Answer]:
    return segdata


@pytest.fixture(scope="session")
def segdata_entry() -> list[str]:
    """The command line as a list, for tests that kill it."""
    return list(ENTRY)


@pytest.fixture(scope="session")
def ingested(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has ingested the drawn portraits and trains the tiny network.

    Read only: use `workspace` to change one.
    """
    folder = tmp_path_factory.mktemp("ingested") / "ws"
    roots = [f"--{name}={drawn_data / name}" for name in ("portrait2000", "aisegment", "coco")]
    assert segdata("init", folder, "--template", "demo", *roots, cwd=drawn_data).code == 0
    train_tiny_network(folder)
    answer = segdata("ingest", cwd=folder)
    assert answer.code == 0, answer.err
    return folder


@pytest.fixture
def workspace(ingested: Path, tmp_path: Path) -> Path:
    """A workspace of the test's own, with the drawn portraits ingested."""
    shutil.copytree(ingested, tmp_path / "ws")
    return tmp_path / "ws"
