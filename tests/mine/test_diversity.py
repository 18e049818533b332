"""A budget spread over failures, batches and looks."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.mine.diversity import spread, stratum_of


def case(mode="edge", batch="a"):
    return {"failure_mode": mode, "group_id": None, "path": f"{batch}/x.jpg"}


def test_a_rare_failure_gets_its_share():
    cases = [case("edge")] * 20 + [case("hole_filled")] * 2 + [case("missed_part")] * 2
    chosen = spread(cases, np.zeros((24, 3), np.float32), budget=6)
    assert Counter(cases[index]["failure_mode"] for index in chosen) == {"edge": 2, "hole_filled": 2, "missed_part": 2}


def test_batches_take_turns_too():
    cases = [case(batch="large")] * 9 + [case(batch="small")]
    assert 9 in spread(cases, np.zeros((10, 3), np.float32), budget=2)


def test_within_a_stratum_the_farthest_is_taken_and_look_alikes_are_not():
    features = np.array([[0, 0], [0.01, 0], [5, 0], [0, 0.02], [0, 4]], np.float32)
    assert spread([case()] * 5, features, budget=3) == [0, 2, 4]


def test_equally_far_cases_are_taken_worst_first():
    assert spread([case()] * 4, np.zeros((4, 2), np.float32), budget=2) == [0, 1]


def test_a_group_is_a_batch_wherever_its_files_lie():
    one, other = ({**case(batch=batch), "group_id": "shoot 7"} for batch in "ab")
    assert stratum_of(one) == stratum_of(other)


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 3))
def test_the_choice_is_within_the_budget_in_order_and_the_same_again(count, budget, seed):
    rng = np.random.default_rng(seed)
    cases = [case(str(rng.choice(["a", "b", "c"])), str(rng.choice(["x", "y"]))) for _ in range(count)]
    features = rng.standard_normal((count, 4)).astype(np.float32)
    chosen = spread(cases, features, budget)
    assert len(chosen) == min(budget, count) == len(set(chosen))
    assert chosen == sorted(chosen) == spread(cases, features, budget)
