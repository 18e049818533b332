"""Hair as hair: a mass, the strands that it consists of, and single ones that stand off with little coverage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.drawn.frame import Frame
from segdata.drawn.light import Light, relief, shaded
from segdata.drawn.paint import Canvas, Float, Patch, SizeHW, curve, floats, polygon, strokes
from segdata.drawn.person import RGB

_TONES = (88, 102, 114, 130, 144, 162)


def combed(
    rng: np.random.Generator, roots: Float, tips: Float, bulge: Float | tuple[float, float], wave: float = 0.0
) -> Float:
    """Strands (N, 8, 2) from roots (N, 2) to tips (N, 2), bent by way of a point `bulge` off their middle.

    Args:
        rng: decides how untidy they are.
        roots: where they grow.
        tips: where they end.
        bulge: (2,) or (N, 2), added to the middle as control point of a quadratic Bezier curve.
        wave: amplitude of waves across the strand.
    """
    t = np.linspace(0, 1, 8, dtype=np.float32)[None, :, None]
    middle = (roots + tips) / 2 + np.asarray(bulge, np.float32) + rng.normal(0, 0.04, roots.shape).astype(np.float32)
    path = roots[:, None] * (1 - t) ** 2 + middle[:, None] * 2 * t * (1 - t) + tips[:, None] * t**2
    if wave:
        phase = rng.normal(0, 0.5, (len(roots), 1)).astype(np.float32)
        sway = np.sin(t[..., 0] * floats(9.5) + phase + roots[:, :1] * 2.5) * t[..., 0] * floats(wave)
        path = path + np.stack([sway, np.zeros_like(sway)], -1)
    return np.asarray(path, np.float32)


def paint_mass(
    canvas: Canvas,
    frame: Frame,
    light: Light,
    rng: np.random.Generator,
    colour: RGB,
    shape: Float,
    strands: Float,
    loose: Float | None = None,
    depth: float = 0.5,
) -> None:
    """A mass of hair: a filled shape, its strands for texture and for a ragged edge, loose strands round it.

    Args:
        canvas: painted on.
        frame: the head's coordinates, which the rest is in.
        light: falls on it.
        rng: decides tones.
        colour: of the hair.
        shape: (K, 2) outline.
        strands: (N, P, 2); those whose ends leave the outline make its edge ragged.
        loose: (M, P, 2) single hairs, thinner than a pixel.
        depth: how round the mass is.
    """
    size_hw, unit = canvas.size_hw, frame.unit_px
    thick = max(1.0, 0.022 * unit)
    lines = frame.px(strands)
    body = polygon(curve(frame.px(shape)), size_hw, 0.012 * unit)
    patch = _union(body, strokes(lines[:: max(1, len(lines) // 90)], size_hw, thick), size_hw)
    if not patch.mask.size:
        return
    tone = _tones(patch, lines, rng, thick)
    brightness = relief(patch, light, depth * unit) * tone
    fill = shaded(colour, np.asarray(brightness, np.float32), 0.1) + (np.maximum(brightness - 1.02, 0) * 60)[None]
    canvas.over(patch, fill)
    if loose is not None and len(loose):
        hairs = strokes(frame.px(loose), size_hw, min(0.85, 0.012 * unit))
        canvas.over(hairs.times(float(rng.uniform(0.55, 0.95))), floats(colour) * floats(0.95))


def _tones(patch: Patch, lines: Float, rng: np.random.Generator, thick: float) -> Float:
    """Brightness of each strand over the patch (h, w), about 1."""
    height, width = patch.mask.shape
    step = 2 if thick >= 1.6 else 1  # thick strands are drawn thin on a picture of half the size
    tone: NDArray[np.uint8] = np.full((-(-height // step), -(-width // step)), 118, np.uint8)
    near = np.rint((lines - floats([patch.left, patch.top])) * (16 / step)).astype(np.int32)
    near = near[rng.permutation(len(near))]
    for value, group in zip(_TONES, np.array_split(near, len(_TONES)), strict=True):
        cv2.polylines(tone, list(group), False, value, max(1, round(thick / step)), cv2.LINE_AA, 4)
    return np.asarray(cv2.resize(tone, (width, height)) * floats(1 / 128), np.float32)


def _union(first: Patch, second: Patch, size_hw: SizeHW) -> Patch:
    """Both patches in one window; coverages that overlap do not add up."""
    top, left = min(first.top, second.top), min(first.left, second.left)
    bottom = max(first.top + first.mask.shape[0], second.top + second.mask.shape[0])
    right = max(first.left + first.mask.shape[1], second.left + second.mask.shape[1])
    if not first.mask.size:
        return second
    if not second.mask.size:
        return first
    mask = np.zeros((min(bottom, size_hw[0]) - top, min(right, size_hw[1]) - left), np.float32)
    for one in (first, second):
        part = mask[one.top - top :, one.left - left :][: one.mask.shape[0], : one.mask.shape[1]]
        np.maximum(part, one.mask, out=part)
    return Patch(top, left, mask)
