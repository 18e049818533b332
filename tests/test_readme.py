"""The README's commands run, in order, as a reader would run them; only smaller."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

SMALL_COUNTS = {"--portraits": "24", "--pool": "16", "--backgrounds": "6"}
# A training that takes seconds, after which the guard's verdict would be chance, and almost every image would be hard:
# half of the pool is left for the commands that follow.
SMALL_SETTINGS = [
    "train.epochs=1",
    "train.batch_size=8",
    "guard.tolerance=1.0",
    "mine.where=\"right(sample_id, 1) IN ('0', '2', '4', '6', '8')\"",
]
WITHOUT_RECIPE = {"init", "draw", "doctor"}


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The lines after a prompt."""
    return [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]


def smaller(line: str) -> list[str]:
    """A segdata command as a list, with counts and trainings cut down to seconds."""
    words = shlex.split(line, comments=True)
    for option, count in SMALL_COUNTS.items():
        if option in words:
            words[words.index(option) + 1] = count
    settings = [] if words[1] in WITHOUT_RECIPE else SMALL_SETTINGS
    return [*words, *(word for setting in settings for word in ("--set", setting))]


@dataclass
class Shell:
    """A shell as far as the README needs one: it knows where it is, and finds `segdata`."""

    home: Path
    here: Path

    def run(self, words: list[str]) -> None:
        """Run one command; it must succeed."""
        if words[0] == "cd":
            self.here = (self.here / words[1]).resolve()
            return
        environment = {**os.environ, "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(words, cwd=self.here, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in an empty folder, in which `segdata` is what is tested and `python` runs it."""
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    script = home / "bin" / "segdata"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from segdata.cli.main import entry; entry()" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return Shell(home, home)


def test_the_readme_has_commands_and_python() -> None:
    assert len(commands(README)) > 10
    assert len(blocks(README, "python")) == 1


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/tutorial.md"])
def test_make_has_the_targets_that_are_named(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = {line.split()[1] for line in commands(text) if line.startswith("make ")}
    named |= set(re.findall(r"`make ([a-z]+)`", text))
    assert named
    for target in sorted(named):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_make_alone_says_what_every_target_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split()) - {"help"}
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^make (\w+) +\w", done.stdout, re.MULTILINE)) == targets


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_order_and_so_does_its_python(shell: Shell) -> None:
    for line in commands(README):
        if not line.startswith("make "):
            shell.run(smaller(line) if line.startswith("segdata ") else shlex.split(line))
    (snippet,) = blocks(README, "python")
    shell.here = shell.home
    shell.run([sys.executable, "-c", snippet])


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
