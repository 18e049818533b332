"""Wrong labels go out as folder, COCO and CVAT, are mended as those programs would, and come back by ingest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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

from segdata import records
from segdata.catalog.mends import mends_of
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.repairs import exports_of, file_name_of
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace, open_workspace
from segdata.errors import StorageError
from segdata.export.repair import run
from segdata.export.repair_lists import cvat_rle
from segdata.ingest.annotations.cvat import read_cvat
from segdata.ingest.annotations.images import draw_label
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run as ingest
from segdata.storage.files import sha256_of

Box = tuple[slice, slice]
BOX, WIDER = (slice(10, 60), slice(20, 90)), (slice(5, 70), slice(10, 100))
NOTHING_CHANGES = {"changed": [], "held_back": [], "same": 1, "skipped": []}
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
    document = json.loads((folder / "annotations/instances_default.json").read_text())
    (annotation,) = document["annotations"]
    mask = coco.decode(annotation["segmentation"])
    mask[box] = 1
    rle = coco.encode(np.asfortranarray(mask))
    annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
    (folder / "annotations/instances_default.json").write_text(json.dumps(document))


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
    assert same.json["mended"].items() >= NOTHING_CHANGES.items(), "as it went out"
    (line,) = json.loads((folder / "segdata.json").read_text())["samples"]
    mend(folder, line)
    mended = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    (change,) = mended.json["mended"]["changed"]
    assert change["sample_id"] == wrong["sample_id"], mended.err
    assert change["foreground_before"] == pytest.approx((before >= 128).mean())
    assert change["iou_with_old"] == pytest.approx(change["foreground_before"] / change["foreground_after"])
    after = next(row for row in samples(workspace) if row["sample_id"] == wrong["sample_id"])
    expected = before.copy() if kind == "folder" else np.where(before >= 128, 255, 0).astype(np.uint8)
    expected[BOX] = 255
    assert np.array_equal(read_alpha_of(open_workspace(workspace), after), expected)
    assert after["image_sha256"] == wrong["image_sha256"] and after["alpha_sha256"] != wrong["alpha_sha256"]
    again = segdata("ingest", "aisegment", "--json", cwd=workspace)
    assert again.json["sources"]["aisegment"]["changed"] == 0, "the source does not take the mended label back"
    twice = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert twice.json["mended"].items() >= NOTHING_CHANGES.items(), "twice is the same as once"
    mend(folder, line, WIDER)
    stale = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert "has changed since it was exported" in stale.json["mended"]["skipped"][0]["reason"]
    assert mends_of(open_workspace(workspace).catalog)[wrong["sample_id"]].replaces == wrong["alpha_sha256"]


def test_a_damaged_folder_and_a_path_that_leaves_it_are_refused(workspace: Path, segdata: Any, tmp_path: Path) -> None:
    assert segdata("ingest", "--mended", tmp_path, cwd=workspace).code == 3
    folder = tmp_path / "wrong"
    assert segdata("export", "repair", folder, "--where", "split = 'pool'", "--limit", "1", cwd=workspace).code == 0
    (mask,) = (folder / "masks").rglob("*.png")
    mask.unlink()
    mask.symlink_to("/etc/passwd")
    answer = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert "leaves its folder" in answer.json["mended"]["skipped"][0]["reason"], answer.err


@pytest.fixture
def three(tmp_path: Path) -> RunContext:
    """Three samples, ingested."""
    for number in range(3):
        random = np.random.default_rng(number)
        for folder, shape in (("images", (40, 30, 3)), ("masks", (40, 30))):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 255, shape, dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "data" / folder / f"{number}.png"), pixels)
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    ingest(context, [SourceRecipe(name="mine", reader="folder", root="data")])
    return context


def rewrite(context: RunContext, name: str, **columns: Any) -> None:
    """As somebody would who edits the catalog."""
    (row,) = context.catalog.read("samples", where=f"sample_id = '{name}'").to_pylist()
    context.catalog.merge("samples", rows_to_table("samples", [{**row, **columns}]))


@pytest.mark.parametrize("kind", ["folder", "coco", "cvat"])
@pytest.mark.parametrize("hashes", ["left", "edited"])
@pytest.mark.parametrize("part", ["image", "alpha"])
def test_nothing_but_ingested_pictures_is_copied_for_others(
    three: RunContext, tmp_path: Path, kind: str, hashes: str, part: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0:a password\n" * 100)
    edited = {f"{part}_sha256": sha256_of(secret.read_bytes())} if hashes == "edited" else {}
    rewrite(three, "mine/images/1", **{f"{part}_uri": str(secret), **edited})
    result = run(three, tmp_path / "out", kind, None, "true")
    ((name, reason),) = result.failed
    assert (result.samples, name) == (2, "mine/images/1")
    told = "not the file that was ingested; run segdata ingest" if hashes == "left" else "no picture at all"
    assert told in reason
    assert result.to_json()["failed"] == [{"sample_id": name, "reason": reason}]
    out = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert out
    assert not any(b"password" in path.read_bytes() for path in out)
    assert "mine/images/1" not in (tmp_path / "out" / "segdata.json").read_text()


def test_a_picture_that_changed_or_became_a_link_to_another_is_not_copied(three: RunContext, tmp_path: Path) -> None:
    private = tmp_path / "private.png"
    cv2.imwrite(str(private), np.full((40, 30, 3), 7, np.uint8))
    for name in ("0", "1"):
        (tmp_path / "data" / "images" / f"{name}.png").unlink()
    (tmp_path / "data" / "images" / "0.png").write_bytes(private.read_bytes())
    (tmp_path / "data" / "images" / "1.png").symlink_to(private)
    result = run(three, tmp_path / "out", "folder", None, "true")
    assert [name for name, _ in result.failed] == ["mine/images/0", "mine/images/1"]
    assert result.samples == 1
    assert private.read_bytes() not in [path.read_bytes() for path in (tmp_path / "out").rglob("*.png")]


def test_nothing_is_written_through_a_link_in_the_target(three: RunContext, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"a link in .*out leads out of it"):
        run(three, tmp_path / "out", "folder", None, "true")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_picture_with_the_name_of_a_page_leaves_under_that_of_a_picture(three: RunContext, tmp_path: Path) -> None:
    page = tmp_path / "data" / "page.html"
    (tmp_path / "data" / "images" / "1.png").rename(page)
    rewrite(three, "mine/images/1", image_uri=str(page))
    assert run(three, tmp_path / "out", "folder", None, "true").samples == 3
    name = f"{file_name_of('mine/images/1')}.png"
    assert (tmp_path / "out" / "images" / name).read_bytes() == page.read_bytes()
    assert not list((tmp_path / "out").rglob("*.html"))


def test_the_name_and_the_format_of_the_manifest_are_defined_once_for_export_and_ingest() -> None:
    package = Path(records.__file__).parent
    texts = {file.relative_to(package).as_posix(): file.read_text() for file in package.rglob("*.py")}
    assert [name for name, text in texts.items() if f'"{records.REPAIR_FORMAT}"' in text] == ["records.py"]
    stages = [name for name in texts if name.startswith(("export/", "ingest/"))]
    assert len(stages) > 20
    assert not [name for name in stages if f'"{records.REPAIR_MANIFEST}"' in texts[name]]


def test_nothing_to_repair_says_so(workspace: Path, segdata: Any, tmp_path: Path) -> None:
    answer = segdata("export", "repair", tmp_path / "wrong", cwd=workspace)
    assert answer.code == 4 and "no sample is judged label_error" in answer.err


@pytest.mark.parametrize("kind", ["folder", "coco", "cvat"])
def test_the_catalog_records_what_was_given_out(three: RunContext, tmp_path: Path, kind: str) -> None:
    run(three, tmp_path / "out", kind, None, "true")
    (export,) = exports_of(three.catalog)
    rows = {row["sample_id"]: row for row in three.catalog.read("samples").to_pylist()}
    assert (export.run_id, export.format) == ("run", kind)
    assert {one.sample_id for one in export.samples} == set(rows)
    for one in export.samples:
        assert (one.image_sha256, one.alpha_sha256) == tuple(
            rows[one.sample_id][name] for name in ("image_sha256", "alpha_sha256")
        )
        assert sha256_of((tmp_path / "out" / one.image).read_bytes()) == one.image_sha256


def test_a_dry_run_records_nothing(three: RunContext, tmp_path: Path) -> None:
    run(replace(three, dry_run=True), tmp_path / "out", "coco", None, "true")
    assert exports_of(three.catalog) == []


def test_no_two_samples_have_one_name_even_where_only_odd_letters_tell_them_apart() -> None:
    names = [file_name_of(name) for name in ("p/1", "p 1", "p_1", "q/1")]
    assert len(set(names)) == 4
    assert len({name.rpartition("-")[2] for name in names}) == 4


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**49 - 1))
def test_any_mask_is_the_same_after_cvats_runs(height: int, width: int, bits: int) -> None:
    mask = np.array([bits >> place & 1 for place in range(height * width)], bool).reshape(height, width)
    if mask.any():
        attributes = " ".join(f'{name}="{value}"' for name, value in cvat_rle(mask).items())
        (image,) = read_cvat(
            f'<a><image name="i" width="{width}" height="{height}"><mask {attributes}/></image></a>'.encode()
        ).values()
        assert np.array_equal(draw_label(image, (height, width)) > 0, mask)
