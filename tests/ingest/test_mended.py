"""Labels come back from strangers: what is wrong with them is skipped, and no label gets worse for it."""

from __future__ import annotations

import json
import os
import signal
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.repairs import file_name_of, folder_of_repairs
from segdata.catalog.tables import Catalog
from segdata.catalog.verdicts import Judgement, take_in
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.isolated import RequestRefusedError
from segdata.errors import SourceError, UsageError
from segdata.export.repair import run as export_repair
from segdata.imaging.encode import encode_png
from segdata.ingest.annotations import answering, decoding
from segdata.ingest.mended import Mended, MendedOptions, take_in_mended
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

SOURCE = SourceRecipe(name="mine", reader="folder", root="data")
SIZE = (40, 30)
IDS = [f"mine/images/{number}" for number in range(3)]
NAMES = [f"{file_name_of(name)}.png" for name in IDS]
COCO_FILE, CVAT_FILE = "annotations/instances_default.json", "annotations.xml"
PERSON = (slice(8, 36), slice(6, 24))
"""Where the person is in every old label."""


class WorkerInThisProcess:
    """As `IsolatedWorker`, without a process: the tests of crashes start real ones."""

    def __init__(self, opener: str, setup: bytes, limits: object) -> None:
        assert opener == "segdata.ingest.annotations.answering:open_folder"
        self._setup = setup
        self._answer: Callable[[bytes], bytes] | None = None

    def start(self, most: int) -> bytes:
        try:
            greeting, self._answer = answering.open_folder(self._setup)
        except ValueError as error:
            raise RequestRefusedError(str(error)) from error
        assert len(greeting) <= most
        return greeting

    def ask(self, request: bytes, most: int) -> bytes:
        assert self._answer is not None
        try:
            reply = self._answer(request)
        except ValueError as error:
            raise RequestRefusedError(str(error)) from error
        assert len(reply) <= most
        return reply

    def close(self) -> None:
        pass


@pytest.fixture
def own_process() -> None:
    """A test that needs a process of its own asks for this."""


@pytest.fixture(autouse=True)
def worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process, which is quick, except where a test needs a process of its own."""
    if "own_process" not in request.fixturenames:
        monkeypatch.setattr(decoding, "IsolatedWorker", WorkerInThisProcess)


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """Three samples, each with a person in the middle."""
    label = np.zeros(SIZE, np.uint8)
    label[PERSON] = 255
    return ingested(tmp_path, label)


def ingested(root: Path, label: np.ndarray) -> RunContext:
    for number in range(3):
        photo = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        for folder, pixels in (("images", photo), ("masks", label)):
            (root / "data" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / "data" / folder / f"{number}.png"), pixels)
    context = RunContext(Workspace(root, Catalog(root / "catalog")), "run")
    run(context, [SOURCE])
    return context


@pytest.fixture
def export(context: RunContext, tmp_path: Path) -> Callable[[str], Path]:
    def _export(kind: str) -> Path:
        export_repair(context, tmp_path / "out", kind, None, "true")
        return tmp_path / "out"

    return _export


def edit(file: Path, change: Callable[[Any], None]) -> None:
    """Change a JSON file."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def segmented(*segmentations: Any) -> Callable[[Any], None]:
    """A change of a COCO file: the segmentations of the images in turn; ... leaves one as it is."""

    def change(document: Any) -> None:
        for annotation, segmentation in zip(document["annotations"], segmentations, strict=True):
            if segmentation is not ...:
                annotation["segmentation"] = segmentation

    return change


def edit_cvat(folder: Path, change: Callable[[list[Xml.Element]], None]) -> None:
    tree = Xml.parse(folder / CVAT_FILE)
    change(list(tree.getroot().iter("image")))
    tree.write(folder / CVAT_FILE)


def shape(image: Xml.Element, tag: str, **attributes: str) -> None:
    Xml.SubElement(image, tag, {"label": "person", "z_order": "0", **attributes})


