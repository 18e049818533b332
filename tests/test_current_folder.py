"""A folder of photos may come from a stranger: no file in it is run because a command is called there."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segdata.current_folder import refuse_code_in_current_folder
from segdata.errors import UsageError
from segdata.report.ablation_curves import Line, ablation_picture

SCRIPT = "from segdata.cli.main import entry\nif __name__ == '__main__':\n    entry()\n"
PLANTED = "from pathlib import Path\nPath({!r}).touch()\nraise SystemExit('planted code was run')\n"
CHILDREN = """
import os, sys
from segdata.cli.main import entry

sys.argv = ["segdata", "--version"]
try:
    entry()
except SystemExit:
    pass
import cv2

print(os.environ["LD_LIBRARY_PATH"])
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder with the names of modules in it, whose code leaves a trace."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("multiprocessing", "numpy", "cv2", "torch", "segdata", "yaml", "sitecustomize"):
        (folder / f"{name}.py").write_text(PLANTED.format(str(tmp_path / "planted")))
    return folder


def run(arguments: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script in a folder of its own, as `pip` installs it, called in the stranger's folder."""
    (script := folder.with_name("bin") / "segdata").parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONSAFEPATH", "LD_LIBRARY_PATH")}
    call = [sys.executable, str(script), *arguments]
    return subprocess.run(call, cwd=folder, env=kept | variables, capture_output=True, text=True, check=False)


def test_processes_that_are_spawned_take_no_modules_from_the_current_folder(stranger: Path, tmp_path: Path) -> None:
    counts = [  # enough for two processes
        "--portraits",
        "10",
        "--pool",
        "2",
        "--backgrounds",
        "2",
        "--workers",
        "2",
    ]
    done = run(["draw", str(tmp_path / "data"), *counts], stranger)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("before", [None, "", "/opt/lib", "/opt/lib:", ":/opt/lib"])
def test_no_library_is_taken_from_the_current_folder(before: str | None) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    kept |= {} if before is None else {"LD_LIBRARY_PATH": before}
    told = subprocess.run([sys.executable, "-c", CHILDREN], env=kept, capture_output=True, text=True, check=True)
    entries = told.stdout.splitlines()[-1].split(":")
    assert all(Path(entry).is_absolute() for entry in entries), entries
    assert ("/opt/lib" in entries) == bool(before)


@pytest.mark.parametrize("planted", [".numba_config.yaml", "libz.so.1", "libcuda.so", "x.so.1.2.3", "glibc-hwcaps"])
def test_settings_of_numba_and_libraries_in_the_current_folder_are_refused(
    ingested: Path, stranger: Path, planted: str
) -> None:
    (stranger / planted).write_text("cache_dir: cache\n")
    refused = run(["status", "--workspace", str(ingested), "--json"], stranger)
    assert refused.returncode == 2, refused.stderr
    assert f"{stranger / planted}: " in json.loads(refused.stdout)["error"]["message"]
    assert sorted(path.name for path in stranger.iterdir() if path.suffix != ".py") == [planted]


def test_a_folder_that_can_not_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    refuse_code_in_current_folder()
    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(UsageError, match=r"this folder can't be listed \(Permission denied\)"):
        refuse_code_in_current_folder()


def failing(_folder: Path) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize("arguments", [["doctor"], ["draw", "data"]])
def test_commands_without_a_workspace_refuse_them_too(stranger: Path, arguments: list[str]) -> None:
    (stranger / "libcuda.so.1").touch()
    refused = run(arguments, stranger)
    assert (refused.returncode, "PyTorch may load libraries" in refused.stderr) == (2, True)
    (stranger / "libcuda.so.1").rename(stranger / "notes.so.txt")
    assert run([*arguments, "--help"], stranger).returncode == 0


def test_numba_looks_for_no_settings_once_it_is_imported(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from segdata.compiled import ignore_numba_settings
ignore_numba_settings()
Path(".numba_config.yaml").write_text("opt: 0\\ndisable_jit: 1\\n")
from numba.core import config
config.reload_config()
assert config.DISABLE_JIT == 0, config.DISABLE_JIT
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_figures_are_drawn_in_the_same_style_whatever_the_user_has_set() -> None:
    import matplotlib

    lines = [Line("ce", (((1, 0.8), (2, 0.9)),), (0.90,))]
    expected = ablation_picture(lines, dpi=40)
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30.0}):
        assert ablation_picture(lines, dpi=40) == expected
