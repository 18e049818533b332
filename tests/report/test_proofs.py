"""The report's section on what mining was worth."""

from __future__ import annotations

import json
from typing import Any

from segdata.report.proofs import newest_proof, without_arms


def difference(slice_: str, mean: float, differs: bool, seeds: int = 3) -> dict[str, Any]:
    kept = {"slice": slice_, "metric": "miou", "images": 40, "seeds": seeds, "p_value": 0.01, "differs": differs}
    return {**kept, "mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def model(name: str, created: str, seeds: int = 3, **metrics: Any) -> dict[str, Any]:
    return {"model_id": name, "name": name, "created_at": created, "metrics": json.dumps(metrics)}


def proof(claim: str, seeds: int = 3) -> dict[str, Any]:
    values = {"miou_image": 0.95, "miou_dataset": 0.96, "boundary_iou": 0.8, "hole_recall": None}
    arms = [{"name": name, "model_ids": ["a"] * count, "metrics": values} for name, count in [("old", 1), ("mined", 3)]]
    shown = [difference("overall", 0.02, True, seeds), difference("holes", -0.01, False, seeds)]
    test = [{"new": "mined", "old": "control", "differences": shown}]
    return {"claim": claim, "seeds": seeds, "evidence": {"arms": arms, "test": test, "val": None}}


def test_the_newest_version_that_was_held_against_a_control_is_shown() -> None:
    models = [
        model("m1", "2026-01-02", proof=proof("the older")),
        model("m2", "2026-01-03", proof=proof("the newer")),
        model("m3", "2026-01-04"),
    ]
    found = newest_proof(models)
    assert found is not None
    assert (found.name, found.claim, found.seeds) == ("m2", "the newer", 3)
    assert [side.name for side in found.sides] == ["old", "mined"]
    assert found.sides[0].values == (0.95, 0.96, 0.8, None)


def test_bars_are_placed_on_one_scale_around_nought() -> None:
    found = newest_proof([model("m1", "2026-01-02", proof=proof("it"))])
    assert found is not None
    overall, holes = found.gaps
    # from -0.02 to +0.03: nought lies at 40 per cent
    assert (overall.nought, overall.left, overall.width, overall.dot) == (40.0, 60.0, 40.0, 80.0)
    assert (holes.left, holes.dot) == (0.0, 20.0)
    assert (overall.differs, holes.differs) == (True, False)


def test_with_few_seeds_nothing_is_shown_as_more_than_luck() -> None:
    found = newest_proof([model("m1", "2026-01-02", proof=proof("no claim", seeds=2))])
    assert found is not None
    assert not any(gap.differs for gap in found.gaps)


def test_without_a_control_there_is_no_section() -> None:
    assert newest_proof([]) is None
    assert newest_proof([model("m1", "2026-01-02")]) is None


def test_arms_of_an_experiment_are_no_versions_of_the_line() -> None:
    models = [model("m1", "2026-01-02", arm=""), model("c", "2026-01-03", arm="control-0"), model("m2", "2026-01-04")]
    assert [row["name"] for row in without_arms(models)] == ["m1", "m2"]
