"""Heads: the skull's shape, its light and shade, eyes, brows, nose, mouth, ears, and what age does."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.light import relief, shaded
from segdata.drawn.noise import clouds
from segdata.drawn.paint import Float, Patch, curve, disc, floats, polygon, strokes
from segdata.drawn.person import Person
from segdata.drawn.sitting import Sitting


def paint_head(sitting: Sitting, rng: np.random.Generator) -> None:
    """Ears, then the head with its relief, then the features."""
    for side in (-1.0, 1.0):
        _paint_ear(sitting, side)
    skull = polygon(curve(sitting.head.px(outline(sitting.person))), sitting.canvas.size_hw)
    if not skull.mask.size:
        return
    sitting.canvas.over(skull, _skin(sitting, skull, rng))
    for side in (-1.0, 1.0):
        _blush(sitting, (side * 0.52, 0.5), 0.3, (196, 84, 74), 0.13)
    _blush(sitting, (0, 0.56), 0.16, (190, 80, 70), 0.1)
    if sitting.person.age == "old":
        _paint_wrinkles(sitting)
    _paint_nose(sitting)
    for side in (-1.0, 1.0):
        _paint_eye(sitting, side)
        _paint_brow(sitting, side, rng)
    _paint_mouth(sitting)


def outline(person: Person) -> Float:
    """The head without its hair, in its own coordinates: (N, 2), half widths, chin below."""
    jaw, long, turn = person.jaw, person.long, person.yaw * 0.16
    child = 0.06 if person.age == "child" else 0.0
    right = floats(
        [
            (0.0, -1.36),
            (0.52, -1.27),
            (0.88, -0.92),
            (1.0, -0.35),
            (0.98 + child, 0.15),
            (0.93 * jaw + child, 0.62),
            (0.72 * jaw, 1.05),
            (0.34 * jaw, 1.33),
            (0.0, 1.39),
        ]
    )
    right[right[:, 1] > 0, 1] *= floats(long)
    both = np.concatenate([right, (right[1:-1] * floats([-1, 1]))[::-1]])
    # A turned head shows more of one side below, where the jaw is.
    both[:, 0] += floats(turn) * np.clip(both[:, 1], 0, 1.4)
    return both


def _skin(sitting: Sitting, skull: Patch, rng: np.random.Generator) -> Float:
    """The skin's colour over the head (3, h, w): an ellipsoid with nose, sockets, cheeks and lips as bumps."""
    person, head = sitting.person, sitting.head
    step = 2 if head.unit_px > 30 else 1
    x, y = head.grid(skull, step)
    y = y / floats(person.long)
    turned = np.clip(x / 1.15, -0.98, 0.98)
    u = (1.15 * np.sin(np.arcsin(turned) - floats(person.yaw))).astype(np.float32)
    height = np.sqrt(np.maximum(1.25 - 0.98 * x * x - 0.46 * y * y, 0.02)) * 0.9 + _features(u, y, person)
    height = cv2.GaussianBlur(height.astype(np.float32), (0, 0), 1.2)
    scale = head.unit_px / step / 8
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=scale)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=scale)
    brightness = sitting.light.on(slope_x, slope_y)
    brightness += clouds(rng, (x.shape[0], x.shape[1]), 22, 2) * floats(0.008 if person.age != "old" else 0.02)
    wide = cv2.resize(brightness, skull.mask.shape[::-1])
    return shaded(person.skin, np.asarray(wide, np.float32))


def _features(u: Float, y: Float, person: Person) -> Float:
    """Height of the features over the ellipsoid, in half widths, at face coordinates (h, w)."""

    def bump(at: tuple[float, float], wide: tuple[float, float], high: float) -> Float:
        fx, fy = np.abs(u) if at[0] else u, y
        return np.asarray(high * np.exp(-(((fx - at[0]) / wide[0]) ** 2) - ((fy - at[1]) / wide[1]) ** 2), np.float32)

    strength = 0.7 if person.age == "child" else 1.0
    parts = [
        bump((0, 0.24), (0.1, 0.3), 0.1 * strength),  # the nose's bridge
        bump((0, 0.5), (0.13, 0.11), 0.15 * strength),  # its tip
        bump((0.16, 0.54), (0.09, 0.08), 0.07 * strength),  # its wings
        bump((0.41, 0.04), (0.24, 0.14), -0.11),  # eye sockets
        bump((0.41, 0.08), (0.16, 0.09), 0.05),  # eyeballs
        bump((0.38, -0.2), (0.34, 0.1), 0.05 * (1.3 - 0.6 * person.soft)),  # the brow's ridge
        bump((0.55, 0.45), (0.22, 0.2), 0.05 + 0.03 * max(person.smile, 0)),  # cheeks
        bump((0, 0.86), (0.34, 0.12), 0.05),  # lips
        bump((0, 1.0), (0.3, 0.05), -0.04),  # below them
        bump((0, 1.18), (0.26, 0.14), 0.06),  # chin
    ]
    return np.asarray(sum(parts), np.float32)


