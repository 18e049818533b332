"""Features of an image, packed: distances hold, lengths do not matter, wrong bytes are named."""

import numpy as np
import pytest

from segdata.errors import CatalogError
from segdata.inference.features import pack_features, unpack_features


def test_distances_survive_the_projection_within_a_third():
    features = np.random.default_rng(0).standard_normal((40, 320)).astype(np.float32)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    packed = np.stack([unpack_features(row) for row in pack_features(features)])
    before = np.linalg.norm(unit[:, None] - unit, axis=2)[np.triu_indices(40, 1)]
    after = np.linalg.norm(packed[:, None] - packed, axis=2)[np.triu_indices(40, 1)]
    assert np.abs(after / before - 1).max() < 0.4
    assert np.abs(after / before - 1).mean() < 0.1


def test_how_strong_an_image_excites_the_network_does_not_matter():
    features = np.random.default_rng(1).standard_normal((1, 32)).astype(np.float32)
    one, other = (unpack_features(pack_features(scale * features)[0]) for scale in (1, 7))
    assert np.allclose(one, other, atol=1e-3)


def test_an_image_that_excites_nothing_is_no_number_problem():
    assert np.isfinite(unpack_features(pack_features(np.zeros((1, 8), np.float32))[0])).all()


def test_other_bytes_are_refused():
    with pytest.raises(CatalogError, match="features of 3 bytes instead of 128"):
        unpack_features(b"abc")
