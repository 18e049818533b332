"""What people wear on the head and in the face: beards, glasses, hats, scarves, headphones."""

from __future__ import annotations

import numpy as np

from segdata.drawn.face import outline
from segdata.drawn.light import relief, shaded
from segdata.drawn.noise import clouds
from segdata.drawn.paint import Float, Patch, curve, disc, floats, limb, polygon, strokes
from segdata.drawn.sitting import Sitting
from segdata.drawn.strands import combed, paint_mass


def paint_beard(sitting: Sitting, rng: np.random.Generator) -> None:
    """Stubble, a full beard, a goatee, a moustache, or nothing."""
    beard = sitting.person.beard
    if beard == "none":
        return
    if beard in ("stubble", "full"):
        jaw = outline(sitting.person)
        right = [tuple(point) for point in jaw[4:9]]
        left = [tuple(point) for point in jaw[8:13]][1:]
        inner = [(-0.74, 0.42), (-0.5, 0.74), (-0.3, 0.72), (0.3, 0.72), (0.5, 0.74), (0.74, 0.42)]
        shape = floats(right + left + inner)
        if beard == "stubble":
            patch = polygon(curve(sitting.head.px(shape)), sitting.canvas.size_hw, 0.06 * sitting.head.unit_px)
            sitting.canvas.atop(patch.times(0.34), floats(sitting.person.hair) * 0.8)
            return
        _paint_whiskers(sitting, rng, shape, inner, drop=rng.uniform(0.05, 0.3))
    elif beard == "goatee":
        shape = floats([(-0.3, 1.02), (0.3, 1.02), (0.3, 1.36), (0, 1.5), (-0.3, 1.36)])
        _paint_whiskers(sitting, rng, shape, [(-0.26, 1.04), (0.26, 1.04)], drop=0.1)
    side = floats([(0.0, 0.66), (0.2, 0.67), (0.42, 0.84), (0.4, 0.92), (0.2, 0.78), (0.0, 0.75)])
    for mirror in (floats([-1, 1]), floats([1, 1])):
        t = rng.uniform(0, 1, 40).astype(np.float32)
        roots = np.stack([0.02 + 0.2 * t, 0.67 + 0 * t], 1).astype(np.float32)
        tips = np.stack([0.12 + 0.3 * t, 0.78 + 0.12 * t], 1).astype(np.float32)
        hairs = combed(rng, roots, tips, (0.03, -0.01)) * mirror
        _mass_on_face(sitting, rng, side * mirror, hairs)


def _paint_whiskers(
    sitting: Sitting, rng: np.random.Generator, shape: Float, roots_on: list[tuple[float, float]], drop: float
) -> None:
    line = floats(roots_on)
    t = rng.uniform(0, 1, 170)
    at = np.linspace(0, 1, len(line))
    roots = np.stack([np.interp(t, at, line[:, 0]), np.interp(t, at, line[:, 1])], 1).astype(np.float32)
    roots[:, 1] += rng.uniform(0, 0.5, 170).astype(np.float32)
    tips = roots * floats([0.96, 1]) + floats([0, 0.2]) + rng.normal(0, 0.04, roots.shape).astype(np.float32)
    lowered = shape.copy()
    lowered[shape[:, 1] > 1.1, 1] += floats(drop)
    rim = lowered[lowered[:, 1] > 0.6]
    start = rim[rng.integers(len(rim), size=40)] + rng.normal(0, 0.12, (40, 2)).astype(np.float32)
    loose = combed(rng, start, start + floats([0, 0.14]) + rng.normal(0, 0.05, (40, 2)).astype(np.float32), (0.0, 0.0))
    paint_mass(
        sitting.canvas,
        sitting.head,
        sitting.light,
        rng,
        sitting.person.hair,
        lowered,
        combed(rng, roots, tips, (0.0, 0.02)),
        loose,
        0.3,
    )


def _mass_on_face(sitting: Sitting, rng: np.random.Generator, shape: Float, hairs: Float) -> None:
    paint_mass(sitting.canvas, sitting.head, sitting.light, rng, sitting.person.hair, shape, hairs, None, 0.12)


