"""The `[report]` section of a recipe: how much the page shows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReportRecipe(BaseModel):
    """What the page shows, and how large.

    Attributes:
        gallery: hard cases shown, worst first.
        suspects: suspect labels shown, the most suspicious first.
        changes: test images shown that improved most, and as many that worsened most.
        composites: composites shown, spread over all of them.
        vetoed: backgrounds shown that a version kept out of fusion, the surest first.
        runs: newest runs listed.
        thumbnail_px: the longer side of a picture; pictures shrink further where many must fit.
        page_megabytes: the pictures share this much of the page, so that it can be mailed.
        selection: the selection to show; None is the newest.
        histogram: the scale of its counts; auto takes log where one bar would hide the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gallery: int = Field(default=24, ge=0, le=1000)
    suspects: int = Field(default=12, ge=0, le=1000)
    changes: int = Field(default=6, ge=0, le=200)
    composites: int = Field(default=12, ge=0, le=200)
    vetoed: int = Field(default=12, ge=0, le=200)
    runs: int = Field(default=20, ge=0, le=1000)
    thumbnail_px: int = Field(default=360, ge=48, le=1600)
    page_megabytes: float = Field(default=5.0, gt=0.2, le=200.0)
    selection: str | None = None
    histogram: Literal["auto", "linear", "log"] = "auto"

    def limited(self, limit: int | None) -> ReportRecipe:
        """The same with no gallery longer than a limit.

        >>> ReportRecipe().limited(3).gallery
        3
        """
        if limit is None:
            return self
        shelves = ("gallery", "suspects", "changes", "composites", "vetoed")
        return self.model_copy(update={shelf: min(limit, getattr(self, shelf)) for shelf in shelves})
