"""Cloth with folds and weaves, and what is at the neck: collars, lapels, hoods, buttons."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.frame import Frame
from segdata.drawn.light import Light, relief, shaded
from segdata.drawn.noise import clouds, tiled, weave
from segdata.drawn.paint import Canvas, Float, Patch, curve, disc, floats, polygon, strokes
from segdata.drawn.person import RGB, Person


def cloth_colour(
    person: Person,
    frame: Frame,
    patch: Patch,
    light: Light,
    rng: np.random.Generator,
    depth: float,
    turn_deg: float = 0.0,
) -> Float:
    """The garment's cloth over a patch (3, h, w): its weave, bent round the body and folded.

    Args:
        person: wears it.
        frame: the body's coordinates.
        patch: where.
        light: falls on it.
        rng: decides the folds.
        depth: how round the body is below, in units of the frame.
        turn_deg: of the weave.
    """
    unit = frame.unit_px
    folds = _folds(rng, patch.mask.shape, unit, turn_deg)
    brightness = relief(patch, light, depth * unit, folds)
    base = np.asarray(person.cloth, np.float32)[:, None, None]
    if person.pattern != "plain" and patch.mask.size:
        # The weave is the same whatever part of the body it covers: its own draw, of the colours alone.
        own = np.random.default_rng([int(v) for v in (*person.cloth, *person.second)])
        scale = unit / 48 * own.uniform(0.35, 0.9)
        offset = (frame.x - patch.left, frame.y - patch.top)
        share = tiled(weave(person.pattern, own), _hw(patch), float(scale), turn_deg, offset)
        base = base + (np.asarray(person.second, np.float32)[:, None, None] - base) * share
    return shaded(np.asarray(base, np.float32), brightness, warmth=-0.03)


def _folds(rng: np.random.Generator, shape: tuple[int, ...], unit: float, turn_deg: float) -> Float:
    """Height of the folds in pixels (h, w): noise drawn out along the body."""
    height, width = max(shape[0], 2), max(shape[1], 2)
    turned = abs(turn_deg) > 35
    small = (max(2, height // (2 if turned else 5)), max(2, width // (5 if turned else 2)))
    lumps = clouds(rng, small, max(small) / max(unit * 0.35, 2), 2)
    strength = unit * rng.uniform(0.05, 0.11)
    return np.asarray(cv2.resize(lumps, (width, height)) * floats(strength), np.float32)


def paint_collar(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    """What the garment has at the neck."""
    painter = {"shirt": _shirt, "blazer": _blazer, "hoodie": _hood, "turtleneck": _turtleneck, "dress": _straps}
    painter.get(person.garment, _neckline)(canvas, person, frame, light, rng)


def _neckline(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    low = 3.0 if person.garment == "vneck" else 2.2
    bend = 0.55 if person.garment == "vneck" else 0.9
    half = 0.95 if person.garment != "sweater" else 0.85
    line = [
        (-half, 1.72),
        (-half * 0.86 * bend, low * 0.72 + 0.42),
        (0, low),
        (half * 0.86 * bend, low * 0.72 + 0.42),
        (half, 1.72),
    ]
    path = curve(frame.px(line), closed=False)[None]
    canvas.darken(strokes(path, canvas.size_hw, 0.2 * frame.unit_px, 0.07 * frame.unit_px), 0.75)
    band = strokes(path, canvas.size_hw, 0.13 * frame.unit_px, 0.5)
    tone = rng.uniform(0.8, 1.08)
    canvas.over(band.times(0.95), shaded(person.cloth, relief(band, light, 0.08 * frame.unit_px) * floats(tone), -0.03))


def _wings(canvas: Canvas, colour: RGB, frame: Frame, light: Light, low: float) -> None:
    for side in (-1, 1):
        wing = floats([(0.5, 1.2), (0.72, 1.5), (1.02, 1.86), (0.62, low), (0.06, 1.98), (0.3, 1.72)])
        points = frame.px(wing * floats([side, 1]))
        canvas.darken(polygon(points + floats([0, 0.06 * frame.unit_px]), canvas.size_hw, 0.06 * frame.unit_px), 0.66)
        patch = polygon(points, canvas.size_hw, 0.4)
        canvas.over(patch, shaded(colour, relief(patch, light, 0.2 * frame.unit_px) * floats(1.03), -0.03))


def _shirt(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    placket = frame.px([(-0.17, 2.25), (0.17, 2.25), (0.17, 17), (-0.17, 17)])
    canvas.darken(polygon(placket, canvas.size_hw, 0.05 * frame.unit_px).times(0.5), 0.82)
    line = frame.px([[(0.17, 2.3), (0.18, 17)], [(-0.17, 2.3), (-0.17, 17)]])
    canvas.atop(strokes(line, canvas.size_hw, 0.03 * frame.unit_px, 0.5).times(0.3), (20, 20, 24))
    button = (235, 232, 226) if rng.random() < 0.6 else (40, 38, 40)
    for y in np.arange(2.75, 9, 0.95):
        spot = disc(frame.px((0, y)), 0.07 * frame.unit_px, canvas.size_hw)
        canvas.darken(disc(frame.px((0.02, y + 0.04)), 0.1 * frame.unit_px, canvas.size_hw, 1.0), 0.7)
        canvas.over(spot, button)
    _wings(canvas, person.cloth, frame, light, 2.5)


def _blazer(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    under = polygon(frame.px([(-0.5, 1.5), (-0.95, 1.8), (0, 5.4), (0.95, 1.8), (0.5, 1.5), (0, 1.95)]), canvas.size_hw)
    pale = person.second if sum(person.second) > 420 else (236, 236, 232)
    canvas.over(under, shaded(pale, relief(under, light, 0.7 * frame.unit_px), -0.03))
    if rng.random() < 0.55 - 0.4 * person.soft:
        tie = frame.px([(-0.15, 1.98), (0.15, 1.98), (0.12, 2.28), (0.26, 4.6), (0, 5.4), (-0.26, 4.6), (-0.12, 2.28)])
        patch = polygon(tie, canvas.size_hw)
        canvas.over(patch, shaded(person.cover_colour, relief(patch, light, 0.2 * frame.unit_px), -0.03))
        knot = frame.px([[(-0.15, 2.27), (0, 2.33), (0.15, 2.27)]])
        canvas.atop(strokes(knot, canvas.size_hw, 0.04 * frame.unit_px, 0.8).times(0.5), (15, 15, 18))
    _wings(canvas, pale, frame, light, 2.42)
    for side in (-1, 1):
        lapel = floats([(0.85, 1.66), (1.2, 1.98), (1.42, 2.75), (1.1, 2.8), (1.28, 3.1), (0.06, 5.6), (0.5, 3.2)])
        points = frame.px(lapel * floats([side, 1]))
        canvas.darken(polygon(points + floats([0, 0.07 * frame.unit_px]), canvas.size_hw, 0.08 * frame.unit_px), 0.62)
        patch = polygon(points, canvas.size_hw, 0.4)
        tone = relief(patch, light, 0.3 * frame.unit_px) * floats(1.06 if side * light.x > 0 else 0.94)
        canvas.over(patch, shaded(person.cloth, tone, -0.03))
    seam = strokes(frame.px([[(0.06, 5.5), (0.2, 17)]]), canvas.size_hw, 0.05 * frame.unit_px, 0.8)
    canvas.atop(seam.times(0.6), (10, 10, 12))


def _hood(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        roll = floats([(0.5, 1.0), (0.9, 1.15), (1.25, 1.7), (0.95, 2.25), (0.1, 2.75), (0.02, 2.3), (0.52, 1.75)])
        points = curve(frame.px(roll * floats([side, 1])))
        canvas.darken(polygon(points, canvas.size_hw, 0.12 * frame.unit_px), 0.7)
        patch = polygon(points, canvas.size_hw)
        canvas.over(patch, shaded(person.cloth, relief(patch, light, 0.35 * frame.unit_px), -0.03))
        end = rng.uniform(3.7, 4.6)
        cord = curve(frame.px([(side * 0.3, 2.55), (side * 0.36, 3.2), (side * 0.32, end)]), closed=False)[None]
        canvas.darken(strokes(cord + floats(1.5), canvas.size_hw, 0.1 * frame.unit_px, 1.2), 0.75)
        canvas.over(strokes(cord, canvas.size_hw, 0.07 * frame.unit_px), (228, 226, 220))


def _turtleneck(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    for low, high in ((2.0, 1.15), (1.62, rng.uniform(0.95, 1.05))):
        tube = frame.px([(-0.66, high), (0, high + 0.14), (0.66, high), (0.74, low), (0, low + 0.2), (-0.74, low)])
        points = curve(tube)
        canvas.darken(polygon(points, canvas.size_hw, 0.1 * frame.unit_px), 0.75)
        patch = polygon(points, canvas.size_hw)
        canvas.over(patch, shaded(person.cloth, relief(patch, light, 0.4 * frame.unit_px), -0.03))


def _straps(canvas: Canvas, person: Person, frame: Frame, light: Light, rng: np.random.Generator) -> None:
    sag = rng.uniform(2.7, 3.1)
    edge = curve(
        frame.px([(-1.5, 2.0), (-1.25, 2.6), (-0.6, sag), (0, sag + 0.1), (0.6, sag), (1.25, 2.6), (1.5, 2.0)]),
        closed=False,
    )
    canvas.darken(strokes(edge[None], canvas.size_hw, 0.16 * frame.unit_px, 0.08 * frame.unit_px), 0.75)
    band = strokes(edge[None], canvas.size_hw, 0.1 * frame.unit_px)
    canvas.over(band, shaded(person.cloth, relief(band, light, 0.07 * frame.unit_px), -0.03))
    if rng.random() < 0.5:
        chain = curve(frame.px([(-0.5, 1.6), (-0.3, 2.1), (0, 2.3), (0.3, 2.1), (0.5, 1.6)]), closed=False)[None]
        canvas.over(strokes(chain, canvas.size_hw, 0.03 * frame.unit_px), (222, 186, 96))
        canvas.over(disc(frame.px((0, 2.36)), 0.08 * frame.unit_px, canvas.size_hw), (236, 206, 122))


def _hw(patch: Patch) -> tuple[int, int]:
    height, width = patch.mask.shape
    return height, width
