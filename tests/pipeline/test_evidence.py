"""What a comparison of arms supports: nothing with few seeds, nothing where luck would do, and where it differs."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdata.pipeline.arms import METRICS, Measured
from segdata.pipeline.evidence import Comparison, compare_arms, conclude


def measured(new: np.ndarray, old: np.ndarray, holes: int = 0, small: int = 0) -> Measured:
    """Arms of (seeds, images) mIoU each; the first images have holes, the next few small subjects."""
    images = new.shape[1]
    rows: list[dict[str, Any]] = [
        {
            "sample_id": f"p/{number}",
            "dataset": "p",
            "hole_count": int(number < holes),
            "foreground_fraction": 0.05 if holes <= number < holes + small else 0.4,
            "soft_fraction": 0.0,
        }
        for number in range(images)
    ]

    def all_metrics(miou: np.ndarray) -> dict[str, np.ndarray]:
        recall = np.where(np.arange(images) < holes, miou, np.nan)
        return {"miou": miou, "boundary_iou": miou - 0.1, "hole_recall": recall}

    return Measured(tuple(rows), {"mined": all_metrics(new), "control": all_metrics(old)})


def compared(found: Measured) -> Comparison:
    comparison = compare_arms(found, "mined", "control", slice_size=20, seed=0)
    assert comparison is not None
    return comparison


def arms(seeds: int = 3, images: int = 120, gain: float = 0.0, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    old = np.broadcast_to(generator.uniform(0.8, 0.99, images), (seeds, images))
    return old + gain + generator.normal(0, noise, (seeds, images)), old.copy()


def test_the_first_question_is_mean_miou_over_all_images_with_its_interval() -> None:
    comparison = compared(measured(*arms(gain=0.02)))
    overall = comparison.overall
    assert (overall.slice, overall.metric, overall.images, overall.seeds) == ("overall", "miou", 120, 3)
    assert overall.low < overall.mean < overall.high
    assert abs(overall.mean - 0.02) < 0.003
    assert overall.differs
    assert conclude(comparison, 3).startswith("Mining helped: mined minus random is +0.0")


def test_a_gain_that_may_be_luck_is_not_called_one() -> None:
    comparison = compared(measured(*arms(gain=0.0005, noise=0.05)))
    assert not comparison.overall.differs
    assert conclude(comparison, 3).startswith("Not shown to help: ")
    assert "which may be luck; nor on any slice" in conclude(comparison, 3)


def test_a_loss_is_called_one() -> None:
    assert conclude(compared(measured(*arms(gain=-0.02))), 3).startswith("Mining hurt: ")


def test_with_two_seeds_nothing_is_claimed_however_clear_it_looks() -> None:
    told = conclude(compared(measured(*arms(seeds=2, gain=0.1))), 2)
    assert told.startswith("No claim: 2 seeds, fewer than 3 seeds")
    assert "+0.1" in told and "--seeds 3" in told


def test_a_slice_that_gained_is_named_though_the_whole_did_not() -> None:
    new, old = arms(images=300, noise=0.002)
    new[:, :25] += 0.05
    new[:, 25:] -= 0.05 * 25 / 275
    comparison = compared(measured(new, old, holes=25))
    told = conclude(comparison, 3)
    assert told.startswith("Not shown to help")
    assert "beyond luck also on holes +0.0" in told
    recall = next(one for one in comparison.differences if one.metric == "hole_recall")
    assert (recall.slice, recall.images, recall.differs) == ("holes", 25, True)


def test_slices_of_fewer_than_twenty_images_are_not_asked_about() -> None:
    comparison = compared(measured(*arms(), holes=19, small=20))
    assert {one.slice for one in comparison.differences} == {"overall", "small subjects"}
    assert {one.metric for one in comparison.differences} == {"miou", "boundary_iou"}


def test_of_many_questions_without_an_answer_hardly_any_is_answered() -> None:
    """Forty slices of pure luck: uncorrected, about two of them would differ."""
    generator = np.random.default_rng(1)
    old = np.full((1, 40 * 25), 0.9)
    new = old + generator.normal(0, 0.02, old.shape)
    found = measured(new, old)
    rows = tuple({**row, "dataset": f"d{number // 25}"} for number, row in enumerate(found.rows))
    comparison = compared(Measured(rows, found.scores))
    assert len(comparison.differences) == 2 * 41
    assert sum(one.differs for one in comparison.differences[1:]) == 0
    assert sum(one.low > 0 or one.high < 0 for one in comparison.differences[1:]) > 0


def test_a_side_with_a_single_version_is_held_against_every_seed() -> None:
    new, old = arms(gain=0.02)
    comparison = compared(measured(new, old[:1]))
    assert (comparison.overall.seeds, comparison.overall.images) == (3, 120)


def test_without_images_there_is_no_comparison_and_no_claim() -> None:
    nothing = measured(np.empty((3, 0)), np.empty((3, 0)))
    assert compare_arms(nothing, "mined", "control", 20, 0) is None
    assert conclude(None, 3).startswith("No claim: there are no test images")


def test_every_metric_that_is_compared_is_a_column_of_scores() -> None:
    from segdata.catalog.schemas import SCHEMAS

    assert set(METRICS) <= set(SCHEMAS["scores"].names)
