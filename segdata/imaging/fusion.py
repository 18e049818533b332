"""Fusing one portrait with one background: the functions that rendered and online fusion both call.

    settings --plan_fusion--> plan            who, with what, where: pure draws, no pixels
    image, label, plan --fuse_pair--> image, alpha

A plan speaks in fractions, so that it holds at every size: a training at 224 pixels fuses the same picture as the
renderer. The alpha that comes back is the one that was blended with, feathered and placed: for a composite it is the
truth by construction, whatever the label was.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from segdata.errors import DataError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.composite import composite_over
from segdata.imaging.edge import feather, is_hard
from segdata.imaging.foreground import ForegroundMethod, estimate_foreground, extend_foreground
from segdata.imaging.placement import cover, place

Placement = Literal["own", "jitter"]
HardEdge = Literal["feather", "none"]


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How pairs are fused: what the recipe decides.

    Attributes:
        foreground: how the foreground's colours are estimated.
        placement: `own` leaves the portrait where it is; `jitter` scales and shifts it, on the bottom edge.
        scale_min: smallest scale of a jitter.
        scale_max: largest scale of a jitter.
        shift_x_max: furthest shift of a jitter to either side, as a fraction of the width.
        hard_edge: what is done to a label that knows only 0 and 255: `feather` its edge, or `none`.
        feather_px: half the width of the feathered band.
        inset_px: how far the contour of such a label is drawn in first.
    """

    foreground: ForegroundMethod = "multilevel"
    placement: Placement = "own"
    scale_min: float = 0.7
    scale_max: float = 1.2
    shift_x_max: float = 0.15
    hard_edge: HardEdge = "feather"
    feather_px: float = 2.0
    inset_px: float = 1.0


@dataclass(frozen=True, slots=True)
class FusionPlan:
    """One composite, decided: everything that its pixels depend on besides those of its parents.

    Attributes:
        portrait_id: sample_id of the portrait.
        background_id: sample_id of the background.
        settings: how the pair is fused.
        crop_x: where a background that is too wide is cut: 0 keeps the left, 1 the right.
        crop_y: where one that is too high is cut: 0 keeps the top, 1 the bottom.
        scale: the portrait's scale; 1 is its own.
        shift_x: its shift to the right, as a fraction of the width.
    """

    portrait_id: str
    background_id: str
    settings: FusionSettings = FusionSettings()
    crop_x: float = 0.5
    crop_y: float = 0.5
    scale: float = 1.0
    shift_x: float = 0.0

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
            fields = json.loads(text)
            return FusionPlan(**{**fields, "settings": FusionSettings(**fields["settings"])})
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"fusion plan {text[:80]!r}: {error}; render the composite again") from error


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
    crop_x, crop_y = round(drawn["crop_x"], 6), round(drawn["crop_y"], 6)
    if settings.placement == "own":
        return FusionPlan(portrait_id, background_id, settings, crop_x, crop_y)
    scale = settings.scale_min + (settings.scale_max - settings.scale_min) * drawn["scale"]
    shift_x = settings.shift_x_max * (2 * drawn["shift_x"] - 1)
    return FusionPlan(portrait_id, background_id, settings, crop_x, crop_y, round(scale, 6), round(shift_x, 6))


def fuse_pair(
    image: Image, alpha: Alpha, foreground: Image | None, background: Image, plan: FusionPlan
) -> tuple[Image, Alpha]:
    """Lay a portrait over a background as planned.

    Args:
        image: (H, W, 3) uint8, the portrait.
        alpha: (H, W) uint8, its label.
        foreground: what `estimate_layer` said for these and `plan.settings`; None estimates it now.
        background: (h, w, 3) uint8, of any size: it is cropped to cover.
        plan: from `plan_fusion`.

    Returns:
        The composite (H, W, 3) uint8 and the alpha (H, W) uint8 that it was blended with; new arrays.

    Raises:
        PixelError: Shapes or types do not fit.
    """
    if foreground is None:
        foreground = estimate_layer(image, alpha, plan.settings)
    soft = soften_label(alpha, plan.settings)
    if (plan.scale, plan.shift_x) != (1.0, 0.0):
        foreground, soft = place(foreground, soft, plan.scale, plan.shift_x)
    scene = cover(background, (soft.shape[0], soft.shape[1]), plan.crop_x, plan.crop_y)
    return composite_over(foreground, scene, soft), soft


def soften_label(alpha: Alpha, settings: FusionSettings) -> Alpha:
    """The alpha to blend with: a hard label's edge drawn in and feathered, a soft label as it is; a new array."""
    if settings.hard_edge == "feather" and is_hard(alpha):
        return feather(alpha, settings.feather_px, settings.inset_px)
    return alpha.copy()


def estimate_layer(image: Image, alpha: Alpha, settings: FusionSettings) -> Image:
    """The foreground to blend: estimated within a soft label's band, continued into a hard one's feathered edge.

    Args:
        image: (H, W, 3) uint8.
        alpha: (H, W) uint8, the label as stored, not softened.
        settings: `foreground` = observed leaves the image as it is; a hard label has no mixture to solve for, so
            that multilevel and blur_fusion do the same there.
    """
    if settings.foreground != "observed" and settings.hard_edge == "feather" and is_hard(alpha):
        return extend_foreground(image, alpha, soften_label(alpha, settings))
    return estimate_foreground(image, alpha, settings.foreground)


def unit_draw(seed: int, *words: str) -> float:
    """A number in [0, 1) that the seed and the words decide, on every machine and in every order of calls.

    >>> unit_draw(0, "portrait2000/training/00001") == unit_draw(0, "portrait2000/training/00001")
    True
    """
    digest = hashlib.sha256("\0".join((str(seed), *words)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
