"""VOC's person: class 15 of a label map, 255 ignored, photos without a person left out or taken as backgrounds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.ingest.counts import SourceCounts
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

PERSON, CHAIR, IGNORE = 15, 9, 255


def voc_palette() -> list[int]:
    """The published colours: the bits of an index, spread over red, green and blue from the top."""
    colours = []
    for index in range(256):
        rgb = [sum(((index >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
        colours += rgb
    return colours


def add(root: Path, name: str, classes: np.ndarray, split: str | None) -> None:
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    photo = np.random.default_rng(len(name)).integers(0, 255, (*classes.shape, 3), dtype=np.uint8)
    cv2.imwrite(str(root / "JPEGImages" / f"{name}.jpg"), photo)
    if split is None:
        return
    label = Pillow.fromarray(classes.astype(np.uint8)).convert("P")
    label.frombytes(classes.astype(np.uint8).tobytes())
    label.putpalette(voc_palette())
    label.save(root / "SegmentationClass" / f"{name}.png")
    with (root / "ImageSets" / "Segmentation" / f"{split}.txt").open("a") as lines:
        lines.write(f"{name}\n")


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """One photo of a person in an undecided ring, one of a chair, one to test on, and one that nobody segmented."""
    root = tmp_path / "voc"
    person = np.zeros((30, 40), np.uint8)
    person[8:, 8:32] = IGNORE
    person[12:, 12:28] = PERSON
    chair = np.where(person == PERSON, CHAIR, person)
    add(root, "2007_000001", person, "train")
    add(root, "2007_000002", chair, "train")
    add(root, "2007_000003", person, "val")
    add(root, "2007_000004", person, None)
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")


def ingest(context: RunContext, **settings: object) -> SourceCounts:
    return run(context, [SourceRecipe(name="voc", root="voc", **settings)]).sources["voc"]


def test_persons_are_samples_and_the_rest_is_left_out(context: RunContext) -> None:
    counts = ingest(context)
    assert (counts.found, counts.added, counts.rejected) == (4, 2, 0)
    assert counts.filtered == {"no_person": 1, "not_segmented": 1}
    rows = context.catalog.read("samples").to_pylist()
    assert [(row["sample_id"], row["split"], row["alpha_index"]) for row in rows] == [
        ("voc/JPEGImages/2007_000001", "train", PERSON),
        ("voc/JPEGImages/2007_000003", "test", PERSON),
    ]
    assert rows[0]["alpha_kind"] == "hard"


def test_an_undecided_ring_is_cut_along_its_middle(context: RunContext) -> None:
    ingest(context)
    alpha = read_alpha_of(context.workspace, context.catalog.read("samples").to_pylist()[0])
    # the ring is 4 wide on each side: 2 of it go to the person, who spans columns 12 to 27
    assert alpha[25].tolist() == [0] * 10 + [255] * 20 + [0] * 10


def test_what_was_left_out_is_not_decoded_again(context: RunContext) -> None:
    ingest(context)
    again = ingest(context)
    assert (again.decoded, again.unchanged, again.filtered) == (0, 2, {"no_person": 1, "not_segmented": 1})


def test_photos_without_a_person_can_be_backgrounds(context: RunContext) -> None:
    ingest(context)
    counts = ingest(context, kind="background")
    assert counts.filtered == {"has_person": 2, "not_segmented": 1}
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    assert [(row["sample_id"], row["kind"], row["alpha_kind"]) for row in rows] == [
        ("voc/JPEGImages/2007_000002", "background", "none")
    ]
    assert not read_alpha_of(context.workspace, rows[0]).any()
    assert ingest(context, kind="background").decoded == 0


def test_a_listed_name_that_leaves_the_folder_is_unsafe(context: RunContext, tmp_path: Path) -> None:
    with (tmp_path / "voc" / "ImageSets" / "Segmentation" / "train.txt").open("a") as lines:
        lines.write("../../secret\n/etc/passwd\nhttps://example.org/a\n")
    ingest(context)
    rejects = context.catalog.read("rejects").to_pylist()
    assert {row["path"]: row["reason"] for row in rejects} == dict.fromkeys(
        ("JPEGImages/../../secret.jpg", "JPEGImages//etc/passwd.jpg", "JPEGImages/https://example.org/a.jpg"),
        "unsafe_path",
    )
