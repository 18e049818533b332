"""Ingest: what changed is read again, what vanished is gone, what was mended is no reject any more."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import SourceError
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import IngestOptions, IngestResult, run

SOURCE = SourceRecipe(name="mine", reader="folder", root="data")


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    for number in range(3):
        write(tmp_path, f"{number}", number)
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")


def write(root: Path, name: str, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    mask = np.zeros((40, 30), np.uint8)
    mask[10:, 5:25] = 255
    for folder, pixels in (("images", image), ("masks", mask)):
        (root / "data" / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "data" / folder / f"{name}.png"), pixels)


def ingest(context: RunContext, verify: bool = False) -> IngestResult:
    return run(context, [SOURCE], IngestOptions(verify))


def statuses(context: RunContext) -> dict[str, str]:
    rows = context.catalog.read("samples").to_pylist()
    return {row["sample_id"]: row["status"] for row in rows}


def test_samples_are_measured(context: RunContext) -> None:
    assert ingest(context).sources["mine"].added == 3
    row = context.catalog.read("samples").to_pylist()[0]
    assert row["sample_id"] == "mine/images/0"
    assert (row["width"], row["height"], row["alpha_kind"], row["split"]) == (30, 40, "hard", "train")
    assert row["foreground_fraction"] == pytest.approx(30 * 20 / 1200)
    assert row["image_uri"] == "data/images/0.png"


def test_only_what_changed_is_read_again(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    write(tmp_path, "1", 77)
    found = ingest(context).sources["mine"]
    assert (found.added, found.changed, found.unchanged, found.decoded) == (0, 1, 2, 1)


def test_a_touched_file_is_not_a_changed_one(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    os.utime(tmp_path / "data" / "images" / "1.png", (1, 1))
    found = ingest(context).sources["mine"]
    assert (found.changed, found.unchanged, found.decoded) == (0, 3, 1)


def test_verify_reads_everything(context: RunContext) -> None:
    ingest(context)
    found = ingest(context, verify=True).sources["mine"]
    assert (found.unchanged, found.decoded) == (3, 3)


def test_a_pair_that_vanished_is_gone_and_comes_back(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    image, mask = (tmp_path / "data" / folder / "1.png" for folder in ("images", "masks"))
    kept = image.read_bytes(), mask.read_bytes()
    image.unlink()
    mask.unlink()
    assert ingest(context).sources["mine"].gone == 1
    assert statuses(context)["mine/images/1"] == "gone"
    image.write_bytes(kept[0])
    mask.write_bytes(kept[1])
    ingest(context)
    assert statuses(context)["mine/images/1"] == "present"


def test_a_sample_that_was_damaged_is_rejected_and_mended(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    image = tmp_path / "data" / "images" / "1.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:-200])
    assert ingest(context).rejects == {"unreadable_image": 1}
    assert statuses(context)["mine/images/1"] == "gone"
    assert ingest(context).decoded == 0
    image.write_bytes(whole)
    assert ingest(context).rejects == {}
    assert statuses(context)["mine/images/1"] == "present"


def test_val_stays_val(context: RunContext, tmp_path: Path) -> None:
    ingest(context)
    rows = context.catalog.read("samples")
    moved = [{**row, "split": "val"} for row in rows.to_pylist()]
    context.catalog.merge("samples", rows.from_pylist(moved, schema=rows.schema))
    write(tmp_path, "1", 77)
    ingest(context)
    assert set(context.catalog.read("samples")["split"].to_pylist()) == {"val"}


def test_a_link_that_leaves_the_root_is_unsafe(context: RunContext, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes((tmp_path / "data" / "images" / "0.png").read_bytes())
    (tmp_path / "data" / "images" / "2.png").unlink()
    (tmp_path / "data" / "images" / "2.png").symlink_to(outside)
    assert ingest(context).rejects == {"unsafe_path": 1}


def test_a_root_one_folder_too_high_is_told(context: RunContext, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"lacks images/ and masks/; .*data has them: make that the root"):
        run(context, [SOURCE.model_copy(update={"root": str(tmp_path)})])
