"""Haircuts: what lies behind the head and on the shoulders, and what lies on the head."""

from __future__ import annotations

import numpy as np

from segdata.drawn.paint import Float, floats
from segdata.drawn.sitting import Sitting
from segdata.drawn.strands import combed, paint_mass

_LENGTHS = {"bob": 1.45, "long": 3.3, "wavy": 2.9}


def paint_back_hair(sitting: Sitting, rng: np.random.Generator) -> None:
    """Hair that is behind the head and the neck."""
    cut = sitting.person.cut
    if sitting.person.cover == "scarf":
        return
    if cut in _LENGTHS:
        _paint_curtain(sitting, rng, _LENGTHS[cut] * rng.uniform(0.85, 1.15), 0.14 if cut == "wavy" else 0.015)
    elif cut == "curly" and sitting.person.soft > 0.5:
        _paint_curls(sitting, rng, (0.0, -0.15), (1.62, 1.55), 260)
    elif cut == "bun":
        _paint_knot(sitting, rng)
    elif cut == "ponytail":
        _paint_tail(sitting, rng)


def paint_front_hair(sitting: Sitting, rng: np.random.Generator) -> None:
    """Hair on the head, over the forehead, and before the shoulders."""
    person, cut = sitting.person, sitting.person.cut
    if person.cover == "scarf":
        return
    if cut == "bald":
        return
    if cut == "buzz":
        _paint_cap(sitting, rng, 0.07, 0.78, strands=130, loose=10)
    elif cut == "curly":
        _paint_cap(sitting, rng, 0.16, 0.62, strands=60, loose=0)
        if person.cover in ("none", "phones"):
            _paint_curls(sitting, rng, (0.0, -1.12), (1.12, 0.58), 150)
            for side in (-1, 1):
                _paint_curls(sitting, rng, (side * 1.08, -0.3), (0.3, 0.62 + 0.5 * person.soft), 55)
    elif cut in ("long", "wavy", "bob"):
        fringe = rng.random() < 0.35
        _paint_cap(sitting, rng, 0.24, 0.34 if fringe else 0.86, strands=230, loose=34, straight=fringe)
        if not fringe or cut != "bob":
            _paint_locks(sitting, rng, _LENGTHS[cut], 0.12 if cut == "wavy" else 0.02)
    elif cut in ("bun", "ponytail"):
        _paint_cap(sitting, rng, 0.12, 0.86, strands=200, loose=26)
    else:
        height = {"crop": 0.17, "side": 0.26, "quiff": 0.44}[cut]
        _paint_cap(sitting, rng, height, rng.uniform(0.66, 0.86), strands=210, loose=40)


def _paint_cap(
    sitting: Sitting,
    rng: np.random.Generator,
    volume: float,
    hairline: float,
    strands: int,
    loose: int,
    straight: bool = False,
) -> None:
    """Hair over the top of the head, combed from the parting to the hairline."""
    person = sitting.person
    under_hat = person.cover in ("cap", "beanie", "brim")
    volume = min(volume, 0.06) if under_hat else volume
    low = 0.42 if person.cut in ("crop", "side", "quiff", "buzz") else 0.2
    v, p, turn = volume, person.parting * 0.7, person.yaw * 0.2
    outer = [(-1.02, low), (-1.05 - v * 0.5, -0.3), (-0.96 - v * 0.6, -0.85), (-0.58, -1.3 - v * 0.8), (0.0, -1.39 - v)]
    outer += [(-x, y) for x, y in outer[-2::-1]]
    line = [(0.95, low), (0.93, -0.1), (0.84 + turn, -0.3 - hairline * 0.3), (0.5 + turn, -hairline - 0.06)]
    line += [(p * 0.5 + turn, -hairline - (0.0 if straight else 0.12)), (-0.5 + turn, -hairline - 0.06)]
    line += [(-0.84 + turn, -0.3 - hairline * 0.3), (-0.93, -0.1), (-0.95, low)]
    shape = floats(outer + line)
    t = np.sort(rng.uniform(0, 1, strands)).astype(np.float32)
    edge = floats(line)
    at = np.linspace(0, 1, len(edge))
    tips = np.stack([np.interp(t, at, edge[:, 0]), np.interp(t, at, edge[:, 1])], 1).astype(np.float32)
    tips += rng.normal(0, 0.035 + 0.03 * volume, tips.shape).astype(np.float32)
    roots = np.stack([p + (tips[:, 0] - p) * 0.35, np.full(strands, -1.34 - v)], 1).astype(np.float32)
    roots += rng.normal(0, 0.05, roots.shape).astype(np.float32)
    bulge = np.stack([(tips[:, 0] - p) * (0.35 + v * 0.3), -0.2 - 0.12 * np.abs(tips[:, 0])], 1).astype(np.float32)
    combs = combed(rng, roots, tips, bulge)
    flyaway = None if under_hat else _loose_over(rng, floats(outer), loose, 0.1 + volume * 0.5)
    paint_mass(sitting.canvas, sitting.head, sitting.light, rng, person.hair, shape, combs, flyaway, depth=0.45)


