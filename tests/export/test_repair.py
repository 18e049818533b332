"""Wrong labels go out as folder, COCO and CVAT, are mended as those programs would, and come back by ingest."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from segdata.catalog.mends import mends_of
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.workspace import open_workspace
from segdata.export.repair import cvat_rle
from segdata.ingest.annotations.cvat import read_cvat
from segdata.ingest.annotations.images import draw_label

Box = tuple[slice, slice]
BOX, WIDER = (slice(10, 60), slice(20, 90)), (slice(5, 70), slice(10, 100))
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def judge(root: Path, sample: dict[str, Any]) -> None:
    key = {name: sample[name] for name in ("sample_id", "image_sha256", "alpha_sha256")}
    row = {**key, "verdict": "label_error", "reviewer": "kim", "at": NINE}
    open_workspace(root).catalog.append("verdicts", rows_to_table("verdicts", [row]))


def samples(root: Path, where: str = "split = 'pool'") -> list[dict[str, Any]]:
    return list(open_workspace(root).catalog.read("samples", where=where).to_pylist())


def mend_folder(folder: Path, line: dict[str, Any], box: Box = BOX) -> None:
    mask = cv2.imread(str(folder / line["mask"]), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    mask[box] = 255
    cv2.imwrite(str(folder / line["mask"]), mask)


def mend_coco(folder: Path, line: dict[str, Any], box: Box = BOX) -> None:
    document = json.loads((folder / "annotations.json").read_text())
    (annotation,) = document["annotations"]
    mask = coco.decode(annotation["segmentation"])
    mask[box] = 1
    rle = coco.encode(np.asfortranarray(mask))
    annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
    (folder / "annotations.json").write_text(json.dumps(document))


def mend_cvat(folder: Path, line: dict[str, Any], box: Box = BOX) -> None:
    tree = Xml.parse(folder / "annotations.xml")
    image = tree.getroot().find("image")
    assert image is not None
    points = f"{box[1].start},{box[0].start};{box[1].stop - 1},{box[0].start};"
    points += f"{box[1].stop - 1},{box[0].stop - 1};{box[1].start},{box[0].stop - 1}"
    Xml.SubElement(image, "polygon", {"label": "person", "points": points})
    tree.write(folder / "annotations.xml")


@pytest.mark.parametrize(("kind", "mend"), [("folder", mend_folder), ("coco", mend_coco), ("cvat", mend_cvat)])
def test_a_wrong_label_goes_out_is_mended_and_comes_back(
    workspace: Path, segdata: Any, tmp_path: Path, kind: str, mend: Callable[..., None]
) -> None:
    wrong = samples(workspace)[0]
    before = read_alpha_of(open_workspace(workspace), wrong)
    judge(workspace, wrong)
    folder = tmp_path / "wrong"
    answer = segdata("export", "repair", folder, "--format", kind, "--json", cwd=workspace)
    assert answer.json["samples"] == 1, answer.err
    same = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert same.json["mended"] == {"changed": [], "same": 1, "skipped": []}, "as it went out"
    (line,) = json.loads((folder / "segdata.json").read_text())["samples"]
    mend(folder, line)
    mended = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert mended.json["mended"]["changed"] == [wrong["sample_id"]], mended.err
    after = next(row for row in samples(workspace) if row["sample_id"] == wrong["sample_id"])
    expected = before.copy() if kind == "folder" else np.where(before >= 128, 255, 0).astype(np.uint8)
    expected[BOX] = 255
    assert np.array_equal(read_alpha_of(open_workspace(workspace), after), expected)
    assert after["image_sha256"] == wrong["image_sha256"] and after["alpha_sha256"] != wrong["alpha_sha256"]
    again = segdata("ingest", "aisegment", "--json", cwd=workspace)
    assert again.json["sources"]["aisegment"]["changed"] == 0, "the source does not take the mended label back"
    twice = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert twice.json["mended"] == {"changed": [], "same": 1, "skipped": []}, "twice is the same as once"
    mend(folder, line, WIDER)
    stale = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert "has changed since it was exported" in stale.json["mended"]["skipped"][0]["reason"]
    assert mends_of(open_workspace(workspace).catalog)[wrong["sample_id"]].replaces == wrong["alpha_sha256"]


def test_a_damaged_folder_and_a_path_that_leaves_it_are_refused(workspace: Path, segdata: Any, tmp_path: Path) -> None:
    assert segdata("ingest", "--mended", tmp_path, cwd=workspace).code == 3
    folder = tmp_path / "wrong"
    assert segdata("export", "repair", folder, "--where", "split = 'pool'", "--limit", "1", cwd=workspace).code == 0
    manifest = json.loads((folder / "segdata.json").read_text())
    manifest["samples"][0]["mask"] = "../../../etc/passwd"
    (folder / "segdata.json").write_text(json.dumps(manifest))
    answer = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert "leaves its folder" in answer.json["mended"]["skipped"][0]["reason"], answer.err


def test_nothing_to_repair_says_so(workspace: Path, segdata: Any, tmp_path: Path) -> None:
    answer = segdata("export", "repair", tmp_path / "wrong", cwd=workspace)
    assert answer.code == 4 and "no sample is judged label_error" in answer.err


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**49 - 1))
def test_any_mask_is_the_same_after_cvats_runs(height: int, width: int, bits: int) -> None:
    mask = np.array([bits >> place & 1 for place in range(height * width)], bool).reshape(height, width)
    if mask.any():
        attributes = " ".join(f'{name}="{value}"' for name, value in cvat_rle(mask).items())
        (image,) = read_cvat(
            f'<a><image name="i" width="{width}" height="{height}"><mask {attributes}/></image></a>'.encode()
        ).values()
        assert np.array_equal(draw_label(image, (height, width)) > 0, mask)
