"""Who is in the picture: drawn by lot before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segdata.drawn.paint import Float, floats
from segdata.drawn.style import Style

RGB = tuple[float, float, float]

_SKINS = floats(
    [
        (248, 217, 198),
        (240, 198, 172),
        (226, 178, 146),
        (203, 150, 114),
        (176, 120, 84),
        (141, 91, 62),
        (104, 66, 46),
        (78, 50, 38),
    ]
)
_HAIRS: tuple[tuple[RGB, float], ...] = (
    ((34, 29, 28), 0.26),
    ((58, 42, 33), 0.22),
    ((92, 64, 45), 0.15),
    ((126, 80, 52), 0.08),
    ((150, 78, 44), 0.06),
    ((198, 160, 104), 0.12),
    ((224, 200, 158), 0.06),
    ((186, 84, 120), 0.025),
    ((70, 100, 150), 0.025),
)
_GREYS: tuple[RGB, ...] = ((128, 126, 124), (172, 170, 168), (222, 220, 216))
_EYES: tuple[RGB, ...] = ((70, 44, 28), (92, 62, 38), (58, 40, 30), (86, 120, 150), (92, 122, 92), (120, 134, 142))
_CUTS = ("crop", "side", "quiff", "buzz", "bald", "bob", "long", "wavy", "curly", "bun", "ponytail")
_CUT_CHANCES = {
    "low": np.array([0.26, 0.24, 0.14, 0.1, 0.08, 0.01, 0.03, 0.04, 0.08, 0.02, 0.0]),
    "high": np.array([0.04, 0.02, 0.01, 0.01, 0.0, 0.17, 0.25, 0.21, 0.12, 0.09, 0.08]),
}
_GARMENTS = ("tee", "shirt", "blazer", "hoodie", "sweater", "turtleneck", "vneck", "dress")
_PATTERNS = ("stripes", "pinstripes", "plaid", "dots", "knit", "diamonds", "checks")


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that is decided about a person; lengths are in half widths of the head.

    Attributes:
        x: the head's centre, in pixels.
        y: the same, downwards.
        unit_px: half the head's width, in pixels.
        roll_deg: the head's lean.
        yaw: how far the head is turned, in radians.
        age: child, adult or old.
        jaw: the lower face's width.
        long: the face's length.
        soft: 0 for brows and lips that are plain, 1 for marked ones (and a narrower build).
        smile: -0.3 to 1.
        skin: colour.
        hair: colour.
        eye: the iris's colour.
        lip: colour.
        cut: one of the haircuts of `hair.py`.
        parting: where hair parts, -0.6 to 0.6.
        beard: none, stubble, full, goatee or moustache.
        glasses: none, thin, round, thick or sun.
        cover: none, cap, beanie, brim, scarf or phones.
        cover_colour: its colour.
        earrings: whether.
        garment: one of the garments of `clothes.py`.
        cloth: its main colour.
        second: the pattern's other colour, or the shirt's under a blazer.
        pattern: a weave, or plain.
        shoulders: half their width.
        pose: of the left and the right arm: down, hip, chin or up.
        sleeves: long, short or none.
    """

    x: float
    y: float
    unit_px: float
    roll_deg: float
    yaw: float
    age: str
    jaw: float
    long: float
    soft: float
    smile: float
    skin: RGB
    hair: RGB
    eye: RGB
    lip: RGB
    cut: str
    parting: float
    beard: str
    glasses: str
    cover: str
    cover_colour: RGB
    earrings: bool
    garment: str
    cloth: RGB
    second: RGB
    pattern: str
    shoulders: float
    pose: tuple[str, str]
    sleeves: str

    def at(self, x: float, y: float, unit_px: float) -> Person:
        """The same person elsewhere, larger or smaller."""
        return replace(self, x=x, y=y, unit_px=unit_px)