def _blush(sitting: Sitting, at: tuple[float, float], radius: float, colour: tuple[float, ...], share: float) -> None:
    unit = sitting.head.unit_px
    spot = disc(sitting.on_face(at), radius * unit, sitting.canvas.size_hw, radius * 0.5 * unit)
    sitting.canvas.atop(spot.times(share), colour)


def _paint_ear(sitting: Sitting, side: float) -> None:
    person, head, size_hw = sitting.person, sitting.head, sitting.canvas.size_hw
    # The ear on the side that the head turns to goes out of sight.
    out = 1.0 - 0.55 * max(0.0, side * person.yaw * 1.6)
    shape = floats([(0.9, -0.12), (1.08, -0.2), (1.17, -0.02), (1.12, 0.28), (1.02, 0.5), (0.93, 0.46)])
    shape[:, 0] = 0.92 + (shape[:, 0] - 0.92) * floats(out)
    ear = polygon(curve(head.px(shape * floats([side, 1]))), size_hw)
    sitting.canvas.over(ear, shaded(person.skin, relief(ear, sitting.light, 0.14 * head.unit_px) * floats(0.9), 0.2))
    inner = floats([(1.0, -0.08), (1.08, -0.02), (1.05, 0.2), (0.99, 0.32)])
    inner[:, 0] = 0.92 + (inner[:, 0] - 0.92) * floats(out)
    fold = strokes(curve(head.px(inner * floats([side, 1])), closed=False)[None], size_hw, 0.05 * head.unit_px, 0.7)
    sitting.canvas.darken(fold, 0.66)
    if person.earrings:
        ring = disc(head.px((side * (0.92 + 0.1 * out), 0.56)), 0.065 * head.unit_px, size_hw)
        sitting.canvas.over(ring, (232, 206, 128))


def _paint_eye(sitting: Sitting, side: float) -> None:
    person, unit, canvas = sitting.person, sitting.head.unit_px, sitting.canvas
    big = 1.16 if person.age == "child" else 1.0
    cx, cy, w = side * 0.41, 0.08, 0.205 * big
    opening = 0.105 * big * (1 - 0.3 * max(person.smile - 0.4, 0)) * (0.85 if person.age == "old" else 1)
    inner, outer = (cx - side * w, cy + 0.02), (cx + side * w, cy - 0.015)
    upper = [inner, (cx - side * w * 0.4, cy - opening * 0.85), (cx + side * w * 0.35, cy - opening), outer]
    lower = [(cx + side * w * 0.4, cy + opening * 0.62), (cx - side * w * 0.35, cy + opening * 0.66)]
    socket = disc(sitting.on_face((cx, cy - 0.03)), (0.3 * unit, 0.2 * unit), canvas.size_hw, 0.09 * unit)
    canvas.darken(socket.times(0.55), 0.8 if person.soft < 0.7 else 0.76)
    white = polygon(curve(sitting.on_face(upper + lower), steps=5), canvas.size_hw)
    canvas.atop(white, (236, 230, 226))
    gaze = sitting.on_face((cx + person.yaw * 0.05, cy - 0.012))
    _inside(sitting, white, disc(gaze, 0.108 * big * unit, canvas.size_hw), tuple(v * 0.55 for v in person.eye))
    _inside(sitting, white, disc(gaze, 0.09 * big * unit, canvas.size_hw), person.eye)
    _inside(sitting, white, disc(gaze, 0.046 * big * unit, canvas.size_hw), (14, 12, 12))
    lid = curve(sitting.on_face(upper), closed=False)[None]
    canvas.darken(strokes(lid + floats([0, 0.03 * unit]), canvas.size_hw, 0.06 * unit, 0.02 * unit), 0.72)
    lashes = 0.03 + 0.028 * person.soft
    canvas.atop(strokes(lid, canvas.size_hw, lashes * unit * 1.1, 0.45), (34, 24, 22))
    if person.soft > 0.5:
        flick = sitting.on_face([[outer, (cx + side * w * 1.2, cy - 0.06)]])
        canvas.atop(strokes(flick, canvas.size_hw, 0.028 * unit, 0.4), (34, 24, 22))
    crease = curve(sitting.on_face(floats(upper) + floats([0, -0.065])), closed=False)[None]
    canvas.darken(strokes(crease, canvas.size_hw, 0.025 * unit, 0.6), 0.74)
    below = curve(sitting.on_face([outer, *lower, inner]), closed=False)[None]
    canvas.darken(strokes(below, canvas.size_hw, 0.02 * unit, 0.6), 0.78)
    glint = sitting.on_face((cx + person.yaw * 0.05 + 0.035 * np.sign(sitting.light.x), cy - 0.05))
    canvas.atop(disc(glint, 0.022 * big * unit, canvas.size_hw, 0.3), (255, 255, 255))


