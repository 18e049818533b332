"""One light for a whole picture, and how round things look in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segdata.drawn.paint import Float, Patch, floats, soften


@dataclass(frozen=True, slots=True)
class Light:
    """A light far away, and what the surroundings give back.

    Attributes:
        x: where it comes from, -1 (left) to 1 (right).
        y: -1 (above) to 1 (below).
        z: towards the viewer, above 0.
        ambient: share of the light that comes from everywhere, in [0, 1].
        tint: (3,) factor on each channel of the whole picture.
        gain: factor on the whole picture: below 1 is dim.
    """

    x: float
    y: float
    z: float
    ambient: float
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gain: float = 1.0

    def on(self, slope_x: Float, slope_y: Float) -> Float:
        """Brightness of a surface with these slopes (height per pixel); a flat one facing us has about 1.

        Source:
            Lambert's cosine law, wrapped a little beyond the terminator, as light that goes through skin and cloth is.
        """
        length = np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
        cosine = (-slope_x * floats(self.x) - slope_y * floats(self.y) + floats(self.z)) / length
        lit = np.maximum((cosine + 0.25) * floats(1 / (max(self.z, 0.5) + 0.25)), 0)
        lit = np.minimum(lit, 0.6 + 0.4 * lit)  # what is brighter than flat is compressed, as on film
        return np.asarray(self.ambient + (1 - self.ambient) * lit, np.float32)


def draw_light(rng: np.random.Generator, dim: bool, hard: bool) -> Light:
    """A light from some side above; `hard` leaves deep shadows, `dim` little light at all."""
    side = rng.uniform(-0.85, 0.85)
    above = rng.uniform(-0.75, -0.2)
    towards = rng.uniform(0.45, 0.9)
    norm = float(np.sqrt(side**2 + above**2 + towards**2))
    warmth = rng.normal(0, 0.12 if dim else 0.05)
    tint = (1 + warmth, 1.0, 1 - warmth)
    gain = rng.uniform(0.3, 0.6) if dim else rng.uniform(0.88, 1.02)
    ambient = rng.uniform(0.12, 0.3) if hard else rng.uniform(0.4, 0.65)
    return Light(side / norm, above / norm, towards / norm, ambient, tint, gain)


def relief(patch: Patch, light: Light, depth_px: float, bumps: Float | None = None) -> Float:
    """Brightness (h, w) of a shape as if it were a cushion of this depth.

    The height is a sum of blurred masks, worked out on a smaller picture: smooth, and without the ridges of a
    distance transform.

    Args:
        patch: the shape.
        light: falls on it.
        depth_px: how far in from its edge the cushion keeps rising.
        bumps: (h, w) height in pixels to add: folds, curls.
    """
    height, width = patch.mask.shape
    if not patch.mask.size:
        return patch.mask
    factor = int(np.clip(depth_px / 8, 1, 6))
    size = (max(2, width // factor), max(2, height // factor))
    mask = cv2.resize(patch.mask, size, interpolation=cv2.INTER_AREA)
    depth = depth_px / factor
    # What the picture's edge cuts off goes on beyond it: the cushion does not end at the frame.
    pad = int(2 * depth) + 1
    wide = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    field = (_blur(wide, depth * 0.2) * 0.25 + _blur(wide, depth * 0.45) * 0.5 + _blur(wide, depth * 0.9)) * depth
    field = field[pad:-pad, pad:-pad]
    if bumps is not None:
        field += cv2.resize(bumps, size, interpolation=cv2.INTER_AREA) / floats(factor)
    slope_x = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    slope_y = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return np.asarray(cv2.resize(light.on(slope_x, slope_y), (width, height)), np.float32)


def shaded(colour: tuple[float, ...] | Float, brightness: Float, warmth: float = 0.12) -> Float:
    """A colour under a brightness (h, w): (3, h, w). Shadows turn warm by `warmth` (skin), or cold below 0."""
    base = np.asarray(colour, np.float32)
    base = base if base.ndim == 3 else base[:, None, None]
    away = brightness - 1
    strength = floats([1 - warmth, 1, 1 + warmth])[:, None, None]
    return np.asarray(base * np.maximum(1 + away * strength, 0.04), np.float32)


def _blur(mask: Float, sigma: float) -> Float:
    return soften(mask, max(sigma, 0.6))
