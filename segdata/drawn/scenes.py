"""Scenes without people: streets, rooms, and open country, to lay portraits over."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.paint import Image, SizeHW

_Colour = tuple[int, int, int]


def draw_scene(seed: int, size_hw: SizeHW = (800, 600)) -> Image:
    """Draw a person-free scene: the same seed, the same pixels.

    Args:
        seed: decides everything.
        size_hw: height and width in pixels.

    Returns:
        (H, W, 3) uint8 sRGB.

    >>> draw_scene(1, (80, 60)).shape
    (80, 60, 3)
    """
    rng = np.random.default_rng(seed)
    height, width = size_hw
    paint = (_country, _street, _room)[int(rng.integers(3))]
    picture = paint(rng, height, width)
    light = _smooth_noise(rng, height, width, cells=4)[..., None] * 0.3 + 0.85
    grain = rng.normal(0, 3, (height, width, 1)).astype(np.float32)
    return np.clip(picture.astype(np.float32) * light + grain, 0, 255).astype(np.uint8)


def _country(rng: np.random.Generator, height: int, width: int) -> Image:
    """Sky, hills one behind the other, and trees."""
    picture = _gradient(height, width, _near(rng, (120, 170, 225), 40), _near(rng, (235, 225, 210), 20))
    horizon = rng.uniform(0.35, 0.6)
    for layer in range(4):
        level = horizon + layer * (1 - horizon) / 4
        ridge = level * height + _walk(rng, width) * height * 0.08
        haze = layer / 3
        far, near = np.array([150, 170, 190]), np.array(_near(rng, (70, 110, 50), 35))
        colour = far * (1 - haze) + near * haze
        outline = [(x, float(ridge[x])) for x in range(0, width, 3)]
        _fill(picture, [*outline, (width, float(ridge[-1])), (width, height), (0, height)], colour)
    for _ in range(int(rng.integers(3, 14))):
        _tree(rng, picture, rng.uniform(0, width), rng.uniform(horizon, 0.95) * height)
    return picture


def _street(rng: np.random.Generator, height: int, width: int) -> Image:
    """Sky, houses with windows, a pavement with a bench and lamps."""
    picture = _gradient(height, width, _near(rng, (140, 165, 200), 50), _near(rng, (230, 215, 200), 25))
    ground, x = int(rng.uniform(0.68, 0.8) * height), 0
    while x < width:
        wide, top = int(rng.uniform(0.18, 0.4) * width), int(rng.uniform(0.05, 0.4) * height)
        wall = _near(rng, (170, 140, 115), 50)
        cv2.rectangle(picture, (x, top), (x + wide, ground), wall, -1)
        _windows(rng, picture, (x, top, wide, ground - top))
        x += wide
    cv2.rectangle(picture, (0, ground), (width, height), _near(rng, (120, 118, 115), 20), -1)
    for line in range(ground, height, max(8, height // 18)):
        cv2.line(picture, (0, line), (width, line), (95, 95, 95), 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(1, 4))):
        lamp = int(rng.uniform(0, width))
        cv2.line(picture, (lamp, ground), (lamp, ground - height // 3), (45, 45, 50), max(2, width // 120), cv2.LINE_AA)
        cv2.circle(picture, (lamp, ground - height // 3), width // 40, (250, 240, 200), -1, cv2.LINE_AA)
    seat = int(rng.uniform(0.05, 0.6) * width)
    for row in range(3):
        top = ground - height // 40 * (row + 1)
        cv2.rectangle(picture, (seat, top), (seat + width // 3, top + height // 80), (110, 75, 45), -1)
    return picture


def _room(rng: np.random.Generator, height: int, width: int) -> Image:
    """A wall with a window, a clock, shelves of books, and a plant on the floor."""
    wall = _near(rng, (200, 195, 185), 45)
    picture = _gradient(height, width, wall, tuple(int(value * 0.85) for value in wall))
    floor = int(rng.uniform(0.78, 0.9) * height)
    cv2.rectangle(picture, (0, floor), (width, height), _near(rng, (140, 105, 75), 35), -1)
    left, top = int(rng.uniform(0.05, 0.5) * width), int(rng.uniform(0.08, 0.2) * height)
    pane = _gradient(height // 3, width // 3, (150, 190, 235), (240, 240, 230))
    picture[top : top + height // 3, left : left + width // 3] = pane
    cv2.rectangle(picture, (left, top), (left + width // 3, top + height // 3), (245, 243, 238), max(3, width // 70))
    cv2.line(
        picture, (left + width // 6, top), (left + width // 6, top + height // 3), (245, 243, 238), max(2, width // 90)
    )
    clock = (int(rng.uniform(0.7, 0.92) * width), int(rng.uniform(0.1, 0.25) * height))
    cv2.circle(picture, clock, width // 14, (250, 250, 245), -1, cv2.LINE_AA)
    cv2.circle(picture, clock, width // 14, (50, 45, 40), max(2, width // 150), cv2.LINE_AA)
    cv2.line(picture, clock, (clock[0], clock[1] - width // 20), (30, 30, 30), 2, cv2.LINE_AA)
    for shelf in range(int(rng.integers(1, 4))):
        _books(rng, picture, int((0.5 + 0.13 * shelf) * height))
    _tree(rng, picture, rng.uniform(0, width), floor + height * 0.08)
    return picture


def _books(rng: np.random.Generator, picture: Image, level: int) -> None:
    height, width = picture.shape[:2]
    x, end = int(rng.uniform(0, 0.4) * width), int(rng.uniform(0.6, 1) * width)
    cv2.rectangle(picture, (x, level), (end, level + max(4, height // 90)), _near(rng, (105, 75, 50), 25), -1)
    while x < end:
        thick, tall = int(rng.uniform(0.012, 0.03) * width) + 1, int(rng.uniform(0.05, 0.1) * height)
        cv2.rectangle(picture, (x, level - tall), (x + thick, level), _near(rng, (120, 100, 100), 100), -1)
        x += thick + 1


def _windows(rng: np.random.Generator, picture: Image, box: tuple[int, int, int, int]) -> None:
    left, top, wide, tall = box
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(3, 7))
    for column in range(columns):
        for row in range(rows):
            x = left + int((column + 0.25) * wide / columns)
            y = top + int((row + 0.25) * tall / rows)
            colour = (250, 225, 150) if rng.random() < 0.2 else _near(rng, (75, 90, 110), 25)
            corner = (x + int(wide / columns * 0.5), y + int(tall / rows * 0.55))
            cv2.rectangle(picture, (x, y), corner, colour, -1)
            cv2.rectangle(picture, (x, y), corner, (225, 220, 210), 1)


def _tree(rng: np.random.Generator, picture: Image, x: float, foot: float) -> None:
    height, _width = picture.shape[:2]
    size = rng.uniform(0.06, 0.2) * height
    trunk = (int(x), int(foot)), (int(x), int(foot - size))
    cv2.line(picture, *trunk, _near(rng, (85, 62, 45), 15), max(2, int(size / 12)), cv2.LINE_AA)
    green = np.array(_near(rng, (60, 105, 50), 30))
    for _ in range(60):
        shift = rng.normal(0, size * 0.28, 2)
        centre = (int(x + shift[0]), int(foot - size * 1.2 + shift[1]))
        shade = tuple(int(value) for value in np.clip(green * rng.uniform(0.6, 1.35), 0, 255))
        cv2.circle(picture, centre, max(2, int(size * rng.uniform(0.06, 0.16))), shade, -1, cv2.LINE_AA)


def _gradient(height: int, width: int, top: _Colour | tuple[int, ...], bottom: _Colour | tuple[int, ...]) -> Image:
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    column = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    return np.repeat(column, width, axis=1).astype(np.uint8)


def _fill(picture: Image, outline: list[tuple[float, float]], colour: object) -> None:
    shade = tuple(int(value) for value in np.asarray(colour))
    cv2.fillPoly(picture, [np.array(outline, np.int32)], shade, cv2.LINE_AA)


def _walk(rng: np.random.Generator, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    places = rng.normal(0, 1, 8)
    return np.asarray(np.interp(np.linspace(0, 7, width), np.arange(8), places))


def _smooth_noise(
    rng: np.random.Generator, height: int, width: int, cells: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    coarse = rng.random((cells, cells)).astype(np.float32)
    return np.asarray(np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1))


def _near(rng: np.random.Generator, colour: _Colour, spread: int) -> _Colour:
    red, green, blue = (int(np.clip(value + rng.integers(-spread, spread + 1), 0, 255)) for value in colour)
    return red, green, blue
