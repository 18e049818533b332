"""What lies behind a person: paper in a studio, a wall, lights out of focus, or a whole scene."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.noise import clouds, tiled
from segdata.drawn.paint import Float, Image, SizeHW, floats
from segdata.drawn.person import RGB
from segdata.drawn.scenes import draw_scene
from segdata.drawn.style import Style


def draw_backdrop(rng: np.random.Generator, size_hw: SizeHW, style: Style, worn: tuple[RGB, ...]) -> tuple[Image, str]:
    """A background (H, W, 3) and the name of its kind.

    Args:
        rng: decides it.
        size_hw: height and width in pixels.
        style: how often it is cluttered, and how often it has the colours worn.
        worn: colours of the clothes and the hair, for those that are hard to tell apart.
    """
    if rng.random() < style.camouflage:
        near = floats(worn[int(rng.integers(len(worn)))]) + rng.normal(0, 9, 3).astype(np.float32)
        kind = str(rng.choice(["paper", "plaster", "fabric"]))
        painter = {"paper": _paper, "plaster": _plaster, "fabric": _fabric}[kind]
        return painter(rng, size_hw, np.clip(near, 18, 240)), f"camouflage {kind}"
    if rng.random() < style.clutter:
        return _scene(rng, size_hw), "scene"
    kind = str(
        rng.choice(["paper", "plaster", "bricks", "wood", "fabric", "bokeh"], p=[0.4, 0.17, 0.1, 0.08, 0.08, 0.17])
    )
    painter = {
        "paper": _paper,
        "plaster": _plaster,
        "bricks": _bricks,
        "wood": _wood,
        "fabric": _fabric,
        "bokeh": _bokeh,
    }[kind]
    return painter(rng, size_hw, _wall_colour(rng)), kind


def _wall_colour(rng: np.random.Generator) -> Float:
    hue, chroma, value = rng.uniform(0, 2 * np.pi), rng.choice([6, 18, 45]), rng.uniform(45, 232)
    return floats(np.clip(value + np.cos(hue + floats([0, 2.1, 4.2])) * chroma, 14, 246))


def lit(field: Float, colour: Float, size_hw: SizeHW) -> Image:
    """A brightness (h, w) times a colour, enlarged to (H, W, 3) uint8."""
    small = cv2.merge([field * c for c in colour])
    large = cv2.resize(small, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.convertScaleAbs(np.maximum(large, 0)), np.uint8)


def _half(size_hw: SizeHW) -> SizeHW:
    return max(2, size_hw[0] // 2), max(2, size_hw[1] // 2)


def _falloff(rng: np.random.Generator, size_hw: SizeHW, strength: float) -> Float:
    """Light that falls off from a spot (h, w), between 1 - strength and about 1.1."""
    y, x = np.ogrid[0 : size_hw[0], 0 : size_hw[1]]
    cx, cy = rng.uniform(0.2, 0.8) * size_hw[1], rng.uniform(0.1, 0.6) * size_hw[0]
    reach = rng.uniform(0.5, 1.0) * max(size_hw)
    squared = (floats((x - cx) ** 2) + floats((y - cy) ** 2)) / floats(reach**2)
    return np.asarray(1.1 - strength * (1 - np.exp(-squared)), np.float32)


def _paper(rng: np.random.Generator, size_hw: SizeHW, colour: Float) -> Image:
    half = _half(size_hw)
    field = _falloff(rng, half, rng.uniform(0.1, 0.6)) + clouds(rng, half, 3, 2) * floats(rng.uniform(0.0, 0.06))
    return lit(field, colour, size_hw)


def _plaster(rng: np.random.Generator, size_hw: SizeHW, colour: Float) -> Image:
    half = _half(size_hw)
    height = clouds(rng, half, 26, 4)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 1, ksize=3)
    field = _falloff(rng, half, 0.3) * (1 + 0.06 * height + 0.05 * slope + 0.07 * clouds(rng, half, 4, 2))
    return lit(np.asarray(field, np.float32), colour, size_hw)


def _bricks(rng: np.random.Generator, size_hw: SizeHW, colour: Float) -> Image:
    half = _half(size_hw)
    tall = int(rng.integers(11, 20))
    wide = int(tall * 2.6)
    rows, columns = -(-half[0] // tall) + 1, -(-half[1] // wide) + 2
    tones = rng.normal(1, 0.12, (rows, columns)).astype(np.float32)
    y, x = np.mgrid[0 : half[0], 0 : half[1]]
    row = y // tall
    shifted = x + (row % 2) * (wide // 2)
    field = tones[row, shifted // wide]
    joint = (y % tall < 2) | (shifted % wide < 2)
    field = np.where(joint, floats(rng.choice([0.65, 1.35])), field).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 0.6) * _falloff(rng, half, 0.35) + clouds(rng, half, 60, 2) * floats(0.05)
    warm = colour * floats([1.15, 0.9, 0.8]) if rng.random() < 0.6 else colour
    return _focus(rng, lit(np.asarray(field, np.float32), np.clip(warm, 20, 230), size_hw))


def _wood(rng: np.random.Generator, size_hw: SizeHW, colour: Float) -> Image:
    half = _half(size_hw)
    grain = clouds(rng, (max(2, half[0] // 14), half[1]), 60, 3)
    field = 1 + 0.1 * cv2.resize(grain, half[::-1]) + 0.03 * clouds(rng, half, 80, 1)
    board = int(rng.integers(28, 60))
    seams = np.arange(half[1]) % board < 2
    tones = np.repeat(rng.normal(1, 0.09, half[1] // board + 1), board)[: half[1]]
    field *= np.where(seams, 0.55, tones)[None]
    brown = floats([150, 108, 74]) * floats(rng.uniform(0.6, 1.3)) if rng.random() < 0.7 else colour
    return _focus(rng, lit(np.asarray(field * _falloff(rng, half, 0.3), np.float32), brown, size_hw))


def _fabric(rng: np.random.Generator, size_hw: SizeHW, colour: Float) -> Image:
    """A curtain: folds that hang."""
    half = _half(size_hw)
    hang = clouds(rng, (max(2, half[0] // 40), half[1]), 16, 2)
    height = cv2.resize(hang, half[::-1]) * 9
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    field = _falloff(rng, half, 0.35) * (1 + 0.35 * slope / (1 + np.abs(slope)))
    if rng.random() < 0.3:
        y, x = np.mgrid[0:24, 0:24]
        motif = ((x - 12) ** 2 + (y - 12) ** 2 < 40).astype(np.float32)
        field = field * (1 - 0.25 * tiled(motif, half, rng.uniform(0.8, 2.0), rng.uniform(0, 45)))
    return lit(np.asarray(field, np.float32), colour, size_hw)


def _bokeh(rng: np.random.Generator, size_hw: SizeHW, colour: Float) -> Image:
    """Lamps far out of focus."""
    half = _half(size_hw)
    dark = lit(_falloff(rng, half, 0.5) + clouds(rng, half, 3, 2) * floats(0.16), colour * floats(0.5), half)
    hues = rng.uniform(0, 2 * np.pi, 3)
    scale = min(half) / 300
    for _ in range(int(rng.integers(18, 46))):
        hue = hues[int(rng.integers(3))] + rng.normal(0, 0.25)
        glow = np.clip(175 + np.cos(hue + np.array([0, 2.1, 4.2])) * 75, 0, 255)
        centre = (int(rng.integers(half[1]) * 16), int(rng.integers(int(half[0] * 0.85) + 1) * 16))
        radius = int(rng.uniform(7, 26) * 16 * scale) + 16
        layer = dark.copy()
        cv2.circle(layer, centre, radius, [float(v) for v in glow], -1, cv2.LINE_AA, 4)
        share = rng.uniform(0.12, 0.5)
        reach = radius // 16 + 2
        top, left = max(0, centre[1] // 16 - reach), max(0, centre[0] // 16 - reach)
        window = (slice(top, top + 2 * reach + 1), slice(left, left + 2 * reach + 1))
        dark[window] = cv2.addWeighted(layer[window], share, dark[window], 1 - share, 0)
    smooth = cv2.GaussianBlur(dark, (0, 0), 1.1)
    return np.asarray(cv2.resize(smooth, size_hw[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _scene(rng: np.random.Generator, size_hw: SizeHW) -> Image:
    """A scene behind a person: mostly out of focus, and then drawn at half the size."""
    seed = int(rng.integers(2**62))
    sigma = float(rng.choice([0.0, 1.2, 3.0, 5.5], p=[0.25, 0.25, 0.3, 0.2]))
    if sigma < 1:
        return draw_scene(seed, size_hw)
    small = draw_scene(seed, _half(size_hw))
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 2), size_hw[::-1]), np.uint8)


def _focus(rng: np.random.Generator, picture: Image) -> Image:
    sigma = float(rng.choice([0.0, 1.0, 2.5]))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8) if sigma else picture
