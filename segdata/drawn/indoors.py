"""Rooms: a floor in perspective, walls, a window with its light, and furniture; nobody is there."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.furniture import (
    paint_bookcase,
    paint_box,
    paint_floor_lamp,
    paint_plant,
    paint_sideboard,
    paint_sofa,
)
from segdata.drawn.noise import clouds
from segdata.drawn.outdoors import paint_country
from segdata.drawn.paint import Canvas, Float, disc, floats, polygon, strokes
from segdata.drawn.scenery import (
    blank,
    colour_near,
    lay_flat,
    pavers,
    planks,
    receding,
    speckle,
)


def paint_room(canvas: Canvas, rng: np.random.Generator) -> None:
    """Back wall and one or two side walls, lit from a window; shelves, pictures, a sofa or a table, a lamp, a plant."""
    height, width = canvas.size_hw
    left = float(rng.uniform(-0.2, 0.16)) * width
    right = float(rng.uniform(0.84, 1.2)) * width
    top, foot = float(rng.uniform(-0.12, 0.08)) * height, float(rng.uniform(0.7, 0.82)) * height
    back = (left, top, right, foot)
    wall = colour_near(
        rng,
        [(214, 208, 196), (186, 196, 190), (196, 182, 164), (150, 164, 178), (222, 214, 206)][int(rng.integers(5))],
        10,
    )
    _walls(canvas, rng, back, wall)
    _floor(canvas, rng, back)
    window_left = rng.random() < 0.5
    places = [0.24, 0.7] if window_left else [0.72, 0.26]
    span = right - left
    _window(canvas, rng, (left + places[0] * span, top + 0.4 * (foot - top)), (0.26 * span, 0.5 * (foot - top)))
    other = left + places[1] * span
    if rng.random() < 0.55:
        paint_bookcase(canvas, rng, (other, foot), (0.26 * span, float(rng.uniform(0.6, 0.85)) * (foot - top)))
    else:
        _pictures(canvas, rng, (other, top + 0.36 * (foot - top)), 0.34 * span)
        if rng.random() < 0.5:
            _clock(canvas, rng, (left + 0.5 * span, top + 0.2 * (foot - top)), 0.035 * width)
        paint_sideboard(canvas, rng, (other, foot), (0.36 * span, 0.26 * (foot - top)))
    if rng.random() < 0.65:
        paint_sofa(canvas, rng, (float(rng.uniform(0.3, 0.7)) * width, foot + 0.14 * (height - foot)), 0.46 * span)
    if rng.random() < 0.8:
        paint_plant(
            canvas, rng, (float(rng.choice([0.07, 0.93])) * width, foot + 0.35 * (height - foot)), 0.42 * (foot - top)
        )
    if rng.random() < 0.5:
        paint_floor_lamp(
            canvas, rng, (float(rng.uniform(0.42, 0.58)) * width, foot + 0.08 * (height - foot)), 0.62 * (foot - top)
        )
    _daylight(canvas, (left + places[0] * span, top + 0.5 * (foot - top)))


def _walls(canvas: Canvas, rng: np.random.Generator, back: tuple[float, float, float, float], wall: Float) -> None:
    height, width = canvas.size_hw
    left, top, right, foot = back
    texture = 1 + 0.012 * clouds(rng, canvas.size_hw, 90, 2) + 0.02 * clouds(rng, canvas.size_hw, 3, 2)
    canvas.premultiplied[:] = wall[:, None, None] * texture
    ceiling = floats([(left, top), (right, top), (width * 1.4, top - height), (-width * 0.4, top - height)])
    canvas.over(polygon(ceiling, canvas.size_hw), floats([238, 236, 232]))
    slope = (height - foot) / width
    for x, way, tone in ((left, -1, 0.8), (right, 1, 0.88)):
        side = [(x, top), (x + way * width, top - height * 0.8), (x + way * width, foot + slope * width * 2), (x, foot)]
        canvas.darken(polygon(floats(side), canvas.size_hw), tone)
    for x in (left, right):
        canvas.darken(strokes(floats([[(x, top), (x, foot)]]), canvas.size_hw, 3, width * 0.012), 0.82)


def _floor(canvas: Canvas, rng: np.random.Generator, back: tuple[float, float, float, float]) -> None:
    height, width = canvas.size_hw
    left, _, right, foot = back
    horizon = foot - 0.35 * height
    kind = int(rng.choice(3, p=[0.6, 0.2, 0.2]))
    tile = (planks, pavers, lambda r: speckle(r, 90, 3, 0.06))[kind](rng)
    tone = colour_near(rng, [(150, 112, 78), (182, 176, 168), (120, 116, 122)][kind], 18)
    ground = receding(tile, canvas.size_hw, horizon, (left + right) / 2, 260)
    outline = floats([(left, foot), (right, foot), (right + width, foot + height), (left - width, foot + height)])
    patch = polygon(outline, canvas.size_hw)
    canvas.over(patch, tone[:, None, None] * ground[patch.window])
    if rng.random() < 0.5:  # a rug
        middle, half = width * float(rng.uniform(0.35, 0.65)), width * float(rng.uniform(0.2, 0.34))
        y0, y1 = foot + 0.25 * (height - foot), foot + 0.8 * (height - foot)
        rug = floats([(middle - half * 0.75, y0), (middle + half * 0.75, y0), (middle + half, y1), (middle - half, y1)])
        weave = 1 + 0.05 * clouds(rng, canvas.size_hw, 120, 2)
        one = polygon(rug, canvas.size_hw)
        canvas.over(one, colour_near(rng, (140, 70, 66), 30)[:, None, None] * weave[one.window])
        inner = polygon(floats((rug - rug.mean(0)) * 0.86 + rug.mean(0)), canvas.size_hw)
        canvas.over(inner, colour_near(rng, (186, 170, 146), 20)[:, None, None] * weave[inner.window])
    board = floats([(left, foot - height * 0.022), (right, foot - height * 0.022), (right, foot), (left, foot)])
    canvas.over(polygon(board, canvas.size_hw), floats([232, 228, 222]))
    canvas.darken(strokes(floats([[(left, foot), (right, foot)]]), canvas.size_hw, 2, height * 0.012), 0.75)


def _window(canvas: Canvas, rng: np.random.Generator, centre: tuple[float, float], size: tuple[float, float]) -> None:
    x0, y0, x1, y1 = centre[0] - size[0] / 2, centre[1] - size[1] / 2, centre[0] + size[0] / 2, centre[1] + size[1] / 2
    view = blank((120, 100))
    paint_country(view, rng)
    outside = cv2.GaussianBlur(view.premultiplied.transpose(1, 2, 0), (0, 0), 1.2).transpose(2, 0, 1)
    corners = floats([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    lay_flat(canvas, np.minimum(np.ascontiguousarray(outside) * 1.15 + 28, 252), corners)
    bar = max(2.0, size[0] * 0.035)
    white = floats([240, 238, 232])
    edges = [[(x0, y0), (x1, y0)], [(x1, y0), (x1, y1)], [(x1, y1), (x0, y1)], [(x0, y1), (x0, y0)]]
    edges += [[(centre[0], y0), (centre[0], y1)], [(x0, y0 + size[1] * 0.3), (x1, y0 + size[1] * 0.3)]]
    canvas.over(strokes(floats(edges), canvas.size_hw, bar), white)
    paint_box(canvas, (x0 - bar * 2, y1, x1 + bar * 2, y1 + bar * 1.5), white, 0.2)
    if rng.random() < 0.65:
        cloth = colour_near(rng, (206, 196, 178), 22)
        for way in (-1, 1):
            edge = x0 if way < 0 else x1
            xs = sorted((edge - way * size[0] * 0.14, edge + way * size[0] * 0.2))
            folds = np.sin(np.linspace(0, float(rng.uniform(14, 24)), 200, dtype=np.float32))[None]
            outline = floats(
                [
                    (xs[0], y0 - bar * 3),
                    (xs[1], y0 - bar * 3),
                    (xs[1], y1 + size[1] * 0.35),
                    (xs[0], y1 + size[1] * 0.35),
                ]
            )
            patch = polygon(outline, canvas.size_hw)
            if patch.mask.size:
                shade = 0.9 + 0.12 * cv2.resize(folds, patch.mask.shape[::-1])
                canvas.over(patch, cloth[:, None, None] * shade)
        rod = floats([[(x0 - size[0] * 0.22, y0 - bar * 3), (x1 + size[0] * 0.22, y0 - bar * 3)]])
        canvas.over(strokes(rod, canvas.size_hw, bar * 0.8), floats([74, 66, 58]))


def _pictures(canvas: Canvas, rng: np.random.Generator, centre: tuple[float, float], wide: float) -> None:
    count = int(rng.integers(1, 4))
    for index in range(count):
        w = wide / count * float(rng.uniform(0.6, 0.85))
        h = w * float(rng.uniform(0.8, 1.4))
        x = centre[0] + (index - (count - 1) / 2) * wide / count
        y = centre[1] + float(rng.normal(0, 0.02)) * wide
        canvas.darken(disc((x + w * 0.04, y + h * 0.06), (w * 0.55, h * 0.55), canvas.size_hw, w * 0.05), 0.86)
        paint_box(canvas, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), colour_near(rng, (70, 58, 48), 30), 0.04)
        view = blank((48, 48))
        if rng.random() < 0.5:
            paint_country(view, rng)
        else:
            two = colour_near(rng, (120, 130, 140), 50), colour_near(rng, (200, 170, 130), 40)
            share = np.clip(clouds(rng, (48, 48), 3, 3) * 0.6 + 0.5, 0, 1)
            view.premultiplied[:] = two[0][:, None, None] * share + two[1][:, None, None] * (1 - share)
        mat = floats(
            [
                (x - w * 0.44, y - h * 0.45),
                (x + w * 0.44, y - h * 0.45),
                (x + w * 0.44, y + h * 0.45),
                (x - w * 0.44, y + h * 0.45),
            ]
        )
        canvas.over(polygon(mat, canvas.size_hw), floats([236, 233, 226]))
        lay_flat(canvas, view.premultiplied, floats((mat - mat.mean(0)) * 0.78 + mat.mean(0)))


def _clock(canvas: Canvas, rng: np.random.Generator, centre: tuple[float, float], radius: float) -> None:
    canvas.darken(
        disc((centre[0] + radius * 0.15, centre[1] + radius * 0.2), radius * 1.05, canvas.size_hw, radius * 0.15), 0.8
    )
    canvas.over(disc(centre, radius, canvas.size_hw), floats([58, 54, 50]))
    canvas.over(disc(centre, radius * 0.86, canvas.size_hw), floats([244, 242, 236]))
    for turn, reach in ((float(rng.uniform(0, 6.3)), 0.5), (float(rng.uniform(0, 6.3)), 0.75)):
        end = (centre[0] + radius * reach * np.sin(turn), centre[1] - radius * reach * np.cos(turn))
        canvas.over(strokes(floats([[centre, end]]), canvas.size_hw, max(1.0, radius * 0.08)), floats([40, 38, 36]))


def _daylight(canvas: Canvas, source: tuple[float, float]) -> None:
    """The window's light: brighter near it, and less of it in the far corners."""
    height, width = canvas.size_hw
    y, x = np.ogrid[0:height, 0:width]
    away = (floats((x - source[0]) ** 2) + floats((y - source[1]) ** 2)) / floats(max(height, width) ** 2)
    canvas.premultiplied *= 0.66 + 0.46 * np.exp(-1.6 * away)
