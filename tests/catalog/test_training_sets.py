"""What is trained on: verdicts win over triage, leaks and broken composites stay out, ancestors' hard cases stay in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.training_sets import Mix, minable, selections_of_lineage, training_set
from segdata.catalog.workspace import Workspace
from segdata.errors import TooFewSamplesError
from segdata.imaging.decode import decode_image
from segdata.imaging.phash import phash


def picture(seed: int) -> np.ndarray:
    """Smooth noise: pictures of different seeds have nothing in common."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    return cv2.resize(noise, (90, 120), interpolation=cv2.INTER_CUBIC)


class House:
    """A workspace with pictures that are written as they are added."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root, Catalog(root / "catalog"))
        self.root = root

    def add(self, name: str, split: str, image: np.ndarray, **columns: Any) -> None:
        file = self.root / f"{name.replace('/', '_')}.png"
        cv2.imwrite(str(file), image)
        row = {
            "sample_id": name,
            "dataset": name.split("/", maxsplit=1)[0],
            "kind": "portrait",
            "split": split,
            "status": "present",
            "image_uri": file.name,
            "image_sha256": name,
            "alpha_sha256": "a",
            "phash": phash(decode_image(file.read_bytes())),
            **columns,
        }
        self.workspace.catalog.merge("samples", rows_to_table("samples", [row]))

    def select(self, selection: str, *triaged: tuple[str, str]) -> None:
        rows = [
            {
                "selection": selection,
                "sample_id": name,
                "image_sha256": name,
                "alpha_sha256": "a",
                "triage": triage,
                "rank": n,
            }
            for n, (name, triage) in enumerate(triaged)
        ]
        self.workspace.catalog.merge("selections", rows_to_table("selections", rows))

    def judge(self, name: str, verdict: str) -> None:
        row = {
            "sample_id": name,
            "image_sha256": name,
            "alpha_sha256": "a",
            "verdict": verdict,
            "at": datetime.now(UTC),
            "reviewer": "r",
        }
        self.workspace.catalog.append("verdicts", rows_to_table("verdicts", [row]))

    def trained_on(self, *selections: str, rendered: bool = False) -> list[str]:
        return training_set(self.workspace, selections, rendered).rows["sample_id"].to_pylist()


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    for number in range(3):
        house.add(f"p/train/{number}", "train", picture(number))
        house.add(f"a/pool/{number}", "pool", picture(10 + number))
    house.add("p/test/0", "test", picture(20))
    return house


def test_without_a_selection_it_is_the_training_split(house: House) -> None:
    assert house.trained_on() == ["p/train/0", "p/train/1", "p/train/2"]


def test_hard_cases_come_in_and_suspect_labels_do_not(house: House) -> None:
    house.select("s", ("a/pool/0", "hard"), ("a/pool/1", "suspect_label"))
    assert house.trained_on("s") == ["a/pool/0", "p/train/0", "p/train/1", "p/train/2"]


def test_a_verdict_wins_over_triage(house: House) -> None:
    house.select("s", ("a/pool/0", "hard"), ("a/pool/1", "suspect_label"))
    house.judge("a/pool/0", "fine")
    house.judge("a/pool/1", "label_error")
    house.judge("a/pool/1", "hard")
    house.judge("p/train/2", "drop")
    assert house.trained_on("s") == ["a/pool/1", "p/train/0", "p/train/1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image[:, ::-1],
        lambda image: image[10:, 5:-5],
        lambda image: cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA),
    ],
    ids=["same", "mirrored", "cropped", "resized"],
)
def test_a_copy_of_a_test_image_stays_out_and_is_named(house: House, change: Any) -> None:
    house.add("a/pool/leak", "pool", change(picture(20)))
    house.select("s", ("a/pool/leak", "hard"), ("a/pool/0", "hard"))
    found = training_set(house.workspace, ["s"], rendered=False)
    assert "a/pool/leak" not in found.rows["sample_id"].to_pylist()
    assert [(leak.sample_id, leak.other_id) for leak in found.leaks] == [("a/pool/leak", "p/test/0")]
    assert found.hard == 1
    eligible, skipped = minable_of(house)
    assert "a/pool/leak" not in eligible
    assert skipped == 1


def minable_of(house: House) -> tuple[list[str], int]:
    folder = house.root / "version"
    folder.mkdir(exist_ok=True)
    trained = house.workspace.catalog.read("samples", ["sample_id", "image_sha256", "alpha_sha256"], "split = 'train'")
    pq.write_table(trained, folder / "training.parquet")
    table, skipped = minable(house.workspace, folder)
    return table["sample_id"].to_pylist(), skipped


def test_what_was_trained_on_is_not_mined_nor_are_its_copies(house: House) -> None:
    house.add("a/pool/copy", "pool", picture(1))
    eligible, skipped = minable_of(house)
    assert eligible == ["a/pool/0", "a/pool/1", "a/pool/2"]
    assert skipped == 1


def test_what_was_trained_on_is_known_by_its_bytes_where_its_old_id_is_gone(house: House, tmp_path: Path) -> None:
    training = [{"sample_id": "an/older/name", "image_sha256": "a/pool/1", "alpha_sha256": "a"}]
    (tmp_path / "model").mkdir()
    pq.write_table(pa.Table.from_pylist(training), tmp_path / "model" / "training.parquet")
    eligible, skipped = minable(house.workspace, tmp_path / "model")
    assert (eligible["sample_id"].to_pylist(), skipped) == (["a/pool/0", "a/pool/2"], 1)


def test_what_a_reviewer_judged_is_not_mined_again_unless_hard_or_of_other_bytes_by_now(house: House) -> None:
    house.judge("a/pool/0", "fine")
    house.judge("a/pool/1", "hard")
    house.judge("a/pool/2", "label_error")
    assert minable_of(house) == (["a/pool/1"], 2)
    house.add("a/pool/2", "pool", picture(12), alpha_sha256="mended")
    assert minable_of(house) == (["a/pool/1", "a/pool/2"], 1)


def test_a_composite_needs_parents_that_are_as_they_were(house: House) -> None:
    house.add("b/bg", "none", picture(30), kind="background", alpha_sha256=None)

    def parents(portrait: str, sha: str) -> list[dict[str, Any]]:
        return [
            {"role": "portrait", "sample_id": portrait, "image_sha256": sha, "alpha_sha256": "a"},
            {"role": "background", "sample_id": "b/bg", "image_sha256": "b/bg", "alpha_sha256": None},
        ]

    for name, portrait, sha in [
        ("composite/good", "p/train/0", "p/train/0"),
        ("composite/changed", "p/train/1", "another hash"),
        ("composite/judged", "p/train/2", "p/train/2"),
        ("composite/val", "p/val/0", "p/val/0"),
    ]:
        house.add(name, "train", picture(40), kind="composite", parents=parents(portrait, sha))
    house.add("p/val/0", "val", picture(31))
    house.judge("p/train/2", "label_error")
    assert house.trained_on(rendered=True) == ["composite/good", "p/train/0", "p/train/1"]
    assert house.trained_on(rendered=False) == ["p/train/0", "p/train/1"]


def test_a_composite_whose_portrait_leaks_stays_out(house: House) -> None:
    house.add("b/bg", "none", picture(30), kind="background", alpha_sha256=None)
    house.add("p/train/leak", "train", picture(20)[:, ::-1])
    parent = {"role": "portrait", "sample_id": "p/train/leak", "image_sha256": "p/train/leak", "alpha_sha256": "a"}
    house.add("composite/leak", "train", picture(41), kind="composite", parents=[parent])
    assert house.trained_on(rendered=True) == ["p/train/0", "p/train/1", "p/train/2"]


def test_a_selection_of_older_bytes_is_no_longer_used(house: House) -> None:
    house.select("s", ("a/pool/0", "hard"))
    house.add("a/pool/0", "pool", picture(50), image_sha256="new bytes")
    assert "a/pool/0" not in house.trained_on("s")


def test_a_model_keeps_the_hard_cases_of_its_ancestors(house: House) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"model_id": "m0", "parent_model_id": None, "selection": None},
        {"model_id": "m1", "parent_model_id": "m0", "selection": "first"},
        {"model_id": "m2", "parent_model_id": "m1", "selection": "second"},
    ]
    table = rows_to_table("models", [{**row, "metrics": json.dumps({}), "created_at": at} for row in rows])
    house.workspace.catalog.merge("models", table)
    assert selections_of_lineage(house.workspace, "m2") == ["first", "second"]
    assert selections_of_lineage(house.workspace, None) == []


def test_only_samples_of_an_allowed_licence_are_trained_on_and_composites_go_by_their_parents(house: House) -> None:
    house.add("p/train/free", "train", picture(60), licence="CC BY 4.0")
    house.add("b/free", "none", picture(61), kind="background", alpha_sha256=None, licence="CC0")
    house.add("b/unknown", "none", picture(62), kind="background", alpha_sha256=None)
    portrait = {"role": "portrait", "sample_id": "p/train/free", "image_sha256": "p/train/free", "alpha_sha256": "a"}
    for name, background in (("composite/free", "b/free"), ("composite/unknown", "b/unknown")):
        parent = {"role": "background", "sample_id": background, "image_sha256": background, "alpha_sha256": None}
        house.add(name, "train", picture(63), kind="composite", parents=[portrait, parent], licence="CC BY 4.0")
    house.add("a/pool/free", "pool", picture(64), licence="cc by 2.0")
    house.select("s", ("a/pool/0", "hard"), ("a/pool/free", "hard"))
    found = training_set(house.workspace, ["s"], rendered=True, licences=["CC BY*", "CC0"])
    assert found.rows["sample_id"].to_pylist() == ["a/pool/free", "composite/free", "p/train/free"]
    assert (found.hard, found.unlicensed) == (1, 5)
    assert training_set(house.workspace, ["s"], rendered=True).unlicensed == 0


def test_a_licence_filter_that_leaves_nothing_is_refused(house: House) -> None:
    with pytest.raises(TooFewSamplesError, match=r"train.licences: CC0 leaves no sample to train on; .*\(not stated\)"):
        training_set(house.workspace, (), rendered=False, licences=["CC0"])


@pytest.fixture
def mixed(tmp_path: Path) -> House:
    """Six of train, two of val, two of test, eight of the pool; two selections, the newer one with one known case."""
    house = House(tmp_path)
    for number, (split, count) in enumerate([("train", 6), ("val", 2), ("test", 2), ("pool", 8)]):
        for one in range(count):
            house.add(f"p/{split}{one}", split, picture(10 * number + one))
    house.select("old", ("p/pool0", "hard"), ("p/pool1", "hard"), ("p/pool7", "suspect_label"))
    house.select("new", ("p/pool3", "hard"), ("p/pool2", "hard"), ("p/pool1", "hard"))
    return house


def mixed_of(house: House, **mix: Any) -> tuple[list[str], Any]:
    found = training_set(house.workspace, ["old", "new"], False, mix=Mix(**mix))
    return [name.removeprefix("p/") for name in found.rows["sample_id"].to_pylist()], found


def test_hard_cases_beyond_their_share_are_left_out_the_oldest_and_least_bad_first(mixed: House) -> None:
    names, found = mixed_of(mixed)
    assert [name for name in names if name.startswith("pool")] == ["pool0", "pool1", "pool2", "pool3"]
    names, found = mixed_of(mixed, hard_share=0.25)  # two beside six
    assert [name for name in names if name.startswith("pool")] == ["pool2", "pool3"]
    assert (found.hard, found.capped) == (2, 2)
    assert mixed_of(mixed, hard_share=1.0)[1].hard == 4


def test_hard_cases_weigh_as_the_mix_says_and_nothing_else_does(mixed: House) -> None:
    _, found = mixed_of(mixed, hard_weight=3.0)
    weights = dict(zip(found.rows["sample_id"].to_pylist(), found.rows["weight"].to_pylist(), strict=True))
    assert weights["p/pool3"] == 3.0
    assert weights["p/train0"] == 1.0


def test_easy_samples_are_replayed_in_the_share_that_is_asked_for_and_by_seed(mixed: House) -> None:
    def easy(**mix: Any) -> set[str]:
        return {name for name in mixed_of(mixed, **mix)[0] if name.startswith("train")}

    assert len(easy(replay=1.0)) == 6
    assert easy(replay=0.0) == set()
    assert easy(replay=0.5, seed=1) == easy(replay=0.5, seed=1) < easy()
    assert len({frozenset(easy(replay=0.5, seed=seed)) for seed in range(5)}) > 1


def test_all_data_is_all_but_test_and_labels_that_are_in_doubt(mixed: House) -> None:
    mixed.judge("p/pool6", "label_error")
    names, found = mixed_of(mixed, splits=("train", "val", "pool"))
    assert {name for name in names if name.startswith("pool")} == {f"pool{n}" for n in range(6)}
    assert {"val0", "val1"} <= set(names)
    assert not any(name.startswith("test") for name in names)
    assert (found.hard, found.held_out) == (4, 2)
    mixed.judge("p/pool7", "fine")  # somebody looked: the label is right
    assert "pool7" in mixed_of(mixed, splits=("train", "val", "pool"))[0]
    names, found = mixed_of(mixed, splits=("train", "val", "pool", "test"))
    assert {"test0", "test1"} <= set(names)
    assert found.held_out == 0


def test_near_duplicates_of_test_leak_into_a_last_version_too_and_those_of_val_no_longer(mixed: House) -> None:
    mixed.add("q/test", "pool", picture(20))  # the picture of test0
    mixed.add("q/val", "pool", picture(10))  # the picture of val0
    names, found = mixed_of(mixed, splits=("train", "val", "pool"))
    assert [leak.sample_id for leak in found.leaks] == ["q/test"]
    assert (
        "q/val"
        in training_set(mixed.workspace, [], False, mix=Mix(splits=("train", "val", "pool")))
        .rows["sample_id"]
        .to_pylist()
    )
    assert "q/test" not in names
