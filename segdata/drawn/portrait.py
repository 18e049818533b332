"""Portraits whose true alpha, foreground and background are known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from segdata.drawn.backdrops import draw_backdrop
from segdata.drawn.body import paint_arms, paint_trunk
from segdata.drawn.camera import add_grain, compress, expose
from segdata.drawn.extras import paint_beard, paint_cover, paint_glasses
from segdata.drawn.face import paint_head
from segdata.drawn.frame import Frame
from segdata.drawn.hair import paint_back_hair, paint_front_hair
from segdata.drawn.light import Light, draw_light
from segdata.drawn.paint import Alpha, Canvas, Image, SizeHW, floats
from segdata.drawn.person import Person, draw_person
from segdata.drawn.sitting import Sitting
from segdata.drawn.style import STYLES, Difficulty, Style

_HOLE_FRACTION = 0.001


@dataclass(frozen=True, slots=True)
class DrawnPortrait:
    """A portrait and all that is true about it.

    Without camera effects (`noise_sigma` 0 and `jpeg_quality` 100 in `attributes`) image is exactly
    round(αF + (1 - α)B); grain and compression come on top of that and leave the parts alone.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        foreground: (H, W, 3) uint8; means something wherever alpha is above 0.
        background: (H, W, 3) uint8; whole, also behind the people.
        alpha: (H, W) uint8, soft; 255 is person.
        people: how many.
        has_hole: background of at least 0.1 % of the picture is enclosed by people, the bottom edge counting as one.
        attributes: what was drawn by lot: backdrop, poses, haircuts, light, blur, noise.
    """

    image: Image
    foreground: Image
    background: Image
    alpha: Alpha
    people: int
    has_hole: bool
    attributes: dict[str, object] = field(default_factory=dict)


def draw_portrait(
    seed: int,
    size_hw: SizeHW = (800, 600),
    background: Image | None = None,
    difficulty: Difficulty = "plain",
    camera: bool = True,
) -> DrawnPortrait:
    """Draw people before a background.

    Args:
        seed: decides everything; the same seed gives the same bytes.
        size_hw: height and width in pixels.
        background: (H, W, 3) uint8 of that size, to be used as it is (but for the light); None draws one.
        difficulty: `plain` for what a first training set holds, `wide` for what users then send: dim light, several
            people, gaps between arm and body, camouflage, clutter, small figures. See `style.STYLES`.
        camera: False leaves out grain and compression, so that image is the exact composite of its parts.

    Raises:
        ValueError: The background has another size.
    """
    if background is not None and background.shape != (*size_hw, 3):
        raise ValueError(f"background {background.shape} must be (H, W, 3) = {(*size_hw, 3)}")
    rng = np.random.default_rng([seed, size_hw[0], size_hw[1]])
    style = STYLES[difficulty]
    light = draw_light(rng, dim=rng.random() < style.dim, hard=rng.random() < style.hard_light)
    people = _gather(rng, size_hw, style)
    canvas = Canvas(size_hw)
    for person in people:
        _paint_person(canvas, person, light, rng)
    blur_px = float(rng.uniform(0.8, 2.2)) if rng.random() < style.defocus else 0.0
    canvas.soften(blur_px)
    worn = (people[-1].cloth, people[-1].hair)
    backdrop, kind = (background, "given") if background is not None else draw_backdrop(rng, size_hw, style, worn)
    gains = (light.tint[0] * light.gain, light.tint[1] * light.gain, light.tint[2] * light.gain)
    foreground, alpha = canvas.split(gains)
    backdrop = _in_light(backdrop, gains)
    sigma = float(rng.uniform(3.5, 8) if rng.random() < style.noisy else rng.uniform(0.5, 2.2)) if camera else 0.0
    quality = int(rng.integers(60, 90)) if camera and rng.random() < style.noisy else 100
    image = compress(add_grain(expose(foreground, backdrop, alpha), rng, sigma), quality)
    attributes: dict[str, object] = {
        "difficulty": difficulty,
        "backdrop": kind,
        "poses": [person.pose for person in people],
        "cuts": [person.cut for person in people],
        "covers": [person.cover for person in people],
        "gain": light.gain,
        "blur_px": blur_px,
        "noise_sigma": sigma,
        "jpeg_quality": quality,
    }
    return DrawnPortrait(image, foreground, backdrop, alpha, len(people), has_hole(alpha), attributes)


def has_hole(alpha: Alpha) -> bool:
    """Whether people enclose a piece of background of 0.1 % of the picture; its bottom edge counts as person.

    >>> ring = np.zeros((60, 60), np.uint8); ring[10:50, 10:50] = 255; ring[20:40, 20:40] = 0
    >>> has_hole(ring), has_hole(np.zeros((60, 60), np.uint8))
    (True, False)
    """
    half = cv2.resize(alpha, (max(1, alpha.shape[1] // 2), max(1, alpha.shape[0] // 2)), interpolation=cv2.INTER_AREA)
    background = (half < 128).astype(np.uint8)
    framed = cv2.copyMakeBorder(background, 1, 0, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, _, stats, _ = cv2.connectedComponentsWithStats(framed, connectivity=4)
    outside = stats[1:, cv2.CC_STAT_TOP] == 0
    areas = stats[1:, cv2.CC_STAT_AREA]
    return bool(np.any(areas[~outside] >= _HOLE_FRACTION * half.size))


def _gather(rng: np.random.Generator, size_hw: SizeHW, style: Style) -> list[Person]:
    """The people in their places, those behind first."""
    height, width = size_hw
    base = min(width, height * 0.75)
    count = int(rng.choice([2, 3], p=[0.7, 0.3])) if rng.random() < style.several else 1
    people = [draw_person(rng, style) for _ in range(count)]
    if count == 1:
        person = people[0]
        if any(pose == "hip" for pose in person.pose):
            unit = base * rng.uniform(0.088, 0.112)
        elif any(pose != "down" for pose in person.pose):
            unit = base * rng.uniform(0.1, 0.13)
        else:
            unit = base * (rng.uniform(0.06, 0.1) if rng.random() < style.small else rng.uniform(0.13, 0.19))
        x = width * (0.5 + rng.normal(0, 0.05)) if unit > base * 0.11 else width * rng.uniform(0.36, 0.64)
        y = max(unit * rng.uniform(1.85, 2.5), height * rng.uniform(0.26, 0.4))
        return [person.at(float(x), float(y), float(unit))]
    spread = width / count
    placed = []
    for index, person in enumerate(people):
        unit = base * rng.uniform(0.082, 0.112) * (0.78 if person.age == "child" else 1.0)
        x = spread * (index + 0.5) + rng.normal(0, 0.12) * spread
        placed.append(person.at(float(x), float(height * rng.uniform(0.28, 0.42)), float(unit)))
    order = rng.permutation(count)
    return [placed[i] for i in order]


def _paint_person(canvas: Canvas, person: Person, light: Light, rng: np.random.Generator) -> None:
    frame = Frame(person.x, person.y, person.unit_px)
    head = frame.turned(float(np.radians(person.roll_deg)), (0.0, 1.15))
    if "up" in person.pose and rng.random() < 0.45:  # the raised hand goes to the head: a gap beside the ear
        left, right = person.pose
        person = replace(person, pose=("head" if left == "up" else left, "head" if right == "up" else right))
    sitting = Sitting(canvas, person, frame, head, light)
    paint_back_hair(sitting, rng)
    paint_trunk(sitting, rng)
    paint_arms(sitting, rng, front=False)
    paint_head(sitting, rng)
    paint_beard(sitting, rng)
    paint_front_hair(sitting, rng)
    paint_glasses(sitting, rng)
    paint_cover(sitting, rng)
    paint_arms(sitting, rng, front=True)


def _in_light(picture: Image, gains: tuple[float, float, float]) -> Image:
    """Tint and gain on background and foreground alike, before they are composed: the parts stay those of the image."""
    levels = np.arange(256, dtype=np.float32)[:, None] * floats(gains)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table[:, None, :]), np.uint8)
