"""A row's pixels: read as ingest read them, whoever asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.pixels import read_alpha_of, read_pair
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import PixelError
from segdata.ingest.counts import SourceCounts
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

SMALL = np.zeros((20, 15), np.uint8)
SMALL[10:, 3:12] = 255


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """Photos of 30x40 with masks: one of half the size, one rounded, and one of another aspect."""
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for name, mask in (("half", SMALL), ("rounded", SMALL[:13, :10]), ("other", SMALL[:15])):
        cv2.imwrite(str(tmp_path / "data/images" / f"{name}.png"), np.zeros((40, 30, 3), np.uint8))
        cv2.imwrite(str(tmp_path / "data/masks" / f"{name}.png"), mask)
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")


def ingest(context: RunContext, **settings: Any) -> SourceCounts:
    return run(context, [SourceRecipe(name="mine", reader="folder", root="data", **settings)]).sources["mine"]


def rejects(context: RunContext) -> dict[str, str]:
    return {Path(row["path"]).stem: row["detail"] for row in context.catalog.read("rejects").to_pylist()}


def test_a_smaller_mask_is_rejected_and_told_what_would_take_it(context: RunContext) -> None:
    assert ingest(context).rejected == 3
    assert rejects(context) == {
        "half": 'the image is 30x40, its alpha 15x20, of the same aspect: alpha_fit = "resize" would take it',
        "rounded": 'the image is 30x40, its alpha 10x13, of the same aspect: alpha_fit = "resize" would take it',
        "other": "the image is 30x40, its alpha 15x15",
    }


def test_doing_as_told_takes_it_and_every_reader_gets_it_at_the_photos_size(context: RunContext) -> None:
    ingest(context)
    counts = ingest(context, alpha_fit="resize")
    assert (counts.added, counts.rejected, counts.decoded) == (2, 1, 3)
    row = {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}["mine/images/half"]
    assert (row["alpha_fit"], row["alpha_kind"], row["width"], row["height"]) == ("resize", "hard", 30, 40)
    image, alpha = read_pair(context.workspace, row)
    assert image.shape == (40, 30, 3)
    assert (alpha == cv2.resize(SMALL, (30, 40), interpolation=cv2.INTER_LINEAR)).all()
    assert row["foreground_fraction"] == pytest.approx((alpha >= 128).mean())
    assert ingest(context, alpha_fit="resize").decoded == 0


def test_changing_the_recipe_back_rejects_it_again(context: RunContext) -> None:
    ingest(context, alpha_fit="resize")
    assert ingest(context).rejected == 3
    assert context.catalog.read("samples", where="status = 'present'").num_rows == 0


def test_a_mask_that_changed_its_shape_since_is_named(context: RunContext, tmp_path: Path) -> None:
    ingest(context, alpha_fit="resize")
    row = {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}["mine/images/half"]
    cv2.imwrite(str(tmp_path / "data/masks/half.png"), SMALL[:5])
    with pytest.raises(PixelError, match=r"mine/images/half: .*half\.png: the image is 30x40, its alpha 15x5"):
        read_alpha_of(context.workspace, row)


def test_a_larger_photo_than_usual_is_read_later_too(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(context, alpha_fit="resize")
    row = context.catalog.read("samples").to_pylist()[0]
    monkeypatch.setattr("segdata.catalog.pixels.MAX_PIXELS", 100)
    assert read_pair(context.workspace, row)[0].shape == (40, 30, 3)


def test_max_pixels_of_the_recipe_is_heeded_also_when_it_is_lowered(context: RunContext) -> None:
    ingest(context, alpha_fit="resize")
    ingest(context, alpha_fit="resize", max_pixels=1000)
    assert set(rejects(context).values()) == {"30x40 pixels; at most 1,000 are read"}
