"""What the tests of imaging share: drawn portraits, and where their heads are by the geometry they were drawn with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from segdata.drawn import portrait
from segdata.drawn.face import outline
from segdata.drawn.frame import Frame
from segdata.drawn.light import draw_light
from segdata.imaging.arrays import Alpha, Image
from segdata.records import LABEL_CUT


@dataclass(frozen=True)
class DrawnHead:
    """A plain portrait of one person, and its true head: the chin of the skull, the crown of the silhouette."""

    image: Image
    alpha: Alpha
    foreground: Image
    crown_y: float
    chin_y: float
    centre_x: float


@pytest.fixture(scope="session")
def draw_head() -> Callable[[int], DrawnHead]:
    """Draws the portrait of a seed with its head."""
    return _draw_head


def _draw_head(seed: int) -> DrawnHead:
    """The portrait of a seed, 800 x 600; the draws of `draw_portrait` up to the person are repeated."""
    drawn = portrait.draw_portrait(seed)
    rng = np.random.default_rng([seed, 800, 600])
    style = portrait.STYLES["plain"]
    draw_light(rng, dim=rng.random() < style.dim, hard=rng.random() < style.hard_light)
    (person,) = portrait._gather(rng, (800, 600), style)
    head = Frame(person.x, person.y, person.unit_px).turned(float(np.radians(person.roll_deg)), (0.0, 1.15))
    skull = head.px(outline(person))
    middle = float(skull[:, 0].mean())
    columns = drawn.alpha[:, round(middle - person.unit_px / 2) : round(middle + person.unit_px / 2)]
    crown = int(np.argmax((columns >= LABEL_CUT).any(axis=1)))
    return DrawnHead(drawn.image, drawn.alpha, drawn.foreground, float(crown), float(skull[:, 1].max()), middle)
