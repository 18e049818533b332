"""`[fuse]`: which portraits get a new background, and how they are laid over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from segdata.imaging.fusion import FusionSettings


class FuseRecipe(BaseModel):
    """How composites are made.

    Attributes:
        ratio: the share of the training portraits that gets composites; online fusion fuses a fetch so often.
        composites: how many each chosen portrait gets.
        prefer: `holes` chooses portraits with holes first: the new background shows through the gap.
        foreground: how the foreground's colours are estimated: `multilevel`, `blur_fusion`, or `observed` (as
            photographed, halo and all: for comparison).
        placement: `own`, or `jitter`: scaled and shifted, on the frame's bottom edge.
        scale_min: smallest scale of a jitter.
        scale_max: largest scale of a jitter.
        shift_x_max: furthest shift of a jitter to either side, as a fraction of the width.
        hard_edge: what is done to labels that know only 0 and 255: `feather` their edge, or `none`.
        feather_px: half the width of that feathered band.
        inset_px: how far the contour of such labels is drawn in first, off the old background.
        quality: of the JPEG files, always with full colour resolution (4:4:4).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratio: float = Field(default=0.3, ge=0, le=1)
    composites: int = Field(default=1, ge=1, le=1000)
    prefer: Literal["any", "holes"] = "any"
    foreground: Literal["multilevel", "blur_fusion", "observed"] = "multilevel"
    placement: Literal["own", "jitter"] = "own"
    scale_min: float = Field(default=0.7, ge=0.1, le=4)
    scale_max: float = Field(default=1.2, ge=0.1, le=4)
    shift_x_max: float = Field(default=0.15, ge=0, le=0.5)
    hard_edge: Literal["feather", "none"] = "feather"
    feather_px: float = Field(default=2.0, ge=0, le=20)
    inset_px: float = Field(default=1.0, ge=0, le=20)
    quality: int = Field(default=95, ge=50, le=100)

    @model_validator(mode="after")
    def _scales_in_order(self) -> FuseRecipe:
        if self.scale_min > self.scale_max:
            raise ValueError(f"scale_min ({self.scale_min}) must not be above scale_max ({self.scale_max})")
        return self

    def settings(self) -> FusionSettings:
        """What of it concerns a pair, for rendering and for online fusion alike."""
        from segdata.imaging.fusion import FusionSettings

        return FusionSettings(
            foreground=self.foreground,
            placement=self.placement,
            scale_min=self.scale_min,
            scale_max=self.scale_max,
            shift_x_max=self.shift_x_max,
            hard_edge=self.hard_edge,
            feather_px=self.feather_px,
            inset_px=self.inset_px,
        )
