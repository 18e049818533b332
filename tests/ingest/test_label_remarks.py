"""What ingest and status say about labels that a person should look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segdata.catalog.label_statistics import label_remarks
from segdata.catalog.sources import mask_states
from segdata.report.recipe import ReportRecipe
from segdata.report.run import run as report
from tests.ingest.mask_sources import HEIGHT, WIDTH, context_of, draw, ingest, ingest_result, save


def lay_out(root: Path) -> None:
    """Twelve photos: five good labels, two empty, one full, one inverted, one trimap, and two that share a label."""
    masks = {f"good{number}": draw(number)[1] * np.uint8(255) for number in range(5)}
    masks |= {"empty0": np.zeros((HEIGHT, WIDTH), np.uint8), "empty1": np.zeros((HEIGHT, WIDTH), np.uint8)}
    masks["full"] = np.full((HEIGHT, WIDTH), 255, np.uint8)
    masks["inverted"] = ~draw(5)[1] * np.uint8(255)
    trimap = draw(6)[1] * np.uint8(255)
    trimap[60:70] = 128
    shared = np.roll(draw(7)[1], -7, axis=0) * np.uint8(255)
    masks |= {"trimap": trimap, "shared0": shared, "shared1": shared}
    for number, (name, mask) in enumerate(masks.items()):
        save(root / f"images/{name}.png", draw(20 + number)[0])
        save(root / f"masks/{name}.png", mask)


def test_ingest_and_status_count_labels_that_look_wrong(tmp_path: Path) -> None:
    lay_out(tmp_path / "data")
    masks = ingest(tmp_path, tmp_path / "data").masks
    assert masks is not None
    assert masks.labels is not None
    expected = [
        "2 empty labels (no person)",
        "1 label fills the frame",
        "1 label looks inverted compared with the others",
        "masks/trimap.png is a trimap",
        "2 photos share the same label",
    ]
    assert label_remarks(masks.labels.to_json(), masks.trimap_files) == expected
    (state,) = mask_states(context_of(tmp_path).catalog)
    assert state.lines() == ["values 0 and 255: hard masks", *expected]
    assert "trimap.png" not in str(state.lines(with_files=False))


def test_the_report_says_how_many_labels_look_wrong_and_names_no_file(tmp_path: Path) -> None:
    lay_out(tmp_path / "data")
    ingest(tmp_path, tmp_path / "data")
    page = report(context_of(tmp_path, "20260302-100000-report-0000"), ReportRecipe()).path.read_text(encoding="utf-8")
    for remark in (
        "values 0 and 255: hard masks",
        "2 empty labels (no person)",
        "1 label fills the frame",
        "1 label looks inverted compared with the others",
        "1 label is a trimap (three levels)",
        "2 photos share the same label",
    ):
        assert remark in page
    assert "trimap.png" not in page


def test_good_labels_are_not_remarked_on(tmp_path: Path) -> None:
    for number in range(3):
        photo, person = draw(number)
        save(tmp_path / f"data/images/{number}.png", photo)
        save(tmp_path / f"data/masks/{number}.png", person * np.uint8(255))
    masks = ingest(tmp_path, tmp_path / "data").masks
    assert masks is not None
    assert masks.labels is not None
    assert label_remarks(masks.labels.to_json()) == []


def test_one_photo_in_two_places_shares_its_label_with_itself_alone(tmp_path: Path) -> None:
    photo, person = draw(0)
    for name in ("a", "b"):
        save(tmp_path / f"data/images/{name}.png", photo)
        save(tmp_path / f"data/masks/{name}.png", person * np.uint8(255))
    masks = ingest(tmp_path, tmp_path / "data").masks
    assert masks is not None
    assert masks.labels is not None
    assert masks.labels.shared == 0


def test_many_trimaps_are_counted_and_not_named() -> None:
    counts = {"empty": 0, "full": 0, "inverted": 0, "trimaps": 12, "shared": 0}
    assert label_remarks(counts, ("a.png", "b.png", "c.png")) == ["12 labels are trimaps (three levels)"]


def test_the_journal_keeps_no_name_of_a_file(tmp_path: Path) -> None:
    lay_out(tmp_path / "data")
    result = ingest_result(tmp_path, tmp_path / "data")
    assert "masks/trimap.png" in str(result.to_json())
    assert "trimap.png" not in str(result.without_file_names().to_json())


def test_a_soft_label_among_hard_ones_is_reported(tmp_path: Path) -> None:
    import cv2

    for number in range(6):
        photo, person = draw(number)
        mask = person * np.uint8(255)
        save(tmp_path / f"data/images/{number}.png", photo)
        save(tmp_path / f"data/masks/{number}.png", cv2.GaussianBlur(mask, (0, 0), 2.0) if number == 4 else mask)
    ingest(tmp_path, tmp_path / "data")
    (state,) = mask_states(context_of(tmp_path).catalog)
    assert state.lines() == ["values 0 and 255: hard masks", "1 label has a soft edge, unlike the others"]