def paint_glasses(sitting: Sitting, rng: np.random.Generator) -> None:
    """Frames, lenses with a little glare, and sidepieces."""
    kind = sitting.person.glasses
    if kind == "none":
        return
    canvas, unit = sitting.canvas, sitting.head.unit_px
    width_px = {"thin": 0.03, "round": 0.035, "thick": 0.075, "sun": 0.06}[kind] * unit
    colour = [(26, 24, 26), (86, 54, 34), (150, 120, 70), (40, 44, 66)][int(rng.integers(4))]
    half, tall = (0.3, 0.29) if kind == "round" else (0.33, 0.23)
    for side in (-1.0, 1.0):
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        power = 1.0 if kind == "round" else 0.7
        ring = np.stack(
            [
                np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power * half,
                np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power * tall,
            ],
            1,
        )
        rim = sitting.on_face(ring + floats([side * 0.41, 0.1]))
        lens = polygon(rim, canvas.size_hw)
        canvas.atop(lens.times(0.9 if kind == "sun" else 0.07), (28, 26, 30) if kind == "sun" else (225, 235, 245))
        glare = polygon(rim[2:9] * 0.6 + rim.mean(0) * 0.4, canvas.size_hw, 0.05 * unit)
        canvas.atop(glare.times(0.2), (250, 252, 255))
        canvas.darken(
            strokes(np.concatenate([rim, rim[:1]])[None] + floats(0.03 * unit), canvas.size_hw, width_px, 0.02 * unit),
            0.8,
        )
        canvas.over(strokes(np.concatenate([rim, rim[:1]])[None], canvas.size_hw, width_px), colour)
        arm = np.stack([sitting.on_face((side * (0.41 + half), 0.05)), sitting.head.px((side * 1.02, 0.0))])
        canvas.over(strokes(arm[None], canvas.size_hw, width_px), colour)
    bridge = curve(sitting.on_face([(-0.11, 0.06), (0, 0.0), (0.11, 0.06)]), closed=False)[None]
    canvas.over(strokes(bridge, canvas.size_hw, width_px), colour)


def paint_cover(sitting: Sitting, rng: np.random.Generator) -> None:
    """A cap, a beanie, a hat with a brim, a headscarf, headphones, or nothing."""
    painter = {"cap": _cap, "beanie": _beanie, "brim": _brim, "scarf": _scarf, "phones": _phones}.get(
        sitting.person.cover
    )
    if painter:
        painter(sitting, rng)


def _cloth(sitting: Sitting, points: Float, depth: float, tone: float = 1.0) -> Patch:
    patch = polygon(points, sitting.canvas.size_hw)
    brightness = relief(patch, sitting.light, depth * sitting.head.unit_px) * floats(tone)
    sitting.canvas.over(patch, shaded(sitting.person.cover_colour, brightness, -0.03))
    return patch


def _shade_brow(sitting: Sitting, y: float) -> None:
    band = sitting.head.px([(-0.98, y - 0.1), (0.98, y - 0.1), (0.9, y + 0.28), (0, y + 0.22), (-0.9, y + 0.28)])
    sitting.canvas.darken(polygon(curve(band), sitting.canvas.size_hw, 0.09 * sitting.head.unit_px), 0.66)


def _cap(sitting: Sitting, rng: np.random.Generator) -> None:
    head, turn = sitting.head, sitting.person.yaw * 1.1
    _shade_brow(sitting, -0.42)
    _cloth(
        sitting,
        curve(
            head.px(
                [
                    (-1.08, -0.38),
                    (-1.06, -0.95),
                    (-0.62, -1.5),
                    (0, -1.62),
                    (0.62, -1.5),
                    (1.06, -0.95),
                    (1.08, -0.38),
                    (0, -0.62),
                ]
            )
        ),
        0.6,
    )
    seams = [[(x * 1.0, -0.5), (x * 0.8, -1.1), (0, -1.6)] for x in (-0.55, 0.55)]
    for seam in seams:
        sitting.canvas.darken(
            strokes(curve(head.px(seam), closed=False)[None], sitting.canvas.size_hw, 0.02 * head.unit_px, 0.6), 0.75
        )
    peak = [
        (-0.92 + turn * 0.3, -0.5),
        (0, -0.74),
        (0.92 + turn * 0.3, -0.5),
        (0.86 + turn, -0.22),
        (turn, -0.1),
        (-0.86 + turn, -0.22),
    ]
    _cloth(sitting, curve(head.px(peak)), 0.22, rng.uniform(0.75, 0.95))


def _beanie(sitting: Sitting, rng: np.random.Generator) -> None:
    head = sitting.head
    _shade_brow(sitting, -0.5)
    high = -1.75 - rng.uniform(0, 0.25)
    _cloth(
        sitting,
        curve(
            head.px(
                [(-1.1, -0.5), (-1.1, -1.0), (-0.7, -1.6), (0, high), (0.7, -1.6), (1.1, -1.0), (1.1, -0.5), (0, -0.6)]
            )
        ),
        0.6,
    )
    band = curve(head.px([(-1.13, -0.82), (0, -1.0), (1.13, -0.82), (1.13, -0.4), (0, -0.54), (-1.13, -0.4)]))
    _cloth(sitting, band, 0.25, 1.06)
    ribs = np.linspace(-1.05, 1.05, 26, dtype=np.float32)
    lines = head.px(
        np.stack([np.stack([ribs, -0.9 + 0.09 * ribs**2 - 0.06], 1), np.stack([ribs, -0.56 + 0.12 * ribs**2], 1)], 1)
    )
    sitting.canvas.darken(strokes(lines, sitting.canvas.size_hw, 0.03 * head.unit_px, 0.7), 0.8)
    if rng.random() < 0.4:
        pom = head.px((0, high - 0.12))
        angle = rng.uniform(0, 2 * np.pi, 90)
        reach = rng.uniform(0.2, 0.36, (90, 1)) * head.unit_px
        ends = pom + np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32) * reach.astype(np.float32)
        fluff = strokes(
            np.stack([np.repeat(pom[None], 90, 0), ends], 1).astype(np.float32),
            sitting.canvas.size_hw,
            0.05 * head.unit_px,
        )
        sitting.canvas.over(
            fluff,
            shaded(sitting.person.cover_colour, relief(fluff, sitting.light, 0.25 * head.unit_px) * floats(1.1)),
        )


