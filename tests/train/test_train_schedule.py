"""How many steps, and the learning rate at each."""

import pytest
from pydantic import ValidationError

from segdata.train.recipe import TrainRecipe
from segdata.train.schedule import lr_factor, plan_steps


def test_the_last_batch_of_an_epoch_is_never_a_batch_of_one() -> None:
    plan = plan_steps(17, TrainRecipe(epochs=2, batch_size=8))
    assert (plan.batch, plan.per_epoch, plan.total) == (8, 3, 6)


def test_max_steps_cuts_the_last_epoch_short() -> None:
    plan = plan_steps(16, TrainRecipe(epochs=10, batch_size=8, max_steps=5))
    assert plan.epochs == 3
    assert [plan.in_epoch(epoch) for epoch in (1, 2, 3)] == [2, 2, 1]


def test_max_steps_beyond_the_epochs_changes_nothing() -> None:
    assert plan_steps(16, TrainRecipe(epochs=2, batch_size=8, max_steps=99)).total == 4


def test_the_rate_warms_up_and_falls_as_a_power_of_what_is_left() -> None:
    recipe = TrainRecipe(warmup_fraction=0.1, poly_power=0.9)
    assert lr_factor(0, 20, recipe) == pytest.approx(1 / 3)
    assert lr_factor(2, 20, recipe) == 1.0
    assert lr_factor(11, 20, recipe) == pytest.approx(0.5**0.9)
    assert 0 < lr_factor(19, 20, recipe) < 0.1


def test_a_constant_schedule_stays_after_the_warm_up() -> None:
    recipe = TrainRecipe(schedule="constant", warmup_fraction=0.0)
    assert {lr_factor(step, 9, recipe) for step in range(9)} == {1.0}


def test_an_unknown_key_and_a_batch_of_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="epoch"):
        TrainRecipe(epoch=3)  # type: ignore[call-arg]  # the wrong name is the point
    with pytest.raises(ValidationError, match="batch_size"):
        TrainRecipe(batch_size=1)
