"""Intervals of paired differences, and Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from segdata.metrics.bootstrap import holm, paired_bootstrap


def test_the_interval_is_that_of_scipy():
    differences = np.random.default_rng(3).normal(0.02, 0.1, 200)
    ours = paired_bootstrap(differences, seed=1)
    theirs = stats.bootstrap((differences,), np.mean, method="percentile", n_resamples=10_000, rng=2)
    assert ours.mean == pytest.approx(differences.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=1e-3)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=1e-3)


def test_p_below_is_near_that_of_a_t_test_against_the_null():
    differences = np.random.default_rng(4).normal(-0.015, 0.1, 150)
    ours = paired_bootstrap(differences, seed=1, null=0.0)
    theirs = stats.ttest_1samp(differences, 0.0, alternative="less")
    assert ours.p_below == pytest.approx(theirs.pvalue, abs=0.02)


def test_a_clear_loss_has_a_small_p_and_a_clear_gain_a_large_one():
    loss = np.full(50, -0.1) + np.linspace(-0.01, 0.01, 50)
    assert paired_bootstrap(loss).p_below == pytest.approx(1 / 10_001)
    assert paired_bootstrap(-loss).p_below == 1
    assert paired_bootstrap(loss, null=-0.2).p_below == 1


def test_the_seed_decides():
    differences = np.random.default_rng(5).normal(size=30)
    assert paired_bootstrap(differences, seed=1) == paired_bootstrap(differences, seed=1)
    assert paired_bootstrap(differences, seed=1) != paired_bootstrap(differences, seed=2)


def test_more_differences_than_fit_at_once_are_drawn_in_blocks():
    interval = paired_bootstrap(np.random.default_rng(6).normal(size=70_000), resamples=130)
    assert interval.low < interval.mean < interval.high


@pytest.mark.parametrize("differences", [np.array([]), np.array([0.1, np.nan])])
def test_no_difference_or_one_that_is_not_finite_is_refused(differences):
    with pytest.raises(ValueError, match="at least one, all finite"):
        paired_bootstrap(differences)


def test_holm_multiplies_by_the_hypotheses_left_and_never_falls():
    # sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.5 x 1
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_single_seed_is_no_second_dimension():
    differences = np.random.default_rng(7).normal(0.01, 0.1, 80)
    assert paired_bootstrap(differences[None], seed=1) == paired_bootstrap(differences, seed=1)


def test_seeds_that_disagree_widen_the_interval_as_far_as_they_do():
    # every image of a seed has the same difference: all that varies is the seed, and its standard error is known
    of_seeds = np.array([-0.02, 0.0, 0.02, 0.04])
    interval = paired_bootstrap(np.repeat(of_seeds[:, None], 50, axis=1), seed=1)
    assert interval.mean == pytest.approx(0.01)
    spread = of_seeds.std() / np.sqrt(4)  # the bootstrap's own variance, with 1 / n
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * spread, rel=0.15)
    images_alone = paired_bootstrap(np.repeat(of_seeds[:, None], 50, axis=1).mean(axis=0), seed=1)
    assert images_alone.high - images_alone.low < 1e-12


def test_seeds_that_agree_leave_the_interval_of_the_images():
    images = np.random.default_rng(8).normal(0.0, 0.1, 100)
    alone, crossed = paired_bootstrap(images, seed=1), paired_bootstrap(np.tile(images, (3, 1)), seed=1)
    assert crossed.mean == pytest.approx(alone.mean)
    assert (crossed.low, crossed.high) == pytest.approx((alone.low, alone.high), abs=2e-3)


def test_the_interval_over_seeds_and_images_holds_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(9)
    held = 0
    for number in range(200):
        effects = generator.normal(0, 0.02, (5, 1)) + generator.normal(0, 0.05, (1, 60))
        values = 0.01 + effects + generator.normal(0, 0.05, (5, 60))
        interval = paired_bootstrap(values, seed=number, resamples=500)
        held += interval.low <= 0.01 <= interval.high
    assert 0.85 <= held / 200 <= 1.0  # of five seeds the spread is underestimated, as of five of anything


def test_the_p_value_looks_to_both_sides():
    gain = np.full(50, 0.1) + np.linspace(-0.01, 0.01, 50)
    assert paired_bootstrap(gain).p_above == pytest.approx(1 / 10_001)
    assert paired_bootstrap(gain).p_value == paired_bootstrap(-gain).p_value == pytest.approx(2 / 10_001)
    assert paired_bootstrap(np.array([-1.0, 1.0] * 20)).p_value > 0.8
