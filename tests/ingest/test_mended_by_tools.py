"""`ingest --mended` takes what LabelMe, Label Studio and Supervisely return, as a folder and as an archive."""

from __future__ import annotations

import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.catalog.workspace import RunContext
from segdata.errors import SourceError
from segdata.export.repair import run as export_repair
from segdata.imaging.encode import encode_png
from segdata.ingest.mended import take_in_mended
from segdata.ingest.run import run
from tests.ingest.test_mended import (
    IDS,
    NAMES,
    PERSON,
    SIZE,
    SOURCE,
    changed,
    context,
    labels_of,
    reasons,
    worker,
    zipped,
)

__all__ = ["context", "worker"]  # fixtures

HEIGHT, WIDTH = SIZE
LARGER = (slice(4, 38), slice(4, 26))
"""A person that is larger than the old one on each side."""
CORNERS = [[4, 4], [26, 4], [26, 38], [4, 38]]
"""Its corners."""
CORNER_PIXELS = [[4, 4], [25, 4], [25, 37], [4, 37]]
"""The pixels at its corners, which is what Supervisely writes."""


def write_json(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def labelme(folder: Path) -> None:
    """A file for each photo: one mended, one with a chair alone, one without shapes."""
    shapes: list[list[Any]] = [
        [{"label": "person", "shape_type": "polygon", "points": CORNERS}],
        [{"label": "chair", "shape_type": "polygon", "points": CORNERS}],
        [],
    ]
    for name, of_photo in zip(NAMES, shapes, strict=True):
        document = {"imagePath": f"..\\photos\\{name}", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": of_photo}
        write_json(folder / f"{Path(name).stem}.json", document)


def labelstudio(folder: Path) -> None:
    """One list, with names that an upload changed: one task mended, one with a chair, one that was skipped there."""

    def polygon(label: str) -> dict[str, Any]:
        points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in CORNERS]
        value = {"points": points, "polygonlabels": [label]}
        size = {"original_width": WIDTH, "original_height": HEIGHT}
        return {"type": "polygonlabels", **size, "value": value}

    annotations = [
        {"was_cancelled": False, "result": [polygon("person")]},
        {"was_cancelled": False, "result": [polygon("chair")]},
        {"was_cancelled": True, "result": [polygon("person")]},
    ]
    tasks = [
        {"id": number, "data": {"image": f"/data/upload/1/3f2a{number}b4c-{name}"}, "annotations": [annotation]}
        for number, (name, annotation) in enumerate(zip(NAMES, annotations, strict=True))
    ]
    write_json(folder / "export.json", tasks)


def supervisely(folder: Path) -> None:
    """A project: one photo mended, one with a chair, one without objects."""
    write_json(folder / "meta.json", {"classes": [{"title": "person", "shape": "polygon"}]})
    titles = (["person"], ["chair"], [])
    for name, of_photo in zip(NAMES, titles, strict=True):
        objects = [
            {"classTitle": title, "geometryType": "polygon", "points": {"exterior": CORNER_PIXELS, "interior": []}}
            for title in of_photo
        ]
        document = {"size": {"height": HEIGHT, "width": WIDTH}, "tags": [], "objects": objects}
        write_json(folder / "ds0" / "ann" / f"{name}.json", document)


TOOLS = {"labelme": labelme, "labelstudio": labelstudio, "supervisely": supervisely}


@pytest.fixture(params=sorted(TOOLS))
def returned(request: pytest.FixtureRequest, context: RunContext, tmp_path: Path) -> Path:
    """What a tool returns of an export of all three samples."""
    export_repair(context, tmp_path / "out", "folder", None, "true")
    write: Callable[[Path], None] = TOOLS[request.param]
    write(tmp_path / "returned")
    return tmp_path / "returned"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_what_a_tool_returns_mends_one_label_and_leaves_the_others(
    context: RunContext, returned: Path, tmp_path: Path, form: str
) -> None:
    path = returned if form == "folder" else zipped(returned, tmp_path / "returned.zip")
    mended = take_in_mended(context, path)
    assert changed(mended) == [IDS[0]]
    assert set(reasons(mended)) >= {IDS[1], IDS[2]}
    assert any("shapes of 'chair' are no person's" in skip.reason for skip in mended.skipped)
    run(context, [SOURCE])
    labels = labels_of(context)
    expected = np.zeros(SIZE, np.uint8)
    expected[LARGER] = 255
    assert np.array_equal(labels[IDS[0]] > 0, expected > 0)
    old = np.zeros(SIZE, np.uint8)
    old[PERSON] = 255
    assert all(np.array_equal(labels[name], old) for name in IDS[1:])


def test_the_old_format_of_labelme_is_named(context: RunContext, tmp_path: Path) -> None:
    export_repair(context, tmp_path / "out", "folder", None, "true")
    (tmp_path / "returned").mkdir()
    old = "<annotation><filename>1.jpg</filename><object><name>person</name><polygon/></object></annotation>"
    (tmp_path / "returned" / "old.xml").write_text(old)
    with pytest.raises(SourceError, match=r"old\.xml: LabelMe's old XML, which is not read; open it in LabelMe"):
        take_in_mended(context, tmp_path / "returned")
    labelme(tmp_path / "returned")
    mended = take_in_mended(context, tmp_path / "returned")
    assert changed(mended) == [IDS[0]], "the files beside it count"
    assert [skip.entry for skip in mended.skipped if "old XML" in skip.reason] == ["old.xml"]


def test_a_damaged_entry_of_an_archive_costs_itself_alone(context: RunContext, tmp_path: Path) -> None:
    """Its packed bytes are damaged, in the one method whose errors are of a class of their own."""
    export_repair(context, tmp_path / "out", "folder", None, "true")
    label = np.zeros(SIZE, np.uint8)
    label[LARGER] = 255
    data = encode_png(label)
    with zipfile.ZipFile(tmp_path / "returned.zip", "w", zipfile.ZIP_LZMA) as archive:
        for name in NAMES[:2]:
            archive.writestr(f"masks/{name}", data)
        place = archive.getinfo(f"masks/{NAMES[0]}").header_offset
    packed = bytearray((tmp_path / "returned.zip").read_bytes())
    start = place + 30 + len(f"masks/{NAMES[0]}") + 9  # behind the header and LZMA's properties
    packed[start : start + 8] = b"\xff" * 8
    with pytest.raises((lzma.LZMAError, zipfile.BadZipFile)), zipfile.ZipFile(tmp_path / "returned.zip") as archive:
        (tmp_path / "returned.zip").write_bytes(packed)
        archive.read(f"masks/{NAMES[0]}")
    mended = take_in_mended(context, tmp_path / "returned.zip")
    assert changed(mended) == [IDS[1]]
    assert any(NAMES[0] in skip.entry for skip in mended.skipped)
