"""Irregularity: smooth noise fields, film grain, and small tiles that repeat as a pattern."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.drawn.paint import Float, SizeHW, floats

GRAIN_DEVIATION = 32.0
_GRAIN = 1024


def clouds(rng: np.random.Generator, size_hw: SizeHW, cells: float, octaves: int = 3) -> Float:
    """Smooth noise (H, W) of mean about 0 and deviation about 1: random grids, enlarged and added (value noise).

    Args:
        rng: decides it.
        size_hw: height and width in pixels.
        cells: how many lumps of the coarsest octave lie along the longer side.
        octaves: each next one is twice as fine and half as strong.
    """
    height, width = size_hw
    longest = max(height, width, 1)
    # The finest octave sets the resolution that is worth computing at.
    scale = min(1.0, cells * 2**octaves / longest)
    small = (max(2, round(height * scale)), max(2, round(width * scale)))
    field = np.zeros(small, np.float32)
    for octave in range(octaves):
        count = cells * 2**octave / longest
        grid = (max(2, round(height * count)), max(2, round(width * count)))
        lumps = rng.standard_normal(grid, dtype=np.float32)
        field += cv2.resize(lumps, small[::-1], interpolation=cv2.INTER_CUBIC) * floats(0.5**octave)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def grain(rng: np.random.Generator, size_hw: SizeHW, coarse: bool = False) -> NDArray[np.int8]:
    """Film grain (H, W, 3) of deviation `GRAIN_DEVIATION`: a window of one large tile, which costs next to nothing.

    Brightness mostly, colour a little; `coarse` is what the smoothing of a small sensor leaves.
    """
    tile = _grain_tile(coarse)
    if max(size_hw) > _GRAIN // 2:
        repeats = (size_hw[0] // (_GRAIN // 2) + 1, size_hw[1] // (_GRAIN // 2) + 1, 1)
        tile = np.tile(tile, repeats) if max(size_hw) > _GRAIN - 64 else tile
    top = int(rng.integers(tile.shape[0] - size_hw[0]))
    left = int(rng.integers(tile.shape[1] - size_hw[1]))
    return tile[top : top + size_hw[0], left : left + size_hw[1]]


@cache
def _grain_tile(coarse: bool) -> NDArray[np.int8]:
    rng = np.random.default_rng(1974)
    tile = rng.standard_normal((_GRAIN, _GRAIN, 1), dtype=np.float32)
    tile = tile + 0.35 * rng.standard_normal((_GRAIN, _GRAIN, 3), dtype=np.float32)
    if coarse:
        tile = cv2.GaussianBlur(tile, (0, 0), 0.8)
    tile = np.clip(np.rint(tile * (GRAIN_DEVIATION / tile.std())), -127, 127).astype(np.int8)
    tile.setflags(write=False)
    return np.asarray(tile)


def tiled(tile: Float, size_hw: SizeHW, scale: float, angle_deg: float, offset: tuple[float, float] = (0, 0)) -> Float:
    """A tile (h, w) in [0, 1] repeated over (H, W), enlarged by `scale` and turned."""
    turn = cv2.getRotationMatrix2D((0, 0), angle_deg, scale)
    turn[:, 2] += offset
    found = cv2.warpAffine(tile, turn, size_hw[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32)


def weave(name: str, rng: np.random.Generator) -> Float:
    """A tile of fabric (48, 48) in [0, 1]: 0 is the first colour, 1 the second.

    Args:
        name: stripes, pinstripes, plaid, dots, knit, diamonds or checks; another gives a plain one.
        rng: decides widths.
    """
    y, x = np.mgrid[0:48, 0:48].astype(np.float32)
    wide = int(rng.integers(8, 28))
    fields = {
        "stripes": lambda: y < wide,
        "pinstripes": lambda: (x % 24 < 2) * 0.7,
        "plaid": lambda: (x < wide) * 0.45 + (y < wide) * 0.45 + (np.abs(x - 38) < 1.5) * 0.5,
        "dots": lambda: (x % 24 - 12) ** 2 + (y % 24 - 12) ** 2 < (wide / 4 + 2) ** 2,
        "knit": lambda: 0.5 + 0.3 * np.sin((y + 3 * np.abs((x % 8) - 4)) * np.pi / 4),
        "diamonds": lambda: np.abs(x - 24) + np.abs(y - 24) < wide * 0.85,
        "checks": lambda: (x < 24) ^ (y < 24),
    }
    field = fields.get(name, lambda: np.zeros_like(x))()
    return np.asarray(cv2.GaussianBlur(np.clip(field, 0, 1).astype(np.float32), (0, 0), 0.7), np.float32)
