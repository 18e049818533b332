"""Who may read what the commands write: a new workspace is its owner's alone, and files follow the umask."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.pipeline.init import init
from segdata.storage.files import atomic_write, make_folder_beside
from tests.tiny_network import TINY

SETTINGS = {
    "model.spec": '"tiny"',
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.precision": '"fp32"',
    "train.val_fraction": 0.3,
    "mine.where": '"true"',
    "mine.budget": 3,
    "mine.triage.suspect_from": 1.0,
    "guard.tolerance": 1.0,
    "retrain.max_epochs": 1,
}
ALL_IN_ONE = """
import json, os, sys
from pathlib import Path

os.umask(int(sys.argv[2], 8))
from segdata.cli.main import entry

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["segdata", *arguments]
    try:
        entry()
    except SystemExit as done:
        assert done.code == 0, (arguments, done.code)
    if arguments[0] == "init":
        Path("models/tiny").mkdir()
        Path("models/tiny/model.toml").write_text(%r)
"""


def mode(path: Path) -> int:
    """The permission bits of a file or folder."""
    return stat.S_IMODE(path.lstat().st_mode)


def commands(data: Path) -> list[list[str]]:
    """Calls that write each kind of file."""
    roots = [f"--{name}={data / name}" for name in ("portrait2000", "aisegment", "coco")]
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    photos = str(data / "aisegment" / "clip_img")
    working: list[list[str]] = [
        ["ingest"], ["fuse"], ["train"], ["mine"], ["retrain"], ["report"],
        ["predict", photos, "--out", "predicted", "--limit", "2"],
        ["export", "parquet", "tables"], ["export", "samples", "samples.csv"],
        ["export", "repair", "repair", "--where", "split = 'pool'", "--limit", "2"],
        ["export", "model", "--out", "exported"],
        ["catalog", "maintain", "--keep-days", "0"],
    ]  # fmt: skip
    return [["init", ".", "--template", "demo", *roots], *([*call, *sets, "--workers", "2"] for call in working)]


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o027, pytest.param(0o002, marks=pytest.mark.stress)])
def test_everything_in_a_workspace_follows_the_umask(drawn_data: Path, tmp_path: Path, umask: int) -> None:
    workspace = tmp_path / "ws"
    workspace.mkdir()
    call = [sys.executable, "-c", ALL_IN_ONE % TINY, json.dumps(commands(drawn_data)), f"{umask:o}"]
    done = subprocess.run(call, cwd=workspace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert mode(workspace) == 0o700
    files = [path for path in workspace.rglob("*") if path.is_file()]
    folders = [path for path in workspace.rglob("*") if path.is_dir()]
    assert {".safetensors", ".parquet", ".json", ".png", ".jpg", ".csv", ".html", ".onnx", ".toml", ".md"} <= {
        path.suffix for path in files
    }
    wrong = [(str(path), oct(mode(path))) for path in files if mode(path) != 0o666 & ~umask]
    wrong += [(str(path), oct(mode(path))) for path in folders if mode(path) != 0o777 & ~umask]
    assert wrong == []


@pytest.fixture
def umask_022() -> Any:
    """The usual umask, whatever the tests run with."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_workspace_is_its_owners_alone(tmp_path: Path, umask_022: None) -> None:
    result = init(tmp_path / "deep" / "ws", {})
    assert (mode(tmp_path / "deep" / "ws"), mode(tmp_path / "deep"), result.shared) == (0o700, 0o755, False)
    assert mode(tmp_path / "deep" / "ws" / "models") == 0o755  # who wants to share it opens one folder
    (tmp_path / "empty").mkdir(mode=0o755)
    assert not init(tmp_path / "empty", {}).shared
    assert mode(tmp_path / "empty") == 0o700


def test_a_folder_that_holds_something_keeps_its_mode_and_what_is_made_in_it_is_private(
    tmp_path: Path, umask_022: None, segdata: Callable[..., Any]
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "somebodys").write_text("")
    answer = segdata("init", ".", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert "To keep them out: chmod 700" in answer.out
    assert mode(tmp_path) == 0o755
    made = ("pipelines", "models", "reports", "catalog")
    assert {name: mode(tmp_path / name) for name in made} == dict.fromkeys(made, 0o700)


def test_a_folder_that_is_private_stays_so(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir(mode=0o700)
    (tmp_path / "ws" / "notes.txt").write_text("")
    assert not init(tmp_path / "ws", {}).shared
    assert mode(tmp_path / "ws") == 0o700


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_files_follow_a_umask_that_changes_while_the_process_runs(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "new" / "file", b"")
        folder = make_folder_beside(tmp_path / "version")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "new" / "file"), mode(tmp_path / "new")) == (0o666 & ~umask, 0o777 & ~umask)
    assert mode(folder) == 0o777 & ~umask