def _loose_over(rng: np.random.Generator, edge: Float, count: int, reach: float) -> Float:
    """Single hairs that stand off an edge (K, 2), leaning along it."""
    t = rng.uniform(0.08, 0.92, count)
    at = np.linspace(0, 1, len(edge))
    roots = np.stack([np.interp(t, at, edge[:, 0]), np.interp(t, at, edge[:, 1])], 1).astype(np.float32)
    away = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 0.1)
    lean = np.stack([-away[:, 1], away[:, 0]], 1) * rng.normal(0, 1.4, (count, 1))
    tips = roots + (away + lean) * rng.uniform(0.3, 1.0, (count, 1)) * reach
    return combed(rng, roots - away * floats(0.08), tips.astype(np.float32), away * floats(0.06))


def _paint_curtain(sitting: Sitting, rng: np.random.Generator, length: float, wave: float) -> None:
    """Long hair that falls behind the head."""
    fall = 1.12 + 0.1 * min(length, 3)
    outer = [
        (0.6, -1.35),
        (1.06, -0.9),
        (1.26, 0.0),
        (1.3 + wave, 0.9),
        (fall + wave, length * 0.8),
        (fall * 0.86, length),
    ]
    shape = floats(outer + [(0.3, length * 0.98)] + [(-0.3, length * 0.98)] + [(-x, y) for x, y in outer[::-1]])
    t = rng.uniform(-1, 1, 260).astype(np.float32)
    roots = np.stack([t * 0.85, np.full(len(t), -1.25)], 1).astype(np.float32)
    ends = np.stack([t * fall * 0.93, length * (0.96 + rng.normal(0, 0.035, len(t)))], 1).astype(np.float32)
    bulge = np.stack([t * 0.55, np.full(len(t), -0.1)], 1).astype(np.float32)
    strands = combed(rng, roots, ends, bulge, wave)
    sides = np.sign(rng.normal(size=60)).astype(np.float32)
    start = np.stack([sides * 1.05, rng.uniform(-0.9, length * 0.5, 60)], 1).astype(np.float32)
    reach = np.stack([sides * rng.uniform(1.2, 1.62, 60), start[:, 1] + rng.uniform(0.4, 1.3, 60)], 1).astype(
        np.float32
    )
    loose = combed(rng, start, reach, np.stack([sides * 0.2, np.zeros(60)], 1).astype(np.float32), wave)
    paint_mass(
        sitting.canvas, sitting.head, sitting.light, rng, _deeper(sitting, 0.8), shape, strands, loose, depth=0.7
    )


def _paint_locks(sitting: Sitting, rng: np.random.Generator, length: float, wave: float) -> None:
    """Locks that frame the face and fall before the shoulders."""
    for side in (-1.0, 1.0):
        end = length * rng.uniform(0.8, 1.08)
        out = 1.1 + 0.06 * length
        shape = [
            (0.5, -1.25),
            (0.98, -1.08),
            (1.2, -0.4),
            (1.24 + wave, 0.5),
            (out + wave, end * 0.75),
            (out * 0.9, end),
        ]
        shape += [(0.88, end * 0.9), (0.94 - wave, end * 0.5), (0.96, 0.35), (0.9, -0.3), (0.74, -0.8)]
        t = rng.uniform(0, 1, 95).astype(np.float32)
        roots = np.stack([0.35 + 0.4 * t, -1.2 + 0.12 * t], 1).astype(np.float32)
        tips = np.stack([0.88 + (out * 0.92 - 0.88) * t, end * (0.95 + rng.normal(0, 0.05, 95))], 1).astype(np.float32)
        bulge = np.stack([0.28 + 0.22 * t, -0.25 + 0 * t], 1).astype(np.float32)
        mirror = floats([side, 1])
        strands = combed(rng, roots, tips, bulge, wave) * mirror
        loose = strands[:8] + rng.normal(0, 0.07, (8, 1, 2)).astype(np.float32)
        paint_mass(
            sitting.canvas,
            sitting.head,
            sitting.light,
            rng,
            sitting.person.hair,
            floats(shape) * mirror,
            strands,
            loose,
            0.3,
        )


