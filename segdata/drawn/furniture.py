"""What stands in rooms. Places are (x, y) of the middle of a thing's lower edge, sizes (width, height), in pixels."""

from __future__ import annotations

import numpy as np

from segdata.drawn.light import Light, relief, shaded
from segdata.drawn.paint import Canvas, Float, disc, floats, polygon, strokes
from segdata.drawn.scenery import colour_near, foliage, shade_under

_Point = tuple[float, float]
_FRONTAL = Light(-0.4, -0.6, 0.7, 0.55)


def paint_bookcase(canvas: Canvas, rng: np.random.Generator, foot: _Point, size: _Point) -> None:
    """A case of books; `foot` is the middle of its lower edge."""
    x0, y0, x1, y1 = foot[0] - size[0] / 2, foot[1] - size[1], foot[0] + size[0] / 2, foot[1]
    wood = colour_near(rng, [(120, 86, 58), (222, 214, 202), (84, 62, 48)][int(rng.integers(3))], 10)
    shade_under(canvas, (foot[0], y1), (size[0] * 0.58, size[1] * 0.03), 0.6)
    canvas.darken(
        polygon(floats([(x0 - size[0] * 0.06, y0), (x0, y0), (x0, y1), (x0 - size[0] * 0.06, y1)]), canvas.size_hw, 2),
        0.82,
    )
    paint_box(canvas, (x0, y0, x1, y1), floats(wood * 0.5), 0.02)
    shelves, board = int(rng.integers(4, 6)), size[1] * 0.022
    step = (size[1] - board) / shelves
    for shelf in range(shelves):
        level = y0 + board + (shelf + 1) * step
        _books(canvas, rng, (x0 + board * 1.5, level - board, x1 - board * 1.5), step * 0.8)
        canvas.over(
            polygon(floats([(x0, level - board), (x1, level - board), (x1, level), (x0, level)]), canvas.size_hw), wood
        )
    for edges in ((x0, x0 + board * 1.3), (x1 - board * 1.3, x1)):
        side = floats([(edges[0], y0), (edges[1], y0), (edges[1], y1), (edges[0], y1)])
        canvas.over(polygon(side, canvas.size_hw), wood * 0.93)
    canvas.over(polygon(floats([(x0, y0), (x1, y0), (x1, y0 + board), (x0, y0 + board)]), canvas.size_hw), wood * 1.06)


def paint_sideboard(canvas: Canvas, rng: np.random.Generator, foot: _Point, size: _Point) -> None:
    """A low cupboard with doors, and a vase of green on it."""
    x0, y0, x1, y1 = foot[0] - size[0] / 2, foot[1] - size[1], foot[0] + size[0] / 2, foot[1] + size[1] * 0.08
    wood = colour_near(rng, [(146, 104, 70), (206, 200, 190), (92, 70, 56)][int(rng.integers(3))], 10)
    shade_under(canvas, (foot[0], y1), (size[0] * 0.56, size[1] * 0.09), 0.55)
    paint_box(canvas, (x0, y0, x1, y1 - size[1] * 0.08), wood, 0.04)
    doors = int(rng.integers(2, 5))
    for door in range(1, doors):
        x = x0 + door * (x1 - x0) / doors
        canvas.darken(strokes(floats([[(x, y0 + size[1] * 0.06), (x, y1 - size[1] * 0.1)]]), canvas.size_hw, 1.5), 0.6)
    canvas.over(strokes(floats([[(x0 - 2, y0), (x1 + 2, y0)]]), canvas.size_hw, max(1.0, size[1] * 0.04)), wood * 1.1)
    at = x0 + size[0] * float(rng.uniform(0.15, 0.85))
    vase = colour_near(rng, (150, 160, 166), 40)
    paint_box(canvas, (at - size[1] * 0.09, y0 - size[1] * 0.42, at + size[1] * 0.09, y0), vase, 0.9)
    foliage(
        canvas, rng, (at, y0 - size[1] * 0.62), (size[1] * 0.3, size[1] * 0.26), colour_near(rng, (84, 112, 66), 16)
    )


