"""Fast multi-level foreground estimation: PyMatting's `estimate_foreground_ml`, quicker to start.

The method, the order of its updates and, given the same arguments, the numbers are PyMatting's: a test holds both to
the same result. It is written anew for three reasons, measured at 600x800 on one machine (benchmarks/foregrounds.py):
the same sweeps take less time in one thread than there in two, as the arrays are known to be contiguous; importing the
package compiles every method that it has, half a minute on first use and a second afterwards; and its resizing enters
numba's own threads, which ends the process where two threads of ours do so without OpenMP or TBB.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import lazily_compiled

Colours = NDArray[np.float32]
Share = NDArray[np.float32]

_REGULARIZATION = 1e-5
_SMALL_SIZE = 32
_SMALL_ITERATIONS = 10


def estimate_foreground_multilevel(
    image: Colours, alpha: Share, gradient_weight: float = 0.1, big_iterations: int = 6
) -> Colours:
    """Solve I = αF + (1 - α)B for F and B, both smooth where alpha changes, from one pixel up to full size.

    At each size every pixel in turn takes the F and B that minimise

        (αF + (1 - α)B - I)² + Σ (ε + ω|α - αₙ|) ((F - Fₙ)² + (B - Bₙ)²)    over its four neighbours n,

    with ε = 1e-5 and the gradient weight ω; the smaller size, enlarged, is where the next one starts. PyMatting's
    defaults are ω = 1 and 2 sweeps at sizes above 32 pixels; a smaller weight believes the image more than its
    neighbours, more sweeps carry colours further into wide edges, and both together leave half the error or less on
    clean drawn hair and blurred edges, and about as much where there is grain (reports/foregrounds.md).

    Args:
        image: (H, W, 3) float32 in [0, 1].
        alpha: (H, W) float32 in [0, 1].
        gradient_weight: ω.
        big_iterations: sweeps at each size above 32 pixels; below, there are 10.

    Returns:
        F, (H, W, 3) float32 in [0, 1]; a new array.

    Source:
        Germer, Uelwer, Conrad & Harmeling, "Fast Multi-Level Foreground Estimation", ICPR 2020.
    """
    height, width = alpha.shape
    foreground, background = (_mean_colour(image, where) for where in (alpha > 0.9, alpha < 0.1))
    levels = max(1, math.ceil(math.log2(max(height, width))))
    for level in range(levels + 1):
        size_hw = (round(height ** (level / levels)), round(width ** (level / levels)))
        foreground, background = _nearest(foreground, size_hw), _nearest(background, size_hw)
        small = max(size_hw) <= _SMALL_SIZE
        _kernel()(
            foreground,
            background,
            _nearest(image, size_hw),
            _nearest(alpha, size_hw),
            _SMALL_ITERATIONS if small else big_iterations,
            gradient_weight,
        )
    return foreground


def _mean_colour(image: Colours, where: NDArray[np.bool_]) -> Colours:
    pixels = image[where]
    mean: Colours = (pixels.sum(axis=0, dtype=np.float64) / (len(pixels) + 1e-5)).astype(np.float32)
    return mean.reshape(1, 1, 3)


def _nearest(array: NDArray[np.float32], size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Nearest neighbour with the grid of the method: pixel x takes floor(x * old / new)."""
    rows = np.arange(size_hw[0]) * array.shape[0] // size_hw[0]
    columns = np.arange(size_hw[1]) * array.shape[1] // size_hw[1]
    return np.ascontiguousarray(array[rows][:, columns])


def _sweep(foreground: Any, background: Any, image: Any, alpha: Any, iterations: Any, gradient_weight: Any) -> None:
    """Gauss-Seidel on each pixel's 2x2 normal equations, in place; plain Python on purpose: numba compiles it."""
    height, width = alpha.shape
    one, weight = np.float32(1), np.float32(gradient_weight)
    for _ in range(iterations):
        for y in range(height):
            up, down = max(0, y - 1), min(height - 1, y + 1)
            for x in range(width):
                left, right = max(0, x - 1), min(width - 1, x + 1)
                a = alpha[y, x]
                b = one - a
                w0 = np.float32(_REGULARIZATION) + weight * abs(a - alpha[y, left])
                w1 = np.float32(_REGULARIZATION) + weight * abs(a - alpha[y, right])
                w2 = np.float32(_REGULARIZATION) + weight * abs(a - alpha[up, x])
                w3 = np.float32(_REGULARIZATION) + weight * abs(a - alpha[down, x])
                weights = w0 + w1 + w2 + w3
                a00, a01, a11 = a * a + weights, a * b, b * b + weights
                inverse = one / (a00 * a11 - a01 * a01)
                for c in range(3):
                    f = a * image[y, x, c] + w0 * foreground[y, left, c] + w1 * foreground[y, right, c]
                    f += w2 * foreground[up, x, c] + w3 * foreground[down, x, c]
                    g = b * image[y, x, c] + w0 * background[y, left, c] + w1 * background[y, right, c]
                    g += w2 * background[up, x, c] + w3 * background[down, x, c]
                    foreground[y, x, c] = max(np.float32(0), min(one, inverse * (a11 * f - a01 * g)))
                    background[y, x, c] = max(np.float32(0), min(one, inverse * (a00 * g - a01 * f)))


def _kernel() -> Callable[[Colours, Colours, Colours, Share, int, float], None]:
    compiled = lazily_compiled(_sweep, "void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], i8, f8)")
    return cast("Callable[[Colours, Colours, Colours, Share, int, float], None]", compiled)
