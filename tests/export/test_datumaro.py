"""Exports for repair go through Datumaro's reader and writer, and every label comes back unchanged."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.export.repair import run as export_repair
from segdata.ingest.mended import take_in_mended
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

pytestmark = pytest.mark.stress

CONVERT = """
import sys
from datumaro.components.dataset import Dataset
source, kind, target, wanted = sys.argv[1:]
Dataset.import_from(source, kind).export(target, wanted, save_media=True)
"""


@pytest.fixture(scope="session")
def datumaro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with Datumaro, in an environment of its own: it needs other versions of packages than segdata."""
    folder = tmp_path_factory.mktemp("datumaro")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "datumaro>=1.10,<2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Datumaro can't be installed here: {done.stderr.strip()[-200:]}")
    return python


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """Four samples; a label with a hole, one of two parts, one of odd pixels."""
    rows, columns = np.mgrid[:60, :50]
    disc = (rows - 30) ** 2 + (columns - 25) ** 2 < 20**2
    hole = disc & ((rows - 30) ** 2 + (columns - 25) ** 2 > 6**2)
    labels = [disc, hole, hole | (rows < 4), disc ^ (np.random.default_rng(0).random((60, 50)) < 0.1)]
    for number, label in enumerate(labels):
        photo = np.random.default_rng(number).integers(0, 255, (60, 50, 3), dtype=np.uint8)
        for folder, pixels in (("images", photo), ("masks", label.astype(np.uint8) * 255)):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "data" / folder / f"{number}.png"), pixels)
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    run(context, [SourceRecipe(name="mine", reader="folder", root="data")])
    return context


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("coco", "coco_instances"),
        ("coco", "coco"),
        ("coco", "cvat"),  # with the bounding box of each mask beside it
        ("coco", "voc_segmentation"),
        ("cvat", "coco_instances"),
        ("cvat", "coco"),
        ("cvat", "cvat"),
        ("cvat", "voc_segmentation"),
    ],
)
def test_every_label_returns_from_datumaro_unchanged(
    datumaro: Path, context: RunContext, tmp_path: Path, kind: str, wanted: str
) -> None:
    export_repair(context, tmp_path / "out", kind, None, "true")
    target = tmp_path / "converted"
    command = [str(datumaro), "-c", CONVERT, str(tmp_path / "out"), kind, str(target), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    mended = take_in_mended(context, target)
    assert (mended.same, mended.changed, mended.held_back, mended.skipped) == (4, (), (), ())
