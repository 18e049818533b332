"""What scenes are put together from: a blank picture, ground in perspective, foliage, walls that recede."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.noise import clouds
from segdata.drawn.paint import Canvas, Float, Patch, SizeHW, disc, floats, polygon, strokes

TILE = 256  # the side of a ground texture, in texture pixels


def blank(size_hw: SizeHW) -> Canvas:
    """A canvas that is covered everywhere, to paint a scene on."""
    canvas = Canvas(size_hw)
    canvas.coverage[:] = 1
    return canvas


def colour_near(rng: np.random.Generator, colour: tuple[float, float, float], spread: float) -> Float:
    """A colour (3,) about another: brightness varies by `spread`, hue by a third of that."""
    return floats(np.clip(floats(colour) + rng.normal(0, spread) + rng.normal(0, spread / 3, 3), 8, 248))


def gradient(size_hw: SizeHW, top: Float, bottom: Float, power: float = 1.0) -> Float:
    """Planes (3, H, W) from one colour to another, downwards."""
    share = np.linspace(0, 1, size_hw[0], dtype=np.float32) ** floats(power)
    column = top[:, None] + (bottom - top)[:, None] * share[None]
    return np.asarray(np.broadcast_to(column[:, :, None], (3, *size_hw)), np.float32)


def below(line: Float, height: int) -> Float:
    """Coverage (H, W) of what lies below a line given by its row in each column (W,), antialiased."""
    rows = np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(np.clip(rows - line[None] + 0.5, 0, 1), np.float32)


def ridge(rng: np.random.Generator, width: int, cells: float, octaves: int, roughness: float = 0.5) -> Float:
    """A skyline (W,) of mean about 0 and height about 1: value noise in one dimension."""
    line = np.zeros(width, np.float32)
    for octave in range(octaves):
        count = max(3, round(cells * 2**octave) + 2)
        lumps = rng.standard_normal(count, dtype=np.float32)[None]
        line += cv2.resize(lumps, (width, 1), interpolation=cv2.INTER_CUBIC)[0] * floats(roughness**octave)
    return line


def receding(tile: Float, size_hw: SizeHW, horizon: float, vanish_x: float, scale: float) -> Float:
    """A texture on the ground (H, W), seen in perspective; above the horizon it has no meaning.

    A ground point at depth z lies 1 / z below the horizon. What is too far to be resolved fades to the mean.

    Args:
        tile: (TILE, TILE), repeated without end, each time mirrored, so that no seam shows.
        size_hw: of the result.
        horizon: its row.
        vanish_x: column of the vanishing point.
        scale: texture pixels that a picture's width at its lower edge spans.
    """
    height, width = size_hw
    mean = floats(tile.mean())
    result = np.full(size_hw, mean, np.float32)
    first = min(max(0, int(horizon)), height)
    down = np.maximum(np.arange(first, height, dtype=np.float32) - floats(horizon), 0.5)[:, None]
    nearest = max(height - horizon, 1.0)
    across = (np.arange(width, dtype=np.float32) - floats(vanish_x)) * floats(scale / width)
    map_x = _mirrored(across[None] * (floats(nearest) / down))
    map_y = np.broadcast_to(_mirrored(floats(scale * 0.55 * nearest) / down), map_x.shape)
    found = cv2.remap(tile, map_x, np.ascontiguousarray(map_y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    result[first:] += (found - mean) * np.clip(down / floats(0.22 * nearest), 0, 1)
    return result


def _mirrored(places: Float) -> Float:
    """Places on an endless row of tiles, each the mirror of the next: (TILE - 1) times a triangle wave."""
    span = floats(TILE - 1)
    return np.asarray(span - np.abs(places - 2 * span * np.floor(places / (2 * span)) - span), np.float32)


def speckle(rng: np.random.Generator, cells: float, octaves: int, strength: float = 0.1) -> Float:
    """A tile (TILE, TILE) of noise about 1: grass, asphalt, ripples."""
    return np.asarray(1 + floats(strength) * clouds(rng, (TILE, TILE), cells, octaves), np.float32)


def planks(rng: np.random.Generator) -> Float:
    """A tile of floor boards about 1, running away from the viewer."""
    board = int(rng.choice([16, 32]))
    tones = np.repeat(rng.normal(1, 0.07, TILE // board), board).astype(np.float32)[None]
    fibre = cv2.resize(clouds(rng, (TILE // 16, TILE), 60, 2), (TILE, TILE))
    field = tones * (1 + 0.05 * fibre)
    field[:, ::board] *= 0.6
    for column in range(TILE // board):
        field[int(rng.integers(TILE)), column * board : (column + 1) * board] *= 0.6
    return np.asarray(field, np.float32)


def pavers(rng: np.random.Generator) -> Float:
    """A tile of stone slabs about 1."""
    slab = int(rng.choice([16, 32]))
    count = TILE // slab
    field = np.repeat(np.repeat(rng.normal(1, 0.06, (count, count)), slab, 0), slab, 1).astype(np.float32)
    field *= speckle(rng, 40, 2, 0.07)
    field[::slab] *= 0.72
    field[:, ::slab] *= 0.72
    return field


def shade_under(canvas: Canvas, centre: tuple[float, float], radii: tuple[float, float], factor: float = 0.6) -> None:
    """The shadow that a thing casts where it stands."""
    canvas.darken(disc(centre, radii, canvas.size_hw, max(radii[1] * 0.6, 0.5)), factor)


def foliage(
    canvas: Canvas, rng: np.random.Generator, centre: tuple[float, float], radii: tuple[float, float], colour: Float
) -> None:
    """A crown of leaves: lumps of noise inside an oval, lit from above on one side, with gaps at its rim."""
    reach_x, reach_y = max(3, round(radii[0] * 1.25)), max(3, round(radii[1] * 1.25))
    top, left = round(centre[1]) - reach_y, round(centre[0]) - reach_x
    full = (2 * reach_y, 2 * reach_x)
    y, x = np.ogrid[-1.25 : 1.25 : full[0] * 1j, -1.25 : 1.25 : full[1] * 1j]
    lumps = clouds(rng, full, 9, 4)
    leaves = clouds(rng, full, max(14, max(full) / 5), 2)
    inside = floats(1 - np.sqrt(x * x + y * y)) + lumps * 0.26 + leaves * 0.1
    mask = np.clip(inside * floats(min(radii) / 2.2), 0, 1)
    height = lumps * 0.5 + leaves * 0.35 + floats(np.sqrt(np.maximum(1.2 - x * x - y * y, 0)))
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=max(full) / 900)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=max(full) / 900)
    light = np.clip(0.78 + 0.55 * slope_y + 0.3 * slope_x - floats(y) * 0.28 + 0.1 * leaves, 0.25, 1.6)
    rows = slice(max(0, -top), max(0, min(full[0], canvas.size_hw[0] - top)))
    columns = slice(max(0, -left), max(0, min(full[1], canvas.size_hw[1] - left)))
    mask, light = mask[rows, columns], light[rows, columns]
    if not mask.size:
        return
    warm = floats([1.12, 1.0, 0.75])[:, None, None] ** np.maximum(light - 0.8, 0)
    canvas.over(Patch(max(0, top), max(0, left), mask), colour[:, None, None] * light * warm)


def tree(canvas: Canvas, rng: np.random.Generator, foot: tuple[float, float], height_px: float, colour: Float) -> None:
    """A trunk that forks, a crown of several lumps, and a shadow at its foot."""
    x, y = foot
    bark = colour_near(rng, (78, 62, 50), 10)
    shade_under(canvas, (x, y), (height_px * 0.32, max(1.5, height_px * 0.035)), 0.62)
    lean = float(rng.normal(0, 0.05)) * height_px
    fork = (x + lean, y - 0.42 * height_px)
    lines = [[(x, y), (x + lean * 0.4, y - 0.2 * height_px), fork]]
    ends = [(fork[0] + side * height_px * rng.uniform(0.1, 0.2), fork[1] - height_px * 0.24) for side in (-1, 0.2, 1)]
    lines += [[fork, ((fork[0] + ex) / 2, (fork[1] + ey) / 2), (ex, ey)] for ex, ey in ends]
    canvas.over(strokes(floats(lines[:1]), canvas.size_hw, max(0.8, height_px * 0.055)), bark)
    canvas.over(strokes(floats(lines[1:]), canvas.size_hw, max(0.6, height_px * 0.026)), bark * 0.9)
    for back in (True, False):
        tone = colour * (0.72 if back else 1.0)
        for ex, ey in ends if not back else [fork]:
            wide = height_px * (0.3 if back else rng.uniform(0.17, 0.24))
            foliage(canvas, rng, (ex, ey - height_px * 0.06), (wide, wide * 0.85), floats(tone * rng.normal(1, 0.05)))


def lay_flat(canvas: Canvas, picture: Float, corners: Float) -> None:
    """A flat picture (3, h, w) laid on four corners (4, 2), clockwise from its upper left: a wall that recedes."""
    patch = polygon(floats(corners), canvas.size_hw)
    if not patch.mask.size:
        return
    height, width = picture.shape[1:]
    source = floats([(0, 0), (width, 0), (width, height), (0, height)])
    matrix = cv2.getPerspectiveTransform(source, floats(corners - floats([patch.left, patch.top])))
    flat = np.ascontiguousarray(picture.transpose(1, 2, 0))
    size = patch.mask.shape[::-1]
    seen = cv2.warpPerspective(flat, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    canvas.over(patch, np.ascontiguousarray(seen.transpose(2, 0, 1)))
