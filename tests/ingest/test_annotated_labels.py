"""Labels drawn from annotations: kept beside the catalog, drawn again where annotations changed, and nowhere else."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.annotated import folder_of
from segdata.catalog.mends import keep_mends
from segdata.catalog.tables import Catalog
from segdata.catalog.upkeep import maintain
from segdata.catalog.verify import verify_files
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.isolated import Limits
from segdata.errors import SourceError
from segdata.imaging.encode import encode_png
from segdata.ingest import label_drawing
from segdata.ingest.annotations.brush import pack_runs
from segdata.ingest.annotations.drawing import open_drawing
from segdata.ingest.counts import SourceCounts
from segdata.ingest.labelstudio import match_tasks
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import IngestOptions, run
from segdata.storage.files import sha256_of

HEIGHT, WIDTH = 40, 30
LEFT = [[2.0, 2, 10, 2, 10, 38, 2, 38]]
RIGHT = [[20.0, 2, 28, 2, 28, 38, 20, 38]]
BOX = [[1, 1], [20, 1], [20, 30], [1, 30]]


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")


def write_photo(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".jpg", np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    path.write_bytes(data.tobytes())


def ingest(context: RunContext, root: Path, reader: Any, verify: bool = False, **more: Any) -> SourceCounts:
    source = SourceRecipe(name="mine", reader=reader, root=str(root), **more)
    return run(context, [source], IngestOptions(verify)).sources["mine"]


def rows(context: RunContext) -> dict[str, dict[str, Any]]:
    found = context.catalog.read("samples", where="status = 'present'").to_pylist()
    return {row["sample_id"].removeprefix("mine/"): row for row in found}


def label_of(context: RunContext, name: str) -> np.ndarray:
    label = cv2.imread(str(context.workspace.resolve(rows(context)[name]["alpha_uri"])), cv2.IMREAD_UNCHANGED)
    assert label is not None
    return label


def write_coco(root: Path, people: dict[str, Any], crowds: dict[str, Any] | None = None, benches: str = "") -> None:
    """A photo for each name, its masks of people and of crowds."""
    names = sorted({*people, *(crowds or {}), *benches.split()})
    images = [{"id": n, "file_name": f"{name}.jpg", "height": HEIGHT, "width": WIDTH} for n, name in enumerate(names)]
    annotations = []
    for n, name in enumerate(names):
        own = [(1, 0, one) for one in people.get(name, ())] + [(1, 1, one) for one in (crowds or {}).get(name, ())]
        own += [(15, 0, LEFT)] if name in benches.split() else []
        annotations += [{"image_id": n, "category_id": c, "iscrowd": i, "segmentation": s} for c, i, s in own]
        if not (root / "val2017" / f"{name}.jpg").is_file():
            write_photo(root / "val2017" / f"{name}.jpg", n)
    categories = [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 15, "name": "bench"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(document))


def rle_of(mask: np.ndarray) -> dict[str, Any]:
    flat, counts, value = mask.T.ravel(), [0], 0
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


def test_a_portrait_of_coco_is_the_union_of_all_people(context: RunContext, tmp_path: Path) -> None:
    runs = np.zeros((HEIGHT, WIDTH), int)
    runs[5:9, 12:18] = 1
    write_coco(tmp_path / "coco", {"a": [LEFT, rle_of(runs)], "b": [RIGHT]}, benches="c b")
    counts = ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert (counts.added, counts.rejected, counts.filtered) == (2, 0, {"no_person": 1})
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[2:38, 2:10] = expected[5:9, 12:18] = 255
    assert np.array_equal(label_of(context, "val2017/a"), expected)
    row = rows(context)["val2017/a"]
    assert (row["kind"], row["split"], row["alpha_kind"]) == ("portrait", "train", "hard")
    assert not Path(row["alpha_uri"]).is_absolute()
    assert row["foreground_fraction"] == pytest.approx(np.mean(expected > 0))


def test_a_pixel_of_a_crowd_goes_with_the_nearest_that_has_a_label(context: RunContext, tmp_path: Path) -> None:
    between = [[10.0, 2, 20, 2, 20, 38, 10, 38]]  # 10 columns beside a person on the left and nobody on the right
    write_coco(tmp_path / "coco", {"a": [LEFT]}, {"a": [between], "b": [LEFT]})
    counts = ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert (counts.added, counts.filtered) == (1, {"only_crowd": 1})
    label = label_of(context, "val2017/a")
    assert label[20, 2:15].all() and not label[20, 16:].any()


def test_coco_is_read_for_backgrounds_unless_the_recipe_says_portrait(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT]}, benches="c")
    counts = ingest(context, tmp_path / "coco", "coco", supercategories=())
    assert (counts.added, counts.filtered) == (1, {"has_person": 1})
    assert SourceRecipe(name="coco", root="x").kind == "background"
    assert SourceRecipe(name="x", reader="folder", root="x").kind == "portrait"


def test_other_annotations_change_the_label_of_their_photo_alone(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [RIGHT]})
    ingest(context, tmp_path / "coco", "coco", kind="portrait")
    before = rows(context)
    again = ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert (again.unchanged, again.decoded) == (2, 0)
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [LEFT]})
    changed = ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert (changed.changed, changed.unchanged, changed.decoded) == (1, 1, 1)
    after = rows(context)
    assert after["val2017/a"] == before["val2017/a"]
    assert after["val2017/b"]["alpha_sha256"] == after["val2017/a"]["alpha_sha256"]


def test_another_label_is_read_even_if_its_file_has_the_size_and_time_of_the_old_one(
    context: RunContext, tmp_path: Path
) -> None:
    files = []
    for shape_of_a in (LEFT, RIGHT):
        write_coco(tmp_path / "coco", {"a": [shape_of_a]})
        ingest(context, tmp_path / "coco", "coco", kind="portrait")
        files.append(context.workspace.resolve(rows(context)["val2017/a"]["alpha_uri"]))
    stamps = files[1].stat()
    files[0].write_bytes(bytes(stamps.st_size))  # as after unpacking an archive that keeps seconds only
    os.utime(files[0], ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    write_coco(tmp_path / "coco", {"a": [LEFT]})
    assert ingest(context, tmp_path / "coco", "coco", kind="portrait").changed == 1
    assert label_of(context, "val2017/a")[20, 5] == 255


def test_a_photo_whose_last_person_is_removed_is_gone_and_comes_back(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [RIGHT]})
    ingest(context, tmp_path / "coco", "coco", kind="portrait")
    write_coco(tmp_path / "coco", {"a": [LEFT]}, benches="b")
    counts = ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert (counts.gone, counts.filtered, set(rows(context))) == (1, {"no_person": 1}, {"val2017/a"})
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [RIGHT]})
    assert ingest(context, tmp_path / "coco", "coco", kind="portrait").changed == 1


def test_a_shape_that_can_not_be_drawn_costs_its_photo_alone_and_is_not_tried_again(
    context: RunContext, tmp_path: Path
) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [[[1, 1, 2, 2]]], "c": [[]], "d": [[[40, 1, 50, 1, 50, 9]]]})
    for decoded in (4, 0):
        counts = ingest(context, tmp_path / "coco", "coco", kind="portrait")
        assert (counts.rejected, counts.decoded) == (3, decoded)
    details = {row["path"]: row["detail"] for row in context.catalog.read("rejects").to_pylist()}
    assert "instances_val2017.json: image 1: shape 1" in details["val2017/b.jpg"]
    assert "neither a list of polygons nor RLE" in details["val2017/c.jpg"]
    assert "cover no pixel" in details["val2017/d.jpg"]


def test_an_ingest_that_was_cut_off_can_be_repeated(
    context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [RIGHT]})

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "merge", fail)
        with pytest.raises(KeyboardInterrupt):
            ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert len(list(folder_of(context.catalog).glob("*/*.png"))) == 2
    assert ingest(context, tmp_path / "coco", "coco", kind="portrait").added == 2
    assert len(list(folder_of(context.catalog).glob("*/*.png"))) == 2


def test_a_label_that_is_damaged_is_found_and_drawn_again(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT]})
    ingest(context, tmp_path / "coco", "coco", kind="portrait")
    file = context.workspace.resolve(rows(context)["val2017/a"]["alpha_uri"])
    whole, stamps = file.read_bytes(), file.stat()
    for content in (None, b"x", b"x" * len(whole)):
        file.unlink() if content is None else file.write_bytes(content)
        if content is not None:
            os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
        _, (damage,) = verify_files(context)
        assert damage.path == file and "run: segdata ingest --verify" in damage.remedy
        assert ingest(context, tmp_path / "coco", "coco", verify=True, kind="portrait").unchanged == 1
        assert file.read_bytes() == whole
        assert verify_files(context) == (2, [])


def test_maintain_sweeps_labels_that_no_sample_names(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT]})
    ingest(context, tmp_path / "coco", "coco", kind="portrait")
    old = context.workspace.resolve(rows(context)["val2017/a"]["alpha_uri"])
    write_coco(tmp_path / "coco", {"a": [RIGHT]})
    ingest(context, tmp_path / "coco", "coco", kind="portrait")
    new = context.workspace.resolve(rows(context)["val2017/a"]["alpha_uri"])
    assert maintain(context, keep_days=1).swept == () and old.is_file(), "an ingest may be about to name it"
    swept = maintain(context, keep_days=1, dead_after_hours=0).swept
    assert swept == (context.workspace.uri_of(old),)
    assert new.is_file() and not old.exists()


def test_a_mended_label_stays_when_the_annotations_change(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT]})
    ingest(context, tmp_path / "coco", "coco", kind="portrait")
    row = rows(context)["val2017/a"]
    mended = encode_png(np.full((HEIGHT, WIDTH), 255, np.uint8))
    keep_mends(
        context.catalog, {"mine/val2017/a": mended}, {"mine/val2017/a": (row["image_sha256"], row["alpha_sha256"])}
    )
    for people in (LEFT, RIGHT):
        write_coco(tmp_path / "coco", {"a": [people]})
        ingest(context, tmp_path / "coco", "coco", kind="portrait")
        assert rows(context)["val2017/a"]["alpha_sha256"] == sha256_of(mended)
        assert label_of(context, "val2017/a").all()


def test_a_photo_of_coco_that_is_listed_twice_is_left_out(context: RunContext, tmp_path: Path) -> None:
    write_coco(tmp_path / "coco", {"a": [LEFT], "b": [RIGHT]})
    file = tmp_path / "coco" / "annotations" / "instances_val2017.json"
    document = json.loads(file.read_text())
    document["images"][1]["file_name"] = "a.jpg"
    file.write_text(json.dumps(document))
    counts = ingest(context, tmp_path / "coco", "coco", kind="portrait")
    assert (counts.found, counts.added, counts.filtered) == (2, 0, {"listed_twice": 1, "not_listed": 1})


def labelme_file(*shapes: Any, **more: Any) -> str:
    return json.dumps({"imageHeight": HEIGHT, "imageWidth": WIDTH, "imageData": "A" * 1000, "shapes": shapes, **more})


def shape(kind: str, points: Any, label: str = "person") -> Any:
    return {"label": label, "shape_type": kind, "points": points}


def test_a_file_of_labelme_is_read_when_it_changed_alone(context: RunContext, tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        write_photo(tmp_path / "in" / f"{name}.jpg", seed)
        (tmp_path / "in" / f"{name}.json").write_text(labelme_file(shape("polygon", BOX)))
    assert ingest(context, tmp_path / "in", "labelme").added == 2
    assert np.count_nonzero(label_of(context, "a")) == 19 * 29
    assert ingest(context, tmp_path / "in", "labelme").decoded == 0
    (tmp_path / "in" / "b.json").write_text(labelme_file(shape("rectangle", [[1, 1], [5, 5]])))
    counts = ingest(context, tmp_path / "in", "labelme")
    assert (counts.changed, counts.decoded) == (1, 1)
    assert counts.sets["annotations"].remark == "1 labels are made of boxes, circles, lines or dots alone"
    other = ingest(context, tmp_path / "in", "labelme", person_labels=["rider"])
    assert (other.gone, other.filtered) == (0, {"no_person": 2}) and not rows(context)


def test_what_labelme_can_not_say_is_reported(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "in"
    files = {
        "nobody": labelme_file(shape("polygon", BOX, "woman")),
        "keypoints": labelme_file(shape("cuboid", BOX)),
        "no size": labelme_file(shape("polygon", BOX), imageHeight=None),
        "other size": labelme_file(shape("polygon", BOX), imageHeight=50),
        "broken": "{",
        "bomb": labelme_file(shape("polygon", BOX), imageHeight=10**6, imageWidth=10**6),
    }
    for name, text in files.items():
        write_photo(root / f"{name}.jpg")
        (root / f"{name}.json").write_text(text)
    write_photo(root / "unlabelled.jpg")
    write_photo(root / "renamed.jpg")
    (root / "other.json").write_text(labelme_file(shape("polygon", BOX), imagePath="..\\x\\renamed.jpg"))
    (root / "alone.json").write_text(labelme_file())
    counts = ingest(context, root, "labelme")
    assert set(rows(context)) == {"no size", "renamed"}
    assert counts.filtered == {"no_person": 1}
    assert (
        counts.sets["annotations"].remark == "shapes labelled 'woman' are no person; person_labels names those that are"
    )
    rejects = {row["path"]: (row["reason"], row["detail"]) for row in context.catalog.read("rejects").to_pylist()}
    reasons = {path: reason for path, (reason, _) in rejects.items()}
    assert reasons == {
        "keypoints.jpg": "unreadable_alpha",
        "other size.jpg": "size_mismatch",
        "broken.jpg": "unreadable_alpha",
        "bomb.jpg": "unreadable_alpha",
        "unlabelled.jpg": "missing_alpha",
        "alone.json": "missing_image",
    }
    assert "shapes of kind cuboid, which can't be drawn" in rejects["keypoints.jpg"][1]
    assert "1000000x1000000 pixels; at most" in rejects["bomb.jpg"][1]


def test_annotations_of_labelme_may_lie_in_a_folder_of_their_own(context: RunContext, tmp_path: Path) -> None:
    write_photo(tmp_path / "in" / "images" / "x" / "a.jpg")
    (tmp_path / "in" / "labels" / "x").mkdir(parents=True)
    (tmp_path / "in" / "labels" / "x" / "a.json").write_text(labelme_file(shape("polygon", BOX)))
    assert ingest(context, tmp_path / "in", "labelme", masks="labels").added == 1


def sly_file(*objects: Any) -> str:
    return json.dumps({"size": {"height": HEIGHT, "width": WIDTH}, "objects": objects})


def test_a_project_of_supervisely_has_data_sets_classes_and_old_names(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "in"
    person = {"classTitle": "person_poly", "geometryType": "polygon", "points": {"exterior": BOX, "interior": []}}
    for place, text in {
        "ds1/a": sly_file(person),
        "ds2/b": sly_file({**person, "classTitle": "neutral"}),
        "ds2/c": sly_file(person, {**person, "geometryType": "graph"}),
    }.items():
        folder, name = place.split("/")
        write_photo(root / folder / "img" / f"{name}.jpg")
        (root / folder / "ann").mkdir(exist_ok=True)
        (root / folder / "ann" / (f"{name}.json" if name == "a" else f"{name}.jpg.json")).write_text(text)
    classes = [{"title": name, "shape": "any", "color": "#fff"} for name in ("person_poly", "neutral")]
    (root / "meta.json").write_text(json.dumps({"classes": classes}))
    counts = ingest(context, root, "supervisely")
    assert set(rows(context)) == {"ds1/img/a", "ds2/img/c"}
    assert counts.filtered == {"no_person": 1}
    assert {name: one.photos for name, one in counts.sets.items()} == {"ds1": 1, "ds2": 2, "annotations": 2}
    assert "shapes of kind graph can't be drawn and are left out" in (counts.sets["annotations"].remark or "")
    assert ingest(context, root, "supervisely", person_labels=["Neutral"]).added == 1
    with pytest.raises(SourceError, match=r"no class is named 'neutrall'; meta\.json has neutral, person_poly"):
        ingest(context, root, "supervisely", person_labels=["neutrall"])


def studio_task(name: str, *results: Any, **annotation: Any) -> Any:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {
        "file_upload": f"0a1b2c3d-{name}",
        "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"},
        "annotations": [{"result": [{**one, **size} for one in results], **annotation}],
    }


def test_an_export_of_label_studio_beside_its_photos(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "in"
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:30, 4:20] = 255
    brush = {"type": "brushlabels", "value": {"rle": list(pack_runs([(int(v), 4) for v in mask.ravel()]))}}
    brush["value"]["brushlabels"] = ["Person"]  # type: ignore[index]  # JSON: a dictionary of dictionaries
    polygon = {"type": "polygonlabels", "value": {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["dog"]}}
    tasks = [
        studio_task("my_photo.jpg", brush, polygon),
        studio_task("cancelled.jpg", brush, was_cancelled=True),
        studio_task("nobody.jpg", polygon),
        studio_task("missing.jpg", brush),
        studio_task("twice.jpg", brush),
        studio_task("twice.jpg", brush),
    ]
    for name in ("my photo", "cancelled", "nobody", "twice", "not listed"):
        write_photo(root / f"{name}.jpg")
    (root / "project-1.json").write_text(json.dumps(tasks))
    counts = ingest(context, root, "labelstudio")
    assert np.array_equal(label_of(context, "my photo"), mask)
    assert counts.filtered == {"no_annotations": 2, "no_person": 1, "listed_twice": 1}
    assert (counts.added, counts.rejected) == (1, 1)
    assert "'dog' are no person" in (counts.sets["project-1"].remark or "")
    (root / "project-2.json").write_text("[]")
    with pytest.raises(SourceError, match=r"several JSON files: project-1.json, project-2.json; choose one"):
        ingest(context, root, "labelstudio")
    assert ingest(context, root, "labelstudio", sets=["project-1"]).unchanged == 1


def test_a_file_that_is_no_export_is_named(context: RunContext, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for text in ("{}", "[" * 100_000, ""):
        (tmp_path / "in" / "a.json").write_text(text)
        with pytest.raises(SourceError, match=r"a\.json: these annotations can't be read \(.+\); export them again"):
            ingest(context, tmp_path / "in", "labelstudio")


@pytest.mark.parametrize(
    ("address", "paths", "expected"),
    [
        ("/data/upload/1/0a1b2c3d-a.jpg", ["a.jpg"], "a.jpg"),
        ("/data/upload/1/0a1b2c3d-a.jpg", ["0a1b2c3d-a.jpg", "a.jpg"], "0a1b2c3d-a.jpg"),
        ("/data/upload/1/0a1b2c3d-my_photo_1.jpg", ["my photo (1).jpg"], "my photo (1).jpg"),
        ("/data/local-files/?d=shoot/a%20b.jpg", ["x/a b.jpg", "shoot/a b.jpg"], "shoot/a b.jpg"),
        ("s3://bucket/shoot/a.jpg", ["shoot/a.jpg"], "shoot/a.jpg"),
        ("C:\\photos\\a.jpg", ["a.jpg"], "a.jpg"),
        ("/data/upload/1/0a1b2c3d-a_b.jpg", ["a b.jpg", "x/a_b.jpg"], None),
        ("../../etc/passwd", ["a.jpg"], None),
        ("http://[", ["a.jpg"], None),
        ("", ["a.jpg"], None),
    ],
)
def test_a_task_means_the_photo_that_was_uploaded(address: str, paths: list[str], expected: str | None) -> None:
    assert match_tasks([[address]], paths) == [expected]


def test_a_reader_of_tools_reads_no_backgrounds(context: RunContext, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the reader labelme reads portraits alone"):
        ingest(context, tmp_path, "labelme", kind="background")


def open_to_crash(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Runs in the process that draws."""
    greeting, answer = open_drawing(setup)

    def answer_or_crash(request: bytes) -> bytes:
        if b"crash here" in request:
            os.kill(os.getpid(), signal.SIGSEGV)
        return answer(request)

    return greeting, answer_or_crash


