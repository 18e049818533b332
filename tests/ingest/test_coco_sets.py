"""COCO as it is downloaded and as annotation tools export it: which sets are read, and what is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.errors import SourceError
from segdata.ingest import coco
from segdata.ingest.coco import read
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Filtered, PhotoSet, Reject

OUTDOOR = [{"id": 1, "name": "bench", "supercategory": "outdoor"}]


def annotate(file: Path, *names: str, categories: Any = OUTDOOR, first_id: int = 1) -> None:
    """Annotations of photos with a bench each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": number, "file_name": name} for number, name in enumerate(names, first_id)]
    annotations = [{"image_id": image["id"], "category_id": 1} for image in images]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def photograph(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        _, data = cv2.imencode(".jpg", np.zeros((4, 3, 3), np.uint8))
        file.write_bytes(data.tobytes())


def read_tree(root: Path, **keys: Any) -> tuple[list[PhotoSet], dict[str, str]]:
    """What the reader says of the sets, and of each path."""
    found = list(read(root.resolve(), SourceRecipe(name="coco", root=str(root), **keys)))
    sets = [one for one in found if isinstance(one, PhotoSet)]
    answers = {
        one.path: one.reason if isinstance(one, Reject | Filtered) else one.kind
        for one in found
        if not isinstance(one, PhotoSet)
    }
    return sets, answers


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """The official annotations archive, with the photos of val2017 alone."""
    annotate(tmp_path / "annotations" / "instances_train2017.json", "9.jpg", "25.jpg")
    annotate(tmp_path / "annotations" / "instances_val2017.json", "139.jpg", first_id=10)
    for name in ("captions", "person_keypoints"):
        for set_name in ("train2017", "val2017"):
            (tmp_path / "annotations" / f"{name}_{set_name}.json").write_text("not read")
    photograph(tmp_path / "val2017" / "139.jpg")
    return tmp_path


def test_a_set_without_photos_is_skipped_and_reported(downloaded: Path) -> None:
    sets, answers = read_tree(downloaded)
    assert sets == [
        PhotoSet("coco", "train2017", 0, "no photos in train2017/, images/train2017/ or images/"),
        PhotoSet("coco", "val2017", 1),
    ]
    assert answers == {"val2017/139.jpg": "background"}


def test_the_annotations_of_a_skipped_set_are_not_read(downloaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def load_and_note(root: Path, path: str, *_: str) -> bytes:
        opened.append(path)
        return (root / path).read_bytes()

    monkeypatch.setattr(coco, "read_list", load_and_note)
    read_tree(downloaded)
    assert opened == ["annotations/instances_val2017.json"]


def test_a_folder_with_other_photos_has_none_of_the_set(downloaded: Path) -> None:
    photograph(downloaded / "train2017" / "other.jpg")
    sets, answers = read_tree(downloaded)
    assert sets[0] == PhotoSet("coco", "train2017", 0, "none of its 2 photos is in train2017/")
    assert answers == {"val2017/139.jpg": "background"}


def test_an_empty_folder_has_no_photos(downloaded: Path) -> None:
    (downloaded / "train2017").mkdir()
    assert [one.skipped is None for one in read_tree(downloaded)[0]] == [False, True]


def test_photos_that_are_missing_from_a_set_are_rejected_one_by_one(downloaded: Path) -> None:
    photograph(downloaded / "train2017" / "9.jpg")
    sets, answers = read_tree(downloaded)
    assert sets[0] == PhotoSet("coco", "train2017", 1)
    assert answers["train2017/25.jpg"] == "missing_image"


def test_only_a_source_without_photos_of_any_set_fails(downloaded: Path) -> None:
    (downloaded / "val2017" / "139.jpg").unlink()
    expected = (
        r"no set has photos\. train2017: no photos in train2017/, images/train2017/ or images/; "
        r"val2017: no photos in val2017/, images/val2017/ or images/\. Unpack the photos of a set there"
    )
    with pytest.raises(SourceError, match=expected):
        read_tree(downloaded)


def test_the_recipe_chooses_sets(downloaded: Path) -> None:
    photograph(downloaded / "train2017" / "9.jpg", downloaded / "train2017" / "25.jpg")
    assert [one.name for one in read_tree(downloaded)[0]] == ["train2017", "val2017"]
    sets, answers = read_tree(downloaded, sets=["val2017"])
    assert [one.name for one in sets] == ["val2017"]
    assert list(answers) == ["val2017/139.jpg"]


def test_a_chosen_set_without_photos_fails_if_no_other_is_chosen(downloaded: Path) -> None:
    with pytest.raises(SourceError, match=r"no set has photos\. train2017: no photos in"):
        read_tree(downloaded, sets=["train2017"])


def test_a_set_that_is_not_there_is_named(downloaded: Path) -> None:
    expected = "source coco: sets: no annotations of 'val2014'; there are those of train2017, val2017"
    with pytest.raises(SourceError, match=expected):
        read_tree(downloaded, sets=["val2014"])


def test_captions_and_keypoints_alone_are_no_sets(downloaded: Path) -> None:
    for file in (downloaded / "annotations").glob("instances_*"):
        file.unlink()
    with pytest.raises(SourceError, match=r"no instances_\*\.json; unpack the annotations there"):
        read_tree(downloaded)


def test_photos_of_all_sets_may_lie_in_images(tmp_path: Path) -> None:
    annotate(tmp_path / "annotations" / "instances_a.json", "1.jpg")
    annotate(tmp_path / "annotations" / "instances_b.json", "2.jpg")
    annotate(tmp_path / "annotations" / "instances_c.json", "3.jpg")
    photograph(tmp_path / "images" / "1.jpg", tmp_path / "images" / "2.jpg", tmp_path / "images" / "c" / "3.jpg")
    sets, answers = read_tree(tmp_path)
    assert [(one.name, one.photos) for one in sets] == [("a", 1), ("b", 1), ("c", 1)]
    assert set(answers) == {"images/1.jpg", "images/2.jpg", "images/c/3.jpg"}


def test_photos_of_one_set_in_images_are_not_those_of_another(tmp_path: Path) -> None:
    annotate(tmp_path / "annotations" / "instances_train2017.json", "139.jpg")
    annotate(tmp_path / "annotations" / "instances_val2017.json", "139.jpg")
    photograph(tmp_path / "images" / "val2017" / "139.jpg")
    sets, answers = read_tree(tmp_path)
    assert [(one.name, one.photos) for one in sets] == [("train2017", 0), ("val2017", 1)]
    assert answers == {"images/val2017/139.jpg": "background"}


def test_one_file_for_photos_in_several_folders(tmp_path: Path) -> None:
    annotate(tmp_path / "annotations" / "instances_all.json", "train2017/9.jpg", "val2017/139.jpg")
    photograph(tmp_path / "train2017" / "9.jpg", tmp_path / "val2017" / "139.jpg")
    assert read_tree(tmp_path)[1] == {"train2017/9.jpg": "background", "val2017/139.jpg": "background"}


def test_roboflow(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "park", "supercategory": "none"}, {"id": 1, "name": "tree", "supercategory": "park"}
    ]  # fmt: skip
    for name in ("train", "valid"):
        photo = f"IMG_1_jpg.rf.{name}.jpg"
        annotate(tmp_path / name / "_annotations.coco.json", photo, categories=categories)
        photograph(tmp_path / name / photo)
    sets, answers = read_tree(tmp_path)
    remark = "its categories have no supercategories, so photos with any object are backgrounds"
    assert sets == [PhotoSet("coco", "train", 1, None, remark), PhotoSet("coco", "valid", 1, None, remark)]
    assert set(answers.items()) == {
        ("train/IMG_1_jpg.rf.train.jpg", "background"), ("valid/IMG_1_jpg.rf.valid.jpg", "background")
    }  # fmt: skip
    assert [one.name for one in read_tree(tmp_path, sets=["valid"])[0]] == ["valid"]


def test_roboflow_without_folders(tmp_path: Path) -> None:
    root = tmp_path / "export"
    annotate(root / "_annotations.coco.json", "1.jpg")
    photograph(root / "1.jpg")
    sets, answers = read_tree(root)
    assert (sets, answers) == ([PhotoSet("coco", "export", 1)], {"1.jpg": "background"})


@pytest.mark.parametrize("folder", ["images", "images/default"])
@pytest.mark.parametrize("below", ["", "shoot 1/"])
def test_cvat(tmp_path: Path, folder: str, below: str) -> None:
    annotate(
        tmp_path / "annotations" / "instances_default.json", f"{below}1.jpg",
        categories=[{"id": 1, "name": "bench", "supercategory": ""}],
    )  # fmt: skip
    photograph(tmp_path / folder / below / "1.jpg")
    sets, answers = read_tree(tmp_path)
    assert [(one.name, one.photos, one.skipped) for one in sets] == [("default", 1, None)]
    assert answers == {f"{folder}/{below}1.jpg": "background"}


LABEL_STUDIO_NAMES = [
    "images/cb0618f6-1.jpg",
    "images\\cb0618f6-1.jpg",
    "images\\1/cb0618f6-1.jpg",
    "..\\..\\label-studio\\media\\upload\\4\\cb0618f6-1.jpg",
    "/label-studio/data/media/upload/4/cb0618f6-1.jpg",
    "C:\\label-studio\\media\\upload\\4\\cb0618f6-1.jpg",
]


@pytest.mark.parametrize("name", LABEL_STUDIO_NAMES)
def test_label_studio(tmp_path: Path, name: str) -> None:
    annotate(tmp_path / "result.json", name, categories=[{"id": 1, "name": "bench"}])
    photograph(tmp_path / "images" / "cb0618f6-1.jpg")
    sets, answers = read_tree(tmp_path)
    assert [(one.name, one.photos, one.skipped) for one in sets] == [("result", 1, None)]
    assert answers == {"images/cb0618f6-1.jpg": "background"}


@pytest.mark.parametrize("name", LABEL_STUDIO_NAMES[3:])
def test_a_path_of_another_machine_stays_unsafe_in_other_annotations(tmp_path: Path, name: str) -> None:
    annotate(tmp_path / "annotations" / "instances_val.json", "2.jpg", name)
    photograph(tmp_path / "val" / "cb0618f6-1.jpg", tmp_path / "val" / "2.jpg")
    assert list(read_tree(tmp_path)[1].values()) == ["background", "unsafe_path", "not_listed"]


def test_fiftyone(tmp_path: Path) -> None:
    annotate(tmp_path / "labels.json", "1.jpg")
    photograph(tmp_path / "data" / "1.jpg")
    assert read_tree(tmp_path) == ([PhotoSet("coco", "labels", 1)], {"data/1.jpg": "background"})


def test_only_published_annotations_imply_a_licence(tmp_path: Path) -> None:
    licences = {}
    for file, photo in (("annotations/instances_val2017.json", "val2017/1.jpg"), ("result.json", "images/1.jpg")):
        root = tmp_path / file.replace("/", "-")
        annotate(root / file, "1.jpg")
        photograph(root / photo)
        (candidate,) = (
            one for one in read(root.resolve(), SourceRecipe(name="coco", root=str(root))) if isinstance(one, Candidate)
        )
        licences[file] = candidate.licence
    assert licences == {"annotations/instances_val2017.json": coco.LICENCE, "result.json": ""}


def test_leftovers_of_archives_are_no_sets(tmp_path: Path) -> None:
    annotate(tmp_path / "train" / "_annotations.coco.json", "1.jpg")
    annotate(tmp_path / "__MACOSX" / "_annotations.coco.json", "1.jpg")
    photograph(tmp_path / "train" / "1.jpg")
    assert [one.name for one in read_tree(tmp_path)[0]] == ["train"]


def test_a_person_in_one_set_counts_for_the_same_photo_in_another(tmp_path: Path) -> None:
    annotate(tmp_path / "annotations" / "instances_things.json", "1.jpg", "2.jpg")
    person = [{"id": 1, "name": "person", "supercategory": "person"}]
    annotate(tmp_path / "annotations" / "instances_who.json", "1.jpg", categories=person)
    photograph(tmp_path / "images" / "1.jpg", tmp_path / "images" / "2.jpg")
    found = [
        (one.path, getattr(one, "reason", "background"))
        for one in read(tmp_path.resolve(), SourceRecipe(name="coco", root=str(tmp_path)))
        if not isinstance(one, PhotoSet)
    ]
    assert found == [
        ("images/1.jpg", "has_person"),
        ("images/2.jpg", "background"),
    ]


CATEGORIES = [
    {"id": 1, "name": "bench", "supercategory": "outdoor"},
    {"id": 2, "name": "Goalkeeper", "supercategory": "outdoor"},
    {"id": 3, "name": "person", "supercategory": "person"},
]


def three_photos(root: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)]
    annotations = [{"image_id": number, "category_id": number} for number in (1, 2, 3)]
    annotations.append({"image_id": 3, "category_id": 1})
    (root / "annotations").mkdir()
    told = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (root / "annotations" / "instances_val.json").write_text(json.dumps(told))
    photograph(*(root / "val" / f"{number}.jpg" for number in (1, 2, 3)))