def _inside(sitting: Sitting, shape: Patch, detail: Patch, colour: tuple[float, ...]) -> None:
    """Paint a detail only where it lies within a shape, as an iris between the lids."""
    whole = np.zeros(detail.mask.shape, np.float32)
    top, left = max(shape.top, detail.top), max(shape.left, detail.left)
    bottom = min(shape.top + shape.mask.shape[0], detail.top + detail.mask.shape[0])
    right = min(shape.left + shape.mask.shape[1], detail.left + detail.mask.shape[1])
    if bottom <= top or right <= left:
        return
    rows, columns = slice(top - detail.top, bottom - detail.top), slice(left - detail.left, right - detail.left)
    whole[rows, columns] = shape.mask[top - shape.top : bottom - shape.top, left - shape.left : right - shape.left]
    sitting.canvas.atop(detail.times(whole), colour)


def _paint_brow(sitting: Sitting, side: float, rng: np.random.Generator) -> None:
    person, unit = sitting.person, sitting.head.unit_px
    lift = rng.uniform(-0.03, 0.04)
    thick = rng.uniform(0.07, 0.1) * (0.8 if person.soft > 0.5 else 1.1) * (0.8 if person.age == "child" else 1)
    arch = [(0.17, -0.16), (0.38, -0.24 - lift), (0.56, -0.23 - lift), (0.68, -0.13)]
    low = [(0.55, -0.19 - lift + thick * 0.3), (0.38, -0.24 - lift + thick), (0.18, -0.16 + thick)]
    shape = polygon(
        curve(sitting.on_face(floats(arch + low) * floats([side, 1]))), sitting.canvas.size_hw, 0.018 * unit
    )
    colour = floats(person.hair) * floats(0.72)
    sitting.canvas.atop(shape.times(0.8), colour)
    roots = np.linspace(0.18, 0.62, 16)
    y = np.interp(roots, [0.17, 0.38, 0.66], [-0.11, -0.18 - lift, -0.13])
    start = np.stack([roots, y], 1)
    tips = start + np.stack([0.03 + 0.06 * (roots - 0.15), -0.085 + 0.12 * (roots - 0.15)], 1)
    hairs = sitting.on_face(np.stack([start, tips], 1).astype(np.float32) * floats([side, 1]))
    sitting.canvas.atop(strokes(hairs, sitting.canvas.size_hw, 0.016 * unit).times(0.5), colour * floats(0.7))


def _paint_nose(sitting: Sitting) -> None:
    canvas, unit = sitting.canvas, sitting.head.unit_px
    push = sitting.person.yaw * 0.1  # the tip stands out from the face, so it moves further
    under = sitting.on_face([(-0.17 + push, 0.58), (push, 0.66), (0.17 + push, 0.58), (push, 0.6)])
    canvas.darken(polygon(curve(under), canvas.size_hw, 0.035 * unit), 0.62)
    for side in (-1, 1):
        nostril = disc(
            sitting.on_face((side * 0.085 + push, 0.585)), (0.045 * unit, 0.024 * unit), canvas.size_hw, 0.012 * unit
        )
        canvas.darken(nostril, 0.4)
        wing = [(side * 0.15 + push, 0.47), (side * 0.2 + push, 0.55), (side * 0.14 + push, 0.61)]
        line = curve(sitting.on_face(wing), closed=False)[None]
        canvas.darken(strokes(line, canvas.size_hw, 0.03 * unit, 0.014 * unit), 0.76)
    spot = sitting.on_face((push - 0.03 * np.sign(-sitting.light.x), 0.47))
    canvas.atop(disc(spot, 0.06 * unit, canvas.size_hw, 0.035 * unit).times(0.28), (255, 246, 238))


