"""Online fusion at network size gives the picture that fusing at the photo's size and shrinking would."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.fusion import FusionSettings
from segdata.imaging.layer import Layer, estimate_layer
from segdata.train import online
from segdata.train.cache import ArrayCache
from segdata.train.dataset import TrainingSamples
from segdata.train.online import OnlineFusion, stretched_cover_hw
from segdata.train.recipe import TrainRecipe
from segdata.train.resize import shrink_layer, shrink_pair

PLAIN = TrainRecipe(augment=False, fusion="online")


class Estimating:
    """Portraits, cut out anew each time."""

    def layer(self, row: dict[str, Any], image: Image, label: Alpha) -> Layer:
        return estimate_layer(image, label)


def online_of(studio: Any, ratio: float, input_hw: tuple[int, int] | None, placement: str = "original") -> OnlineFusion:
    return OnlineFusion(
        workspace=studio.workspace,
        layers=Estimating(),  # type: ignore[arg-type]  # all that is asked of the cache
        settings=FusionSettings(placement=placement),  # type: ignore[arg-type]  # a literal in the parameters below
        ratio=ratio,
        backgrounds=[studio.background(seed) for seed in range(3)],
        cache=ArrayCache(1 << 24),
        input_hw=input_hw,
    )


@pytest.mark.parametrize("placement", ["original", "jitter"])
def test_small_layers_fuse_to_the_small_picture_of_the_large_fusion(studio: Callable[..., Any], placement: str) -> None:
    made = studio()
    row = made.portrait(0)
    large, small = (online_of(made, 1.0, input_hw, placement) for input_hw in (None, (48, 48)))
    for seed in range(6):
        drawn = large.draw(row, np.random.default_rng(seed))
        assert drawn == small.draw(row, np.random.default_rng(seed))
        assert drawn is not None
        expected = shrink_pair(*large.fuse(drawn), (48, 48))
        image, alpha = small.fuse(drawn)
        assert image.shape == (48, 48, 3)
        assert np.abs(image.astype(int) - expected[0]).mean() < 7
        assert np.abs(alpha.astype(int) - expected[1]).mean() < 4


def test_the_share_of_fused_fetches_is_the_ratio(studio: Callable[..., Any]) -> None:
    made = studio()
    row, online = made.portrait(0), online_of(made, 0.3, (48, 48))
    fused = sum(online.draw(row, np.random.default_rng([0, n])) is not None for n in range(2000))
    assert fused / 2000 == pytest.approx(0.3, abs=0.04)
    assert online.draw({**row, "kind": "composite"}, np.random.default_rng(0)) is None


def test_a_portrait_whose_label_is_empty_is_never_fused(studio: Callable[..., Any]) -> None:
    made = studio()
    online = online_of(made, 1.0, (48, 48))
    assert online.draw(made.portrait(0), np.random.default_rng(0)) is not None
    assert online.draw({**made.portrait(0), "foreground_fraction": 0.0}, np.random.default_rng(0)) is None


def test_the_person_stays_and_the_background_changes(studio: Callable[..., Any]) -> None:
    made = studio()
    rows = made.portraits(range(2), weight=1.0).to_pylist()
    build = (made.workspace, rows, PLAIN, 0, ((48, 48), "stretch"), ArrayCache(1 << 24))
    plain = TrainingSamples(*build).fetch(1, 0)
    fused = TrainingSamples(*build, online_of(made, 1.0, (48, 48))).fetch(1, 0)
    person, behind = plain.alpha == 255, plain.alpha == 0
    assert np.abs(fused.image[person].astype(int) - plain.image[person]).max() <= 2
    assert np.abs(fused.image[behind].astype(int) - plain.image[behind]).mean() > 20
    assert np.array_equal(fused.alpha, plain.alpha)


def test_a_foreground_shrinks_by_its_alpha_so_that_no_old_background_bleeds_in() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, :3] = 255
    image = np.where(alpha[..., None] > 0, np.uint8(200), np.uint8(10)).repeat(3, axis=2)
    small = shrink_layer(image, alpha, (4, 4))
    assert small[0, 0].tolist() == [200] * 3
    assert small[0, 1].tolist() == [200] * 3, "half covered: the person's colour alone"
    assert small[0, 3].tolist() == [10] * 3


def test_a_stretched_background_covers_what_the_photo_would_have_been_covered_with() -> None:
    for size_hw in ((90, 120), (300, 50), (64, 64)):
        height, width = stretched_cover_hw(size_hw, 4 / 3, (48, 48))
        assert min(height, width) == 48
        # undoing the stretch of a 4:3 portrait gives the background's own shape back
        assert (height * 4 / 3) / width == pytest.approx(size_hw[0] / size_hw[1], rel=0.03)


def test_every_background_is_drawn_and_each_fetch_cuts_it_anew(studio: Callable[..., Any]) -> None:
    made = studio()
    online, row = online_of(made, 1.0, (48, 48)), made.portrait(0)
    plans = [drawn.plan for seed in range(40) if (drawn := online.draw(row, np.random.default_rng(seed)))]
    assert {plan.background_id for plan in plans} == {one["sample_id"] for one in online.backgrounds}
    assert len({plan.crop_x for plan in plans}) == 40


def test_nobody_of_the_same_shoot_stands_beside_a_portrait(studio: Callable[..., Any]) -> None:
    made = studio()
    rows = made.portraits(range(5), weight=1.0).to_pylist()
    for row, shoot in zip(rows, "aaabc", strict=True):
        row["group_id"] = shoot
    groups = replace(online_of(made, 1.0, (48, 48)), companions=rows, people=(2, 3))
    scenes = [drawn.portraits for seed in range(12) if (drawn := groups.draw(rows[0], np.random.default_rng(seed)))]
    assert {row["group_id"] for _, *others in scenes for row in others} <= {"b", "c"}
    assert any(len(scene) > 1 for scene in scenes)


def test_several_people_are_fused_online_as_they_are_rendered(studio: Callable[..., Any]) -> None:
    made = studio()
    rows = made.portraits(range(5), weight=1.0).to_pylist()
    for number, row in enumerate(rows):
        row["group_id"] = f"shoot {number}"
    groups = replace(online_of(made, 1.0, (48, 48)), companions=rows, people=(2, 3))
    large = replace(online_of(made, 1.0, None), companions=rows, people=(2, 3))
    seen = set()
    for seed in range(8):
        drawn = groups.draw(rows[0], np.random.default_rng(seed))
        assert drawn == large.draw(rows[0], np.random.default_rng(seed))
        assert drawn is not None
        assert len({row["group_id"] for row in drawn.portraits}) == len(drawn.portraits)
        seen.add(len(drawn.portraits))
        expected = shrink_pair(*large.fuse(drawn), (48, 48))
        image, alpha = groups.fuse(drawn)
        assert np.abs(image.astype(int) - expected[0]).mean() < 8
        assert np.abs(alpha.astype(int) - expected[1]).mean() < 6
    assert max(seen) > 1


def test_backgrounds_and_layers_are_decoded_once_and_then_come_from_memory(
    studio: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = studio()
    rows, decoded = made.portraits(range(2), weight=1.0).to_pylist(), []
    for name in ("read_image_of", "read_pair"):
        whole = getattr(online, name)
        monkeypatch.setattr(online, name, lambda *a, _whole=whole, _name=name: (decoded.append(_name), _whole(*a))[1])
    fusing = online_of(made, 1.0, (48, 48))
    first = [fusing.fuse(drawn) for drawn in _draws(fusing, rows)]
    count = len(decoded)
    assert decoded.count("read_pair") == 2
    assert decoded.count("read_image_of") <= 3
    again = [fusing.fuse(drawn) for drawn in _draws(fusing, rows)]
    assert len(decoded) == count
    assert all(np.array_equal(one[0], other[0]) for one, other in zip(first, again, strict=True))


def _draws(fusing: OnlineFusion, rows: list[dict[str, Any]]) -> list[Any]:
    return [fusing.draw(row, np.random.default_rng([1, n])) for n in range(6) for row in rows]
