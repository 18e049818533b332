"""`make` says which Debian packages it installs, and why, before it does anything; and it can be told not to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("bash", "mkdir", "touch", "tr", "ls", "head")


def script(path: Path, text: str) -> None:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile, an environment whose programs do nothing, and a Debian of root's without strace and chromium."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    for name in ("python", "ruff", "mypy", "lint-imports"):
        script(tmp_path / ".venv" / "bin" / name, f"echo {name}")
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    for name in PROGRAMS:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    script(tmp_path / "bin" / "id", "echo 0")
    script(tmp_path / "bin" / "python3.11", "exit 0")
    script(tmp_path / "bin" / "apt-get", 'echo "$*" >> "$LOG"')
    return tmp_path


def make(checkout: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """The lines that `make` prints, and the calls of apt-get."""
    log = checkout / "apt.log"
    log.unlink(missing_ok=True)
    environment = {"PATH": str(checkout / "bin"), "LOG": str(log), "HOME": str(checkout)}
    call = [str(shutil.which("make")), "SHELL=bash", *arguments]
    done = subprocess.run(call, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines(), log.read_text().splitlines() if log.exists() else []


def test_make_says_first_what_it_installs_and_why_and_how_to_decline(checkout: Path) -> None:
    lines, calls = make(checkout, "test")
    assert lines[:4] == [
        "These Debian packages are missing, and apt-get is going to install them:",
        "  strace: for the tests that trace network calls, or kill a command at an exact system call",
        "  chromium: for the tests that look at the report in a browser",
        "To decline: Ctrl-C, and make SYSTEM_PACKAGES=no test",
    ]
    assert sorted(calls) == ["install -qq -y chromium", "install -qq -y strace"]
    assert make(checkout, "test")[0][0] == ".venv/bin/ruff format --check"  # what was tried is not tried again


def test_make_installs_no_package_where_it_is_told_not_to(checkout: Path) -> None:
    lines, calls = make(checkout, "SYSTEM_PACKAGES=no", "test")
    assert calls == []
    assert not any("is going to install" in line for line in lines)
    assert [line for line in lines if line.startswith("skipped: strace")] != []


def test_make_installs_only_what_the_target_needs(checkout: Path) -> None:
    assert make(checkout, "check")[1] == []
    lines, calls = make(checkout, "stress")
    assert calls == ["install -qq -y strace"]
    assert not any("chromium" in line for line in lines)


def test_without_root_nothing_is_announced(checkout: Path) -> None:
    script(checkout / "bin" / "id", "echo 1000")
    lines, calls = make(checkout, "stress")
    assert calls == []
    assert not any("is going to install" in line for line in lines)
    assert [line for line in lines if "it takes root: sudo apt-get install strace" in line] != []


def test_the_package_for_virtual_environments_is_announced_too(checkout: Path) -> None:
    (checkout / ".venv" / "pyvenv.cfg").unlink()
    script(checkout / "bin" / "python3.11", '[[ "$*" != *ensurepip* ]]')
    script(checkout / "bin" / "rm", "exit 0")
    lines, calls = make(checkout, "check")
    assert lines[1] == "  python3-venv: to make the virtual environment in .venv"
    assert calls == ["install -qq -y python3-venv"]


def test_help_says_how_to_decline() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    assert "make SYSTEM_PACKAGES=no TARGET" in done.stdout


@pytest.mark.parametrize("goal", ["install", "demo"])
def test_the_database_of_the_app_is_installed_with_the_rest(checkout: Path, goal: str) -> None:
    lines, _ = make(checkout, "--dry-run", goal)
    assert any("FiftyOne came without its mongod; installing" in line for line in lines)
