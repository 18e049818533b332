"""Online fusion: a portrait laid over a new background when it is fetched, by the functions that render composites.

At network size the layers are shrunk once and kept: the portrait's foreground and softened alpha, and each background
with the stretch that the portrait got, so that the frame cuts from it what it would have cut from the photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segdata.catalog.foregrounds import ForegroundCache
from segdata.catalog.pixels import read_image_of, read_pair
from segdata.catalog.workspace import Workspace
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.frame import Aspect, frame_of, resize_to
from segdata.imaging.fusion import FusionPlan, FusionSettings, fuse_pair, plan_fusion, soften_label
from segdata.train.cache import ArrayCache
from segdata.train.resize import shrink_layer

Row = dict[str, Any]
_ASPECT_STEP = 0.05


@dataclass(frozen=True)
class OnlineFusion:
    """Fuses a share of the fetches.

    Attributes:
        workspace: resolves URIs.
        foregrounds: estimated once a portrait and kept in the catalog's files.
        settings: placement and edges: those of `[fuse]`.
        ratio: probability that a fetch is fused.
        backgrounds: rows of `samples` to draw from, each as likely as the next.
        cache: for layers at network size.
        input_hw: network size; None fuses at the photo's own size.
        aspect: whether photos are stretched to it, or keep their aspect ratio.
    """

    workspace: Workspace
    foregrounds: ForegroundCache
    settings: FusionSettings
    ratio: float
    backgrounds: Sequence[Row]
    cache: ArrayCache
    input_hw: tuple[int, int] | None
    aspect: Aspect = "stretch"

    def draw(self, row: Row, rng: np.random.Generator) -> tuple[Row, FusionPlan] | None:
        """Whether this fetch is fused, with which background, and how; only portraits ever are."""
        if row["kind"] != "portrait" or rng.random() >= self.ratio:
            return None
        background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        seed = int(rng.integers(2**31))
        return background, plan_fusion(self.settings, row["sample_id"], background["sample_id"], seed)

    def fuse(self, row: Row, background: Row, plan: FusionPlan) -> tuple[Image, Alpha]:
        """The composite and the alpha that it was blended with.

        Raises:
            PixelError: A file can't be decoded; the message names the sample.
            StorageError: A file can't be read.
        """
        if self.input_hw is None:
            image, alpha = read_pair(self.workspace, row)
            foreground = self.foregrounds.foreground(row, image, alpha)
            return fuse_pair(image, alpha, foreground, read_image_of(self.workspace, background), plan)
        window = frame_of((row["height"], row["width"]), self.input_hw, self.aspect)
        size_hw = (window.height, window.width)
        foreground, soft = self._small_layer(row, size_hw)
        scene = self._small_background(background, row["height"] / row["width"], size_hw)
        # the label was softened at its own size, where its edge's width is given in pixels; copied, since what the
        # cache holds is read-only and the compiled blend takes no such array
        layer, soft_alpha = foreground.copy(), soft.copy()
        return fuse_pair(layer, soft_alpha, layer, scene, replace(plan, settings=_WITHOUT_EDGE))

    def _small_layer(self, row: Row, size_hw: tuple[int, int]) -> tuple[Image, Alpha]:
        def make() -> tuple[Image, Alpha]:
            image, alpha = read_pair(self.workspace, row)
            foreground = self.foregrounds.foreground(row, image, alpha)
            soft = soften_label(alpha, self.settings)
            return shrink_layer(foreground, soft, size_hw), resize_to(soft, size_hw)

        foreground, soft = self.cache.get(("layer", row["sample_id"]), make)
        return foreground, soft

    def _small_background(self, row: Row, aspect: float, size_hw: tuple[int, int]) -> Image:
        """The background, stretched as a portrait of this aspect (height / width) was, just large enough to cover."""
        step = max(1, round(aspect / _ASPECT_STEP))

        def make() -> tuple[Image]:
            background = read_image_of(self.workspace, row)
            return (resize_to(background, stretched_cover_hw(background.shape[:2], step * _ASPECT_STEP, size_hw)),)

        (small,) = self.cache.get(("background", row["sample_id"], step, size_hw), make)
        return small


_WITHOUT_EDGE = FusionSettings(hard_edge="none")


def stretched_cover_hw(size_hw: tuple[int, ...], aspect: float, input_hw: tuple[int, int]) -> tuple[int, int]:
    """How large a background becomes that covers a frame of an aspect, when the frame is stretched to network size.

    >>> stretched_cover_hw((400, 800), aspect=2.0, input_hw=(100, 100))
    (100, 400)
    >>> stretched_cover_hw((900, 100), aspect=1.0, input_hw=(50, 50))
    (450, 50)
    """
    height, width = size_hw
    scale = max(aspect / height, 1 / width)  # of a frame that is `aspect` high and 1 wide
    stretched = height * scale * input_hw[0] / aspect, width * scale * input_hw[1]
    return max(input_hw[0], round(stretched[0])), max(input_hw[1], round(stretched[1]))