def labels_of(context: RunContext) -> dict[str, np.ndarray]:
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    return {row["sample_id"]: read_alpha_of(context.workspace, row) for row in rows}


def reasons(mended: Mended) -> dict[str | None, str]:
    return {one.sample_id: one.reason for one in mended.skipped}


def changed(mended: Mended) -> list[str]:
    return [change.sample_id for change in mended.changed]


LARGER = [[4, 4, 26, 4, 26, 38, 4, 38]]
"""A polygon around the old person: 22 x 34 pixels."""


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        (
            [[0, 0, 1e9, 0, 1e9, 1e9]],
            "shape 1 (polygon): a point lies more than one image width or height outside the image",
        ),
        ([[0, 0, float("nan"), 0, 9, 9]], "shape 1 (polygon): a point is not finite"),
        ([*LARGER, [0, 0, 99, 0, 9, 9]], "shape 1 (polygon 2): a point lies more than"),
        ({"size": [40, 30], "counts": [2**63, 2**63, 1200]}, "shape 1 (mask): its runs don't fill its 30x40 pixels"),
        ({"size": [4, 5], "counts": [0, 20]}, "shape 1 (mask): the mask is 5x4, the image 30x40"),
        (None, "shape 1: its segmentation is neither a list of polygons nor RLE"),
        ([], "shape 1: its segmentation is neither a list of polygons nor RLE"),
        ([None], "shape 1 (polygon): it has 0 points"),
        ([[4, 4, 26, 38]], "shape 1 (polygon): it has 2 points"),
    ],
)
def test_a_shape_that_can_not_be_drawn_is_reported_and_the_other_labels_come_in(
    context: RunContext, export: Callable[[str], Path], segmentation: Any, reason: str
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, segmentation, LARGER))
    before = labels_of(context)[IDS[1]]
    mended = take_in_mended(context, folder)
    assert mended.samples == {"mine": (IDS[0], IDS[2])}
    (skipped,) = mended.skipped
    assert (skipped.sample_id, skipped.entry) == (IDS[1], f"{COCO_FILE}: image {NAMES[1]!r}")
    assert skipped.reason.startswith(reason) and skipped.reason.endswith("; correct it there, and export again")
    assert mended.to_json()["skipped"][0]["reason"] == f"{skipped.entry}: {skipped.reason}"
    run(context, [SOURCE])
    assert np.array_equal(labels_of(context)[IDS[1]], before)


@pytest.mark.parametrize("nothing", [None, [], [None], [[]], [[4, 4, 26, 38]], ...])
def test_an_annotation_that_covers_nothing_costs_no_other_of_its_image(
    context: RunContext, export: Callable[[str], Path], nothing: Any
) -> None:
    folder = export("coco")

    def change(document: Any) -> None:
        segmented(LARGER, LARGER, LARGER)(document)
        document["annotations"].append({**document["annotations"][0], "id": 90, "segmentation": nothing})
        if nothing is ...:
            del document["annotations"][-1]["segmentation"]

    edit_with_ellipsis(folder / COCO_FILE, change)
    mended = take_in_mended(context, folder)
    assert changed(mended) == IDS
    assert [one.sample_id for one in mended.skipped] == [IDS[0]]
    assert mended.skipped[0].reason.startswith("left out: shape 2") and mended.skipped[0].reason.endswith("; remove it")


def edit_with_ellipsis(file: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document, default=lambda _: None))


@pytest.mark.parametrize("entry", [7, {}, {"image_id": 999}, {"image_id": [1]}, {"image_id": True}, None])
def test_an_annotation_of_no_image_costs_itself_alone(
    context: RunContext, export: Callable[[str], Path], entry: Any
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, LARGER, LARGER))
    edit(folder / COCO_FILE, lambda document: document["annotations"].append(entry))
    mended = take_in_mended(context, folder)
    assert changed(mended) == IDS
    assert [one.entry for one in mended.skipped] == [f"{COCO_FILE}: annotation 4"]


