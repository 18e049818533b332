"""`[fuse]`: which portraits get a new background, and how they are laid over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

if TYPE_CHECKING:
    from segdata.imaging.fusion import FusionSettings

PEOPLE_MAX = 4


class FuseRecipe(BaseModel):
    """How composites are made.

    Attributes:
        ratio: the share of the training portraits that gets composites; online fusion fuses a fetch so often.
        composites: how many each chosen portrait gets.
        people: how many portraits stand in a composite: `1`, or a range such as `2..4`, drawn for each.
        prefer: `holes` chooses portraits with holes first: the new background shows through the gap.
        foreground: how the foreground's colours are estimated: `multilevel`, `blur_fusion`, or `observed` (as
            photographed, halo and all: for comparison).
        placement: of a single portrait: `original`, or `jitter`: scaled and shifted, on the frame's bottom edge.
        scale_min: smallest scale of a jitter.
        scale_max: largest scale of a jitter.
        shift_x_max: furthest shift of a jitter to either side, as a fraction of the width.
        hard_edge: what is done to labels that know only 0 and 255: `feather` their edge, `refine` it against the
            image, or `none`.
        feather_px: half the width of that feathered band.
        inset_px: how far the contour of such labels is drawn in first, where it is feathered.
        refine_px: half the width of the band in which a refined edge is looked for.
        veto: backgrounds in which a trained version sees a person with this probability are not used; 0 is off.
        presence: the share of person-free backgrounds that may be lost so that those with people are found by what
            the photos themselves teach; 0 is off.
        quality: of the JPEG files, always with full colour resolution (4:4:4).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratio: float = Field(default=0.3, ge=0, le=1)
    composites: int = Field(default=1, ge=1, le=1000)
    people: str = Field(default="1")
    prefer: Literal["any", "holes"] = "any"
    foreground: Literal["multilevel", "blur_fusion", "observed"] = "multilevel"
    placement: Literal["original", "jitter"] = "original"
    scale_min: float = Field(default=0.7, ge=0.1, le=4)
    scale_max: float = Field(default=1.2, ge=0.1, le=4)
    shift_x_max: float = Field(default=0.15, ge=0, le=0.5)
    hard_edge: Literal["feather", "refine", "none"] = "feather"
    feather_px: float = Field(default=2.0, ge=0, le=20)
    inset_px: float = Field(default=1.0, ge=0, le=20)
    refine_px: float = Field(default=8.0, ge=1, le=64)
    veto: float = Field(default=0.9, ge=0, le=1)
    presence: float = Field(default=0.02, ge=0, le=0.2)
    quality: int = Field(default=95, ge=50, le=100)

    @field_validator("people", mode="before")
    @classmethod
    def _people_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("people")
    @classmethod
    def _people_in_range(cls, value: str) -> str:
        numbers = value.split("..")
        if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
            raise ValueError("write it as 1, 2 or 2..4")
        if not 1 <= int(numbers[0]) <= int(numbers[-1]) <= PEOPLE_MAX:
            raise ValueError(f"from 1 to {PEOPLE_MAX} people, the smaller number first")
        return value

    @model_validator(mode="after")
    def _scales_in_order(self) -> FuseRecipe:
        if self.scale_min > self.scale_max:
            raise ValueError(f"scale_min ({self.scale_min}) must not be above scale_max ({self.scale_max})")
        return self

    @property
    def people_range(self) -> tuple[int, int]:
        """The fewest and the most people of a composite.

        >>> FuseRecipe(people="2..4").people_range, FuseRecipe(people="3").people_range
        ((2, 4), (3, 3))
        """
        numbers = self.people.split("..")
        return int(numbers[0]), int(numbers[-1])

    def settings(self) -> FusionSettings:
        """What of it concerns the pixels, for rendering and for online fusion alike."""
        from segdata.imaging.fusion import FusionSettings
        from segdata.imaging.layer import LayerSettings

        return FusionSettings(
            layer=LayerSettings(
                foreground=self.foreground,
                hard_edge=self.hard_edge,
                feather_px=self.feather_px,
                inset_px=self.inset_px,
                refine_px=self.refine_px,
            ),
            placement=self.placement,
            scale_min=self.scale_min,
            scale_max=self.scale_max,
            shift_x_max=self.shift_x_max,
        )
