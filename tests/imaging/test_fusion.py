"""One chain for rendered and online fusion: planned in fractions, blended with the alpha that is returned."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.errors import DataError
from segdata.imaging.composite import composite_over
from segdata.imaging.fusion import (
    FusionPlan,
    FusionSettings,
    estimate_layer,
    fuse_pair,
    plan_fusion,
    soften_label,
    unit_draw,
)

_JITTER = FusionSettings(placement="jitter", scale_min=0.8, scale_max=1.1, shift_x_max=0.2)


def _portrait() -> tuple[np.ndarray, np.ndarray]:
    image = np.full((60, 50, 3), 230, np.uint8)
    label = np.zeros((60, 50), np.uint8)
    image[20:, 12:38] = (50, 60, 70)
    label[20:, 12:38] = 255
    return image, label


def _background() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)


def test_a_plan_comes_back_from_its_json() -> None:
    plan = plan_fusion(_JITTER, "portrait2000/training/00001", "coco/é", seed=7)
    assert FusionPlan.from_json(plan.to_json()) == plan
    assert plan.to_json() == FusionPlan.from_json(plan.to_json()).to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"portrait_id": "a"}', '{"settings": {"haste": 1}}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="fusion plan"):
        FusionPlan.from_json(text)


def test_the_same_seed_and_ids_draw_the_same_plan_and_others_another() -> None:
    plan = plan_fusion(_JITTER, "p", "b", seed=1)
    assert plan_fusion(_JITTER, "p", "b", seed=1) == plan
    others = [plan_fusion(_JITTER, *ids, seed=seed) for *ids, seed in (("p", "b", 2), ("q", "b", 1), ("p", "c", 1))]
    assert all((other.crop_x, other.scale) != (plan.crop_x, plan.scale) for other in others)


def test_draws_are_the_same_on_every_machine() -> None:
    assert unit_draw(0, "a") == 0x5F1AA0C8DAD9DC / 2**56  # printf '0\0a' | sha256sum, its first 7 bytes


def test_draws_are_uniform() -> None:
    draws = np.array([unit_draw(3, str(i)) for i in range(2000)])
    counts = np.histogram(draws, bins=10, range=(0, 1))[0]
    assert counts.sum() == 2000
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi square of 9 degrees of freedom at 0.001


def test_jitter_stays_within_its_ranges_and_own_placement_draws_none() -> None:
    plans = [plan_fusion(_JITTER, f"p{i}", "b", seed=0) for i in range(200)]
    assert all(0.8 <= plan.scale <= 1.1 and abs(plan.shift_x) <= 0.2 for plan in plans)
    assert max(plan.scale for plan in plans) > 1.05
    assert min(plan.shift_x for plan in plans) < -0.15
    own = plan_fusion(FusionSettings(), "p", "b", seed=0)
    assert (own.scale, own.shift_x) == (1.0, 0.0)


def test_the_returned_alpha_is_the_one_that_was_blended_with() -> None:
    image, label = _portrait()
    plan = plan_fusion(FusionSettings(), "p", "b", seed=0)
    black, white = np.zeros((60, 50, 3), np.uint8), np.full((60, 50, 3), 255, np.uint8)
    flat = np.full_like(image, 100)
    over_black, alpha = fuse_pair(image, label, flat, black, plan)
    over_white, _ = fuse_pair(image, label, flat, white, plan)
    assert np.abs((255 - (over_white.astype(int) - over_black)[..., 0]) - alpha).max() <= 1
    assert ((alpha > 0) & (alpha < 255)).any()


def test_a_hard_label_is_drawn_in_and_feathered_only_where_the_settings_say_so() -> None:
    _, label = _portrait()
    soft = soften_label(label, FusionSettings(feather_px=2, inset_px=1))
    assert np.count_nonzero(soft[50] >= 128) == 24  # 26 px wide, drawn in by 1 px on either side
    assert np.array_equal(soften_label(label, FusionSettings(hard_edge="none")), label)


def test_a_soft_label_is_left_as_it_is() -> None:
    _, label = _portrait()
    label[19, 12:38] = 128
    assert np.array_equal(soften_label(label, FusionSettings(feather_px=5, inset_px=3)), label)


def test_a_given_foreground_and_an_estimated_one_give_the_same() -> None:
    image, label = _portrait()
    plan = plan_fusion(_JITTER, "p", "b", seed=0)
    given = estimate_layer(image, label, plan.settings)
    ours, theirs = (
        fuse_pair(image, label, None, _background(), plan),
        fuse_pair(image, label, given, _background(), plan),
    )
    assert np.array_equal(ours[0], theirs[0])
    assert np.array_equal(ours[1], theirs[1])


def test_no_light_halo_of_the_old_wall_is_left_on_a_dark_background() -> None:
    image, label = _portrait()
    label[20:, 11] = label[20:, 38] = label[19, 11:39] = 255  # drawn a pixel too wide: that pixel is old wall
    night = np.zeros((60, 50, 3), np.uint8)
    for settings, most in ((FusionSettings(), 90), (FusionSettings(foreground="observed", hard_edge="none"), 230)):
        composite, _ = fuse_pair(image, label, None, night, plan_fusion(settings, "p", "b", 0))
        assert composite.max() <= most
    assert composite.max() == 230  # the plain way carries the wall along


def test_observed_with_a_soft_label_is_the_plain_blend() -> None:
    image, label = _portrait()
    label[19, 12:38] = 128
    settings = FusionSettings(foreground="observed")
    background = np.full_like(image, 9)
    composite, alpha = fuse_pair(image, label, None, background, plan_fusion(settings, "p", "b", 0))
    assert np.array_equal(composite, composite_over(image, background, label))
    assert np.array_equal(alpha, label)


def test_inputs_stay_untouched() -> None:
    image, label, background = (*_portrait(), _background())
    before = [one.copy() for one in (image, label, background)]
    fuse_pair(image, label, None, background, plan_fusion(_JITTER, "p", "b", 0))
    assert all(np.array_equal(one, old) for one, old in zip((image, label, background), before, strict=True))
