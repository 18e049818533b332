"""People among the backgrounds: found by what others teach, each judged by a fit without it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from segdata.catalog.embeddings import Embedding, Shown
from segdata.inference.presence import LEAST, MOST, Pictures, judge_presence, log_odds_of, threshold_of


def _sha(*words: object) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def _embeddings(kind: str, number: int, person: float) -> list[Embedding]:
    """Noise, in which eight of sixty features say how much of a person there is."""
    noise = np.random.default_rng([len(kind), number]).normal(60, 12, (number, 60))
    noise[:, :8] += person
    return list(np.clip(np.rint(noise), 0, 255).astype(np.uint8))


def _pictures(free: int, photos: int, hidden: int = 0, laid: int = 0, person: float = 40) -> Pictures:
    names = [(f"b/{n}", _sha("free", n)) for n in range(free)] + [(f"h/{n}", _sha("hidden", n)) for n in range(hidden)]
    scenes = _embeddings("free", free, 0) + _embeddings("hidden", hidden, person)
    backgrounds = {name: one for (_, name), one in zip(names, scenes, strict=True)}
    people: dict[Shown, Embedding] = {
        (_sha("photo", n), None): one for n, one in enumerate(_embeddings("photos", photos, person))
    }
    people |= {
        (_sha("portrait", n), _sha("free", n)): one for n, one in enumerate(_embeddings("laid over", laid, person))
    }
    return Pictures(people, backgrounds, names)


@pytest.mark.parametrize(("photos", "laid"), [(60, 0), (60, 60), (0, 120)])
def test_people_whom_nobody_annotated_are_found_and_hardly_anybody_else(photos: int, laid: int) -> None:
    found = judge_presence(_pictures(160, photos, hidden=6, laid=laid), lost=0.01)
    assert found is not None
    names = [name for name, _ in found.vetoed]
    assert {f"h/{n}" for n in range(6)} <= set(names)
    assert len(names) <= 8
    assert (found.photos, found.portraits, found.free, found.judged) == (photos, laid, 166, 166)
    assert found.auc > 0.95
    assert found.trusted
    probabilities = [p for _, p in found.vetoed]
    assert probabilities == sorted(probabilities, reverse=True)
    assert min(probabilities) >= found.threshold >= 0.5


def test_a_background_is_judged_by_a_fit_without_it() -> None:
    """Features that say nothing, and enough of them to learn every picture by heart."""
    pictures = _pictures(80, 80, person=0)
    found = log_odds_of(pictures)
    assert found is not None
    right = np.mean([*(found.photos > 0), *(found.free < 0)])
    assert 0.3 < right < 0.7
    told = judge_presence(pictures, lost=0.01)
    assert told is not None
    assert not told.trusted
    assert told.vetoed == ()


def test_where_nearly_every_background_shows_people_nobody_is_believed() -> None:
    found = judge_presence(_pictures(100, 60, hidden=60), lost=0.2)
    assert found is not None
    assert found.seen > 0
    assert found.auc < 0.8
    assert (found.trusted, found.vetoed) == (False, ())


def test_few_people_among_the_backgrounds_move_no_threshold() -> None:
    clean = np.random.default_rng(0).normal(-3, 1, 400)
    poisoned = np.concatenate([clean, np.full(20, 9.0)])
    assert threshold_of(poisoned, 0.01) == pytest.approx(threshold_of(clean, 0.01), abs=0.3)
    assert np.quantile(poisoned, 0.99) > 8.9  # the plain quantile is one of the people themselves


def test_backgrounds_that_are_not_fitted_with_are_judged_too() -> None:
    found = judge_presence(_pictures(MOST + 50, 60, hidden=5), lost=0.01)
    assert found is not None
    assert (found.free, found.judged) == (MOST, MOST + 55)
    assert {f"h/{n}" for n in range(5)} <= {name for name, _ in found.vetoed}


def test_two_names_of_one_picture_are_both_vetoed() -> None:
    pictures = _pictures(160, 60, hidden=1)
    twice = Pictures(pictures.people, pictures.backgrounds, [*pictures.names, ("copy", _sha("hidden", 0))])
    found = judge_presence(twice, lost=0.001)
    assert found is not None
    assert {"h/0", "copy"} <= {name for name, _ in found.vetoed}


@pytest.mark.parametrize(("free", "photos", "laid"), [(LEAST - 1, 60, 60), (60, LEAST - 1, LEAST - 1), (60, 0, 0)])
def test_with_too_few_pictures_nobody_is_judged(free: int, photos: int, laid: int) -> None:
    assert judge_presence(_pictures(free, photos, laid=min(laid, free)), lost=0.01) is None
