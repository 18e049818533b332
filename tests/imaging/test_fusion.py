"""One chain for rendered and online fusion: planned in fractions, blended with the alpha that is returned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import DataError, PixelError
from segdata.imaging.composite import composite_over
from segdata.imaging.fusion import (
    FusionPlan,
    FusionSettings,
    Placed,
    fuse_layers,
    plan_fusion,
    unit_draw,
    unite,
)
from segdata.imaging.layer import Layer, LayerSettings, estimate_layer
from segdata.imaging.placement import Standing

_JITTER = FusionSettings(placement="jitter", scale_min=0.8, scale_max=1.1, shift_x_max=0.2)


def _fuse(image: np.ndarray, label: np.ndarray, background: np.ndarray, plan: FusionPlan) -> tuple[Any, Any]:
    return fuse_layers([estimate_layer(image, label, plan.settings.layer)], background, plan)


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
    assert all(
        (other.crop_x, other.portraits[0].standing) != (plan.crop_x, plan.portraits[0].standing) for other in others
    )


def test_draws_are_the_same_on_every_machine() -> None:
    assert unit_draw(0, "a") == 0x5F1AA0C8DAD9DC / 2**56  # printf '0\0a' | sha256sum, its first 7 bytes


def test_draws_are_uniform() -> None:
    draws = np.array([unit_draw(3, str(i)) for i in range(2000)])
    counts = np.histogram(draws, bins=10, range=(0, 1))[0]
    assert counts.sum() == 2000
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi square of 9 degrees of freedom at 0.001


def test_jitter_stays_within_its_ranges_and_the_original_place_is_the_whole_frame() -> None:
    places = [plan_fusion(_JITTER, f"p{i}", "b", seed=0).portraits[0].standing for i in range(200)]
    assert all(0.8 <= one.height == one.width <= 1.1 and abs(one.x - 0.5) <= 0.2 for one in places)
    assert max(one.height for one in places) > 1.05
    assert min(one.x for one in places) < 0.35
    assert plan_fusion(FusionSettings(), "p", "b", seed=0).portraits == (Placed("p", Standing(1.0, 1.0, 0.5)),)


def test_the_returned_alpha_is_the_one_that_was_blended_with() -> None:
    image, label = _portrait()
    plan = plan_fusion(FusionSettings(), "p", "b", seed=0)
    black, white = np.zeros((60, 50, 3), np.uint8), np.full((60, 50, 3), 255, np.uint8)
    layer = Layer(np.full_like(image, 100), estimate_layer(image, label).alpha)
    over_black, alpha = fuse_layers([layer], black, plan)
    over_white, _ = fuse_layers([layer], white, plan)
    assert np.abs((255 - (over_white.astype(int) - over_black)[..., 0]) - alpha).max() <= 1
    assert ((alpha > 0) & (alpha < 255)).any()


def test_no_light_halo_of_the_old_wall_is_left_on_a_dark_background() -> None:
    image, label = _portrait()
    label[20:, 11] = label[20:, 38] = label[19, 11:39] = 255  # drawn a pixel too wide: that pixel is old wall
    night = np.zeros((60, 50, 3), np.uint8)
    plain = LayerSettings(foreground="observed", hard_edge="none")
    for settings, most in ((FusionSettings(), 90), (FusionSettings(layer=plain), 230)):
        composite, _ = _fuse(image, label, night, plan_fusion(settings, "p", "b", 0))
        assert composite.max() <= most
    assert composite.max() == 230  # the plain way carries the wall along


def test_observed_with_a_soft_label_is_the_plain_blend() -> None:
    image, label = _portrait()
    label[19, 12:38] = 128
    settings = FusionSettings(layer=LayerSettings(foreground="observed"))
    background = np.full_like(image, 9)
    composite, alpha = _fuse(image, label, background, plan_fusion(settings, "p", "b", 0))
    assert np.array_equal(composite, composite_over(image, background, label))
    assert np.array_equal(alpha, label)


def test_whoever_the_frame_cut_on_the_right_is_cut_by_the_new_frame_wherever_a_jitter_wished_them() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[4:, 10:] = 255
    layer = Layer(np.full((20, 20, 3), 10, np.uint8), mask)
    plan = FusionPlan((Placed("p", Standing(0.8, 0.8, 0.45)),), "b")
    composite, alpha = fuse_layers([layer], _white(), plan)
    assert alpha[8:, -1].tolist() == [255] * 12
    assert composite[8:, -1, 0].tolist() == [10] * 12
    assert alpha[-1, :10].max() == 0


def test_a_background_that_is_too_wide_is_cut_where_the_plan_says_and_never_squashed() -> None:
    ramp = np.repeat(np.arange(60, dtype=np.uint8)[None, :, None], 20, axis=0).repeat(3, axis=2)
    for crop_x, kept in ((0.0, range(20)), (0.25, range(10, 30)), (1.0, range(40, 60))):
        composite, _ = fuse_layers([_block(0, slice(0))], ramp, FusionPlan((Placed("p"),), "b", crop_x=crop_x))
        assert composite[0, :, 0].tolist() == list(kept)


def test_inputs_stay_untouched() -> None:
    image, label, background = (*_portrait(), _background())
    before = [one.copy() for one in (image, label, background)]
    _fuse(image, label, background, plan_fusion(_JITTER, "p", "b", 0))
    assert all(np.array_equal(one, old) for one, old in zip((image, label, background), before, strict=True))


def test_there_must_be_a_layer_for_each_portrait() -> None:
    layer = estimate_layer(*_portrait())
    with pytest.raises(PixelError, match="2 layers for a plan of 1 portraits"):
        fuse_layers([layer, layer], _background(), plan_fusion(FusionSettings(), "p", "b", 0))


def _block(colour: int, columns: slice, alpha: int = 255) -> Layer:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:, columns] = alpha
    return Layer(np.full((20, 20, 3), colour, np.uint8), mask)


def test_the_nearer_of_two_covers_the_further_and_their_alpha_is_the_union() -> None:
    plan = FusionPlan((Placed("far"), Placed("near")), "b", frame_hw=(20, 20))
    composite, alpha = fuse_layers([_block(10, slice(0, 12)), _block(200, slice(8, 20))], _white(), plan)
    assert composite[10, :, 0].tolist() == [10] * 8 + [200] * 12
    assert composite[2, 0].tolist() == [255] * 3
    assert np.array_equal(alpha[10], np.full(20, 255))


def test_through_two_half_transparent_people_a_quarter_of_the_background_is_seen() -> None:
    plan = FusionPlan((Placed("far"), Placed("near")), "b", frame_hw=(20, 20))
    composite, alpha = fuse_layers([_block(0, slice(0, 20), 128), _block(100, slice(0, 20), 128)], _white(), plan)
    # far over white: 255 x 127/255 = 127; near over that: (128 x 100 + 127 x 127) / 255 = 113.4
    assert (composite[10, 10, 0], alpha[10, 10]) == (113, 192)


def _white() -> np.ndarray:
    return np.full((20, 20, 3), 255, np.uint8)


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_union_is_rounded_to_nearest_and_no_order_matters(one: int, other: int) -> None:
    a, b = np.array([[one]], np.uint8), np.array([[other]], np.uint8)
    exact = 255 - (255 - one) * (255 - other) / 255
    assert abs(int(unite(a, b)[0, 0]) - exact) <= 0.5
    assert unite(a, b) == unite(b, a)