def paint_sofa(canvas: Canvas, rng: np.random.Generator, foot: _Point, wide: float) -> None:
    """A sofa with cushions; `foot` is the middle of its lower edge."""
    x, y = foot[0] - wide / 2, foot[1]
    tall = wide * 0.36
    cloth = colour_near(
        rng, [(96, 110, 122), (150, 130, 108), (112, 84, 72), (120, 128, 104)][int(rng.integers(4))], 14
    )
    shade_under(canvas, (foot[0], y), (wide * 0.56, wide * 0.05), 0.5)
    paint_box(canvas, (x + wide * 0.04, y - tall, x + wide * 0.96, y - tall * 0.2), cloth * 0.86, 0.35)
    seats = int(rng.integers(2, 4))
    inner = wide * 0.8
    for seat in range(seats):
        x0 = x + wide * 0.1 + seat * inner / seats
        paint_box(canvas, (x0, y - tall * 0.95, x0 + inner / seats, y - tall * 0.4), cloth, 0.45)
        paint_box(canvas, (x0, y - tall * 0.48, x0 + inner / seats, y - tall * 0.18), cloth * 1.06, 0.5)
    paint_box(canvas, (x + wide * 0.06, y - tall * 0.22, x + wide * 0.94, y - tall * 0.05), cloth * 0.8, 0.3)
    for arm in (x, x + wide * 0.88):
        paint_box(canvas, (arm, y - tall * 0.68, arm + wide * 0.12, y - tall * 0.04), cloth * 0.95, 0.6)
    for _ in range(int(rng.integers(0, 3))):
        cushion = x + wide * float(rng.uniform(0.14, 0.7))
        paint_box(
            canvas,
            (cushion, y - tall * 0.86, cushion + tall * 0.42, y - tall * 0.44),
            colour_near(rng, (190, 150, 100), 40),
            0.7,
        )


def paint_plant(canvas: Canvas, rng: np.random.Generator, foot: _Point, tall: float) -> None:
    """A plant in a pot."""
    x, y = foot
    pot = colour_near(rng, [(176, 106, 74), (222, 218, 210), (70, 72, 74)][int(rng.integers(3))], 10)
    shade_under(canvas, (x, y), (tall * 0.22, tall * 0.035), 0.55)
    green = colour_near(rng, (66, 104, 58), 14)
    for leaf in range(int(rng.integers(9, 18))):
        turn = float(rng.uniform(-1.25, 1.25))
        reach = tall * float(rng.uniform(0.4, 0.8))
        root = floats([x, y - tall * 0.26])
        way = floats([np.sin(turn), -np.cos(turn)])
        tip = root + way * reach + floats([0, reach * 0.3 * abs(turn)])
        across = floats([way[1], -way[0]]) * reach * floats(rng.uniform(0.07, 0.13))
        middle = root + way * reach * 0.55
        outline = np.stack([root, middle + across, tip, middle - across])
        canvas.over(polygon(floats(outline), canvas.size_hw), green * floats(rng.uniform(0.65, 1.25)))
        canvas.over(strokes(floats([[root, tip]]), canvas.size_hw, 0.8).times(0.5), green * (1.3 if leaf % 2 else 0.7))
    wide = tall * 0.16
    jar = floats([(x - wide, y - tall * 0.28), (x + wide, y - tall * 0.28), (x + wide * 0.75, y), (x - wide * 0.75, y)])
    patch = polygon(jar, canvas.size_hw)
    if patch.mask.size:
        canvas.over(patch, shaded(pot, relief(patch, _FRONTAL, wide), 0.05))


