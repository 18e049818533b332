"""What a network sees in an image as a whole, made small enough to keep with each prediction.

A fixed random projection keeps the distances between images within a few per cent, whatever the network's width, and
needs no training data: so features of yesterday and of today can be compared, as long as the scorer is the same.

Source:
    Johnson & Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from segdata.errors import CatalogError

KEPT = 64
"""Numbers kept for each image."""

Features = NDArray[np.float32]


def pack_features(features: Features) -> list[bytes]:
    """Features of a batch, each of length 1, projected to `KEPT` numbers of 16 bits.

    Args:
        features: (N, C) float32, as a runtime's `describe` gives them.

    Returns:
        N times 2 * KEPT bytes: float16, little endian.
    """
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    # Not `@`: its threads would fight those of the network for the cores, and wait by spinning, for a
    # thousandth of a second of work; it cost a twentieth of scoring.
    small = np.einsum("nc,kc->nk", features / np.maximum(norms, 1e-12), _projection(features.shape[1]))
    return [row.tobytes() for row in small.astype("<f2")]


def unpack_features(data: bytes) -> Features:
    """The (KEPT,) float32 that were packed.

    Raises:
        CatalogError: The bytes are none.

    >>> packed = pack_features(np.eye(2, 5, dtype=np.float32))
    >>> unpack_features(packed[0]).shape
    (64,)
    """
    if len(data) != 2 * KEPT:
        raise CatalogError(f"predictions: features of {len(data)} bytes instead of {2 * KEPT}; score the sample again")
    return np.frombuffer(data, "<f2").astype(np.float32)


@lru_cache(maxsize=4)
def _projection(width: int) -> Features:
    """(KEPT, width)."""
    drawn = np.random.default_rng([width, KEPT]).standard_normal((width, KEPT))
    return np.ascontiguousarray((drawn / np.sqrt(KEPT)).T, np.float32)