def _brim(sitting: Sitting, rng: np.random.Generator) -> None:
    head, wide = sitting.head, rng.uniform(1.6, 2.1)
    _shade_brow(sitting, -0.42)
    _cloth(
        sitting,
        curve(
            head.px(
                [(-0.98, -0.65), (-0.9, -1.35), (-0.45, -1.72), (0, -1.62), (0.45, -1.72), (0.9, -1.35), (0.98, -0.65)]
            )
        ),
        0.5,
    )
    ribbon = curve(head.px([(-0.98, -0.95), (0, -1.08), (0.98, -0.95), (1.0, -0.66), (0, -0.78), (-1.0, -0.66)]))
    sitting.canvas.darken(polygon(ribbon, sitting.canvas.size_hw, 0.5), 0.4)
    rim = [
        (-wide, -0.62),
        (-0.9, -0.84),
        (0, -0.88),
        (0.9, -0.84),
        (wide, -0.62),
        (1.0, -0.42),
        (0, -0.34),
        (-1.0, -0.42),
    ]
    _cloth(sitting, curve(head.px(rim)), 0.2, 0.95)


def _scarf(sitting: Sitting, rng: np.random.Generator) -> None:
    """A headscarf: cloth round the face and down on the shoulders."""
    head, frame, size_hw = sitting.head, sitting.frame, sitting.canvas.size_hw
    drape = [
        (-1.0, 0.9),
        (-1.7, 1.9),
        (-1.5, 2.6),
        (-0.3, 3.1),
        (0.6, 2.9),
        (1.6, 2.4),
        (1.7, 1.9),
        (1.0, 0.9),
        (0, 1.25),
    ]
    around = [
        (-1.14, 0.5),
        (-1.22, -0.5),
        (-0.8, -1.35),
        (0, -1.6),
        (0.8, -1.35),
        (1.22, -0.5),
        (1.14, 0.5),
        (0.95, 1.35),
        (0, 1.75),
        (-0.95, 1.35),
    ]
    opening = [
        (-0.78, 0.3),
        (-0.82, -0.35),
        (-0.55, -0.86),
        (0, -0.98),
        (0.55, -0.86),
        (0.82, -0.35),
        (0.78, 0.3),
        (0.58, 1.0),
        (0, 1.38),
        (-0.58, 1.0),
    ]
    for shape, place, hole in ((drape, frame, False), (around, head, True)):
        patch = polygon(curve(place.px(shape)), size_hw)
        if not patch.mask.size:
            continue
        if hole:
            face = polygon(curve(head.px(floats(opening) + floats([sitting.person.yaw * 0.25, 0]))), size_hw)
            rows, columns = slice(face.top - patch.top, None), slice(face.left - patch.left, None)
            part = patch.mask[rows, columns][: face.mask.shape[0], : face.mask.shape[1]]
            part *= 1 - face.mask[: part.shape[0], : part.shape[1]]
        folds = clouds(rng, (max(2, patch.mask.shape[0]), max(2, patch.mask.shape[1])), 9, 2) * floats(
            0.05 * head.unit_px
        )
        sitting.canvas.over(
            patch, shaded(sitting.person.cover_colour, relief(patch, sitting.light, 0.5 * head.unit_px, folds), -0.02)
        )


def _phones(sitting: Sitting, rng: np.random.Generator) -> None:
    head, unit = sitting.head, sitting.head.unit_px
    high = -1.62 - rng.uniform(0, 0.1)
    band = curve(
        head.px([(-1.14, 0.0), (-1.16, -0.7), (-0.75, -1.4), (0, high), (0.75, -1.4), (1.16, -0.7), (1.14, 0.0)]),
        closed=False,
    )
    patch = strokes(band[None], sitting.canvas.size_hw, 0.13 * unit)
    sitting.canvas.over(patch, shaded((46, 46, 50), relief(patch, sitting.light, 0.08 * unit), -0.03))
    for side in (-1, 1):
        cup = polygon(
            limb(
                head.px([(side * 1.12, -0.2), (side * 1.15, 0.1), (side * 1.1, 0.4)]),
                floats([0.16, 0.22, 0.16]) * unit,
            ),
            sitting.canvas.size_hw,
        )
        sitting.canvas.over(cup, shaded(sitting.person.cover_colour, relief(cup, sitting.light, 0.2 * unit), -0.03))
        dot = disc(head.px((side * 1.17, 0.1)), 0.07 * unit, sitting.canvas.size_hw)
        sitting.canvas.darken(dot, 0.6)
