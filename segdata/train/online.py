"""Online fusion: a portrait laid over a new background when it is fetched, by the functions that render composites.

At network size the layers are shrunk once and kept: the portrait's foreground and softened alpha, and each background
with the stretch that the portrait got, so that the frame cuts from it what it would have cut from the photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segdata.catalog.label_statistics import has_empty_label
from segdata.catalog.layers import LayerCache
from segdata.catalog.pixels import read_alpha_of, read_image_of, read_pair
from segdata.catalog.workspace import Workspace
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.frame import Aspect, frame_of, resize_to
from segdata.imaging.fusion import FusionPlan, FusionSettings, fuse_layers, plan_fusion
from segdata.imaging.grouping import Member, fits, plan_group
from segdata.imaging.layer import Layer
from segdata.imaging.placement import Framing, framing_of
from segdata.train.cache import ArrayCache
from segdata.train.resize import shrink_layer

Row = dict[str, Any]
_ASPECT_STEP = 0.05
_TRIES = 12  # portraits looked at for each companion's place before a scene makes do with fewer people


@dataclass(frozen=True)
class Drawn:
    """What a fetch is fused from.

    Attributes:
        portraits: rows of `samples`: the one fetched, then those who stand beside it.
        background: row of `samples`.
        plan: how they are fused.
    """

    portraits: tuple[Row, ...]
    background: Row
    plan: FusionPlan


@dataclass(frozen=True)
class OnlineFusion:
    """Fuses a share of the fetches.

    Attributes:
        workspace: resolves URIs.
        layers: portraits are cut out once each and kept in the catalog's files.
        settings: placement and edges: those of `[fuse]`.
        ratio: probability that a fetch is fused.
        backgrounds: rows of `samples` to draw from, each as likely as the next.
        cache: for layers at network size.
        input_hw: network size; None fuses at the photo's own size.
        companions: rows of `samples` to draw those from who stand beside a portrait.
        people: the fewest and the most people of a fused fetch.
        aspect: whether photos are stretched to network size, or keep their aspect ratio.
    """

    workspace: Workspace
    layers: LayerCache
    settings: FusionSettings
    ratio: float
    backgrounds: Sequence[Row]
    cache: ArrayCache
    input_hw: tuple[int, int] | None
    companions: Sequence[Row] = ()
    people: tuple[int, int] = (1, 1)
    aspect: Aspect = "stretch"
    _framings: dict[str, Framing] = field(default_factory=dict)

    def draw(self, row: Row, rng: np.random.Generator) -> Drawn | None:
        """Whether this fetch is fused, with whom, before which background, and how.

        Only portraits are fused, and none whose label is empty.
        """
        if row["kind"] != "portrait" or has_empty_label(row.get("foreground_fraction")) or rng.random() >= self.ratio:
            return None
        background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        seed = int(rng.integers(2**31))
        group = self._group(row, rng)
        if len(group) == 1:
            return Drawn(
                (row,), background, plan_fusion(self.settings, row["sample_id"], background["sample_id"], seed)
            )
        plan = plan_group(self.settings, [self._member(one) for one in group], background["sample_id"], seed)
        return Drawn(tuple(group), background, plan)

    def fuse(self, drawn: Drawn) -> tuple[Image, Alpha]:
        """The composite and its alpha.

        Raises:
            PixelError: A file can't be decoded; the message names the sample.
            StorageError: A file can't be read.
        """
        by_id = {row["sample_id"]: row for row in drawn.portraits}
        in_depth = [by_id[placed.portrait_id] for placed in drawn.plan.portraits]
        if self.input_hw is None:
            background = read_image_of(self.workspace, drawn.background)
            return fuse_layers([self._layer(row) for row in in_depth], background, drawn.plan)
        first = drawn.portraits[0]
        height, width = drawn.plan.frame_hw or (first["height"], first["width"])
        window = frame_of((height, width), self.input_hw, self.aspect)
        size_hw = (window.height, window.width)
        scene = small_background(self.workspace, self.cache, drawn.background, height / width, size_hw)
        layers = [self._small_layer(row, size_hw) for row in in_depth]
        return fuse_layers(layers, scene, drawn.plan, size_hw)

    def _group(self, row: Row, rng: np.random.Generator) -> list[Row]:
        """The portrait and those who stand beside it: fewer than drawn where nobody fits."""
        low, high = self.people
        wanted = int(rng.integers(low, high + 1)) if high > 1 else 1
        group = [row]
        for _ in range(_TRIES * (wanted - 1)):
            if len(group) == wanted:
                break
            other = self.companions[int(rng.integers(len(self.companions)))]
            strange = all(
                other["sample_id"] != one["sample_id"]
                and (other["group_id"] is None or other["group_id"] != one["group_id"])
                for one in group
            )
            if strange and fits([self._member(one) for one in group], self._member(other)):
                group.append(other)
        return group

    def _member(self, row: Row) -> Member:
        sample_id = row["sample_id"]
        framing = self._framings.get(sample_id)
        if framing is None:
            framing = self._framings[sample_id] = framing_of(read_alpha_of(self.workspace, row))
        return Member(sample_id, (row["height"], row["width"]), framing)

    def _layer(self, row: Row) -> Layer:
        return self.layers.layer(row, *read_pair(self.workspace, row))

    def _small_layer(self, row: Row, size_hw: tuple[int, int]) -> Layer:
        # cut out at its own size, where its edge's width is given in pixels
        def make() -> tuple[Image, Alpha]:
            layer = self._layer(row)
            return shrink_layer(layer.foreground, layer.alpha, size_hw), resize_to(layer.alpha, size_hw)

        return Layer(*self.cache.get(("layer", row["sample_id"], size_hw), make))


def small_background(
    workspace: Workspace, cache: ArrayCache, row: Row, aspect: float, size_hw: tuple[int, int]
) -> Image:
    """A background, stretched as a portrait of this aspect (height / width) was, just large enough to cover size_hw.

    Raises:
        PixelError: The file can't be decoded; the message names the sample.
        StorageError: The file can't be read.
    """
    step = max(1, round(aspect / _ASPECT_STEP))

    def make() -> tuple[Image]:
        background = read_image_of(workspace, row)
        return (resize_to(background, stretched_cover_hw(background.shape[:2], step * _ASPECT_STEP, size_hw)),)

    (small,) = cache.get(("background", row["sample_id"], step, size_hw), make)
    return small


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
