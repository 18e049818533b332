"""What a step is fed: the same arrays for the same (seed, epoch, index), whatever the cache and the threads."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from segdata.catalog.pixels import read_image_of, read_pair
from segdata.imaging.fusion import FusionPlan, Placed, fuse_layers
from segdata.imaging.layer import Layer
from segdata.inference.model_folder import ModelSpec
from segdata.inference.predict import prepare
from segdata.train.augment import portrait_augmentation
from segdata.train.cache import ArrayCache
from segdata.train.dataset import TrainingSamples, batches
from segdata.train.negatives import Negatives
from segdata.train.recipe import TrainRecipe
from segdata.train.resize import shrink_pair, typical_scale

PLAIN = TrainRecipe(augment=False, batch_size=2)
AUGMENTED = TrainRecipe(augment=True, batch_size=2)


def samples_of(studio: Any, recipe: TrainRecipe, seed: int = 0, count: int = 3) -> TrainingSamples:
    rows = studio.portraits(range(count), weight=1.0).to_pylist()
    return TrainingSamples(
        studio.workspace, rows, recipe, seed, ((64, 64), "stretch"), ArrayCache(recipe.cache_mib << 20)
    )


def test_a_fetch_depends_on_seed_epoch_and_index_alone(studio: Callable[..., Any]) -> None:
    made = studio()
    first, second = samples_of(made, AUGMENTED), samples_of(made, AUGMENTED)
    second.fetch(9, 2)
    a, b = first.fetch(1, 0), second.fetch(1, 0)
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.alpha, b.alpha)
    assert not np.array_equal(a.image, first.fetch(2, 0).image)
    assert not np.array_equal(a.image, samples_of(made, AUGMENTED, seed=1).fetch(1, 0).image)


@pytest.mark.parametrize("cache_mib", [0, 64])
def test_the_cache_changes_no_pixel(studio: Callable[..., Any], cache_mib: int) -> None:
    made = studio()
    samples = samples_of(made, AUGMENTED.model_copy(update={"cache_mib": cache_mib}))
    first, again = samples.fetch(1, 1), samples.fetch(1, 1)
    reference = samples_of(made, AUGMENTED).fetch(1, 1)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.image, reference.image)


def test_augmenting_at_the_photos_size_comes_to_network_size_too(studio: Callable[..., Any]) -> None:
    made = studio()
    at_image = samples_of(made, AUGMENTED.model_copy(update={"augment_at": "image"})).fetch(1, 0)
    assert at_image.image.shape == (64, 64, 3)
    assert at_image.alpha.shape == (64, 64)
    plain = samples_of(made, PLAIN.model_copy(update={"augment_at": "image"})).fetch(1, 0)
    assert np.array_equal(plain.image, samples_of(made, PLAIN).fetch(1, 0).image)


def test_alpha_stays_soft_when_shrunk() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, 3:] = 255
    image = np.repeat(alpha[..., None], 3, axis=2)
    small_image, small = shrink_pair(image, alpha, (4, 4))
    assert small[0].tolist() == [0, 128, 255, 255]
    assert np.array_equal(small_image[..., 0], small)
    assert shrink_pair(image, alpha, (8, 8))[1] is alpha


def negatives_of(studio: Any, share: float, input_hw: tuple[int, int] | None = (64, 64)) -> Negatives:
    backgrounds = [studio.background(seed) for seed in range(2)]
    return Negatives(studio.workspace, backgrounds, share, ArrayCache(1 << 24), input_hw)


def shown(studio: Any, share: float, recipe: TrainRecipe = PLAIN) -> TrainingSamples:
    rows = studio.portraits(range(3), weight=1.0).to_pylist()
    negatives = negatives_of(studio, share, (64, 64) if recipe.augment_at == "network" else None)
    frame = ((64, 64), "stretch")
    return TrainingSamples(studio.workspace, rows, recipe, 0, frame, ArrayCache(1 << 24), negatives=negatives)


def test_a_negative_is_what_fusion_would_have_put_behind_the_portrait(studio: Callable[..., Any]) -> None:
    made = studio()
    portrait, large = made.portrait(0), negatives_of(made, 0.999, None)
    small = negatives_of(made, 0.999)
    nobody = Layer(np.full((96, 72, 3), 99, np.uint8), np.zeros((96, 72), np.uint8))
    for seed in range(4):
        cut = large.draw(np.random.default_rng(seed))
        assert cut is not None
        plan = FusionPlan((Placed("p"),), "b", crop_x=cut.crop_x, crop_y=cut.crop_y)
        scene, _ = fuse_layers([nobody], read_image_of(made.workspace, cut.background), plan)
        image, alpha = large.pair(cut, portrait)
        assert np.array_equal(image, scene)
        assert (alpha.shape, alpha.any()) == ((96, 72), False)
        little, nothing = small.pair(cut, portrait)
        assert np.abs(little.astype(int) - shrink_pair(image, alpha, (64, 64))[0]).mean() < 7
        assert (nothing.shape, nothing.any()) == ((64, 64), False)


@pytest.mark.parametrize("augment_at", ["network", "image"])
def test_the_share_of_fetches_that_are_negatives_is_the_recipes(studio: Callable[..., Any], augment_at: str) -> None:
    recipe = PLAIN.model_copy(update={"augment_at": augment_at})
    first, again = shown(studio(), 0.2, recipe), shown(studio("again"), 0.2, recipe)
    fetched = [first.fetch(epoch, index) for epoch in range(1, 201) for index in range(3)]
    empty = [not one.alpha.any() for one in fetched]
    assert np.mean(empty) == pytest.approx(0.2, abs=0.05)
    assert {one.image.shape for one in fetched} == {(64, 64, 3)}
    assert {one.weight for one in fetched} == {1.0}
    assert [not again.fetch(epoch, index).alpha.any() for epoch in range(1, 9) for index in range(3)] == empty[:24]


def test_a_training_without_negatives_draws_nothing_for_them(studio: Callable[..., Any]) -> None:
    made = studio()
    plain, rows = samples_of(made, AUGMENTED), made.portraits(range(3), weight=1.0).to_pylist()
    rng = np.random.default_rng([0, 1, 2])
    image, alpha = shrink_pair(*read_pair(made.workspace, rows[2]), (64, 64))
    augment = portrait_augmentation(typical_scale(rows, (64, 64)))
    expected, _ = augment(image, alpha, int(rng.integers(2**31)))
    assert np.array_equal(plain.fetch(1, 2).image, expected)


def test_batches_come_in_order_as_tensors(studio: Callable[..., Any]) -> None:
    samples = samples_of(studio(), PLAIN)
    got = list(batches(samples, 1, [2, 0, 1, 1], batch=2, threads=2))
    assert [tuple(batch.images.shape) for batch in got] == [(2, 64, 64, 3)] * 2
    assert np.array_equal(got[0].images[0].numpy(), samples.fetch(1, 2).image)
    assert np.array_equal(got[1].alphas[1].numpy(), samples.fetch(1, 1).alpha)
    assert got[0].weights.tolist() == [1.0, 1.0]


def test_a_full_cache_keeps_what_it_has_and_makes_the_rest() -> None:
    cache = ArrayCache(budget_bytes=4)
    made: list[str] = []

    def make(name: str) -> tuple[np.ndarray, ...]:
        made.append(name)
        return (np.zeros(3, np.uint8),)

    for name in "abab":
        cache.get(name, lambda name=name: make(name))  # type: ignore[misc]  # binds the loop's value
    assert made == ["a", "b", "b"]
    assert cache.bytes_held == 3


def test_the_typical_scale_is_the_median_photos_and_never_enlarges() -> None:
    rows = [{"height": 800, "width": 600}, {"height": 400, "width": 300}, {"height": 800, "width": 600}]
    assert typical_scale(rows, (200, 150)) == 0.25
    assert typical_scale([{"height": 10, "width": 10}], (64, 64)) == 1.0


@pytest.mark.parametrize("size_hw", [(96, 72), (40, 100), (20, 30), (64, 64)])
def test_training_shrinks_a_photo_exactly_as_prediction_does(size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), np.uint8)
    spec = ModelSpec(name="tiny", input_hw=(48, 32))
    small, _ = shrink_pair(image, image[..., 0].copy(), (48, 32))
    assert np.array_equal(small, prepare(image, spec))