def _paint_curls(
    sitting: Sitting, rng: np.random.Generator, centre: tuple[float, float], radii: tuple[float, float], count: int
) -> None:
    """A cloud of curls: small open rings, of which those at the rim make its edge."""
    angle = np.linspace(0, 2 * np.pi, 22, endpoint=False)
    rough = 0.94 + rng.normal(0, 0.035, 22)
    at, wide = floats(centre), floats(radii)
    shape = (np.stack([np.cos(angle) * rough, np.sin(angle) * rough], 1) * wide + at).astype(np.float32)
    distance = np.sqrt(rng.uniform(0, 1.02, count))[:, None]
    where = rng.uniform(0, 2 * np.pi, (count, 1))
    spot = (np.concatenate([np.cos(where), np.sin(where)], 1) * distance * wide + at).astype(np.float32)
    sweep = np.linspace(0, rng.uniform(3.5, 5.2), 10)[None] + rng.uniform(0, 2 * np.pi, (count, 1))
    size = rng.uniform(0.05, 0.12, (count, 1)) * min(1.0, float(wide.max()))
    rings = spot[:, None] + np.stack([np.cos(sweep) * size, np.sin(sweep) * size * 1.15], -1).astype(np.float32)
    paint_mass(
        sitting.canvas,
        sitting.head,
        sitting.light,
        rng,
        sitting.person.hair,
        shape,
        rings.astype(np.float32),
        rings[:20],
        0.5,
    )


def _paint_knot(sitting: Sitting, rng: np.random.Generator) -> None:
    """A bun on the crown."""
    x, size = rng.normal(0, 0.12), rng.uniform(0.42, 0.56)
    centre = floats([x, -1.62])
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    shape = (np.stack([np.cos(angle) * size, np.sin(angle) * size * 0.82], 1) + centre).astype(np.float32)
    t = rng.uniform(-1, 1, 70).astype(np.float32)
    roots = np.stack([x + t * size * 0.5, np.full(70, -1.62 + size * 0.75)], 1).astype(np.float32)
    tips = np.stack([x - t * size * 0.6, np.full(70, -1.62 - size * 0.74)], 1).astype(np.float32)
    strands = combed(rng, roots, tips, np.stack([t * size * 0.9, 0 * t], 1).astype(np.float32))
    loose = combed(rng, tips[:12], tips[:12] + rng.normal(0, 0.16, (12, 2)).astype(np.float32), (0.05, -0.05))
    paint_mass(sitting.canvas, sitting.head, sitting.light, rng, sitting.person.hair, shape, strands, loose, 0.35)


def _paint_tail(sitting: Sitting, rng: np.random.Generator) -> None:
    """A ponytail, seen past one side of the neck."""
    side = 1.0 if sitting.person.yaw < 0 else -1.0
    end = rng.uniform(1.9, 2.8)
    shape = floats(
        [
            (0.5, -1.2),
            (1.05, -1.3),
            (1.5, -0.7),
            (1.62, 0.3),
            (1.5, end * 0.8),
            (1.3, end),
            (1.12, end * 0.7),
            (1.0, 0.2),
            (0.85, -0.6),
        ]
    )
    t = rng.uniform(0, 1, 110).astype(np.float32)
    roots = np.stack([0.75 + 0.1 * t, -1.05 - 0.1 * t], 1).astype(np.float32)
    tips = np.stack([1.2 + 0.25 * t, end * (0.95 + rng.normal(0, 0.06, 110))], 1).astype(np.float32)
    strands = combed(rng, roots, tips, np.stack([0.35 + 0.5 * t, -0.9 + 0.1 * t], 1).astype(np.float32), 0.05)
    mirror = floats([side, 1])
    loose = (strands[:16] + rng.normal(0, 0.08, (16, 1, 2)).astype(np.float32)) * mirror
    paint_mass(
        sitting.canvas,
        sitting.head,
        sitting.light,
        rng,
        _deeper(sitting, 0.92),
        shape * mirror,
        strands * mirror,
        loose,
        0.4,
    )


def _deeper(sitting: Sitting, factor: float) -> tuple[float, float, float]:
    red, green, blue = sitting.person.hair
    return red * factor, green * factor, blue * factor
