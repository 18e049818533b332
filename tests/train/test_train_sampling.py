"""Which samples an epoch shows: each once, or by share; decided by seed and epoch alone."""

from collections import Counter

import numpy as np

from segdata.train.recipe import TrainRecipe
from segdata.train.sampling import epoch_order, shares_of
from segdata.train.schedule import StepPlan, plan_steps


def test_every_sample_comes_once_and_the_last_batch_is_filled_from_the_first() -> None:
    plan = plan_steps(10, TrainRecipe(batch_size=4, epochs=2))
    order = epoch_order(10, plan, seed=3, epoch=1)
    assert len(order) == 12
    assert sorted(order[:10]) == list(range(10))
    assert order[10:] == order[:2]
    assert order != epoch_order(10, plan, seed=3, epoch=2)


def test_an_epoch_cut_short_begins_like_a_whole_one() -> None:
    whole, short = StepPlan(4, 3, 6), StepPlan(4, 3, 5)
    assert epoch_order(10, short, seed=0, epoch=2) == epoch_order(10, whole, seed=0, epoch=2)[:8]


def test_balanced_sampling_shows_a_small_dataset_as_often_as_a_large_one() -> None:
    rows = [{"dataset": "large"}] * 90 + [{"dataset": "small"}] * 10
    order = epoch_order(100, StepPlan(10, 200, 200), seed=0, epoch=1, shares=shares_of(rows, "balanced"))
    shown = Counter(rows[index]["dataset"] for index in order)
    assert abs(shown["small"] / len(order) - 0.5) < 0.05


def test_hard_sampling_draws_by_weight_and_a_missing_weight_counts_as_one() -> None:
    rows = [{"dataset": "a", "weight": 3.0}, {"dataset": "a", "weight": None}]
    shares = shares_of(rows, "hard")
    assert shares is not None
    assert shares.tolist() == [0.75, 0.25]
    first, again, other = (epoch_order(2, StepPlan(4, 50, 100), 0, epoch, shares) for epoch in (1, 1, 2))
    assert first == again != other
    assert abs(np.mean(np.array(first) == 0) - 0.75) < 0.1