def test_only_shapes_of_people_are_used_and_the_others_are_named(
    context: RunContext, export: Callable[[str], Path]
) -> None:
    folder = export("coco")

    def change(document: Any) -> None:
        document["categories"] += [{"id": 2, "name": "chair"}, {"id": 3, "name": "x", "supercategory": "Person"}]
        everything = {"image_id": 1, "iscrowd": 0, "segmentation": [[0, 0, 30, 0, 30, 40, 0, 40]]}
        document["annotations"] += [
            {**everything, "id": 91, "category_id": 2}, {**everything, "id": 92, "category_id": 9},
            {"id": 93, "image_id": 2, "category_id": 3, "iscrowd": 0, "segmentation": LARGER},
        ]  # fmt: skip

    edit(folder / COCO_FILE, change)
    mended = take_in_mended(context, folder)
    assert changed(mended) == [IDS[1]], "the supercategory is a person's"
    assert mended.same == 2
    assert reasons(mended) == {IDS[0]: "shapes of 'chair', 'unknown category 9' are no person's, and are not used"}


def test_an_image_without_annotation_keeps_its_label_and_one_that_is_left_out_too(
    context: RunContext, export: Callable[[str], Path]
) -> None:
    folder = export("coco")

    def change(document: Any) -> None:
        del document["annotations"][:2], document["images"][0]

    edit(folder / COCO_FILE, change)
    mended = take_in_mended(context, folder)
    assert (changed(mended), mended.same) == ([], 1)
    assert [(one.entry, one.sample_id) for one in mended.skipped] == [
        (f"{COCO_FILE}: image {NAMES[1]!r}", IDS[1]),
        (f"images/{NAMES[0]}", IDS[0]),
    ]
    assert all("no annotation" in one.reason for one in mended.skipped)


def mark_coco(folder: Path) -> None:
    def change(document: Any) -> None:
        document["images"][0]["no_person"] = True
        del document["annotations"][0]

    edit(folder / COCO_FILE, change)


def mark_cvat(folder: Path) -> None:
    def change(images: list[Xml.Element]) -> None:
        images[0].clear()
        images[0].attrib.update({"name": NAMES[0], "width": "30", "height": "40"})
        Xml.SubElement(images[0], "tag", {"label": "no_person"})

    edit_cvat(folder, change)


def mark_folder(folder: Path) -> None:
    (folder / "masks" / NAMES[0]).write_bytes(encode_png(np.zeros(SIZE, np.uint8)))


@pytest.mark.parametrize(("kind", "mark"), [("coco", mark_coco), ("cvat", mark_cvat), ("folder", mark_folder)])
def test_an_explicit_marker_makes_a_label_empty_once_somebody_says_that_it_is_meant(
    context: RunContext, export: Callable[[str], Path], kind: str, mark: Callable[[Path], None]
) -> None:
    folder = export(kind)
    mark(folder)
    mended = take_in_mended(context, folder)
    assert ([change.sample_id for change in mended.held_back], changed(mended)) == ([IDS[0]], [])
    mended = take_in_mended(context, folder, MendedOptions(trust=True))
    assert (changed(mended), mended.changed[0].foreground_after, mended.same) == ([IDS[0]], 0, 2)
    run(context, [SOURCE])
    assert not labels_of(context)[IDS[0]].any()


