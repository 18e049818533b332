"""Workspaces with drawn portraits and a network so small that trainings take a second or two."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import segdata as package

SETTINGS: dict[str, Any] = {
    "model.spec": "tiny",
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.fusion": "none",
    "train.precision": "fp32",
    "train.val_fraction": 0.3,
    "mine.runtime": "torch",
    "mine.precision": "fp32",
    "mine.where": "true",
    "mine.budget": 5,
    "mine.triage.suspect_from": 1.0,
    "guard.tolerance": 1.0,
}
Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Nets this small only lose by a second thread, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def open_tiny() -> Open:
    """Opens a workspace with the tiny network, and settings laid over the usual ones."""

    def opened(folder: Path, **settings: Any) -> Any:
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        return package.open(folder, settings={**SETTINGS, **dotted}, workers=1)

    return opened


@pytest.fixture(scope="session")
def tiny_template(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn portraits, ingested, and the tiny spec. Read only."""
    folder = tmp_path_factory.mktemp("tiny") / "ws"
    shutil.copytree(ingested, folder)
    return folder


@pytest.fixture(scope="session")
def mined_template(tiny_template: Path, open_tiny: Open, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, trained and mined. Read only."""
    folder = tmp_path_factory.mktemp("tiny-mined") / "ws"
    shutil.copytree(tiny_template, folder)
    workspace = open_tiny(folder)
    workspace.train()
    workspace.mine()
    return folder


@pytest.fixture
def tiny(tiny_template: Path, tmp_path: Path) -> Path:
    """A workspace of the test's own with the tiny spec."""
    shutil.copytree(tiny_template, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def mined(mined_template: Path, tmp_path: Path) -> Path:
    """A workspace of the test's own, trained and mined with the tiny network."""
    shutil.copytree(mined_template, tmp_path / "mined")
    return tmp_path / "mined"
