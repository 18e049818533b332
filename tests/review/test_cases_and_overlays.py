"""Which samples are reviewed and what is drawn over them, on arrays and rows small enough to check by eye."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.errors import TooFewSamplesError, UsageError
from segdata.review import overlays
from segdata.review.cases import Chosen, case_rows, chosen_by, newest_selection
from segdata.review.overlays import draw_overlays

NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def sample(name: str, alpha: str = "a", **more: Any) -> dict[str, Any]:
    row = {"sample_id": name, "dataset": "p", "kind": "portrait", "split": "pool", "hole_count": 0}
    return row | {"image_sha256": "i", "alpha_sha256": alpha} | more


def of(name: str, alpha: str = "a", **more: Any) -> dict[str, Any]:
    return {"sample_id": name, "image_sha256": "i", "alpha_sha256": alpha} | more


def test_the_newest_selection_comes_worst_first() -> None:
    rows = [
        of("a", selection="one", rank=0, run_id="r1"),
        of("b", selection="two", rank=1, run_id="r2"),
        of("c", selection="two", rank=0, run_id="r2"),
    ]
    assert [row["sample_id"] for row in newest_selection(rows, None)] == ["c", "b"]
    assert [row["sample_id"] for row in newest_selection(rows, "one")] == ["a"]
    with pytest.raises(UsageError, match="no selection 'three'; there are one, two"):
        newest_selection(rows, "three")
    with pytest.raises(TooFewSamplesError, match="nothing has been mined yet"):
        newest_selection([], None)


def test_a_predicate_chooses_over_samples_scores_and_the_selection() -> None:
    samples = [sample("a", hole_count=2), sample("b"), sample("c")]
    scores = {"a": of("a", miou=0.9), "b": of("b", miou=0.5)}
    selected = {"b": of("b", triage="hard")}
    assert [row["sample_id"] for row in chosen_by("true", samples, scores, {})] == ["b", "a", "c"]
    assert [row["sample_id"] for row in chosen_by("miou < 0.8", samples, scores, {})] == ["b"]
    assert [row["sample_id"] for row in chosen_by("triage = 'hard'", samples, scores, selected)] == ["b"]
    with pytest.raises(TooFewSamplesError, match="true for no sample"):
        chosen_by("hole_count > 5", samples, scores, {})
    with pytest.raises(UsageError, match="nonsense"):
        chosen_by("nonsense > 5", samples, scores, {})


def test_what_was_said_of_other_bytes_is_left_out() -> None:
    chosen = Chosen("s", [sample("a", "new"), sample("b")], {"a": of("a", "old", triage="hard")}, "s")
    scores = {"a": of("a", "old", miou=0.1), "b": of("b", miou=0.2, scorer_id="s")}
    said = [
        of("a", "old", verdict="drop", reviewer="kim", at=NINE, note=None, tags=["hat"]),
        of("b", verdict="hard", reviewer="kim", at=NINE, note="n", tags=["hat"]),
        of("b", verdict="fine", reviewer="ben", at=NINE.replace(hour=10), note=None, tags=["cap"]),
    ]
    first, second = case_rows(chosen, scores, {"b": "test/1"}, said)
    assert (first["miou"], first["triage"], first["verdict"], first["tags"]) == (None, None, None, [])
    assert (second["miou"], second["leak_of"], second["verdict"], second["reviewer"]) == (0.2, "test/1", "fine", "ben")
    assert (second["verdicts"], second["disagree"], second["tags"]) == (["kim: hard", "ben: fine"], True, ["cap"])


def test_the_newest_note_that_stands_is_shown_with_its_author_also_without_a_verdict() -> None:
    chosen = Chosen("s", [sample("a"), sample("b")], {}, "s")
    said = [
        of("a", verdict="hard", reviewer="kim", at=NINE, note="hair"),
        of("a", verdict="fine", reviewer="ben", at=NINE.replace(hour=10), note=None),
        of("b", verdict=None, reviewer="kim", at=NINE, note="look"),
        of("b", verdict=None, reviewer="ben", at=NINE.replace(hour=10), note="gone again"),
        of("b", verdict=None, reviewer="ben", at=NINE.replace(hour=11), note=""),
    ]
    first, second = case_rows(chosen, {}, {}, said)
    assert (first["verdict"], first["reviewer"], first["note"], first["noted_by"]) == ("fine", "ben", "hair", "kim")
    assert (second["verdict"], second["note"], second["noted_by"]) == (None, "look", "kim")


def test_lines_lie_beside_one_another_and_only_the_disagreement_is_a_surface() -> None:
    label = np.zeros((12, 12), bool)
    label[3:9, 3:9] = True
    prediction = label.copy()
    prediction[3:9, 8] = False  # missed
    prediction[0:2, 0:2] = True  # taken
    drawn = draw_overlays(label, prediction, 12)
    assert not (drawn["label"].astype(bool) & label).any(), "the label's line lies outside of it"
    assert not (drawn["prediction"].astype(bool) & ~prediction).any(), "the prediction's inside"
    assert (drawn["disagreement"] == overlays.MISSED).sum() == 6
    assert (drawn["disagreement"] == overlays.TAKEN).sum() == 4
    assert set(draw_overlays(label, None, 12)) == {"label"}


def test_a_strand_of_one_pixel_is_still_seen_at_half_the_size() -> None:
    label = np.zeros((40, 40), bool)
    label[:, 20] = True
    missed = draw_overlays(label, np.zeros_like(label), 20)["disagreement"]
    assert missed.shape == (20, 20) and (missed == overlays.MISSED).any(axis=1).all()


# Machado, Oliveira & Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, at
# severity 1
_DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


@pytest.mark.parametrize("deficiency", sorted(_DEFICIENCIES))
def test_the_colours_are_told_apart_with_any_deficiency(deficiency: str) -> None:
    names = ("LABEL_COLOUR", "PREDICTION_COLOUR", "TAKEN_COLOUR", "MISSED_COLOUR")
    srgb = np.array([[int(getattr(overlays, name)[i : i + 2], 16) for i in (1, 3, 5)] for name in names]) / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ _DEFICIENCIES[deficiency].T, 0, 1)
    back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(back[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    apart = {pair: float(np.linalg.norm(lab[pair[0]] - lab[pair[1]])) for pair in combinations(range(4), 2)}
    assert min(apart.values()) > 40, apart  # of CIE 1976; 2.3 is just noticeable
