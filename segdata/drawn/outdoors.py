"""Open country, and streets in perspective: nobody is there."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.noise import clouds
from segdata.drawn.paint import Canvas, Float, Patch, SizeHW, disc, floats, polygon, strokes
from segdata.drawn.scenery import (
    TILE,
    below,
    colour_near,
    gradient,
    lay_flat,
    pavers,
    receding,
    ridge,
    shade_under,
    speckle,
    tree,
)


def paint_country(canvas: Canvas, rng: np.random.Generator) -> None:
    """Sky, hills that fade with distance, a meadow or water, a path, trees."""
    height, width = canvas.size_hw
    horizon = float(rng.uniform(0.38, 0.6)) * height
    haze = paint_sky(canvas, rng, horizon)
    green = colour_near(rng, [(86, 116, 52), (128, 122, 66), (96, 104, 70)][int(rng.integers(3))], 12)
    layers = int(rng.integers(2, 5))
    for layer in range(layers):
        near = (layer + 1) / (layers + 1)
        lift = (1 - near) * rng.uniform(0.05, 0.2) * height
        line = floats(horizon) - floats(lift) + ridge(rng, width, 3 + 2 * layer, 6) * floats(0.028 * height)
        if near > 0.45:  # woods: their tops are ragged
            line -= np.abs(ridge(rng, width, width / 14, 2)) * floats(0.016 * height * near)
        colour = haze + (green * 0.62 - haze) * floats(near**0.8)
        rows = slice(max(0, int(line.min()) - 1), min(height, int(horizon + 0.06 * height)))  # a meadow hides the rest
        texture = 1 + floats(0.2 * near) * clouds(rng, (rows.stop - rows.start, width), 40, 3)
        seen = below(line - floats(rows.start), rows.stop - rows.start)
        canvas.over(Patch(rows.start, 0, seen), colour[:, None, None] * texture)
    water = rng.random() < 0.3
    if water:
        shore = _water(canvas, rng, horizon)
    else:
        _meadow(canvas, rng, horizon, green)
    for size in np.sort(rng.uniform(0, 1, int(rng.integers(1, 7)))):
        foot = shore if water else horizon + (0.02 + 0.3 * size**2) * (height - horizon)
        tall = (0.1 + (0.12 if water else 0.42) * size**1.5) * height * rng.uniform(0.8, 1.2)
        leaves = colour_near(rng, (72, 100, 44), 14) if rng.random() < 0.85 else colour_near(rng, (160, 112, 50), 16)
        tree(canvas, rng, (float(rng.uniform(-0.05, 1.05)) * width, float(foot)), float(tall), leaves)


def paint_street(canvas: Canvas, rng: np.random.Generator) -> None:
    """Two rows of houses that recede, a road between pavements, lamps, trees, a bench."""
    height, width = canvas.size_hw
    horizon, vanish = float(rng.uniform(0.42, 0.58)) * height, float(rng.uniform(0.25, 0.75)) * width
    haze = paint_sky(canvas, rng, horizon)
    far = floats(horizon) - np.abs(ridge(rng, width, width / 40, 2)) * floats(0.05 * height)
    canvas.over(Patch(0, 0, below(floats(far), height)), haze * 0.86)
    _road(canvas, rng, horizon, vanish)
    bright = int(rng.integers(2))
    for side in (0, 1):
        _row_of_houses(canvas, rng, (vanish, horizon), side, 1.0 if side == bright else 0.66)
    greens = colour_near(rng, (74, 100, 48), 12)
    for depth in (0.16, 0.3, 0.55):
        for side in (-1, 1):
            x = vanish + side * depth * width * 0.62
            y = horizon + depth * (height - horizon) * 0.92
            lot = rng.random()
            if lot < 0.35:
                tree(canvas, rng, (x, y), depth * height * 1.25, greens)
            elif lot < 0.6:
                _lamp(canvas, (x, y), depth * height * 0.95)
    if rng.random() < 0.6:
        wide = width * float(rng.uniform(0.2, 0.3))
        _bench(canvas, rng, (width * 0.98 - wide if vanish < width / 2 else width * 0.02, height * 0.86), wide)


def paint_sky(canvas: Canvas, rng: np.random.Generator, horizon: float) -> Float:
    """A sky with clouds down to the horizon; returns the colour (3,) that distance fades to."""
    width = canvas.size_hw[1]
    mood = int(rng.choice(3, p=[0.6, 0.25, 0.15]))
    top = colour_near(rng, [(74, 124, 190), (150, 160, 172), (88, 104, 150)][mood], 10)
    low = colour_near(rng, [(198, 216, 230), (206, 208, 208), (238, 196, 158)][mood], 8)
    rows = max(2, int(horizon) + 2)
    canvas.premultiplied[:] = low[:, None, None]
    canvas.premultiplied[:, :rows] = gradient((rows, width), top, low, 0.8)
    # clouds lie flatter the nearer they are to the horizon
    field = clouds(rng, (rows * 2, width), 7, 5)
    squeeze = np.linspace(0, 1, rows, dtype=np.float32) ** floats(0.6) * (2 * rows - 1)
    map_x, map_y = np.meshgrid(np.arange(width, dtype=np.float32), squeeze)
    field = cv2.remap(field, map_x, map_y, cv2.INTER_LINEAR)
    cover = floats(rng.uniform(-0.2, 1.0) if mood != 1 else rng.uniform(-0.9, -0.2))
    mask = np.clip((field - cover) * 0.85, 0, 0.94)
    shadow = np.clip(0.97 - 0.14 * np.maximum(np.roll(field, rows // 12, 0) - cover, 0), 0.72, 1)
    white = floats([250, 249, 247] if mood != 2 else [250, 226, 204])
    canvas.over(Patch(0, 0, np.asarray(mask, np.float32)), white[:, None, None] * shadow)
    return low


def _meadow(canvas: Canvas, rng: np.random.Generator, horizon: float, green: Float) -> None:
    height, width = canvas.size_hw
    vanish = float(rng.uniform(0.2, 0.8)) * width
    line = floats(horizon) + ridge(rng, width, 3, 3) * floats(0.01 * height)
    texture = receding(speckle(rng, 60, 3, 0.13), canvas.size_hw, horizon, vanish, 420)
    broad = receding(speckle(rng, 5, 3, 0.12), canvas.size_hw, horizon, vanish, 110)
    mask = below(line, height)
    canvas.over(Patch(0, 0, mask), green[:, None, None] * (texture * broad))
    if rng.random() < 0.55:
        rows = np.arange(height, dtype=np.float32)
        down = np.maximum((rows - floats(horizon)) / floats(height - horizon), 0)
        middle = vanish + (rng.normal(0, 0.35) * down + rng.normal(0, 0.3) * np.sin(down * 4)) * width * down
        half = down * width * floats(rng.uniform(0.06, 0.14))
        columns = np.arange(width, dtype=np.float32)[None]
        edge = receding(speckle(rng, 40, 2), canvas.size_hw, horizon, vanish, 150) - 1
        path = np.clip((half[:, None] * (1 + edge) - np.abs(columns - middle[:, None])) * 0.6, 0, 1) * mask
        earth = colour_near(rng, (168, 146, 112), 10)[:, None, None] * texture
        canvas.over(Patch(0, 0, np.asarray(path, np.float32)), earth)
    blades = int(rng.integers(400, 1200))
    foot_y = horizon + (height - horizon) * (0.35 + 0.65 * rng.random(blades) ** 0.7)
    foot_x = rng.random(blades) * width
    tall = (foot_y - horizon) / (height - horizon) * height * rng.uniform(0.02, 0.05)
    tips = np.stack([foot_x + rng.normal(0, 0.5, blades) * tall, foot_y - tall], 1)
    lines = floats(np.stack([np.stack([foot_x, foot_y], 1), tips], 1))
    for tone, group in zip((0.6, 0.85, 1.25), np.array_split(lines, 3), strict=True):
        canvas.over(strokes(group, canvas.size_hw, 0.9).times(0.6), np.minimum(green * tone, 250))


def _water(canvas: Canvas, rng: np.random.Generator, horizon: float) -> float:
    """A lake that mirrors what stands behind it; returns the row of its far shore."""
    height, width = canvas.size_hw
    rows = int(horizon + 0.02 * height)
    behind = np.ascontiguousarray(canvas.premultiplied[:, :rows][:, ::-1].transpose(1, 2, 0))
    mirror = cv2.blur(cv2.resize(behind, (width, height - rows)), (5, 15)).transpose(2, 0, 1)
    ripples = receding(speckle(rng, 22, 4, 0.07), canvas.size_hw, horizon, width / 2, 150)[rows:]
    swell = cv2.blur(ripples, (max(3, width // 40), 1))
    tint = floats([0.72, 0.84, 0.92])[:, None, None]
    canvas.over(Patch(rows, 0, np.ones((height - rows, width), np.float32)), mirror * tint * swell)
    return float(rows)


def _road(canvas: Canvas, rng: np.random.Generator, horizon: float, vanish: float) -> None:
    height, width = canvas.size_hw
    ground = np.ones((height - int(horizon), width), np.float32)
    slabs = receding(pavers(rng), canvas.size_hw, horizon, vanish, 180)[int(horizon) :]
    canvas.over(Patch(int(horizon), 0, ground), colour_near(rng, (158, 152, 144), 12)[:, None, None] * slabs)
    asphalt = receding(speckle(rng, 110, 2, 0.06), canvas.size_hw, horizon, vanish, 300)
    half = width * float(rng.uniform(0.3, 0.55))
    lane = polygon(floats([(vanish, horizon), (vanish + half, height), (vanish - half, height)]), canvas.size_hw)
    tone = colour_near(rng, (92, 92, 94), 8)[:, None, None] * asphalt[lane.window]
    canvas.over(lane, tone)
    for side in (-1, 1):
        kerb = floats([(vanish, horizon), (vanish + side * half, height), (vanish + side * half * 1.05, height)])
        canvas.over(polygon(kerb, canvas.size_hw), floats([188, 184, 178]))
    marks: Float = np.zeros((TILE, TILE), np.float32)
    marks[: TILE // 3] = 1
    dashes = receding(marks, canvas.size_hw, horizon, vanish, 110)
    strip = floats([(vanish, horizon), (vanish + half * 0.035, height), (vanish - half * 0.035, height)])
    patch = polygon(strip, canvas.size_hw)
    canvas.over(patch.times(np.clip(dashes[patch.window], 0, 1)), floats([226, 222, 210]))


def _row_of_houses(
    canvas: Canvas, rng: np.random.Generator, vanishing: tuple[float, float], side: int, light: float
) -> None:
    """Houses from far to near along one side; a house spans depths, and all its lines meet in the vanishing point."""
    height, width = canvas.size_hw
    vx, vy = vanishing
    reach = (width * 1.15 - vx) if side else (vx + width * 0.15)
    near_x = vx + reach if side else vx - reach
    depth, street = 0.13, 0.62
    while depth < 1.3:
        further = depth * float(rng.uniform(1.5, 2.1))
        tall = float(rng.uniform(0.75, 1.5)) * height
        corners = []
        for share in (depth, further):
            x = vx + (near_x - vx) * share * street / 0.62
            base = vy + (height - vy) * share * 0.8
            corners.append((x, base, base - tall * share))
        (x0, base0, top0), (x1, base1, top1) = corners
        wall = _facade(rng, (420, int(260 * (further - depth) / depth)), light)
        quad = [(x0, top0), (x1, top1), (x1, base1), (x0, base0)]
        flipped = wall if side else wall[:, :, ::-1]
        ordered = quad if side else [quad[1], quad[0], quad[3], quad[2]]
        lay_flat(canvas, np.ascontiguousarray(flipped), floats(ordered))
        depth = further


def _facade(rng: np.random.Generator, size_hw: SizeHW, light: float) -> Float:
    """A house front (3, h, w): storeys of windows with frames and sills, a shop below, plaster or brick."""
    height, width = size_hw[0], int(np.clip(size_hw[1], 120, 700))
    base = [(196, 178, 150), (170, 112, 90), (204, 198, 188), (150, 150, 150), (214, 190, 130), (136, 100, 82)]
    colour = colour_near(rng, base[int(rng.integers(len(base)))], 12)
    field = 1 + 0.05 * clouds(rng, (height, width), 8, 4)
    if rng.random() < 0.4:
        y, x = np.mgrid[0:height, 0:width]
        joint = (y % 6 == 0) | ((x + (y // 6 % 2) * 7) % 14 == 0)
        field = np.where(joint, 0.86, field * (1 + 0.06 * clouds(rng, (height, width), 120, 1)))
    front = np.asarray(colour[:, None, None] * floats(field), np.float32)
    storeys, columns = int(rng.integers(3, 6)), max(2, int(width / rng.uniform(55, 85)))
    shop = int(height * 0.8)
    tall, wide = shop / storeys, width / columns
    glass_tone, frame = colour_near(rng, (74, 88, 104), 10), colour_near(rng, (226, 222, 214), 12)
    arched = rng.random() < 0.2
    for storey in range(storeys):
        front[:, int(storey * tall) : int(storey * tall) + 3] *= 0.82
        for column in range(columns):
            y0, y1 = int((storey + 0.24) * tall), int((storey + 0.82) * tall)
            x0, x1 = int((column + 0.27) * wide), int((column + 0.73) * wide)
            _window(front, rng, (y0, y1, x0, x1), (glass_tone, frame), arched)
    _shop(front, rng, shop, frame)
    return front * floats(light)


def _window(
    front: Float, rng: np.random.Generator, box: tuple[int, int, int, int], tones: tuple[Float, Float], arched: bool
) -> None:
    y0, y1, x0, x1 = box
    glass, frame = tones
    front[:, y0 - 3 : y1 + 4, x0 - 3 : x1 + 4] *= 0.9
    front[:, y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = frame[:, None, None]
    lit = rng.random() < 0.08
    tone = floats([238, 208, 142]) if lit else glass * floats(rng.uniform(0.75, 1.5))
    pane = gradient((y1 - y0, x1 - x0), np.minimum(tone * 1.35, 245), tone * 0.8)
    if rng.random() < 0.4:  # a curtain
        drop = int((x1 - x0) * rng.uniform(0.2, 0.35))
        pane = pane.copy()
        pane[:, :, :drop] = pane[:, :, -drop:] = pane[:, :, :drop] * 0.4 + 120
    front[:, y0:y1, x0:x1] = pane
    middle = (x0 + x1) // 2
    front[:, y0:y1, middle - 1 : middle + 1] = frame[:, None, None]
    front[:, y0 + (y1 - y0) // 3 : y0 + (y1 - y0) // 3 + 2, x0:x1] = frame[:, None, None]
    front[:, y0 : y0 + 3, x0:x1] *= 0.7
    front[:, y1 + 2 : y1 + 5, x0 - 4 : x1 + 4] = (frame * 0.85)[:, None, None]
    if arched:
        front[:, y0 - 6 : y0 - 2, x0 - 4 : x1 + 4] = (frame * 0.92)[:, None, None]


def _shop(front: Float, rng: np.random.Generator, top: int, frame: Float) -> None:
    """The ground floor: shop windows under an awning, or plain stone with doors."""
    _, height, width = front.shape
    stone = colour_near(rng, (120, 112, 104), 14)
    front[:, top:] = front[:, top:] * 0.25 + (stone * 0.75)[:, None, None]
    front[:, top : top + 4] = (frame * 0.8)[:, None, None]
    bays = max(2, width // 90)
    for bay in range(bays):
        x0, x1 = int((bay + 0.12) * width / bays), int((bay + 0.88) * width / bays)
        glass = gradient((height - top - 14, x1 - x0), colour_near(rng, (96, 104, 112), 20), floats([38, 40, 46]))
        front[:, top + 10 : height - 4, x0:x1] = glass
        if rng.random() < 0.35:
            front[:, top + 6 : top + 20, x0 - 3 : x1 + 3] = colour_near(rng, (140, 70, 60), 40)[:, None, None]
            front[:, top + 20 : top + 23, x0 - 3 : x1 + 3] *= 0.6


def _lamp(canvas: Canvas, foot: tuple[float, float], tall: float) -> None:
    x, y = foot
    shade_under(canvas, foot, (tall * 0.06, tall * 0.012))
    post = strokes(floats([[(x, y), (x, y - tall)]]), canvas.size_hw, max(0.8, tall * 0.018))
    canvas.over(post, floats([46, 48, 52]))
    head = [
        (x - 0.035 * tall, y - tall),
        (x - 0.025 * tall, y - 1.09 * tall),
        (x + 0.025 * tall, y - 1.09 * tall),
        (x + 0.035 * tall, y - tall),
    ]
    canvas.over(polygon(floats(head), canvas.size_hw), floats([222, 216, 196]))
    canvas.over(disc((x, y - 1.1 * tall), (0.035 * tall, 0.018 * tall), canvas.size_hw), floats([46, 48, 52]))


def _bench(canvas: Canvas, rng: np.random.Generator, foot: tuple[float, float], wide: float) -> None:
    x, y = foot
    wood = colour_near(rng, (126, 88, 56), 14)
    shade_under(canvas, (x + wide / 2, y), (wide * 0.55, wide * 0.05), 0.55)
    for leg in (0.1, 0.9):
        legs = floats([[(x + wide * leg, y), (x + wide * leg, y - wide * 0.4)]])
        canvas.over(strokes(legs, canvas.size_hw, max(1.0, wide * 0.025)), floats([44, 44, 46]))
    for row, tone in ((0.16, 0.8), (0.2, 1.05), (0.28, 0.92), (0.35, 1.0), (0.42, 1.05)):
        slat = floats([[(x, y - wide * row), (x + wide, y - wide * row)]])
        canvas.over(strokes(slat, canvas.size_hw, max(1.0, wide * 0.04)), wood * tone)
