"""Small decoded arrays kept in memory, up to a budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.uint8], ...]


class ArrayCache:
    """What was made once is not made again, as long as it fits.

    Nothing is ever thrown out: an epoch visits every sample once, and under that order a cache that is too small
    and replaces its oldest entries never hits. A full cache serves its share of each epoch, and makes the rest.

    Args:
        budget_bytes: keep at most so much.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._held: dict[Hashable, Arrays] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes_held(self) -> int:
        """What it holds."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a key, made if need be; read-only, since others get the same ones.

        >>> cache = ArrayCache(budget_bytes=3)
        >>> [cache.get(key, lambda: (np.zeros(2, np.uint8),))[0].size for key in "aab"], cache.bytes_held
        ([2, 2, 2], 2)
        """
        held = self._held.get(key)
        if held is not None:
            return held
        made = make()
        for array in made:
            array.flags.writeable = False
        size = sum(array.nbytes for array in made)
        with self._lock:
            if key not in self._held and self._bytes + size <= self._budget:
                self._held[key] = made
                self._bytes += size
        return made
