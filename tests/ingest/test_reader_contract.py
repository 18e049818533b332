"""One suite for every reader of datasets: what it may yield, what it must refuse, and what it leaves alone."""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.forgetting import conceal, erase, traces_of
from segdata.catalog.forgotten import make_pseudonyms
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import SourceError
from segdata.ingest.measure import measure
from segdata.ingest.readers import READERS
from segdata.ingest.reading import Found, Reports, read_list
from segdata.ingest.recipe import READER_NAMES, SourceRecipe
from segdata.ingest.run import run
from segdata.records import Candidate, Filtered, Reject
from segdata.storage.root import Root


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on disk.

    Attributes:
        image: the path of image number N, or named so, under the root.
        label: the path of its label; None for backgrounds, and where the list has the labels.
        split: of the sample.
        write_label: makes the label's pixels of a mask (H, W) bool.
        finish: writes what belongs to the tree besides, given the names.
        list_file: the path of a list that the reader opens; None if it walks over folders alone.
        write_file: makes the bytes of a label of its mask, where a label is no picture.
        has_labels: whether there are labels at all.
    """

    image: Callable[[str], str]
    label: Callable[[str], str] | None
    split: str
    write_label: Callable[[np.ndarray], np.ndarray] = lambda mask: mask.astype(np.uint8) * 255
    finish: Callable[[Path, list[str]], None] = lambda root, names: None
    list_file: str | None = None
    write_file: Callable[[np.ndarray], bytes] | None = None
    has_labels: bool = True


def supervisely_file(mask: np.ndarray) -> bytes:
    _, png = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    bitmap = {"origin": [0, 0], "data": base64.b64encode(zlib.compress(png.tobytes())).decode()}
    height, width = mask.shape
    entry = {"classTitle": "person_bmp", "geometryType": "bitmap", "bitmap": bitmap}
    return json.dumps({"size": {"height": height, "width": width}, "objects": [entry]}).encode()


def labelme_file(mask: np.ndarray) -> bytes:
    _, png = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    height, width = mask.shape
    entry = {"label": "person", "shape_type": "mask", "points": [[0, 0], [width - 1, height - 1]]}
    shapes = [{**entry, "mask": base64.b64encode(png.tobytes()).decode()}]
    return json.dumps({"shapes": shapes, "imageHeight": height, "imageWidth": width, "imageData": None}).encode()


def labelstudio_export(root: Path, names: list[str]) -> None:
    points = [[100 * x / 30, 100 * y / 40] for x, y in ((5, 20), (25, 20), (25, 40), (5, 40))]
    value = {"points": points, "polygonlabels": ["person"]}
    result = {"type": "polygonlabels", "value": value, "original_width": 30, "original_height": 40}
    tasks = [
        {
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name.replace(' ', '_')}.jpg"},
            "annotations": [{"result": [result], "was_cancelled": False}],
        }
        for name in names
    ]
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / "project.json").write_text(json.dumps(tasks), encoding="utf-8")


def rgba(mask: np.ndarray) -> np.ndarray:
    return np.dstack([np.zeros((*mask.shape, 3), np.uint8), mask.astype(np.uint8) * 255])


def coco_annotations(root: Path, names: list[str]) -> None:
    images = [{"id": n, "file_name": f"{name}.jpg", "height": 40, "width": 30} for n, name in enumerate(names)]
    box = {"bbox": [1, 1, 5, 5], "area": 25.0, "iscrowd": 0, "segmentation": [[1, 1, 6, 1, 6, 6]]}
    annotations = [{"id": n, "image_id": n, "category_id": 15, **box} for n in range(len(names))]
    categories = [{"id": 1, "name": "person", "supercategory": "person"}]
    categories += [{"id": 15, "name": "bench", "supercategory": "outdoor"}]
    told = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(told))


def portrait2000_folders(root: Path, names: list[str]) -> None:
    (root / "testing").mkdir(parents=True, exist_ok=True)


def voc_lists(root: Path, names: list[str]) -> None:
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "train.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (lists / "val.txt").write_text("")


LAYOUTS = {
    "portrait2000": Layout(
        image=lambda name: f"training/{name}.png",
        label=lambda name: f"training/{name}_matte.png",
        split="train",
        finish=portrait2000_folders,
    ),
    "aisegment": Layout(
        image=lambda name: f"clip_img/1803151818/clip_00000000/{name}.jpg",
        label=lambda name: f"matting/1803151818/matting_00000000/{name}.png",
        split="pool",
        write_label=rgba,
    ),
    "coco": Layout(
        image=lambda name: f"val2017/{name}.jpg",
        label=None,
        split="none",
        finish=coco_annotations,
        list_file="annotations/instances_val2017.json",
        has_labels=False,
    ),
    "p3m10k": Layout(
        image=lambda name: f"train/blurred_image/{name}.jpg",
        label=lambda name: f"train/mask/{name}.png",
        split="train",
    ),
    "voc": Layout(
        image=lambda name: f"JPEGImages/{name}.jpg",
        label=lambda name: f"SegmentationClass/{name}.png",
        split="train",
        write_label=lambda mask: mask.astype(np.uint8) * 15,
        finish=voc_lists,
        list_file="ImageSets/Segmentation/train.txt",
    ),
    "supervisely": Layout(
        image=lambda name: f"studio/img/{name}.jpg",
        label=lambda name: f"studio/ann/{name}.jpg.json",
        split="train",
        write_file=supervisely_file,
    ),
    "labelstudio": Layout(
        image=lambda name: f"images/{name}.jpg",
        label=None,
        split="train",
        finish=labelstudio_export,
        list_file="annotations/project.json",
    ),
    "labelme": Layout(
        image=lambda name: f"images/{name}.jpg",
        label=lambda name: f"images/{name}.json",
        split="train",
        write_file=labelme_file,
    ),
    "folder": Layout(image=lambda name: f"images/{name}.jpg", label=lambda name: f"masks/{name}.png", split="train"),
}
LIST_READERS = [name for name, layout in LAYOUTS.items() if layout.list_file is not None]
NAMES = ["00001", "00002", "café 3"]


def write_pixels(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix, pixels)
    path.write_bytes(data.tobytes())


def build(root: Path, layout: Layout, names: list[str]) -> None:
    """The tree with a pair of each name: photos of noise, the person in the lower half."""
    for number, name in enumerate(names):
        photo = np.random.default_rng(number).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        write_pixels(root / layout.image(name), photo)
        if layout.label is not None:
            mask = np.zeros((40, 30), bool)
            mask[20:, 5:25] = True
            if layout.write_file is None:
                write_pixels(root / layout.label(name), layout.write_label(mask))
            else:
                (root / layout.label(name)).parent.mkdir(parents=True, exist_ok=True)
                (root / layout.label(name)).write_bytes(layout.write_file(mask))
    layout.finish(root, names)


def contents(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


@pytest.fixture(params=READER_NAMES)
def reader(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def layout(reader: str) -> Layout:
    return LAYOUTS[reader]


@pytest.fixture
def tree(layout: Layout, tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    build(root, layout, NAMES)
    return root.resolve()


def read_all(reader: str, root: Path) -> Iterator[Found]:
    return READERS[reader](root, SourceRecipe(name="mine", reader=reader, root=str(root)))  # type: ignore[arg-type]  # names of readers


def read(reader: str, root: Path) -> Iterator[Candidate | Reject | Filtered]:
    """All that a reader yields about photos and labels."""
    return (one for one in read_all(reader, root) if not isinstance(one, Reports))


def test_every_reader_is_tested_here() -> None:
    assert set(READERS) == set(READER_NAMES) == set(LAYOUTS)


def test_pairs_are_found_and_can_be_measured(reader: str, layout: Layout, tree: Path) -> None:
    found = list(read(reader, tree))
    assert all(isinstance(one, Candidate) for one in found)
    candidates = [one for one in found if isinstance(one, Candidate)]
    assert [one.path for one in candidates] == [layout.image(name) for name in NAMES]
    assert [one.sample_id for one in candidates] == [f"mine/{layout.image(name).rpartition('.')[0]}" for name in NAMES]
    assert {(one.dataset, one.split) for one in candidates} == {("mine", layout.split)}
    for one in candidates:
        row = measure(one)
        assert not isinstance(row, Reject), row
        assert (row["width"], row["height"]) == (30, 40)
        if not layout.has_labels:
            assert row["alpha_kind"] == "none"
        else:
            assert row["foreground_fraction"] == pytest.approx(20 * 20 / 1200)


def test_the_order_does_not_depend_on_when_files_were_made(reader: str, layout: Layout, tmp_path: Path) -> None:
    for folder, names in (("a", NAMES), ("b", NAMES[::-1])):
        build((tmp_path / folder).resolve(), layout, names)
        layout.finish(tmp_path / folder, NAMES)
    one, other = ([found.path for found in read(reader, (tmp_path / folder).resolve())] for folder in ("a", "b"))
    assert one == other


def test_a_reader_writes_nothing(reader: str, tree: Path) -> None:
    before = contents(tree)
    list(read(reader, tree))
    assert contents(tree) == before


def test_a_missing_root_is_named(reader: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"source mine: root .*nowhere: no such folder"):
        list(read(reader, tmp_path / "nowhere"))


def test_a_root_one_level_too_high_is_told_where_to_look(reader: str, tree: Path) -> None:
    with pytest.raises(SourceError, match=r"tree") as told:
        list(read(reader, tree.parent))
    assert "mine" in str(told.value)


def test_hidden_leftovers_are_no_pictures(reader: str, layout: Layout, tree: Path) -> None:
    for place in (layout.image("._00001"), *([layout.label("._00001")] if layout.label else [])):
        (tree / place).write_bytes(b"Mac OS X")
    assert [one.path for one in read(reader, tree)] == [layout.image(name) for name in NAMES]


def test_a_link_that_leaves_the_root_is_refused(reader: str, layout: Layout, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.jpg"
    write_pixels(outside, np.zeros((40, 30, 3), np.uint8))
    place = tree / layout.image("00002")
    place.unlink()
    place.symlink_to(outside)
    refused = [one for one in read(reader, tree) if isinstance(one, Reject)]
    assert [(one.path, one.reason) for one in refused] == [(layout.image("00002"), "unsafe_path")]


def test_a_label_that_is_a_link_out_of_the_root_is_refused(
    reader: str, layout: Layout, tree: Path, tmp_path: Path
) -> None:
    if layout.label is None:
        pytest.skip("there is no file of a label")
    label = tree / layout.label("00002")
    label.symlink_to(label.rename(tmp_path / "elsewhere.png"))
    refused = [one for one in read(reader, tree) if isinstance(one, Reject)]
    assert [(one.path, one.reason) for one in refused] == [(layout.image("00002"), "unsafe_path")]


def test_a_folder_of_the_layout_that_is_a_link_out_of_the_root_is_refused(
    reader: str, layout: Layout, tree: Path, tmp_path: Path
) -> None:
    top = tree / layout.image("00001").partition("/")[0]
    top.symlink_to(top.rename(tmp_path / "elsewhere"))
    found = list(read(reader, tree))
    assert {(one.path, one.reason) for one in found if isinstance(one, Reject)} == {
        (layout.image(name), "unsafe_path") for name in NAMES
    }
    assert not any(isinstance(one, Candidate) for one in found)


def test_a_link_to_a_folder_is_refused_and_ends_no_walk_in_a_circle(reader: str, layout: Layout, tree: Path) -> None:
    folder = (tree / layout.image("00001")).parent
    (folder / "round").symlink_to(folder)
    found = list(read(reader, tree))
    assert [one.path for one in found if isinstance(one, Candidate)] == [layout.image(name) for name in NAMES]
    refused = [one for one in found if isinstance(one, Reject)]
    circle = (folder / "round").relative_to(tree).as_posix()
    assert [(one.path, one.reason) for one in refused] == [(circle, "unsafe_path")]


def rename_to_latin1(tree: Path, place: str) -> None:
    path = tree / place
    path.rename(os.fsdecode(os.fsencode(path).replace(b"00001", b"caf\xe9")))


def test_a_name_that_is_not_utf8_is_refused_in_letters(reader: str, layout: Layout, tree: Path) -> None:
    if reader in ("coco", "voc", "labelstudio"):
        pytest.skip("reads the names that its lists give, which are UTF-8")
    for place in (layout.image("00001"), layout.label("00001") if layout.label else ""):
        rename_to_latin1(tree, place)
    refused = [one for one in read(reader, tree) if isinstance(one, Reject)]
    assert [(one.path, one.reason) for one in refused] == [(layout.image("caf\\xe9"), "unsafe_path")]


@pytest.mark.parametrize("lacks", ["image", "label"])
def test_a_name_that_is_not_utf8_without_its_other_half_ends_no_ingest(
    reader: str, layout: Layout, tree: Path, tmp_path: Path, lacks: str
) -> None:
    if lacks == "image" and layout.label is None:
        pytest.skip("there is no file of a label")
    present, absent = layout.image("00001"), layout.label("00001") if layout.label else None
    if lacks == "image":
        present, absent = str(absent), present
    if absent is not None:
        (tree / absent).unlink()
    rename_to_latin1(tree, present)
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    source = SourceRecipe(name="mine", reader=reader, root=str(tree))  # type: ignore[arg-type]  # names of readers
    result = run(context, [source])
    assert result.sources["mine"].added == len(NAMES) - 1
    written = {row["path"] for row in context.catalog.read("rejects").to_pylist()}
    lists_names = reader in ("coco", "voc", "labelstudio")  # these look up the name that their lists give, and miss it
    expected = present if not lists_names else layout.image("00001")
    if reader == "voc" and lacks == "image":  # the list names a photo that is missing, and the map is of no photo
        assert written == {expected, present.replace("00001", "caf\\xe9")}
        return
    assert written == {expected if lists_names else expected.replace("00001", "caf\\xe9")}
    json.dumps(result.to_json()).encode()


def test_an_image_without_its_label_is_rejected_under_its_own_path(reader: str, layout: Layout, tree: Path) -> None:
    if layout.label is None:
        pytest.skip("there is no file of a label")
    (tree / layout.label("00001")).unlink()
    refused = [one for one in read(reader, tree) if isinstance(one, Reject)]
    assert [(one.path, one.reason) for one in refused] == [(layout.image("00001"), "missing_alpha")]


def test_a_label_without_its_image_is_rejected(reader: str, layout: Layout, tree: Path) -> None:
    (tree / layout.image("00001")).unlink()
    refused = [one for one in read(reader, tree) if isinstance(one, Reject)]
    expected = layout.label("00001") if layout.label else layout.image("00001")
    assert [(one.path, one.reason) for one in refused] == [(expected, "missing_image")]


@pytest.mark.parametrize("part", ["image", "label"])
@pytest.mark.parametrize("replaced", ["file", "folder", "top folder"])
def test_what_becomes_a_link_out_of_the_root_after_the_walk_is_not_read(
    reader: str, layout: Layout, tree: Path, tmp_path: Path, part: str, replaced: str
) -> None:
    if part == "label" and layout.label is None:
        pytest.skip("there is no file of a label")
    candidates = [one for one in read(reader, tree) if isinstance(one, Candidate)]
    root = Root(candidates[0].root or "")
    place = layout.image("00002") if part == "image" or layout.label is None else layout.label("00002")
    links = {"file": tree / place, "folder": (tree / place).parent, "top folder": tree / place.partition("/")[0]}
    link = links[replaced]
    link.symlink_to(link.rename(tmp_path / "secret"))
    answers = {one.path: measure(one, root=root) for one in candidates}
    refused = answers[layout.image("00002")]
    assert isinstance(refused, Reject)
    assert (refused.reason, refused.detail, refused.stamps) == ("unsafe_path", "a link that leaves the root", None)
    if replaced == "file":
        assert not any(isinstance(answer, Reject) for path, answer in answers.items() if path != refused.path)


@pytest.mark.parametrize("reader", LIST_READERS, indirect=True)
@pytest.mark.parametrize("replaced", ["file", "folder", "top folder", "nothing"])
def test_a_list_that_is_a_link_out_of_the_root_is_not_read(
    reader: str, layout: Layout, tree: Path, tmp_path: Path, replaced: str
) -> None:
    assert layout.list_file is not None
    file = tree / layout.list_file
    links = {"file": file, "folder": file.parent, "top folder": tree / layout.list_file.partition("/")[0]}
    link = links.get(replaced, file)
    target = link.rename(tmp_path / "secret")
    if replaced == "nothing":
        target.unlink()
    link.symlink_to(target)
    expected = (
        rf"source mine: {re.escape(str(file))}: a link that leaves the root is not read; put the file itself there"
    )
    with pytest.raises(SourceError, match=expected):
        list(read(reader, tree))


@pytest.mark.parametrize("reader", LIST_READERS, indirect=True)
def test_a_list_that_becomes_a_link_while_the_reader_looks_for_it_is_not_read(
    reader: str, layout: Layout, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert layout.list_file is not None
    file = tree / layout.list_file

    def replace_and_read(*arguments: Any) -> bytes:
        file.symlink_to(file.rename(tmp_path / "secret"))
        return read_list(*arguments)

    monkeypatch.setattr(f"segdata.ingest.{reader}.read_list", replace_and_read)
    with pytest.raises(SourceError, match="a link that leaves the root"):
        list(read(reader, tree))


@pytest.mark.parametrize("reader", LIST_READERS, indirect=True)
@pytest.mark.parametrize("replaced", ["file", "folder"])
def test_a_list_that_is_a_link_within_the_root_is_read(reader: str, layout: Layout, tree: Path, replaced: str) -> None:
    assert layout.list_file is not None
    expected = list(read(reader, tree))
    link = tree / layout.list_file if replaced == "file" else (tree / layout.list_file).parent
    link.symlink_to(link.rename(tree / "kept"))
    assert list(read(reader, tree)) == expected
    assert len(expected) == len(NAMES)


def ingest_and_forget(workspace: Workspace, source: SourceRecipe, sample_id: str) -> None:
    """An ingest, and then what `segdata forget` does to the tables."""
    run(RunContext(workspace, "first"), [source])
    pseudonyms = make_pseudonyms(workspace)
    traces = traces_of(workspace, [sample_id])
    erase(workspace, traces, pseudonyms, "forget")
    conceal(workspace, traces, pseudonyms, "forget")


def cells_with(catalog: Catalog, words: tuple[str, ...]) -> list[str]:
    """Rows of all tables that contain one of the words."""
    rows = (str(row) for name in SCHEMAS if catalog.version(name) >= 0 for row in catalog.read(name).to_pylist())
    return [row for row in rows if any(word in row for word in words)]


@pytest.mark.parametrize("lists", [False, True])
def test_what_is_left_of_a_forgotten_sample_brings_its_name_into_no_table(
    reader: str, layout: Layout, tmp_path: Path, lists: bool
) -> None:
    name, stays = "Anna Schmidt", "00001"
    root = (tmp_path / "tree").resolve()
    build(root, layout, [name, stays])
    lines = [layout.image(name), layout.image(stays), *([f"{name}.jpg", name] if lists else [])]
    (root / "train.txt").write_text("".join(f"{line}\n" for line in lines))
    split = {"split": "lists"} if lists else {}
    source = SourceRecipe(name="mine", reader=reader, root=str(root), **split)  # type: ignore[arg-type]  # names of readers
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    ingest_and_forget(workspace, source, f"mine/{layout.image(name).rpartition('.')[0]}")
    assert cells_with(workspace.catalog, ("Anna", "Schmidt")) == []
    (root / layout.image(name)).unlink()
    result = run(RunContext(workspace, "second"), [source])
    assert cells_with(workspace.catalog, ("Anna", "Schmidt")) == []
    assert result.sources["mine"].filtered["forgotten"] >= 1
    assert result.sources["mine"].unchanged == 1


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/Anna Schmidt.jpg", "masks/anna schmidt.png"),
        ("images/2024/Anna Schmidt.jpg", "masks/Anna Schmidt.png"),
        ("images/Anna Schmidt_image.jpg", "masks/Anna Schmidt_mask.png"),
        ("images/Anna12.jpg", "masks/Anna12mask.png"),
    ],
)
@pytest.mark.parametrize("others", [True, False])
def test_a_mask_of_a_forgotten_photo_is_recognised_whatever_the_naming_scheme(
    tmp_path: Path, image: str, label: str, others: bool
) -> None:
    root = (tmp_path / "tree").resolve()
    pairs = [(image, label)]
    words = ("Anna Schmidt", "anna schmidt", "Anna12")
    for word in words if others else ():
        pairs += [(image.replace(word, "ben34"), label.replace(word, "ben34"))] if word in image else []
    for seed, (photo, mask) in enumerate(pairs):
        write_pixels(root / photo, np.random.default_rng(seed).integers(0, 255, (40, 30, 3), dtype=np.uint8))
        pixels = np.zeros((40, 30), np.uint8)
        pixels[20:, 5:25] = 255
        write_pixels(root / mask, pixels)
    source = SourceRecipe(name="mine", reader="folder", root=str(root))
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    ingest_and_forget(workspace, source, f"mine/{image.rpartition('.')[0]}")
    (root / image).unlink()
    run(RunContext(workspace, "second"), [source])
    assert cells_with(workspace.catalog, words) == []


def test_a_label_without_a_photo_is_still_reported_after_another_was_forgotten(
    reader: str, layout: Layout, tmp_path: Path
) -> None:
    root = (tmp_path / "tree").resolve()
    build(root, layout, ["Anna Schmidt", "ben", "carol"])
    source = SourceRecipe(name="mine", reader=reader, root=str(root))  # type: ignore[arg-type]  # names of readers
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    ingest_and_forget(workspace, source, f"mine/{layout.image('Anna Schmidt').rpartition('.')[0]}")
    (root / layout.image("ben")).unlink()
    run(RunContext(workspace, "second"), [source])
    expected = layout.label("ben") if layout.label else layout.image("ben")
    assert [row["path"] for row in workspace.catalog.read("rejects").to_pylist()] == [expected]


def test_a_link_that_stays_in_the_root_is_read(reader: str, layout: Layout, tree: Path) -> None:
    place, top = tree / layout.image("00002"), layout.image("00001").partition("/")[0]
    place.symlink_to(place.rename(tree / "kept.jpg"))
    (tree / top).symlink_to((tree / top).rename(tree / "moved"))
    candidates = [one for one in read(reader, tree) if isinstance(one, Candidate)]
    assert [one.path for one in candidates] == [layout.image(name) for name in NAMES]
    assert not any(isinstance(measure(one), Reject) for one in candidates)
