"""Photos without a person among what a training sees, cut as fusion cuts its backgrounds: only the person is missing.

Shown as they are, stretched from landscape to the frame of a portrait, they would differ from all portraits in more
than the person: a network learns to tell the two apart by the stretch, and sees nobody in any such photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.catalog.pixels import read_image_of
from segdata.catalog.workspace import Workspace
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.frame import Aspect, frame_of
from segdata.imaging.placement import cover
from segdata.train.cache import ArrayCache
from segdata.train.online import small_background

Row = dict[str, Any]


@dataclass(frozen=True)
class Cut:
    """A background, and where it is cut if it is too wide or too high: 0 keeps left or top, 1 right or bottom."""

    background: Row
    crop_x: float
    crop_y: float


@dataclass(frozen=True)
class Negatives:
    """Backgrounds in the place of a share of the fetches.

    Attributes:
        workspace: resolves URIs.
        backgrounds: rows of `samples` to draw from, each as likely as the next.
        share: probability that a fetch is one of them.
        cache: for backgrounds at network size, which online fusion uses as well.
        input_hw: network size; None cuts at the photo's own size.
        aspect: whether photos are stretched to network size, or keep their aspect ratio.
    """

    workspace: Workspace
    backgrounds: Sequence[Row]
    share: float
    cache: ArrayCache
    input_hw: tuple[int, int] | None
    aspect: Aspect = "stretch"

    def draw(self, rng: np.random.Generator) -> Cut | None:
        """Whether this fetch is a photo without a person, and which part of which."""
        if rng.random() >= self.share:
            return None
        background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        return Cut(background, float(rng.random()), float(rng.random()))

    def pair(self, cut: Cut, instead: Row) -> tuple[Image, Alpha]:
        """The photo in the frame of the portrait that it stands for, and its alpha: 0 all over.

        Args:
            cut: from `draw`.
            instead: the portrait's row.

        Raises:
            PixelError: The file can't be decoded; the message names the sample.
            StorageError: The file can't be read.
        """
        height, width = instead["height"], instead["width"]
        if self.input_hw is None:
            photo, size_hw = read_image_of(self.workspace, cut.background), (height, width)
        else:
            window = frame_of((height, width), self.input_hw, self.aspect)
            size_hw = window.height, window.width
            photo = small_background(self.workspace, self.cache, cut.background, height / width, size_hw)
        return cover(photo, size_hw, cut.crop_x, cut.crop_y), np.zeros(size_hw, np.uint8)
