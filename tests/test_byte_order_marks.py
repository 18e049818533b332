"""Every text file that a person or a tool hands to segdata may begin with a byte-order mark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.catalog.forgotten import _read_key
from segdata.inference.model_folder import read_spec
from segdata.ingest.annotations.coco import read_coco
from segdata.ingest.annotations.cvat import read_cvat
from segdata.ingest.annotations.manifest import parse_manifest
from segdata.ingest.coco import read as read_coco_source
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.voc import read as read_voc
from segdata.pipeline.recipe import load_recipe
from segdata.records import REPAIR_FORMAT, Candidate
from segdata.review.files import FORMAT, read_verdicts

Encode = Callable[[str], bytes]
ENCODINGS: dict[str, Encode] = {
    "no mark": lambda text: text.encode(),
    "UTF-8": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
}


@pytest.fixture(params=ENCODINGS)
def encode(request: pytest.FixtureRequest) -> Encode:
    return ENCODINGS[request.param]


def test_a_recipe(encode: Encode, tmp_path: Path) -> None:
    path = tmp_path / "portrait.toml"
    path.write_bytes(encode("seed = 7\r\n[train]\r\nepochs = 3\r\n"))
    recipe = load_recipe(path, "portrait.toml")
    assert (recipe.seed, recipe.train.epochs) == (7, 3)


def test_the_description_of_a_model(encode: Encode, tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "models" / "bisenet_lite0" / "model.toml"
    (tmp_path / "model.toml").write_bytes(encode(shipped.read_text()))
    assert read_spec(tmp_path) == read_spec(shipped.parent)


def test_the_lists_of_voc(encode: Encode, tmp_path: Path) -> None:
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "JPEGImages" / f"{name}.jpg"), np.zeros((4, 3, 3), np.uint8))
        cv2.imwrite(str(tmp_path / "SegmentationClass" / f"{name}.png"), np.zeros((4, 3), np.uint8))
    (tmp_path / "ImageSets/Segmentation/val.txt").write_bytes(encode("a\r\nb\r\n"))
    found = list(read_voc(tmp_path.resolve(), SourceRecipe(name="voc", root=str(tmp_path))))
    assert [(one.path, one.split) for one in found if isinstance(one, Candidate)] == [
        ("JPEGImages/a.jpg", "test"),
        ("JPEGImages/b.jpg", "test"),
    ]


def test_the_annotations_of_a_source(encode: Encode, tmp_path: Path) -> None:
    for folder in ("annotations", "val"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "val" / "1.jpg"), np.zeros((4, 3, 3), np.uint8))
    bench = {"id": 1, "name": "bench", "supercategory": "outdoor"}
    document = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 1}],
        "categories": [bench],
    }
    (tmp_path / "annotations" / "instances_val.json").write_bytes(encode(json.dumps(document)))
    found = list(read_coco_source(tmp_path.resolve(), SourceRecipe(name="coco", root=str(tmp_path))))
    assert [one.path for one in found if isinstance(one, Candidate)] == ["val/1.jpg"]


def test_annotations_that_come_back(encode: Encode) -> None:
    image = {"id": 1, "file_name": "é.jpg", "width": 4, "height": 3}
    assert set(read_coco(encode(json.dumps({"images": [image], "annotations": []}, ensure_ascii=False)))) == {"é.jpg"}
    xml = '<annotations><image id="0" name="é.jpg" width="4" height="3"/></annotations>'
    assert set(read_cvat(encode(xml))) == {"é.jpg"}
    assert parse_manifest(encode(json.dumps({"format": REPAIR_FORMAT, "as": "folder", "samples": []}))).lines == ()


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_verdicts(encode: Encode, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"verdicts{suffix}"
    row = {"sample_id": "a/é", "verdict": "drop", "at": "2026-01-02T03:04:05+00:00"}
    text = json.dumps({"format": FORMAT, "verdicts": [row]}, ensure_ascii=False)
    if suffix == ".csv":
        text = f"{','.join(row)}\r\n{','.join(row.values())}\r\n"
    path.write_bytes(encode(text))
    assert [(one.sample_id, one.verdict) for one in read_verdicts(path, "kim", ()).judgements] == [("a/é", "drop")]


def test_a_key_that_was_restored_by_hand(encode: Encode, tmp_path: Path) -> None:
    path = tmp_path / "forgotten.key"
    path.write_bytes(encode("0123456789abcdef" * 4 + "\r\n"))
    assert _read_key(path) == bytes.fromhex("0123456789abcdef" * 4)
