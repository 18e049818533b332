"""The floors of the house: imports point down. The rules are in pyproject.toml; here they are applied, and tried."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """What `make check` runs, on the package in a folder."""
    code = "from importlinter.cli import lint_imports_command as main; main(['--no-cache', '--no-logo'])"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package that may be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "segdata", tmp_path / "segdata", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_imports_point_down() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        (
            "metrics/new.py",
            "import segdata.catalog.schemas",
            "segdata.metrics is not allowed to import segdata.catalog",
        ),
        ("mine/new.py", "import segdata.fuse.recipe", "segdata.mine is not allowed to import segdata.fuse"),
        ("utils.py", "import json", "segdata.utils"),
        ("report/new.py", "import fiftyone", "segdata.report.new -> fiftyone"),
        ("train/new.py", "import typer", "segdata.train.new -> typer"),
        ("mine/new.py", "import deltalake", "segdata.mine.new -> deltalake"),
    ],
)
def test_a_module_that_breaks_a_rule_is_named(copy: Path, module: str, line: str, broken: str) -> None:
    (copy / "segdata" / module).write_text(f"{line}\n")
    done = lint_imports(copy)
    assert done.returncode == 1
    assert broken in done.stdout + done.stderr
