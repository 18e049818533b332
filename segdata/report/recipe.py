"""The `[report]` section of a recipe: how much the page shows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReportRecipe(BaseModel):
    """What the page shows, and how large.

    Attributes:
        gallery: hard cases shown, worst first.
        suspects: suspect labels shown, the most suspicious first.
        holes: samples of the pool shown whose gaps were filled, the worst first.
        leaks: samples shown that show a held-out photograph; 0 does not look for any.
        rejects: rejected files listed.
        changes: test images shown that improved most, and as many that worsened most.
        composites: composites shown, spread over all of them.
        vetoed: backgrounds shown that are kept out of fusion since somebody is in them, the surest first.
        runs: newest runs listed.
        thumbnail_px: the longer side of a picture; pictures shrink further where many must fit.
        page_megabytes: the pictures share this much of the page, so that it can be mailed.
        selection: the selection to show; None is the newest.
        histogram: the scale of its counts; auto takes log where one bar would hide the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gallery: int = Field(default=24, ge=0, le=1000)
    suspects: int = Field(default=12, ge=0, le=1000)
    holes: int = Field(default=8, ge=0, le=1000)
    leaks: int = Field(default=8, ge=0, le=200)
    rejects: int = Field(default=100, ge=0, le=10_000)
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
        shelves = ("gallery", "suspects", "holes", "leaks", "changes", "composites", "vetoed")
        return self.model_copy(update={shelf: min(limit, getattr(self, shelf)) for shelf in shelves})

    def for_review(self, selection: str) -> ReportRecipe:
        """The same, with a whole selection to judge: up to 1,000 cases, and room for their pictures.

        >>> ReportRecipe().for_review("hard-1").gallery
        1000
        """
        room = max(self.page_megabytes, 50.0)
        asked = {"selection": selection, "gallery": 1000, "suspects": 1000, "page_megabytes": room}
        return self.model_copy(update=asked)