def test_a_marker_beside_shapes_is_a_contradiction(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("cvat")
    edit_cvat(folder, lambda images: shape(images[1], "tag", label=" No_person"))
    assert "says no_person; remove one of the two" in reasons(take_in_mended(context, folder))[IDS[1]]


def test_shapes_of_cvat_are_drawn_as_cvat_defines_them(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("cvat")

    def change(images: list[Xml.Element]) -> None:
        shape(images[0], "polygon", label="background", points="6,8;23,8;23,17;6,17", z_order="1")
        shape(images[0], "polygon", label="Background", points="0,0;29,0;29,39;0,39", z_order="-1")
        images[1].remove(images[1][0])
        shape(images[1], "ellipse", cx="15", cy="22", rx="9", ry="14")
        shape(images[1], "box", xtl="0", ytl="38", xbr="30", ybr="40")
        images[2].remove(images[2][0])
        shape(images[2], "polyline", points="6,8;23,8;23,35;6,35;6,8")
        shape(images[2], "points", points="6,8;23,8")
        shape(images[2], "cuboid", label="chair")

    edit_cvat(folder, change)
    mended = take_in_mended(context, folder)
    assert changed(mended) == IDS[:2] and mended.same == 1, "a closed polyline is an outline"
    assert [one.reason for one in mended.skipped] == [
        "shapes of 'chair' are no person's, and are not used",
        "shapes of the kind points are not supported; draw a polygon, a mask, an ellipse or a rectangle",
    ]
    run(context, [SOURCE])
    labels = labels_of(context)
    expected = np.zeros(SIZE, np.uint8)
    expected[18:36, 6:24] = 255
    assert np.array_equal(labels[IDS[0]], expected), "the shape above erases, the one below does not"
    rows, columns = np.mgrid[:40, :30] + 0.5
    ellipse = ((columns - 15) / 9) ** 2 + ((rows - 22) / 14) ** 2 <= 1
    assert np.array_equal(labels[IDS[1]] > 0, ellipse | (rows > 38))


def test_a_background_over_everything_is_no_empty_label(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("cvat")
    everything = {"label": "background", "points": "0,0;29,0;29,39;0,39", "z_order": "1"}
    edit_cvat(folder, lambda images: shape(images[0], "polygon", **everything))
    assert "cover no pixel that is left" in reasons(take_in_mended(context, folder, MendedOptions(trust=True)))[IDS[0]]


ELSEWHERE = [[0, 0, 30, 0, 30, 7, 0, 7]]


def test_a_label_with_little_in_common_with_the_old_one_is_held_back(
    context: RunContext, export: Callable[[str], Path]
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(ELSEWHERE, LARGER, ...))
    mended = take_in_mended(context, folder)
    (held,) = mended.held_back
    assert (held.sample_id, held.iou_with_old) == (IDS[0], 0)
    assert held.foreground_before == pytest.approx(28 * 18 / 1200) and held.foreground_after == pytest.approx(0.175)
    assert changed(mended) == [IDS[1]]
    assert mended.changed[0].iou_with_old == pytest.approx(28 * 18 / (22 * 34))
    assert changed(take_in_mended(context, folder, MendedOptions(trust=True)))[0] == IDS[0]


@pytest.mark.parametrize("value", [0, 255])
def test_nothing_is_held_back_where_the_old_label_was_empty_or_full(tmp_path: Path, value: int) -> None:
    context = ingested(tmp_path, np.full(SIZE, value, np.uint8))
    export_repair(context, tmp_path / "out", "coco", None, "true")
    edit(tmp_path / "out" / COCO_FILE, segmented(ELSEWHERE, ..., ...))
    mended = take_in_mended(context, tmp_path / "out")
    assert (changed(mended), mended.held_back, mended.same) == ([IDS[0]], (), 2)


def test_nothing_is_held_back_where_the_old_label_was_judged_a_label_error(
    context: RunContext, export: Callable[[str], Path]
) -> None:
    from datetime import UTC, datetime

    rows = {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}
    for name, verdicts in ((IDS[0], ("fine", "label_error")), (IDS[1], ("label_error", "fine"))):
        hashes = rows[name]["image_sha256"], rows[name]["alpha_sha256"]
        for hour, verdict in enumerate(verdicts):
            at = datetime(2026, 3, 1, hour, tzinfo=UTC)
            take_in(context.catalog, [Judgement(name, *hashes, verdict, "kim", at)])  # type: ignore[arg-type]
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(ELSEWHERE, ELSEWHERE, ...))
    mended = take_in_mended(context, folder)
    assert changed(mended) == [IDS[0]], "whose last verdict says that it is wrong"
    assert [change.sample_id for change in mended.held_back] == [IDS[1]]


def test_what_will_change_is_announced_before_anything_is_written(
    own_process: None, context: RunContext, export: Callable[[str], Path]
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, ..., ...))
    seen: list[tuple[list[str], bool]] = []
    mended_folder = context.catalog.files / "mended"
    announce = MendedOptions(announce=lambda mended: seen.append((changed(mended), mended_folder.exists())))
    take_in_mended(context, folder, announce)
    assert seen == [([IDS[0]], False)]
    assert mended_folder.exists()


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"images/{name}",
        lambda name: f"upload/1/0a1b2c3d-{Path(name).name}",
        lambda name: Path(name).name,
        lambda name: name.replace("/", "\\"),
        lambda name: f"C:\\data\\{Path(name).name}",
        lambda name: f"http://localhost:8080/data/upload/3/ffeeddcc-{Path(name).name}?x=1",
        lambda name: f"/data/local-files/?d=photos/{name}",
        lambda name: f"{Path(name).stem}_png.rf.0123456789abcdef0123456789abcdef.jpg",
        lambda name: f"{name.rpartition('.')[0]}.JPG",
        lambda name: f"renamed by somebody {Path(name).stem.rpartition('-')[2]}.png",
    ],
)
def test_names_that_an_upload_changed_are_recognised(
    context: RunContext, export: Callable[[str], Path], rename: Callable[[str], str]
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, LARGER, LARGER))
    (folder / "segdata.json").unlink()

    def change(document: Any) -> None:
        for image in document["images"]:
            image["file_name"] = rename(image["file_name"])

    edit(folder / COCO_FILE, change)
    mended = take_in_mended(context, folder)
    assert (changed(mended), mended.skipped) == (IDS, ())


