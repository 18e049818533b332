"""Copies are found however they were changed, photos of one shoot are told from them, and strangers are no pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from segdata.catalog.appearances import AppearanceWriter, thumbnails_of
from segdata.catalog.duplicates import all_duplicates, all_leaks, grouped
from segdata.catalog.lookalikes import lookalikes, lookalikes_within
from segdata.catalog.near_duplicates import find_duplicates, find_within
from segdata.catalog.schemas import rows_to_table
from segdata.drawn.portrait import draw_portrait
from segdata.imaging.appearance import thumbnail_of
from segdata.imaging.decode import read_image
from tests.catalog.test_training_sets import House, picture

Change = Callable[[np.ndarray], np.ndarray]


def compressed(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)


CHANGES: dict[str, Change] = {
    "encoded again": lambda image: image,
    "resized": lambda image: cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA),
    "mirrored": lambda image: cv2.flip(image, 1),
    "cropped": lambda image: np.ascontiguousarray(
        image[image.shape[0] // 12 :, image.shape[1] // 20 : -(image.shape[1] // 20)]
    ),
}


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    for number in range(4):
        house.add(f"p/train/{number}", "train", picture(number))
    return house


def test_each_pair_comes_with_its_kind_distance_and_whether_it_is_mirrored(house: House) -> None:
    house.add("a/pool/same", "pool", picture(0), image_sha256="p/train/0")
    house.add("a/pool/small", "pool", CHANGES["resized"](picture(1)))
    house.add("a/pool/mirror", "pool", CHANGES["mirrored"](picture(2)))
    pairs = {(pair.sample_id, pair.other_id): pair for pair in all_duplicates(house.workspace, threads=1)}
    assert set(pairs) == {("p/train/0", "a/pool/same"), ("a/pool/small", "p/train/1"), ("a/pool/mirror", "p/train/2")}
    assert [pair.kind for pair in pairs.values()] == ["copy", "copy", "identical"]
    assert [pair.mirrored for pair in pairs.values()] == [True, False, False]
    assert pairs["p/train/0", "a/pool/same"].distance == 0
    assert all(pair.distance <= 6 and pair.similarity > 0.9 for pair in pairs.values())
    assert [group.sample_ids for group in grouped(pairs.values())] == [
        ("a/pool/mirror", "p/train/2"), ("a/pool/same", "p/train/0"), ("a/pool/small", "p/train/1"),
    ]  # fmt: skip


def test_many_equal_files_are_pairs_with_the_first_of_them_only(house: House) -> None:
    for number in range(5):
        house.add(f"a/pool/{number}", "pool", picture(9), image_sha256="same bytes")
    pairs = all_duplicates(house.workspace, threads=1)
    assert [(pair.sample_id, pair.other_id) for pair in pairs] == [(f"a/pool/{n}", "a/pool/0") for n in range(1, 5)]


def test_backgrounds_are_looked_at_and_what_is_gone_is_not(house: House) -> None:
    house.add("b/one", "none", picture(20), kind="background")
    house.add("b/two", "none", CHANGES["cropped"](picture(20)), kind="background")
    house.add("b/gone", "none", picture(20), kind="background", status="gone")
    assert [(pair.sample_id, pair.other_id) for pair in all_duplicates(house.workspace)] == [("b/one", "b/two")]


def test_a_composite_leaks_by_its_parent_and_names_it(house: House) -> None:
    house.add("p/test/0", "test", picture(30))
    house.add("p/train/leak", "train", CHANGES["mirrored"](picture(30)))
    parent = {"role": "portrait", "sample_id": "p/train/leak", "image_sha256": "p/train/leak", "alpha_sha256": "a"}
    house.add("composite/leak", "train", picture(40), kind="composite", parents=[parent])
    moved = {**parent, "sample_id": "p/test/0", "image_sha256": "p/test/0"}
    house.add("composite/moved", "train", picture(41), kind="composite", parents=[moved])
    leaks = [leak.to_json() for leak in all_leaks(house.workspace)]
    assert [(leak["sample_id"], leak["other_id"], leak["via"]) for leak in leaks] == [
        ("composite/leak", "p/test/0", "p/train/leak"),
        ("composite/moved", "p/test/0", "p/test/0"),
        ("p/train/leak", "p/test/0", None),
    ]
    assert leaks[2] | {"similarity": 1} == {
        "sample_id": "p/train/leak", "other_id": "p/test/0", "distance": leaks[2]["distance"], "similarity": 1,
        "mirrored": True, "kind": "copy", "sample_kind": "portrait", "split": "train", "other_split": "test",
        "via": None,
    }  # fmt: skip


def test_a_kept_thumbnail_is_used_and_a_missing_one_is_made_from_the_pixels(house: House) -> None:
    rows = house.workspace.catalog.read("samples", where="sample_id < 'p/train/2'")
    writer = AppearanceWriter(house.workspace.catalog, "run")
    other = np.full((32, 32), 7, np.uint8)
    writer.add({"p/train/0": other})
    writer.add({"p/train/0": other})
    assert house.workspace.catalog.read("appearances").num_rows == 1
    found = thumbnails_of(house.workspace, rows, threads=2)
    np.testing.assert_array_equal(found[0], other)
    np.testing.assert_array_equal(found[1], thumbnail_of(read_image(house.root / "p_train_1.png")))


def test_a_file_that_cannot_be_read_is_no_pair(house: House) -> None:
    house.add("a/pool/0", "pool", picture(0))
    (house.root / "a_pool_0.png").unlink()
    assert all_duplicates(house.workspace) == []


def test_bytes_that_are_not_known_are_equal_to_none(house: House) -> None:
    house.add("a/pool/0", "pool", picture(50), image_sha256="")
    house.add("a/pool/1", "pool", picture(51), image_sha256="")
    house.add("a/pool/2", "pool", CHANGES["resized"](picture(50)), image_sha256="")
    samples = house.workspace.catalog.read("samples")
    known = samples["image_sha256"].to_pylist()
    samples = samples.set_column(
        samples.schema.get_field_index("image_sha256"), "image_sha256", pa.array([name or None for name in known])
    )
    assert [(pair.sample_id, pair.other_id) for pair in find_within(house.workspace, samples)] == [
        ("a/pool/0", "a/pool/2")
    ]
    both = {("a/pool/0", "a/pool/2"), ("a/pool/2", "a/pool/0")}
    assert {(pair.sample_id, pair.other_id) for pair in find_duplicates(house.workspace, samples, samples)} == both


def test_every_row_of_shared_bytes_is_paired(house: House) -> None:
    for number in range(3):
        house.add(f"a/pool/{number}", "pool", picture(60), image_sha256="same bytes")
        house.add(f"p/test/{number}", "test", picture(60), image_sha256="same bytes")
    ours, theirs = (house.workspace.catalog.read("samples", where=f"split = '{name}'") for name in ("pool", "test"))
    found = find_duplicates(house.workspace, ours, theirs)
    assert [(pair.sample_id, pair.other_id, pair.kind) for pair in found] == [
        (f"a/pool/{one}", f"p/test/{other}", "identical") for one in range(3) for other in range(3)
    ]


def test_nothing_has_no_duplicates(house: House) -> None:
    none = rows_to_table("samples", [])
    assert find_duplicates(house.workspace, none, none) == []


SAME_PHOTOGRAPHS = {("00481", "00625"), ("02206", "02560"), ("00192", "00193"), ("00306", "00313")}
"""The three pairs of truth.json, and 00306 with 00313: one photograph, cut twice."""


def portraits(folder: Path, every: int = 1) -> tuple[list[str], list[np.ndarray]]:
    paths = sorted((folder / "portraits").glob("*.jpg"))[::every]
    return [path.stem for path in paths], [cv2.imread(str(path)) for path in paths]


def thumbnails(images: list[np.ndarray]) -> np.ndarray:
    return np.array([thumbnail_of(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for image in images])


def test_every_changed_copy_of_real_portraits_is_found_and_no_stranger(real_data: Path) -> None:
    _every_copy_is_found(*portraits(real_data, every=16))


@pytest.mark.stress
def test_every_changed_copy_of_all_real_portraits_is_found_and_no_stranger(real_data: Path) -> None:
    _every_copy_is_found(*portraits(real_data))


def _every_copy_is_found(names: list[str], images: list[np.ndarray]) -> None:
    originals = thumbnails(images)
    for how, change in CHANGES.items():
        found = lookalikes(originals, thumbnails([compressed(change(image)) for image in images]), threads=2)
        assert {pair.first for pair in found if pair.first == pair.second} == set(range(len(names))), how
        assert all(pair.mirrored == (how == "mirrored") for pair in found if pair.first == pair.second)
        strangers = {
            tuple(sorted((names[pair.first], names[pair.second]))) for pair in found if pair.first != pair.second
        }
        assert strangers <= SAME_PHOTOGRAPHS


def test_real_strangers_ten_bits_apart_are_no_pair_and_photos_of_one_shoot_are(real_data: Path, tmp_path: Path) -> None:
    house = House(tmp_path)
    for name in ("00074", "00137", "00481", "00625", "02206", "02560", "00192", "00193", "00306", "00313"):
        house.add(f"p/{name}", "train", cv2.imread(str(real_data / "portraits" / f"{name}.jpg")))
    kinds = {(pair.sample_id, pair.other_id): pair.kind for pair in all_duplicates(house.workspace)}
    assert kinds == {
        ("p/00481", "p/00625"): "same_shoot",
        ("p/02206", "p/02560"): "same_shoot",
        ("p/00192", "p/00193"): "same_shoot",
        ("p/00306", "p/00313"): "copy",
    }


def test_drawn_strangers_are_no_pairs(drawn_data: Path) -> None:
    paths = [*drawn_data.rglob("training/?????.png"), *drawn_data.rglob("clip_*/*.jpg")]
    assert len(paths) > 40
    assert lookalikes_within(np.array([thumbnail_of(read_image(path)) for path in paths]), threads=2) == []


def test_people_drawn_from_one_template_are_told_apart_by_their_colours(tmp_path: Path) -> None:
    house, images = House(tmp_path), [draw_portrait(seed, (200, 150)).image for seed in range(1000, 1500)]
    found = lookalikes_within(np.array([thumbnail_of(image) for image in images]), threads=2)
    assert found  # their details agree
    for index in {index for pair in found for index in (pair.first, pair.second)}:
        house.add(f"p/{index}", "train", images[index][..., ::-1])
    assert all_duplicates(house.workspace) == []