def _paint_mouth(sitting: Sitting) -> None:
    person, canvas, unit = sitting.person, sitting.canvas, sitting.head.unit_px
    wide, up = 0.33 + 0.07 * max(person.smile, 0), 0.07 * person.smile
    y, full = 0.86, 0.8 + 0.35 * person.soft
    corners = [(-wide, y - up), (wide, y - up)]
    top = [
        (-0.16, y - 0.075 * full),
        (-0.06, y - 0.1 * full),
        (0, y - 0.08 * full),
        (0.06, y - 0.1 * full),
        (0.16, y - 0.075 * full),
    ]
    line = [(0.15, y + up * 0.35), (0, y + 0.015 + up * 0.4), (-0.15, y + up * 0.35)]
    bottom = [
        (0.18, y + 0.105 * full + up * 0.3),
        (0, y + 0.14 * full + up * 0.3),
        (-0.18, y + 0.105 * full + up * 0.3),
    ]
    upper = polygon(curve(sitting.on_face([corners[0], *top, corners[1], *line]), steps=4), canvas.size_hw, 0.3)
    lower = polygon(
        curve(sitting.on_face([corners[0], *line[::-1], corners[1], *bottom]), steps=4), canvas.size_hw, 0.3
    )
    lip = floats(person.lip)
    canvas.atop(upper.times(0.85), shaded(tuple(lip * 0.82), relief(upper, sitting.light, 0.06 * unit)))
    canvas.atop(lower.times(0.85), shaded(tuple(lip), relief(lower, sitting.light, 0.08 * unit)))
    if person.smile > 0.62:
        teeth = [
            (-wide * 0.78, y - up * 0.7),
            (0, y - 0.01),
            (wide * 0.78, y - up * 0.7),
            (wide * 0.4, y + 0.07),
            (-wide * 0.4, y + 0.07),
        ]
        canvas.atop(polygon(curve(sitting.on_face(teeth)), canvas.size_hw, 0.5), (238, 232, 224))
    seam = curve(sitting.on_face([corners[0], *line[::-1], corners[1]]), closed=False)[None]
    canvas.darken(strokes(seam, canvas.size_hw, 0.03 * unit, 0.5), 0.42)
    for corner, side in zip(corners, (-1, 1), strict=True):
        canvas.darken(
            disc(sitting.on_face((corner[0] + side * 0.02, corner[1])), 0.03 * unit, canvas.size_hw, 0.02 * unit), 0.7
        )
    gloss = disc(
        sitting.on_face((0.06 * np.sign(sitting.light.x), y + 0.075)),
        (0.09 * unit, 0.022 * unit),
        canvas.size_hw,
        0.02 * unit,
    )
    canvas.atop(gloss.times(0.3), (255, 240, 235))
    groove = disc(sitting.on_face((0, y + 0.24)), (0.17 * unit, 0.035 * unit), canvas.size_hw, 0.04 * unit)
    canvas.darken(groove.times(0.6), 0.78)


def _paint_wrinkles(sitting: Sitting) -> None:
    canvas, unit = sitting.canvas, sitting.head.unit_px
    lines = [[(-0.4, y), (-0.1, y - 0.03), (0.15, y - 0.01), (0.42, y - 0.02)] for y in (-0.42, -0.56, -0.7)]
    for side in (-1, 1):
        lines.append([(side * 0.2, 0.52), (side * 0.34, 0.64), (side * 0.42, 0.8), (side * 0.42, 0.95)])
        lines += [
            [(side * 0.64, 0.06), (side * 0.7, 0.05 + d / 2), (side * 0.75, 0.05 + d), (side * 0.79, 0.04 + d * 1.6)]
            for d in (-0.06, 0.02, 0.1)
        ]
        lines.append([(side * 0.24, 0.24), (side * 0.38, 0.29), (side * 0.5, 0.27), (side * 0.58, 0.2)])
    for line in lines:
        path = curve(sitting.on_face(line), closed=False)[None]
        canvas.darken(strokes(path, canvas.size_hw, 0.03 * unit, 0.012 * unit), 0.8)