def test_annotations_that_crash_the_process_that_draws_cost_their_photo_alone(
    context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(label_drawing, "OPENER", "test_annotated_labels:open_to_crash")
    for seed, (name, more) in enumerate({"a": "", "b": "crash here", "c": ""}.items()):
        write_photo(tmp_path / "in" / f"{name}.jpg", seed)
        (tmp_path / "in" / f"{name}.json").write_text(labelme_file(shape("polygon", BOX), version=more))
    counts = ingest(context, tmp_path / "in", "labelme")
    assert (counts.added, counts.rejected) == (2, 1)
    (row,) = context.catalog.read("rejects").to_pylist()
    assert (row["path"], row["reason"]) == ("b.jpg", "unreadable_alpha")
    assert row["detail"] == "b.json: the process that decodes crashed (SIGSEGV)"


def test_annotations_that_were_not_tried_after_many_crashes_are_tried_by_the_next_ingest(
    context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(label_drawing, "OPENER", "test_annotated_labels:open_to_crash")
    monkeypatch.setattr(label_drawing, "_LIMITS", Limits(deaths=1))
    for seed, (name, more) in enumerate({"a": "crash here", "b": ""}.items()):
        write_photo(tmp_path / "in" / f"{name}.jpg", seed)
        (tmp_path / "in" / f"{name}.json").write_text(labelme_file(shape("polygon", BOX), version=more))
    assert ingest(context, tmp_path / "in", "labelme").rejected == 2
    details = {row["path"]: row["detail"] for row in context.catalog.read("rejects").to_pylist()}
    assert "not tried: the process that decodes died 1 times before" in details["b.jpg"]
    again = ingest(context, tmp_path / "in", "labelme")
    assert (again.added, again.rejected, again.decoded) == (1, 1, 1)


def test_a_label_of_a_hostile_file_costs_its_photo_alone(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "in"
    big = base64.b64encode(b"x" * 1000).decode()
    hostile = [
        sly_file({"classTitle": "person", "geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": big}}),
        sly_file({"classTitle": "person", "geometryType": "polygon", "points": {"exterior": [[1e9, 0]] * 4}}),
        "[" * 100_000,
        '{"size": {"height": 40, "width": 30}, "objects": [7]}',
    ]
    person = {"classTitle": "person", "geometryType": "polygon", "points": {"exterior": BOX, "interior": []}}
    for number, text in enumerate([*hostile, sly_file(person)]):
        write_photo(root / "img" / f"{number}.jpg")
        (root / "ann").mkdir(exist_ok=True)
        (root / "ann" / f"{number}.jpg.json").write_text(text)
    counts = ingest(context, root, "supervisely")
    assert (counts.added, counts.rejected) == (1, len(hostile))
    assert {row["reason"] for row in context.catalog.read("rejects").to_pylist()} == {"unreadable_alpha"}
