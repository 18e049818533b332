"""Fusing portraits with a background: the functions that rendered and online fusion both call.

    settings --plan_fusion, plan_group--> plan        who, with what, where: pure draws, no pixels
    image, label --estimate_layer--> layer            cut out once, kept in the catalog
    layers, background, plan --fuse_layers--> image, alpha

A plan speaks in fractions, so that it holds at every size: a training at 224 pixels fuses the same picture as the
renderer. The alpha that comes back is the one that was blended with, softened and placed: for a composite it is the
truth by construction, whatever the label was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from segdata.errors import DataError, PixelError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.composite import composite_over
from segdata.imaging.layer import Layer, LayerSettings
from segdata.imaging.placement import Standing, cover, framing_of, narrow, place

Placement = Literal["original", "jitter"]


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How portraits are fused: what the recipe decides.

    Attributes:
        layer: how they are cut out.
        placement: `original` leaves the portrait where it is; `jitter` scales and shifts it, on the bottom edge.
        scale_min: smallest scale of a jitter.
        scale_max: largest scale of a jitter.
        shift_x_max: furthest shift of a jitter to either side, as a fraction of the width.
    """

    layer: LayerSettings = field(default_factory=LayerSettings)
    placement: Placement = "original"
    scale_min: float = 0.7
    scale_max: float = 1.2
    shift_x_max: float = 0.15


@dataclass(frozen=True, slots=True)
class Placed:
    """A portrait of a composite.

    Attributes:
        portrait_id: its sample_id.
        standing: where it stands.
    """

    portrait_id: str
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class FusionPlan:
    """One composite, decided: everything that its pixels depend on besides those of its parents.

    Attributes:
        portraits: from the furthest to the nearest: each one covers those before it.
        background_id: sample_id of the background.
        settings: how they are fused.
        crop_x: where a background that is too wide is cut: 0 keeps the left, 1 the right.
        crop_y: where one that is too high is cut: 0 keeps the top, 1 the bottom.
        frame_hw: height and width in pixels; None is the only portrait's own.
    """

    portraits: tuple[Placed, ...]
    background_id: str
    settings: FusionSettings = FusionSettings()
    crop_x: float = 0.5
    crop_y: float = 0.5
    frame_hw: tuple[int, int] | None = None

    def to_json(self) -> str:
        """The plan as one line of JSON, keys sorted: equal plans, equal strings."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> FusionPlan:
        """The plan that `to_json` wrote.

        Raises:
            DataError: It is no such plan.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            portraits = tuple(Placed(one["portrait_id"], Standing(**one["standing"])) for one in fields["portraits"])
            settings = {**fields["settings"], "layer": LayerSettings(**fields["settings"]["layer"])}
            frame = None if fields["frame_hw"] is None else (fields["frame_hw"][0], fields["frame_hw"][1])
            given = {"portraits": portraits, "settings": FusionSettings(**settings), "frame_hw": frame}
            return FusionPlan(**{**fields, **given})
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise DataError(f"fusion plan {text[:80]!r}: {error!r}; render the composite again") from error


def plan_fusion(settings: FusionSettings, portrait_id: str, background_id: str, seed: int) -> FusionPlan:
    """Draw where the background is cut and the portrait is put.

    Args:
        settings: decides the ranges.
        portrait_id: sample_id of the portrait.
        background_id: sample_id of the background.
        seed: with the two ids it decides the draws; online fusion passes one per epoch and sample.
    """
    drawn = {
        name: unit_draw(seed, name, portrait_id, background_id) for name in ("crop_x", "crop_y", "scale", "shift_x")
    }
    standing = Standing()
    if settings.placement == "jitter":
        scale = round(settings.scale_min + (settings.scale_max - settings.scale_min) * drawn["scale"], 6)
        shift_x = round(settings.shift_x_max * (2 * drawn["shift_x"] - 1), 6)
        standing = Standing(scale, scale, round(0.5 + shift_x, 6))
    crop_x, crop_y = round(drawn["crop_x"], 6), round(drawn["crop_y"], 6)
    return FusionPlan((Placed(portrait_id, standing),), background_id, settings, crop_x, crop_y)


def fuse_layers(
    layers: Sequence[Layer], background: Image, plan: FusionPlan, size_hw: tuple[int, int] | None = None
) -> tuple[Image, Alpha]:
    """Lay portraits over a background as planned: the furthest first, each one over what is there already.

    Args:
        layers: one for each of `plan.portraits`, in their order.
        background: (h, w, 3) uint8, of any size: it is cropped to cover.
        plan: from `plan_fusion` or `plan_group`.
        size_hw: of the composite; by default the plan's frame, or else the only portrait's.

    Returns:
        The composite (H, W, 3) uint8 and its alpha (H, W) uint8: of one portrait the one that it was blended with, of
        several their union 1 - Π(1 - αᵢ); new arrays.

    Raises:
        PixelError: Shapes or types do not fit, or there are not as many layers as portraits.
    """
    if not layers or len(layers) != len(plan.portraits):
        raise PixelError(f"fuse: {len(layers)} layers for a plan of {len(plan.portraits)} portraits")
    own = layers[0].alpha.shape
    height, width = size_hw or plan.frame_hw or (own[0], own[1])
    composite = cover(background, (height, width), plan.crop_x, plan.crop_y)
    union: Alpha | None = None
    for layer, placed in zip(layers, plan.portraits, strict=True):
        foreground, alpha = layer.foreground, layer.alpha
        if placed.standing != Standing() or alpha.shape != (height, width):
            # A group was planned by what its portraits' frames cut; a single portrait's place is only a wish.
            single = len(layers) == 1
            standing = narrow(framing_of(alpha), placed.standing) if single else placed.standing
            foreground, alpha = place(foreground, alpha, standing, (height, width))
        composite = composite_over(foreground, composite, alpha)
        union = alpha.copy() if union is None else unite(union, alpha)
    assert union is not None  # there is at least one layer
    return composite, union


def unite(alpha: Alpha, other: Alpha) -> Alpha:
    """How much of each pixel two layers cover together: 1 - (1 - α)(1 - β), rounded to nearest.

    >>> unite(np.uint8([[0, 128, 255]]), np.uint8([[0, 128, 7]])).tolist()
    [[0, 192, 255]]
    """
    seen_through = (255 - alpha).astype(np.uint32) * (255 - other)
    united: Alpha = (255 - (2 * seen_through + 255) // 510).astype(np.uint8)
    return united


def unit_draw(seed: int, *words: str) -> float:
    """A number in [0, 1) that the seed and the words decide, on every machine and in every order of calls.

    >>> unit_draw(0, "portrait2000/training/00001") == unit_draw(0, "portrait2000/training/00001")
    True
    """
    digest = hashlib.sha256("\0".join((str(seed), *words)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