def test_two_entries_of_one_sample_are_both_left_alone(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("coco")

    def change(document: Any) -> None:
        document["images"][1]["file_name"] = f"1/x-{NAMES[0].rpartition('/')[2]}"
        document["images"][0]["file_name"] = f"2/y-{NAMES[0].rpartition('/')[2]}"

    edit(folder / COCO_FILE, change)
    mended = take_in_mended(context, folder)
    assert [one.reason for one in mended.skipped[:2]] == [f"several entries are of {IDS[0]}; remove all but one"] * 2


def test_a_stranger_among_the_names_is_reported(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, lambda document: document["images"][0].update(file_name="stranger.png"))
    mended = take_in_mended(context, folder)
    assert [(one.sample_id, one.entry) for one in mended.skipped] == [
        (None, f"{COCO_FILE}: image 'stranger.png'"),
        (IDS[0], f"images/{NAMES[0]}"),
    ]
    assert "rename it as it was exported, or choose the export with --of" in mended.skipped[0].reason


def test_the_record_and_not_the_list_in_the_folder_says_which_sample_a_label_is_of(
    context: RunContext, export: Callable[[str], Path]
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, ..., ...))

    def swap(document: Any) -> None:
        first, second, _ = document["samples"]
        first["sample_id"], second["sample_id"] = second["sample_id"], first["sample_id"]

    edit(folder / "segdata.json", swap)
    assert changed(take_in_mended(context, folder)) == [IDS[0]]


def test_a_folder_of_an_older_segdata_without_record_is_still_understood(
    context: RunContext, export: Callable[[str], Path]
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, ..., ...))
    (folder / COCO_FILE).rename(folder / "annotations.json")

    def as_it_was(document: Any) -> None:
        del document["run"]
        for line in document["samples"]:
            line["image"] = f"images/{line['sample_id']}.png"

    edit(folder / "segdata.json", as_it_was)
    names = {name: f"{sample}.png" for name, sample in zip(NAMES, IDS, strict=True)}

    def rename(document: Any) -> None:
        for image in document["images"]:
            image["file_name"] = names[image["file_name"]]

    edit(folder / "annotations.json", rename)
    (folder_of_repairs(context.catalog) / "run.json").unlink()
    mended = take_in_mended(context, folder)
    assert (changed(mended), mended.same, mended.skipped) == ([IDS[0]], 2, ())


