"""A folder of mended labels from a stranger: what is wrong with it is skipped, and no label changes for it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import SourceError
from segdata.export.repair import run as export_repair
from segdata.imaging.encode import encode_png
from segdata.ingest.annotations import answering, decoding
from segdata.ingest.mended import Mended, take_in_mended
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

SOURCE = SourceRecipe(name="mine", reader="folder", root="data")
SIZE = (40, 30)
NAMES = [f"mine/images/{number}" for number in range(3)]
CRASHES = {"file": "images/mine/images/1.png"}  # which image the process of `open_and_crash` dies of


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """Three samples, whose labels are empty."""
    for number in range(3):
        photo = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        for folder, pixels in (("images", photo), ("masks", np.zeros(SIZE, np.uint8))):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "data" / folder / f"{number}.png"), pixels)
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    run(context, [SOURCE])
    return context


@pytest.fixture
def export(context: RunContext, tmp_path: Path) -> Callable[[str], Path]:
    def _export(kind: str) -> Path:
        export_repair(context, tmp_path / "out", kind, None, "true")
        return tmp_path / "out"

    return _export


def edit_coco(folder: Path, segmentations: dict[int, Any]) -> None:
    file = folder / "annotations.json"
    document = json.loads(file.read_text())
    for number, segmentation in segmentations.items():
        document["annotations"][number]["segmentation"] = segmentation
    file.write_text(json.dumps(document))


def labels_of(context: RunContext) -> set[str]:
    return {row["alpha_uri"] for row in context.catalog.read("samples").to_pylist()}


def reasons(mended: Mended) -> dict[str, str]:
    return dict(mended.skipped)


TRIANGLE = [[2, 2, 20, 2, 20, 30]]


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        (
            [[0, 0, 1e9, 0, 1e9, 1e9]],
            "shape 1 (polygon): a point lies more than one image width or height outside the image",
        ),
        ([[0, 0, float("nan"), 0, 9, 9]], "shape 1 (polygon): a point is not finite"),
        ([*TRIANGLE, [0, 0, 99, 0, 9, 9]], "shape 1 (polygon 2): a point lies more than"),
        ({"size": [40, 30], "counts": [2**63, 2**63, 1200]}, "shape 1 (mask): its runs don't fill its 30x40 pixels"),
        ({"size": [4, 5], "counts": [0, 20]}, "shape 1 (mask): the mask is 5x4, the image 30x40"),
    ],
)
def test_a_shape_that_can_not_be_drawn_is_told_and_the_other_labels_come_in(
    context: RunContext, export: Callable[[str], Path], segmentation: Any, reason: str
) -> None:
    folder = export("coco")
    edit_coco(folder, {0: TRIANGLE, 1: segmentation, 2: TRIANGLE})
    mended = take_in_mended(context, folder)
    assert mended.samples == {"mine": (NAMES[0], NAMES[2])}
    assert list(reasons(mended)) == [NAMES[1]]
    assert reasons(mended)[NAMES[1]].startswith(f"annotations.json: image '{NAMES[1]}.png': {reason}")
    run(context, [SOURCE])
    assert f"{context.workspace.root}/data/masks/1.png".endswith(
        next(uri for uri in labels_of(context) if "files/mended" not in uri)
    )


def open_and_crash(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """`open_folder`, in whose process one image is as bad as pycocotools finds unchecked coordinates."""
    greeting, answer = answering.open_folder(setup)

    def crash_or_answer(request: bytes) -> bytes:
        if answering.decode_request(request)[0].image == CRASHES["file"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        return answer(request)

    return greeting, crash_or_answer


def test_an_entry_that_crashes_the_decoder_is_skipped_and_the_next_is_decoded(
    context: RunContext, export: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export("coco")
    edit_coco(folder, dict.fromkeys(range(3), TRIANGLE))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(decoding, "OPENER", "test_mended:open_and_crash")
    mended = take_in_mended(context, folder)
    assert mended.samples == {"mine": (NAMES[0], NAMES[2])}
    assert mended.skipped == ((NAMES[1], "the process that decodes crashed (SIGSEGV)"),)


def open_to_crash(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Dies while it reads the lists."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return answering.open_folder(setup)


def test_lists_that_crash_the_decoder_change_no_label(
    context: RunContext, export: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export("cvat")
    before = labels_of(context)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(decoding, "OPENER", "test_mended:open_to_crash")
    with pytest.raises(SourceError, match=r"a damaged one \(the process that decodes crashed \(SIGSEGV\)\)"):
        take_in_mended(context, folder)
    assert labels_of(context) == before


def test_an_image_of_another_size_than_its_photo_is_skipped(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("cvat")
    file = folder / "annotations.xml"
    file.write_text(file.read_text().replace('width="30" height="40"', 'width="9999" height="9999"', 1))
    mended = take_in_mended(context, folder)
    assert mended.skipped == (
        (
            NAMES[0],
            f"annotations.xml: image '{NAMES[0]}.png': the mended label is 9999x9999, the photograph 30x40",
        ),
    )
    assert mended.same == 2


def test_an_image_that_the_annotations_lack_is_skipped(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("coco")
    file = folder / "annotations.json"
    file.write_text(file.read_text().replace(f"{NAMES[0]}.png", "another.png"))
    mended = take_in_mended(context, folder)
    assert mended.skipped == (
        (NAMES[0], f"annotations.json: image '{NAMES[0]}.png': the annotations have no such image"),
    )


def test_a_mask_of_another_size_is_not_even_decoded(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("folder")
    masks = sorted((folder / "masks").rglob("*.png"))
    masks[0].write_bytes(encode_png(np.zeros((400, 300), np.uint8)))
    masks[1].write_bytes(encode_png(np.zeros(SIZE[::-1], np.uint8)))
    mended = take_in_mended(context, folder)
    assert reasons(mended) == {
        NAMES[0]: "its mask can't be used: 300x400 pixels; at most 1,200 are read",
        NAMES[1]: "the mended label is 40x30, the photograph 30x40",
    }
    assert mended.same == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_every_encoding(
    context: RunContext, export: Callable[[str], Path], encoding: str
) -> None:
    folder = export("cvat")
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY e "x">]><annotations/>'
    (folder / "annotations.xml").write_bytes(text.encode(encoding))
    with pytest.raises(SourceError, match=r"annotations\.xml: XML with a document type"):
        take_in_mended(context, folder)


@pytest.mark.parametrize("name", ["segdata.json", "annotations.json"])
@pytest.mark.parametrize("data", [b"[" * 200_000, b"{", b"\xff\xfe\xfd", b'{"images": 1}', None])
def test_a_list_that_can_not_be_read_is_a_message(
    context: RunContext, export: Callable[[str], Path], name: str, data: bytes | None
) -> None:
    folder = export("coco")
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(SourceError, match=r"out: no folder that segdata export repair wrote, or a damaged one \(\w"):
        take_in_mended(context, folder)


@pytest.mark.parametrize("name", ["masks/mine/images/1.png", "masks", "segdata.json"])
def test_a_link_out_of_the_folder_is_refused(
    context: RunContext, export: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    folder = export("folder")
    (folder / name).symlink_to((folder / name).rename(tmp_path / "elsewhere"))
    if name == "segdata.json":
        with pytest.raises(SourceError, match=r"segdata\.json leaves its folder"):
            take_in_mended(context, folder)
        return
    refused = (
        {NAMES[1]: "1.png leaves its folder"}
        if "1.png" in name
        else {n: f"{n[-1]}.png leaves its folder" for n in NAMES}
    )
    assert reasons(take_in_mended(context, folder)) == refused
