"""The `[review]` section of a recipe: what the App shows, and where it listens."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReviewRecipe(BaseModel):
    """How cases are reviewed.

    Attributes:
        port: of 127.0.0.1, where the App listens.
        reviewer: who reviews; None is the user's name on this machine.
        dataset: what the dataset is called in FiftyOne; None is `segdata-` and the workspace's name.
        overlay_px: the longer side of the overlays that are drawn; the photographs are shown as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=5151, ge=1024, le=65535)
    reviewer: str | None = Field(default=None, min_length=1, max_length=200)
    dataset: str | None = Field(default=None, min_length=1, max_length=100)
    overlay_px: int = Field(default=640, ge=64, le=4096)
