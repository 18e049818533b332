"""Without backgrounds, a test split or a pool, commands say what that costs and what to do, and go on if they can."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.draw.run import DrawCounts
from segdata.draw.run import run as draw
from segdata.errors import TooFewSamplesError
from segdata.pipeline.gaps import find_gaps
from segdata.pipeline.init import OwnFolders, init
from segdata.pipeline.status import next_commands
from tests.tiny_network import write_tiny_spec

Open = Callable[..., Any]


def remove(workspace: Any, where: str) -> None:
    catalog = workspace._session.workspace.catalog
    rows = [{**row, "status": "gone"} for row in catalog.read("samples", where=where).to_pylist()]
    catalog.merge("samples", rows_to_table("samples", rows))


@pytest.mark.parametrize("fusion", ["online", "rendered"])
def test_a_training_without_backgrounds_warns_and_does_without_fusion(
    fusion: str, tiny: Path, open_tiny: Open, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = open_tiny(tiny, train__fusion=fusion)
    remove(workspace, "kind = 'background'")
    with caplog.at_level(logging.WARNING):
        trained = workspace.train()
    assert trained["promoted"]
    assert "train: no backgrounds: segdata trains without fusion" in caplog.text
    assert "no test split" not in caplog.text
    assert workspace.train()["reused"]


def test_one_folder_alone_is_trained_on_and_every_command_says_what_is_missing(
    tiny: Path, open_tiny: Open, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = open_tiny(tiny)
    catalog = workspace._session.workspace.catalog
    assert find_gaps(catalog) == workspace.status()["missing"] == []
    remove(workspace, "split IN ('test', 'pool') OR kind = 'background'")
    before = {gap["what"]: gap for gap in workspace.status()["missing"]}
    assert list(before) == ["backgrounds", "test", "pool"]
    assert before["test"]["remedy"].startswith('Before the first training, give a source split = "test"')
    with caplog.at_level(logging.WARNING):
        trained = workspace.train()
    assert trained["metrics"]["miou_image"] is None and trained["val"]["miou_image"] is not None
    assert "train: no test split: versions are compared on val" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING), pytest.raises(TooFewSamplesError, match="segdata mine --folds 3"):
        workspace.mine()
    assert "mine: no pool: there is nothing to mine" in caplog.text and "mine: no test split" in caplog.text
    found = workspace.status()
    assert [line.partition("   # ")[0] for line in found["next"]] == ["segdata mine --folds 3", "segdata report"]
    (test,) = [gap for gap in found["missing"] if gap["what"] == "test"]
    assert test["remedy"] == "The first version fixes the test split: to have one, begin a new workspace"


def test_the_loop_over_one_folder_ends_with_a_report(tmp_path: Path, tiny: Path, open_tiny: Open) -> None:
    folder = tmp_path / "own"
    draw(folder, DrawCounts(portraits=12, pool=0, backgrounds=0), 0, 1)
    photos = folder / "portrait2000" / "training"
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for mask in photos.glob("*_matte.png"):
        mask.rename(folder / "masks" / mask.name.replace("_matte", ""))
    for photo in photos.glob("*.*"):
        photo.rename(folder / "images" / photo.name)
    shutil.rmtree(tiny)
    init(tiny, {}, "demo", OwnFolders(str(folder / "images"), str(folder / "masks")))
    write_tiny_spec(tiny)
    told = open_tiny(tiny, train__fusion="online").run()
    assert told["stopped_because"].startswith("mine: no samples to score")
    assert [made["promoted"] for made in told["rounds"]] == [True]
    assert (tiny / told["path"]).is_file()


def test_an_empty_catalog_lacks_nothing_yet(open_tiny: Open, tiny: Path) -> None:
    workspace = open_tiny(tiny)
    remove(workspace, "true")
    assert workspace.status()["missing"] == []
    assert next_commands(workspace._session.workspace.catalog, workspace.status(), "none")[0].startswith(
        "segdata ingest"
    )
