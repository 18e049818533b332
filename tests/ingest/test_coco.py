"""COCO annotations as somebody broke them: an entry that can't be used costs that entry alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.errors import SourceError
from segdata.ingest.coco import read
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Filtered, PhotoSet, Reject

CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 15, "name": "bench", "supercategory": "outdoor"},
]


def write(
    root: Path, images: Any, annotations: Any, categories: Any = CATEGORIES, photos: tuple[str, ...] = ()
) -> None:
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "val2017" / "deep").mkdir(parents=True, exist_ok=True)
    told = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(told))
    for name in photos:
        cv2.imwrite(str(root / "val2017" / name), np.zeros((4, 3, 3), np.uint8))


def told(root: Path) -> dict[str, str]:
    """Path -> what became of it."""
    answers = {}
    for one in read_photos(root):
        assert one.path not in answers, "a photo counts once"
        answers[one.path] = one.reason if isinstance(one, Reject | Filtered) else one.kind
    return answers


def read_photos(root: Path, **keys: Any) -> list[Candidate | Reject | Filtered]:
    found = read(root.resolve(), SourceRecipe(name="coco", root=str(root), **keys))
    return [one for one in found if not isinstance(one, PhotoSet)]


def bench(*image_ids: Any) -> list[dict[str, Any]]:
    return [{"id": number, "image_id": one, "category_id": 15} for number, one in enumerate(image_ids)]


@pytest.mark.parametrize(
    "file_name",
    [
        "../secret.jpg", "a/../../secret.jpg", "/etc/passwd", "C:\\photos\\a.jpg", "http://example.org/a.jpg",
        "file:///etc/passwd", "a\0.jpg", "", None, 7, ["a.jpg"], "x" * 5000, "\ud800.jpg",
    ],
    ids=repr,
)  # fmt: skip
def test_a_path_that_can_not_be_trusted_is_unsafe(tmp_path: Path, file_name: Any) -> None:
    write(
        tmp_path, [{"id": 1, "file_name": file_name}, {"id": 2, "file_name": "a.jpg"}], bench(1, 2), photos=("a.jpg",)
    )
    answers = told(tmp_path)
    assert answers.pop("val2017/a.jpg") == "background"
    assert list(answers.values()) == ["unsafe_path"]
    next(iter(answers)).encode()  # a table takes it


def test_a_very_long_name_below_the_limit_of_paths_is_merely_missing(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "x" * 300 + ".jpg"}, {"id": 2, "file_name": "a.jpg"}]
    write(tmp_path, images, bench(1, 2), photos=("a.jpg",))
    assert list(told(tmp_path).values()) == ["missing_image", "background"]


def test_broken_entries_cost_nobody_else(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "a.jpg"}, {"file_name": "noid.jpg"}, {"id": [2], "file_name": "list.jpg"}, None, "text",
        {"id": True, "file_name": "bool.jpg"}, {"id": "s1", "file_name": "text.jpg"}, {"id": 9},
    ]  # fmt: skip
    annotations = [
        *bench(1, "s1", 12345),
        None,
        {"image_id": 1},
        {"category_id": 15},
        {"image_id": {}, "category_id": []},
    ]
    write(tmp_path, images, annotations, photos=("a.jpg", "text.jpg"))
    assert told(tmp_path) == {
        "val2017/a.jpg": "unknown_category",  # one of its annotations does not say of what
        "val2017/noid.jpg": "no_annotations",
        "val2017/list.jpg": "no_annotations",
        "val2017/bool.jpg": "no_annotations",
        "val2017/text.jpg": "background",
        "val2017/entry 3": "unsafe_path",
        "val2017/entry 4": "unsafe_path",
        "val2017/entry 7": "unsafe_path",
    }


def test_two_photos_of_one_id_are_ambiguous_and_a_person_in_either_counts_for_both(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{name}.jpg"} for n, name in ((1, "a"), (1, "b"), (2, "c"), (2, "d"))]
    write(tmp_path, images, [*bench(1, 2), {"image_id": 2, "category_id": 1}], photos=("a.jpg",))
    assert list(told(tmp_path).values()) == ["ambiguous_id", "ambiguous_id", "has_person", "has_person"]


def test_one_file_spelt_in_two_ways_is_one_photo(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "deep/a.jpg"}, {"id": 2, "file_name": "deep//./a.jpg"}]
    write(tmp_path, images, bench(1, 2), photos=("deep/a.jpg",))
    found = read_photos(tmp_path)
    assert [type(one) for one in found] == [Candidate]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": 3, "annotations": [], "categories": []}', "[" * 100_000])
def test_what_is_no_annotation_file_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, [], [])
    (tmp_path / "annotations" / "instances_val2017.json").write_text(text)
    with pytest.raises(SourceError, match=r"instances_val2017\.json: not COCO annotations"):
        told(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"images": [' + b'{"a":' * 100_000,
        b'{"images": [], "annotations": [], "categories": [' + b"1" * 5000 + b"]}",
        b"\xff\xfe{\x00",
        b"",
        b"7",
    ],
)
def test_annotations_that_no_program_should_have_written_are_refused_with_a_message(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_bytes(data)
    with pytest.raises(SourceError, match=r"instances_val2017\.json: not COCO annotations"):
        list(read(tmp_path, SourceRecipe(name="coco", root=str(tmp_path))))


def test_annotations_that_are_a_pipe_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    os.mkfifo(tmp_path / "annotations" / "instances_val2017.json")
    with pytest.raises(SourceError, match="a pipe, socket or device"):
        list(read(tmp_path, SourceRecipe(name="coco", root=str(tmp_path))))


def test_half_a_character_in_a_licence_is_escaped(tmp_path: Path) -> None:
    write(tmp_path, [{"id": 1, "file_name": "a.jpg", "license": 4}], bench(1), photos=("a.jpg",))
    file = tmp_path / "annotations" / "instances_val2017.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "licenses": [{"id": 4, "name": "CC \ud800"}]}))
    (background,) = read_photos(tmp_path)
    assert isinstance(background, Candidate)
    assert background.licence == "CC \\ud800"