def draw_person(rng: np.random.Generator, style: Style) -> Person:
    """Someone, not yet placed."""
    age = str(rng.choice(["child", "adult", "old"], p=[0.1, 0.74, 0.16]))
    soft = float(rng.random() < 0.5) if age != "child" else 0.5
    skin = _skin(rng)
    cut_kind = "high" if (soft > 0.5 or (age == "child" and rng.random() < 0.5)) else "low"
    cover = str(rng.choice(["cap", "beanie", "brim", "scarf", "phones"])) if rng.random() < style.covered else "none"
    if cover == "scarf" and soft < 0.5:
        cover = "beanie"
    cloth, second = _cloth_colours(rng)
    garments = np.array([0.2, 0.17, 0.17, 0.12, 0.12, 0.08, 0.1, 0.04 + 0.12 * soft])
    return Person(
        x=0.0,
        y=0.0,
        unit_px=1.0,
        roll_deg=float(np.clip(rng.normal(0, style.tilt), -24, 24)),
        yaw=float(np.clip(rng.normal(0, 0.24), -0.55, 0.55)),
        age=age,
        jaw=float(rng.normal(1.0 - 0.07 * soft, 0.05)),
        long=float(rng.normal(1.0 if age != "child" else 0.93, 0.04)),
        soft=soft,
        smile=float(np.clip(rng.normal(0.4, 0.35), -0.3, 1)),
        skin=skin,
        hair=_hair(rng, age),
        eye=_EYES[int(rng.integers(len(_EYES)))] if sum(skin) > 440 else _EYES[int(rng.integers(3))],
        lip=_lip(rng, skin, soft if age == "adult" else 0.2),
        cut=str(rng.choice(_CUTS, p=_CUT_CHANCES[cut_kind] / _CUT_CHANCES[cut_kind].sum())),
        parting=float(rng.uniform(-0.55, 0.55)),
        beard=_beard(rng, age, soft),
        glasses=str(rng.choice(["none", "thin", "round", "thick", "sun"], p=[0.66, 0.11, 0.08, 0.1, 0.05])),
        cover=cover,
        cover_colour=_dye(rng),
        earrings=bool(soft > 0.5 and rng.random() < 0.4),
        garment=str(rng.choice(_GARMENTS, p=garments / garments.sum())),
        cloth=cloth,
        second=second,
        pattern=str(rng.choice(_PATTERNS)) if rng.random() < 0.42 else "plain",
        shoulders=float(rng.normal(2.42 - 0.28 * soft, 0.12)) * (0.8 if age == "child" else 1.0),
        pose=_pose(rng, style),
        sleeves=str(rng.choice(["long", "short", "none"], p=[0.6, 0.32, 0.08])),
    )


def _skin(rng: np.random.Generator) -> RGB:
    tone = rng.uniform(0, len(_SKINS) - 1)
    low = int(tone)
    mixed = _SKINS[low] + (tone - low) * (_SKINS[min(low + 1, len(_SKINS) - 1)] - _SKINS[low])
    return _rgb(mixed * rng.normal(1, 0.015, 3))


def _hair(rng: np.random.Generator, age: str) -> RGB:
    if age == "old" and rng.random() < 0.8:
        base = _GREYS[int(rng.integers(len(_GREYS)))]
    else:
        chances = np.array([chance for _, chance in _HAIRS])
        base = _HAIRS[int(rng.choice(len(_HAIRS), p=chances / chances.sum()))][0]
    return _rgb(floats(floats(base) * rng.normal(1, 0.05, 3)))


def _lip(rng: np.random.Generator, skin: RGB, marked: float) -> RGB:
    natural = floats(skin) * floats([0.88, 0.66, 0.64])
    painted = floats([rng.uniform(150, 200), rng.uniform(40, 80), rng.uniform(60, 90)])
    share = marked * rng.uniform(0, 0.8)
    return _rgb(natural * (1 - share) + painted * share)


def _beard(rng: np.random.Generator, age: str, soft: float) -> str:
    if age == "child" or soft > 0.5:
        return "none"
    return str(rng.choice(["none", "stubble", "full", "goatee", "moustache"], p=[0.5, 0.18, 0.18, 0.08, 0.06]))


def _dye(rng: np.random.Generator) -> RGB:
    """A colour that cloth has: muted ones and greys more often than bright ones."""
    hue, kind = rng.uniform(0, 2 * np.pi), rng.random()
    chroma = rng.uniform(0, 12) if kind < 0.35 else rng.uniform(20, 60) if kind < 0.8 else rng.uniform(60, 95)
    value = rng.choice([rng.uniform(30, 75), rng.uniform(75, 160), rng.uniform(170, 240)])
    offsets = np.cos(hue + np.array([0, 2.1, 4.2])) * chroma
    return _rgb(np.clip(value + offsets, 16, 246))


def _cloth_colours(rng: np.random.Generator) -> tuple[RGB, RGB]:
    first, second = floats(_dye(rng)), floats(_dye(rng))
    if abs(float(first.mean() - second.mean())) < 30:
        second = np.clip(second + (55 if first.mean() < 128 else -55), 16, 246)
    return _rgb(first), _rgb(second)


def _pose(rng: np.random.Generator, style: Style) -> tuple[str, str]:
    one, other = ("left", "right") if rng.random() < 0.5 else ("right", "left")
    arms = {"left": "down", "right": "down"}
    if rng.random() < style.arms:
        arms[one] = "hip"
        if rng.random() < 0.5:
            arms[other] = "hip"
    if rng.random() < style.lifted:
        arms[one] = str(rng.choice(["chin", "up"]))
    return arms["left"], arms["right"]


def _rgb(colour: Float) -> RGB:
    red, green, blue = (float(v) for v in np.clip(colour, 0, 255))
    return red, green, blue
