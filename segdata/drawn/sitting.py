"""Who sits where, in which light, on which canvas: what every painter of a person needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from segdata.drawn.frame import Frame
from segdata.drawn.light import Light
from segdata.drawn.paint import Canvas, Float, floats
from segdata.drawn.person import Person


@dataclass(frozen=True, slots=True)
class Sitting:
    """A person before the canvas.

    Attributes:
        canvas: painted on.
        person: who.
        frame: the body's coordinates.
        head: the head's, leaning.
        light: falls on all.
    """

    canvas: Canvas
    person: Person
    frame: Frame
    head: Frame
    light: Light

    def on_face(self, points: ArrayLike) -> Float:
        """Points of the face as seen from the front (..., 2), turned with the head, in pixels.

        The face is taken for a cylinder: x = sin φ, and turning the head adds its yaw to φ.
        """
        local = np.array(points, np.float32)
        angle = np.arcsin(np.clip(local[..., 0] / 1.15, -0.98, 0.98)) + floats(self.person.yaw)
        local[..., 0] = 1.15 * np.sin(angle)
        local[..., 1] *= floats(self.person.long)
        return self.head.px(local)
