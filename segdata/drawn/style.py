"""How often portraits are hard, and in which ways: what tells a training set from a pool to mine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Difficulty = Literal["plain", "wide"]


@dataclass(frozen=True, slots=True)
class Style:
    """Chances, each in [0, 1], of what makes a portrait hard.

    Attributes:
        several: more than one person.
        arms: an arm on a hip, or both: most of these leave a hole between arm and body.
        lifted: a hand at the head, or an arm raised.
        dim: little light.
        hard_light: deep shadows.
        camouflage: a background in the colours of the clothes or the hair.
        small: the person takes little of the picture.
        clutter: a whole scene, sharp or nearly, behind the person, instead of a calm backdrop.
        covered: a hat, a scarf, or headphones.
        defocus: the person itself is not quite sharp.
        noisy: a camera at its limits.
        tilt: the head's lean, standard deviation in degrees.
    """

    several: float
    arms: float
    lifted: float
    dim: float
    hard_light: float
    camouflage: float
    small: float
    clutter: float
    covered: float
    defocus: float
    noisy: float
    tilt: float


STYLES: dict[Difficulty, Style] = {
    "plain": Style(
        several=0.02,
        arms=0.04,
        lifted=0.01,
        dim=0.02,
        hard_light=0.1,
        camouflage=0.03,
        small=0.04,
        clutter=0.2,
        covered=0.1,
        defocus=0.05,
        noisy=0.1,
        tilt=4.0,
    ),
    "wide": Style(
        several=0.28,
        arms=0.3,
        lifted=0.14,
        dim=0.22,
        hard_light=0.35,
        camouflage=0.22,
        small=0.22,
        clutter=0.55,
        covered=0.3,
        defocus=0.18,
        noisy=0.35,
        tilt=10.0,
    ),
}
"""`plain` is what a first training set tends to hold, `wide` what users then send."""