@pytest.fixture
def two_exports(context: RunContext, tmp_path: Path) -> tuple[Path, Path]:
    """The first sample went to one annotator, the second one to another."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder, name in zip(folders, IDS, strict=False):
        export_repair(replace(context, run_id=folder.name), folder, "folder", None, f"sample_id = '{name}'")
    return folders


@pytest.mark.parametrize("options", [None, MendedOptions(of="one")])
def test_labels_of_one_export_change_no_sample_of_another(
    context: RunContext, two_exports: tuple[Path, Path], options: MendedOptions | None
) -> None:
    folder, other = two_exports
    mend_mask(folder)
    (folder / "masks" / NAMES[1]).write_bytes((folder / "masks" / NAMES[0]).read_bytes())
    if options is not None:
        (folder / "segdata.json").unlink()
    mended = take_in_mended(context, folder, options)
    assert (changed(mended), mended.export, mended.is_guessed) == ([IDS[0]], "one", False)
    assert [one.sample_id for one in mended.skipped] == [None]
    assert "segdata.json" in {file.name for file in other.iterdir()}


def test_without_a_list_the_newest_export_that_most_names_fit_is_taken(
    context: RunContext, two_exports: tuple[Path, Path]
) -> None:
    folder, _ = two_exports
    mend_mask(folder)
    (folder / "segdata.json").unlink()
    mended = take_in_mended(context, folder)
    assert (changed(mended), mended.export, mended.is_guessed) == ([IDS[0]], "one", True)
    export_repair(replace(context, run_id="newer"), folder.parent / "newer", "folder", None, "true")
    (folder / "masks" / NAMES[1]).write_bytes((folder / "masks" / NAMES[0]).read_bytes())
    assert take_in_mended(context, folder).export == "newer"


@pytest.mark.parametrize("run", [None, "another"])
def test_a_list_that_names_no_recorded_export_changes_nothing(
    context: RunContext, two_exports: tuple[Path, Path], run: str | None
) -> None:
    folder, _ = two_exports
    mend_mask(folder)
    row = context.catalog.read("samples", where=f"sample_id = '{IDS[2]}'").to_pylist()[0]
    hashes = {name: row[name] for name in ("image_sha256", "alpha_sha256")}

    def forge(document: Any) -> None:
        del document["run"]
        if run is not None:
            document["run"] = run
        document["samples"] = [{"sample_id": IDS[2], "image": f"images/{NAMES[0]}", "mask": NAMES[0], **hashes}]

    edit(folder / "segdata.json", forge)
    with pytest.raises(UsageError, match=r"two, one\. .*--of") as refused:
        take_in_mended(context, folder)
    assert ("names no run" in str(refused.value)) == (run is None)
    assert not (context.catalog.files / "mended").exists()


def test_an_export_is_chosen_by_its_run(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, ..., ...))
    assert changed(take_in_mended(context, folder, MendedOptions(of="run"))) == [IDS[0]]
    with pytest.raises(UsageError, match=r"--of other: no such export for repair; there are run"):
        take_in_mended(context, folder, MendedOptions(of="other"))


def zipped(folder: Path, file: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, f"a folder/{path.relative_to(folder)}")
        for name, data in contents.items():
            archive.writestr(name, data)
    return file


@pytest.mark.parametrize("kind", ["coco", "cvat", "folder"])
@pytest.mark.parametrize("form", ["zip", "file"])
def test_an_archive_and_a_single_file_are_taken_as_a_folder_is(
    context: RunContext, export: Callable[[str], Path], tmp_path: Path, kind: str, form: str
) -> None:
    folder = export(kind)
    mend = {"coco": mend_coco, "cvat": mend_cvat, "folder": mend_mask}[kind]
    mend(folder)
    single = folder / {"coco": COCO_FILE, "cvat": CVAT_FILE, "folder": f"masks/{NAMES[0]}"}[kind]
    path = zipped(folder, tmp_path / "returned.zip") if form == "zip" else single
    mended = take_in_mended(context, path)
    assert changed(mended) == [IDS[0]]
    assert mended.same == (0 if (kind, form) == ("folder", "file") else 2)


def mend_coco(folder: Path) -> None:
    edit(folder / COCO_FILE, segmented(LARGER, ..., ...))


def mend_cvat(folder: Path) -> None:
    edit_cvat(folder, lambda images: shape(images[0], "box", xtl="0", ytl="0", xbr="12", ybr="12"))


def mend_mask(folder: Path) -> None:
    label = np.zeros(SIZE, np.uint8)
    label[4:38, 4:26] = 255
    (folder / "masks" / NAMES[0]).write_bytes(encode_png(label))


def test_an_archive_that_would_unpack_to_too_much_or_leads_out_is_refused(
    context: RunContext, export: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export("folder")
    mend_mask(folder)
    (folder / "masks" / NAMES[1]).write_bytes(bytes(20_001))
    monkeypatch.setattr(answering, "_LONGEST_MASK", 20_000)
    bomb = zipped(folder, tmp_path / "bomb.zip", **{"../../masks/x.png": b"x"})
    assert bomb.stat().st_size < 20_000
    with zipfile.ZipFile(bomb, "a") as archive:
        link = zipfile.ZipInfo("masks/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    mended = take_in_mended(context, bomb)
    told = {one.entry: one.reason for one in mended.skipped}
    assert told["../../masks/x.png"] == told["masks/link.png"] == "a name or a link that leaves the archive"
    assert "20,001 bytes; at most 20,000 are read" in reasons(mended)[IDS[1]]
    assert (changed(mended), mended.same) == ([IDS[0]], 1)


@pytest.mark.parametrize("data", [b"PK\x03\x04 no archive", b"", b"text"])
def test_a_damaged_archive_is_a_message(context: RunContext, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "returned.zip"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"returned\.zip: no labels that can be read \(\w.*\); give the folder"):
        take_in_mended(context, path)
    with pytest.raises(SourceError, match="there is no such file or folder"):
        take_in_mended(context, tmp_path / "nowhere")


def test_files_that_file_systems_leave_behind_are_no_labels(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("coco")
    mend_coco(folder)
    for name in ("._instances_default.json", ".DS_Store", "__MACOSX/instances_x.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\0\0")
    mended = take_in_mended(context, folder)
    assert (changed(mended), mended.skipped) == ([IDS[0]], ())


def rle_of(label: np.ndarray) -> dict[str, Any]:
    runs = coco.encode(np.asfortranarray(label.astype(np.uint8)))
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode()}


@pytest.mark.parametrize("crowd", [0, 1])
def test_rle_counts_with_and_without_crowd(context: RunContext, export: Callable[[str], Path], crowd: int) -> None:
    folder = export("coco")
    label = np.zeros(SIZE, bool)
    label[4:38, 4:26] = True

    def change(document: Any) -> None:
        document["annotations"][0].update(iscrowd=crowd, segmentation=rle_of(label))

    edit(folder / COCO_FILE, change)
    assert changed(take_in_mended(context, folder)) == [IDS[0]]
    run(context, [SOURCE])
    assert np.array_equal(labels_of(context)[IDS[0]] > 0, label)


def open_and_crash(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """`open_folder`, in whose process the second label is as bad as pycocotools finds unchecked coordinates."""
    greeting, answer = answering.open_folder(setup)

    def crash_or_answer(request: bytes) -> bytes:
        if answering.decode_request(request)[0] == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        return answer(request)

    return greeting, crash_or_answer


def test_an_entry_that_crashes_the_decoder_is_skipped_and_the_next_is_decoded(
    own_process: None, context: RunContext, export: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export("coco")
    edit(folder / COCO_FILE, segmented(LARGER, LARGER, LARGER))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(decoding, "OPENER", "test_mended:open_and_crash")
    mended = take_in_mended(context, folder)
    assert mended.samples == {"mine": (IDS[0], IDS[2])}
    assert list(reasons(mended)) == [IDS[1]]
    assert reasons(mended)[IDS[1]].startswith("the process that decodes crashed (SIGSEGV)")


def open_to_crash(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Dies while it reads the lists."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return answering.open_folder(setup)


def test_lists_that_crash_the_decoder_change_no_label(
    own_process: None, context: RunContext, export: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export("cvat")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(decoding, "OPENER", "test_mended:open_to_crash")
    with pytest.raises(SourceError, match=r"no labels that can be read \(the process that decodes crashed \(SIGSEGV\)"):
        take_in_mended(context, folder)
    assert not (context.catalog.files / "mended").exists()


def test_an_image_of_another_size_than_its_photo_is_skipped(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("cvat")
    file = folder / "annotations.xml"
    file.write_text(file.read_text().replace('width="30" height="40"', 'width="9999" height="9999"', 1))
    mended = take_in_mended(context, folder)
    assert list(reasons(mended)) == [IDS[0]]
    assert reasons(mended)[IDS[0]].startswith("the mended label is 9999x9999, the photograph 30x40")
    assert mended.same == 2


def test_a_mask_of_another_size_is_not_even_decoded(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("folder")
    masks = sorted((folder / "masks").rglob("*.png"))
    masks[0].write_bytes(encode_png(np.zeros((400, 300), np.uint8)))
    masks[1].write_bytes(encode_png(np.zeros(SIZE[::-1], np.uint8)))
    mended = take_in_mended(context, folder)
    told = reasons(mended)
    assert told[IDS[0]].startswith("its mask can't be used: 300x400 pixels; at most 1,200 are read")
    assert told[IDS[1]].startswith("the mended label is 40x30, the photograph 30x40")
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


@pytest.mark.parametrize("data", [b"[" * 200_000, b"{", b"\xff\xfe\xfd", b'{"images": 1}', b"[]", b"{}", None])
def test_a_list_that_can_not_be_read_is_a_message(
    context: RunContext, export: Callable[[str], Path], data: bytes | None
) -> None:
    folder = export("coco")
    (folder / COCO_FILE).unlink()
    if data is not None:
        (folder / COCO_FILE).write_bytes(data)
    with pytest.raises(SourceError, match=r"out: no labels that can be read \(\w"):
        take_in_mended(context, folder)


@pytest.mark.parametrize("data", [b"[" * 200_000, b"{", b"\xff\xfe\xfd", None])
def test_a_damaged_list_of_segdata_is_not_needed(
    context: RunContext, export: Callable[[str], Path], data: bytes | None
) -> None:
    folder = export("coco")
    mend_coco(folder)
    (folder / "segdata.json").unlink()
    if data is not None:
        (folder / "segdata.json").write_bytes(data)
    mended = take_in_mended(context, folder)
    assert changed(mended) == [IDS[0]]
    assert [one.entry for one in mended.skipped] == ([] if data is None else ["segdata.json"])


@pytest.mark.parametrize("name", [f"masks/{NAMES[1]}", "masks"])
def test_a_link_out_of_the_folder_is_refused(
    context: RunContext, export: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    folder = export("folder")
    (folder / name).symlink_to((folder / name).rename(tmp_path / "elsewhere"))
    if name == "masks":
        with pytest.raises(SourceError, match="masks: a link that leaves its folder"):
            take_in_mended(context, folder)
        return
    assert reasons(take_in_mended(context, folder))[IDS[1]].startswith(f"{Path(name).name} leaves its folder")


def test_a_link_that_stays_inside_is_read(context: RunContext, export: Callable[[str], Path]) -> None:
    folder = export("folder")
    mend_mask(folder)
    (folder / "masks").rename(folder / "returned")
    (folder / "masks").symlink_to(folder / "returned")
    assert changed(take_in_mended(context, folder)) == [IDS[0]]
