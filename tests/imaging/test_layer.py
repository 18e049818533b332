"""A portrait cut out: soft labels as they are, hard ones with an edge made for them."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.imaging.layer import LayerSettings, estimate_layer


def _portrait() -> tuple[np.ndarray, np.ndarray]:
    image = np.full((60, 50, 3), 230, np.uint8)
    label = np.zeros((60, 50), np.uint8)
    image[20:, 12:38] = (50, 60, 70)
    label[20:, 12:38] = 255
    return image, label


def test_a_hard_label_is_drawn_in_and_feathered() -> None:
    image, label = _portrait()
    soft = estimate_layer(image, label, LayerSettings(feather_px=2, inset_px=1)).alpha
    assert np.count_nonzero(soft[50] >= 128) == 24  # 26 px wide, drawn in by 1 px on either side
    untouched = estimate_layer(image, label, LayerSettings(hard_edge="none"))
    assert np.array_equal(untouched.alpha, label)
    assert np.array_equal(untouched.foreground, image)


@pytest.mark.parametrize("hard_edge", ["feather", "refine", "none"])
def test_a_soft_label_is_left_as_it_is(hard_edge: str) -> None:
    image, label = _portrait()
    label[19, 12:38] = 128
    settings = LayerSettings(hard_edge=hard_edge, feather_px=5, inset_px=3)  # type: ignore[arg-type]  # parametrized
    assert np.array_equal(estimate_layer(image, label, settings).alpha, label)


def test_a_refined_edge_is_that_of_the_image_not_of_the_label() -> None:
    image, label = _portrait()
    label[:, 10:12] = label[:, 38:40] = label[20, 0]
    label[20:, 9:41] = 255  # drawn 3 px too wide on either side
    layer = estimate_layer(image, label, LayerSettings(hard_edge="refine", refine_px=6))
    assert np.count_nonzero(layer.alpha[50] >= 128) == 26
    assert layer.foreground[50, 14:36].max() <= 75


def test_observed_colours_are_the_images_own_whatever_the_edge() -> None:
    image, label = _portrait()
    for hard_edge in ("feather", "refine", "none"):
        settings = LayerSettings(foreground="observed", hard_edge=hard_edge)  # type: ignore[arg-type]  # of these three
        assert np.array_equal(estimate_layer(image, label, settings).foreground, image)


def test_what_decides_a_layer_is_told_for_hard_and_soft_labels_apart() -> None:
    narrow, wide = LayerSettings(feather_px=1), LayerSettings(feather_px=4)
    assert narrow.decides(hard=False) == wide.decides(hard=False)
    assert narrow.decides(hard=True) != wide.decides(hard=True)
    assert LayerSettings(foreground="observed").decides(hard=False) == ("observed",)
    assert LayerSettings(hard_edge="refine").decides(hard=True) != narrow.decides(hard=True)


def test_inputs_stay_untouched() -> None:
    image, label = _portrait()
    before = image.copy(), label.copy()
    for hard_edge in ("feather", "refine", "none"):
        layer = estimate_layer(image, label, LayerSettings(hard_edge=hard_edge))  # type: ignore[arg-type]  # ditto
        assert not np.shares_memory(layer.alpha, label)
        assert not np.shares_memory(layer.foreground, image)
    assert np.array_equal(image, before[0])
    assert np.array_equal(label, before[1])
