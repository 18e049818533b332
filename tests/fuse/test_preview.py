"""A preview draws a sheet of composites and leaves the catalog as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import TooFewSamplesError
from segdata.fuse.preview import preview
from segdata.fuse.recipe import FuseRecipe
from segdata.imaging.decode import decode_image
from segdata.imaging.sheet import sheet
from segdata.storage.files import sha256_of


def _row(root: Path, name: str, kind: str) -> dict[str, Any]:
    """A grey picture as a row of samples; of a portrait the label as well."""
    path = root / f"{name}.png"
    cv2.imwrite(str(path), np.full((64, 48, 3), 90, np.uint8))
    row = {
        "sample_id": f"s/{name}", "dataset": "s", "kind": kind, "split": "train" if kind == "portrait" else "none",
        "status": "present", "image_uri": path.name, "image_sha256": sha256_of(path.read_bytes()), "hole_count": 0,
        "height": 64, "width": 48,
    }  # fmt: skip
    if kind == "portrait":
        alpha = np.zeros((64, 48), np.uint8)
        alpha[20:, 10:40] = 255
        cv2.imwrite(str(root / f"{name}_a.png"), alpha)
        row |= {"alpha_uri": f"{name}_a.png", "alpha_sha256": sha256_of((root / f"{name}_a.png").read_bytes())}
    return row


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    rows = [_row(tmp_path, f"p{i}", "portrait") for i in range(5)] + [_row(tmp_path, "b", "background")]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    return RunContext(workspace, run_id="r1")


def _parents(context: RunContext) -> tuple[pa.Table, pa.Table]:
    read = context.catalog.read
    return read("samples", where="kind = 'portrait'"), read("samples", where="kind = 'background'")


def test_a_preview_is_a_sheet_in_the_reports_and_no_row(context: RunContext) -> None:
    version = context.catalog.version("samples")
    result = preview(context, FuseRecipe(ratio=1), *_parents(context), 3)
    assert result.to_json()["preview"] == "reports/r1/composites.jpg"
    assert result.composites == len(result.sample_ids) == 3
    assert decode_image(result.path.read_bytes()).shape == (332, 3 * 246 + 6, 3)
    assert context.catalog.version("samples") == version
    assert not (context.catalog.files / "composites").exists()


def test_what_is_shown_is_spread_over_the_plan(context: RunContext) -> None:
    recipe = FuseRecipe(ratio=1, composites=3)
    result = preview(context, recipe, *_parents(context), 5)
    assert result.portraits == len({name.rpartition("/")[0] for name in result.sample_ids}) == 5


def test_more_than_there_are_shows_all_and_what_cannot_be_read_is_told(context: RunContext) -> None:
    (context.workspace.root / "p1.png").unlink()
    result = preview(context, FuseRecipe(ratio=1), *_parents(context), 12)
    assert result.composites == 4
    assert [one.sample_id for one in result.failed] == ["composite/s/p1/0"]


def test_a_ratio_that_chooses_nobody_is_too_few(context: RunContext) -> None:
    with pytest.raises(TooFewSamplesError, match="raise --ratio"):
        preview(context, FuseRecipe(ratio=0), *_parents(context), 3)


def test_pictures_of_different_widths_stand_in_rows_on_white() -> None:
    pictures = [np.full((10, width, 3), number, np.uint8) for number, width in enumerate((8, 20, 12))]
    page = sheet(pictures)
    assert page.shape[2] == 3
    assert page[6, 6].tolist() == [0, 0, 0]
    assert page[6, 6 + 8 + 6].tolist() == [1, 1, 1]
    assert page[0].min() == 255
    assert sheet([]).shape == (1, 6, 3)
