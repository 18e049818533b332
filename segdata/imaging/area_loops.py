"""The loop of `area`, as numba compiles it, which takes its types from the signature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHRINK = "void(Array(u1, 2, 'C', readonly=True), i4[:,::1], f4[:,::1], i4[:,::1], f4[:,::1], u1[:,::1])"


def shrink_loop(
    rows: NDArray[np.uint8],
    places_down: NDArray[np.int32],
    shares_down: NDArray[np.float32],
    places_across: NDArray[np.int32],
    shares_across: NDArray[np.float32],
    out: NDArray[np.uint8],
) -> None:
    """Weigh rows into one line, then the line's values into the new pixels.

    Args:
        rows: (H, W * C).
        places_down, shares_down: (T, h): for each new row the old ones under it, and their shares.
        places_across, shares_across: (U, w * C): for each new value the values of the line, and their shares.
        out: (h, w * C), written.
    """
    line = np.empty(rows.shape[1], np.float32)
    sums = np.empty(out.shape[1], np.float32)
    for y in range(out.shape[0]):
        line[:] = 0
        for tap in range(len(places_down)):
            share, row = shares_down[tap, y], rows[places_down[tap, y]]
            if share > 0:
                for x in range(len(line)):
                    line[x] += share * np.float32(row[x])
        sums[:] = 0
        for tap in range(len(places_across)):
            places, shares = places_across[tap], shares_across[tap]
            for x in range(len(sums)):
                sums[x] += shares[x] * line[places[x]]
        new = out[y]
        for x in range(len(sums)):
            new[x] = np.uint8(min(np.float32(255), np.rint(sums[x])))
