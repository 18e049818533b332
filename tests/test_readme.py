"""The commands of the README and of the tutorial run, in order, as a reader would run them; only smaller."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from segdata.cli.main import entry
from segdata.errors import DataError
from segdata.review.environment import free_port, require_fiftyone, require_mongod
from tests.tiny_network import write_tiny_spec

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")

SMALL_COUNTS = {"--portraits": "24", "--pool": "16", "--backgrounds": "6", "--seeds": "1"}
# A training that takes seconds, after which the guard's verdict would be chance, and almost every image would be hard:
# half of the pool is left for the commands that follow.
SMALL_SETTINGS = [
    'model.spec="tiny"',
    "train.epochs=1",
    "train.batch_size=8",
    "guard.tolerance=1.0",
    "mine.runtime=torch",  # nothing to compile for each of the versions, nor to hold against fp32
    "mine.precision=fp32",
    "mine.where=\"right(sample_id, 1) IN ('0', '2', '4', '6', '8')\"",
]
WITHOUT_RECIPE = {"init", "draw", "doctor"}
EVERYDAY = ("ingest", "train", "mine", "review", "retrain")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The lines after a prompt."""
    return [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]


def smaller(line: str, archives: Path | None = None) -> list[str]:
    """A command as a list, with counts and trainings cut down to seconds; drawn portraits stand for the archives."""
    words = shlex.split(line, comments=True)
    if words[0] != "segdata":
        return words
    if archives is not None:
        words = [re.sub("^/data/(?i:portrait2000)", str(archives / "portrait2000"), word) for word in words]
        words = [re.sub("^/data/(aisegment|coco)", rf"{archives}/\1", word) for word in words]
    if words[1] == "init" and "--template" not in words:
        words += ["--template", "demo"]
    for option, count in SMALL_COUNTS.items():
        if option in words:
            words[words.index(option) + 1] = count
    settings = [] if words[1] in WITHOUT_RECIPE else SMALL_SETTINGS
    return [*words, *(word for setting in settings for word in ("--set", setting))]


@dataclass
class Shell:
    """A shell as far as the documents need one: it knows where it is, and what `segdata` is."""

    home: Path
    here: Path
    patch: pytest.MonkeyPatch

    def run(self, words: list[str]) -> None:
        """Run one command; it must succeed. segdata runs in this process: another one loads torch for seconds."""
        if words[0] == "cd":
            self.here = (self.here / words[1]).resolve()
            return
        self.patch.chdir(self.here)
        if words[:2] == ["segdata", "review"]:
            opened_and_ended(self.here)
            return
        self.patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as done:
            entry()
        assert done.value.code == 0, shlex.join(words)
        if words[:2] == ["segdata", "init"]:
            write_tiny_spec(self.here / words[2])


def opened_and_ended(workspace: Path) -> None:
    """Open a review, and end it by Ctrl-C once the App is there; only where there is a database for it."""
    if not reviews():
        return
    call = [sys.executable, "-c", "from segdata.cli.main import entry; entry()", "review", "--no-browser", "--json"]
    port = free_port()
    call += ["--port", str(port)]
    with subprocess.Popen(call, cwd=workspace, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        heard = []
        for line in process.stderr:
            heard.append(line)
            if f"http://127.0.0.1:{port}/" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, "".join(heard)


def reviews() -> bool:
    """Whether this machine can review: FiftyOne and its database are there."""
    try:
        require_mongod(require_fiftyone())
    except DataError:
        return False
    return True


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder."""
    return Shell(tmp_path, tmp_path, monkeypatch)


def everyday(text: str) -> list[str]:
    """The words after `segdata` of all its calls."""
    return [line.split()[1] for line in commands(text) if line.startswith("segdata ")]


def test_the_readme_and_the_tutorial_have_the_everyday_commands_and_the_readme_has_python() -> None:
    assert set(EVERYDAY) <= set(everyday(README))
    assert set(EVERYDAY) <= set(everyday(TUTORIAL))
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
def test_the_commands_of_the_readme_run_in_order_and_so_does_its_python(shell: Shell, drawn_data: Path) -> None:
    for line in commands(README):
        if not line.startswith("make ") and line != "segdata review":  # which the tutorial opens: once is enough
            shell.run(smaller(line, drawn_data))
    (snippet,) = blocks(README, "python")
    done = subprocess.run([sys.executable, "-c", snippet], cwd=shell.home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.stress
def test_the_commands_of_the_tutorial_run_in_order(shell: Shell) -> None:
    drawn, _, archives = TUTORIAL.partition("## With the real archives")
    assert "/data/Portrait2000" in archives  # which nobody has here: test_docs.py holds its calls to the commands
    for line in commands(drawn):
        if not line.startswith(("make ", "source ")):
            shell.run(smaller(line))


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
