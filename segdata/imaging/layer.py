"""A portrait cut out: the colours of the person alone, and the alpha to lay them with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.edge import feather, is_hard
from segdata.imaging.foreground import ForegroundMethod, estimate_foreground, extend_foreground
from segdata.imaging.refine import refine_edge

HardEdge = Literal["feather", "refine", "none"]


@dataclass(frozen=True, slots=True)
class LayerSettings:
    """How a portrait is cut out: what the recipe decides.

    Attributes:
        foreground: how the foreground's colours are estimated.
        hard_edge: what is done to a label that knows only 0 and 255: `feather` its edge, `refine` it against the
            image, or `none`.
        feather_px: half the width of the feathered band.
        inset_px: how far the contour of such a label is drawn in first, where it is feathered.
        refine_px: half the width of the band in which a refined edge is looked for.
    """

    foreground: ForegroundMethod = "multilevel"
    hard_edge: HardEdge = "feather"
    feather_px: float = 2.0
    inset_px: float = 1.0
    refine_px: float = 8.0

    def decides(self, hard: bool) -> tuple[object, ...]:
        """What of the settings the layer of a label depends on; `hard`: it knows only 0 and 255."""
        if not hard or self.hard_edge == "none":
            return (self.foreground,)
        if self.hard_edge == "refine":
            return (self.foreground, "refine", self.refine_px, self.feather_px)
        return ("observed" if self.foreground == "observed" else "continued", self.feather_px, self.inset_px)


@dataclass(frozen=True, slots=True)
class Layer:
    """A portrait cut out.

    Attributes:
        foreground: (H, W, 3) uint8; means something wherever alpha is above 0.
        alpha: (H, W) uint8; for a composite it is the truth by construction, whatever the label was.
    """

    foreground: Image
    alpha: Alpha


def estimate_layer(image: Image, label: Alpha, settings: LayerSettings | None = None) -> Layer:
    """Cut a portrait out: its edge made soft where the label has none, its colours freed of the old background.

    Args:
        image: (H, W, 3) uint8 sRGB.
        label: (H, W) uint8, as stored.
        settings: how; the defaults where None. A feathered edge has no mixture to solve for: multilevel and
            blur_fusion both continue the inner colours into it there.

    Raises:
        PixelError: Shapes or types do not fit.
    """
    settings = settings or LayerSettings()
    if not is_hard(label) or settings.hard_edge == "none":
        return Layer(estimate_foreground(image, label, settings.foreground), label.copy())
    if settings.hard_edge == "refine":
        alpha = refine_edge(image, label, settings.refine_px, settings.feather_px)
        return Layer(estimate_foreground(image, alpha, settings.foreground), alpha)
    alpha = feather(label, settings.feather_px, settings.inset_px)
    if settings.foreground == "observed":
        return Layer(image.copy(), alpha)
    return Layer(extend_foreground(image, label, alpha), alpha)
