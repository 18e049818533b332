"""The recipes of docs/formats.md for published data sets read them as they are published."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.imaging.decode import decode_alpha
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="an installed copy has no docs")
PERSON = np.zeros((40, 30), bool)
PERSON[10:, 5:25] = True
FACE = np.zeros((40, 30), bool)
FACE[12:20, 10:20] = True


def sources() -> dict[str, dict[str, Any]]:
    blocks = re.findall(
        r"^```toml\n(\[\[sources\]\].*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return {one["name"]: one for block in blocks for one in tomllib.loads(block)["sources"]}


def soft_matte(path: Path) -> None:
    matte = PERSON.astype(np.uint8) * 255
    matte[10, 5:25] = 200
    cv2.imwrite(str(path), matte)


def parts(last: int) -> Any:
    """A label map in which the body is 1 and the face is made of all further classes."""

    def write(path: Path) -> None:
        classes = PERSON.astype(np.uint8)
        classes[FACE] = np.resize(np.arange(2, last + 1, dtype=np.uint8), int(FACE.sum()))
        cv2.imwrite(str(path), classes)

    return write


def palette(path: Path) -> None:
    picture = Image.fromarray(PERSON.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 128, 0, 0])
    picture.save(path)


LAYOUTS: dict[str, tuple[list[tuple[str, str]], Any, str]] = {
    "ppm100": ([("image/1_o.jpg", "matte/1_o.jpg")], soft_matte, "test"),
    "easyportrait": (
        [(f"images/{part}/a.jpg", f"annotations/{part}/a.png") for part in ("train", "val", "test")],
        parts(8),
        "train",
    ),
    "humanseg14k": ([("images/v1_0001.jpg", "annotations/v1_0001.png")], palette, "train"),
    "lip-train": (
        [("TrainVal_images/train_images/1_2.jpg", "TrainVal_parsing_annotations/train_segmentations/1_2.png")],
        parts(19),
        "train",
    ),
    "lip-val": (
        [("TrainVal_images/val_images/1_2.jpg", "TrainVal_parsing_annotations/val_segmentations/1_2.png")],
        parts(19),
        "test",
    ),
}


def test_every_recipe_of_the_page_is_tested_here() -> None:
    assert sources().keys() == LAYOUTS.keys()


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_recipe_of_a_published_data_set_reads_its_people(name: str, tmp_path: Path) -> None:
    pairs, write_mask, split = LAYOUTS[name]
    source = sources()[name]
    root = tmp_path / source["root"]
    for seed, (photo, mask) in enumerate(pairs):
        for path in (root / photo, root / mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        cv2.imwrite(str(root / photo), pixels)
        write_mask(root / mask)
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    counts = run(RunContext(workspace, "run"), [SourceRecipe.model_validate(source)]).sources[name]
    assert (counts.added, counts.rejected, counts.filtered) == (len(pairs), 0, {})
    for row in workspace.catalog.read("samples").to_pylist():
        data = workspace.resolve(row["alpha_uri"]).read_bytes()
        alpha = decode_alpha(data, row["alpha_channel"], index=row["alpha_index"])
        assert np.array_equal(alpha >= 128, PERSON)
        assert (row["kind"], row["split"]) == ("portrait", split)


def test_every_class_but_the_background_is_the_person_and_255_is_ignored() -> None:
    classes = np.array([[0, 0, 0, 255, 7, 1, 19, 254]], np.uint8)
    _, data = cv2.imencode(".png", classes)
    source = SourceRecipe.model_validate({"name": "x", "reader": "folder", "root": "x", "alpha_index": "all"})
    assert decode_alpha(data.tobytes(), None, index=source.alpha_index).tolist() == [[0, 0, 0, 0, 255, 255, 255, 255]]