@pytest.mark.parametrize(
    ("names", "people"),
    [(None, {3}), (["goalkeeper "], {2}), (["person", "GOALKEEPER"], {2, 3}), ([], set())],
)
def test_the_recipe_names_the_categories_of_people(tmp_path: Path, names: list[str] | None, people: set[int]) -> None:
    three_photos(tmp_path)
    answers = read_tree(tmp_path, person_categories=names)[1]
    assert answers == {f"val/{number}.jpg": "has_person" if number in people else "background" for number in (1, 2, 3)}


def test_a_misspelt_category_of_people_is_an_error(tmp_path: Path) -> None:
    three_photos(tmp_path)
    expected = (
        "source coco: person_categories: no category is named 'goalkeper'; "
        "the annotations have bench, goalkeeper, person"
    )
    with pytest.raises(SourceError, match=expected):
        read_tree(tmp_path, person_categories=["person", "goalkeper"])


def test_a_file_with_supercategories_is_still_chosen_from_by_them(tmp_path: Path) -> None:
    kitchen = [{"id": 1, "name": "cup", "supercategory": "kitchen"}]
    annotate(tmp_path / "annotations" / "instances_val.json", "1.jpg", categories=kitchen)
    photograph(tmp_path / "val" / "1.jpg")
    assert read_tree(tmp_path) == ([PhotoSet("coco", "val", 1)], {"val/1.jpg": "other_supercategory"})
    assert read_tree(tmp_path, supercategories=[])[1] == {"val/1.jpg": "background"}
    assert read_tree(tmp_path, supercategories=[" Kitchen"])[1] == {"val/1.jpg": "background"}
