"""The guard refuses what is surely worse, on the whole or on a slice, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segdata.errors import GateRefusedError
from segdata.pipeline.guard import Judgement, judge_differences
from segdata.pipeline.recipe import GuardRecipe
from segdata.pipeline.retrain import refuse_if_worse
from segdata.pipeline.training import Trained

RECIPE = GuardRecipe(tolerance=0.002)


def rows(count: int, **columns: Any) -> list[dict[str, Any]]:
    plain = {"hole_count": 0, "foreground_fraction": 0.5, "dataset": "p"}
    return [{**plain, **columns, "sample_id": f"{columns}/{number}"} for number in range(count)]


def judged(samples: list[dict[str, Any]], means: list[float], spread: float = 0.001) -> Judgement:
    noise = np.random.default_rng(0).normal(0, spread, len(samples))
    differences = {row["sample_id"]: mean + n for row, mean, n in zip(samples, means, noise, strict=True)}
    return judge_differences(samples, differences, RECIPE, seed=0)


def test_a_better_version_passes_and_its_gain_is_told() -> None:
    judgement = judged(rows(50), [0.01] * 50)
    assert not judgement.refused
    assert judgement.gain == pytest.approx(0.01, abs=0.001)


def test_a_version_that_is_surely_worse_is_refused() -> None:
    judgement = judged(rows(50), [-0.01] * 50)
    assert judgement.refused
    assert [one.slice for one in judgement.comparisons if one.worse] == ["overall"]


def test_a_loss_within_the_tolerance_passes() -> None:
    assert not judged(rows(50), [-0.001] * 50).refused


def test_noise_refuses_nobody() -> None:
    assert not judged(rows(50), [-0.003] * 50, spread=0.1).refused


def test_a_slice_that_got_worse_refuses_though_the_whole_got_better() -> None:
    samples = rows(200) + rows(30, hole_count=1)
    judgement = judged(samples, [0.02] * 200 + [-0.05] * 30)
    assert judgement.gain > 0
    assert [one.slice for one in judgement.comparisons if one.worse] == ["holes"]


def test_a_slice_of_few_images_is_not_judged() -> None:
    judgement = judged(rows(200) + rows(19, hole_count=1), [0.02] * 200 + [-0.05] * 19)
    assert [one.slice for one in judgement.comparisons] == ["overall"]


def test_what_is_refused_has_an_interval_that_lies_wholly_below_minus_the_tolerance() -> None:
    found = [
        one for mean in np.linspace(-0.03, 0.0, 61) for one in judged(rows(40), [mean] * 40, spread=0.02).comparisons
    ]
    assert {one.worse for one in found} == {True, False}
    assert all(one.worse == (one.high < -RECIPE.tolerance) for one in found)


def test_of_many_slices_at_the_tolerance_none_refuses_by_luck() -> None:
    """Forty datasets whose true loss is the tolerance: uncorrected, one of them would refuse."""
    samples = [row for number in range(40) for row in rows(50, dataset=f"d{number:02}")]
    judgement = judged(samples, [-RECIPE.tolerance] * len(samples), spread=0.02)
    assert sum(one.high < -RECIPE.tolerance for one in judgement.comparisons) > 0
    assert not judgement.refused


def test_a_refusal_names_the_slice_and_says_how_to_look_at_it() -> None:
    judgement = judged(rows(200) + rows(30, hole_count=1), [0.02] * 200 + [-0.05] * 30)
    metrics = {"guard": {**judgement.to_json(), "against": "0123"}}
    model = {"name": "net-1a2b", "uri": "models/net-1a2b", "metrics": metrics}
    with pytest.raises(GateRefusedError) as refused:
        refuse_if_worse(Trained(model, False, judgement), {"model_id": "9"})
    told = str(refused.value)
    assert "net-1a2b is worse than the promoted version on val (holes: -0.0" in told
    assert "overall" not in told
    assert "kept in models/net-1a2b and not promoted" in told
    assert "segdata models compare 0123 net-1a2b" in told
    assert (refused.value.exit_code, refused.value.result) == (5, {"model_id": "9"})
    refuse_if_worse(Trained(model, False, None), {})  # nothing to compare with: nothing to refuse


def test_without_images_nothing_is_refused() -> None:
    assert not judge_differences([], {}, RECIPE, seed=0).refused


def test_a_judgement_comes_back_as_it_was_kept() -> None:
    judgement = judged(rows(50) + rows(25, dataset="q"), [0.01] * 75)
    assert Judgement.from_json(judgement.to_json()) == judgement
    assert {one.slice for one in judgement.comparisons} == {"overall", "dataset p", "dataset q"}
