"""Scenes without people: open country, streets, and rooms, to lay portraits over."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.indoors import paint_room
from segdata.drawn.noise import GRAIN_DEVIATION, grain
from segdata.drawn.outdoors import paint_country, paint_street
from segdata.drawn.paint import Image, SizeHW, floats
from segdata.drawn.scenery import blank

_PAINTERS = (paint_country, paint_street, paint_room)


def draw_scene(seed: int, size_hw: SizeHW = (800, 600)) -> Image:
    """Draw a person-free scene: the same seed and size, the same pixels.

    Args:
        seed: decides everything.
        size_hw: height and width in pixels.

    Returns:
        (H, W, 3) uint8 sRGB.

    >>> draw_scene(1, (80, 60)).shape
    (80, 60, 3)
    """
    rng = np.random.default_rng(seed)
    canvas = blank(size_hw)
    _PAINTERS[int(rng.integers(len(_PAINTERS)))](canvas, rng)
    # a lens is darker towards its corners, and no sensor is without noise
    y, x = np.ogrid[-1 : 1 : size_hw[0] * 1j, -1 : 1 : size_hw[1] * 1j]
    falloff = floats(1 - rng.uniform(0.03, 0.16) * (x * x + y * y))
    exposure, warmth = rng.uniform(0.86, 1.1), rng.normal(0, 0.03)
    gains = floats([exposure * (1 + warmth), exposure, exposure * (1 - warmth)])
    planes = [
        cv2.convertScaleAbs(plane * falloff, alpha=float(g))
        for plane, g in zip(canvas.premultiplied, gains, strict=True)
    ]
    picture = cv2.GaussianBlur(cv2.merge(planes), (0, 0), 0.6)
    noise = grain(rng, size_hw, coarse=True)
    strength = float(rng.uniform(1, 4)) / GRAIN_DEVIATION
    return np.asarray(cv2.addWeighted(picture, 1.0, noise, strength, 0, dtype=cv2.CV_8U), np.uint8)