def paint_floor_lamp(canvas: Canvas, rng: np.random.Generator, foot: _Point, tall: float) -> None:
    """A lamp on a pole, on or off."""
    x, y = foot
    metal = floats([64, 60, 56])
    shade_under(canvas, foot, (tall * 0.1, tall * 0.02), 0.6)
    canvas.over(disc(foot, (tall * 0.08, tall * 0.015), canvas.size_hw), metal)
    canvas.over(strokes(floats([[(x, y), (x, y - tall)]]), canvas.size_hw, max(1.0, tall * 0.014)), metal)
    shade = [
        (x - tall * 0.09, y - tall * 1.02),
        (x + tall * 0.09, y - tall * 1.02),
        (x + tall * 0.14, y - tall * 0.82),
        (x - tall * 0.14, y - tall * 0.82),
    ]
    on = rng.random() < 0.6
    canvas.over(polygon(floats(shade), canvas.size_hw), floats([250, 226, 178] if on else [206, 194, 174]))
    if on:
        canvas.darken(disc((x, y - tall * 0.92), tall * 0.5, canvas.size_hw, tall * 0.22), 1.2)


def paint_box(canvas: Canvas, corners: tuple[float, float, float, float], colour: Float, soft: float = 0.25) -> None:
    """A rectangle (x0, y0, x1, y1) that bulges a little towards us, and is lit."""
    x0, y0, x1, y1 = corners
    radius = min(x1 - x0, y1 - y0) * soft * 0.5
    turns = np.linspace(0, np.pi / 2, 5)
    points = [
        (cx + radius * np.cos(turn + start), cy + radius * np.sin(turn + start))
        for cx, cy, start in (
            (x1 - radius, y1 - radius, 0),
            (x0 + radius, y1 - radius, np.pi / 2),
            (x0 + radius, y0 + radius, np.pi),
            (x1 - radius, y0 + radius, 3 * np.pi / 2),
        )
        for turn in turns
    ]
    patch = polygon(floats(points), canvas.size_hw)
    if patch.mask.size:
        depth = max(1.0, min(x1 - x0, y1 - y0) * soft)
        light = relief(patch, _FRONTAL, depth) if soft > 0 else np.ones_like(patch.mask)
        canvas.over(patch, shaded(colour, light, 0.05))


def _books(canvas: Canvas, rng: np.random.Generator, row: tuple[float, float, float], tall: float) -> None:
    """Books from left to right on a level; now and then a gap, or one that leans."""
    x, level, end = row
    covers = [
        (122, 52, 46),
        (52, 70, 98),
        (62, 86, 66),
        (196, 182, 152),
        (84, 60, 82),
        (150, 116, 66),
        (60, 58, 60),
        (206, 202, 194),
    ]
    while x < end:
        thick, height = tall * float(rng.uniform(0.1, 0.24)), tall * float(rng.uniform(0.62, 1.0))
        if rng.random() < 0.07:
            x += thick * float(rng.uniform(2, 5))
            continue
        lean = height * 0.16 if rng.random() < 0.06 else 0.0
        right = min(x + thick, end)
        spine = floats([(x + lean, level - height), (right + lean, level - height), (right, level), (x, level)])
        patch = polygon(spine, canvas.size_hw)
        colour = colour_near(rng, covers[int(rng.integers(len(covers)))], 12)
        if patch.mask.size:
            round_off = np.sin(np.linspace(0.5, 2.8, patch.mask.shape[1], dtype=np.float32))[None]
            canvas.over(patch, colour[:, None, None] * (0.55 + 0.45 * round_off))
            if height > 14:
                label = floats(
                    [
                        (x + lean * 0.8, level - height * 0.8),
                        (right + lean * 0.8, level - height * 0.8),
                        (right + lean * 0.66, level - height * 0.66),
                        (x + lean * 0.66, level - height * 0.66),
                    ]
                )
                canvas.over(polygon(label, canvas.size_hw).times(0.6), np.minimum(colour * 1.7, 235))
        x = right + lean
