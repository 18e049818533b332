"""Commands that need no model start light: which modules they load is looked at, not how long it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = {"torch", "torchvision", "timm", "lightning", "albumentations", "openvino", "fiftyone", "numba", "pymatting"}
TABLES = {"deltalake", "duckdb", "pyarrow", "pandas", "pycocotools"}
PICTURES = {"cv2", "matplotlib", "PIL", "sklearn", "scipy"}


def loaded_by(*arguments: str, cwd: Path) -> set[str]:
    """The top-level modules that a command has loaded when it ends."""
    code = """
import json, sys
from segdata.cli.main import entry
try:
    entry()
finally:
    loaded = sorted({name.partition(".")[0] for name in sys.modules if sys.modules[name] is not None})
    sys.stderr.write("\\nloaded " + json.dumps(loaded))
"""
    call = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(call, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.rpartition("\nloaded ")[2]))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], *([group, "--help"] for group in ("ingest", "models", "retrain", "catalog"))],
)
def test_help_loads_no_model_no_tables_and_no_pictures(arguments: list[str], tmp_path: Path) -> None:
    assert loaded_by(*arguments, cwd=tmp_path) & (MODEL | TABLES | PICTURES) == set()


def test_init_loads_no_model_and_no_pictures(tmp_path: Path) -> None:
    assert loaded_by("init", "work", cwd=tmp_path) & (MODEL | PICTURES) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status"], ["query", "SELECT count(*) FROM samples"]),
        *(["catalog", "tables"], ["catalog", "history"], ["models", "list"]),
    ],
)
def test_looking_at_the_catalog_loads_no_model(arguments: list[str], tmp_path: Path) -> None:
    loaded_by("init", ".", cwd=tmp_path)
    assert loaded_by(*arguments, cwd=tmp_path) & (MODEL | PICTURES) == set()
