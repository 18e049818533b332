"""`[mine]`: how the pool is scored, which cases are selected, and when a label is suspected."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class TriageRecipe(BaseModel):
    """`[mine.triage]`: when a case counts against its label.

    Attributes:
        suspect_from: a label is suspected from this suspicion on.
        confident_from: the network is sure of a pixel from this |2p - 1| on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suspect_from: float = Field(default=0.5, ge=0, le=1)
    confident_from: float = Field(default=0.8, ge=0, le=1)


class MineRecipe(BaseModel):
    """How hard cases are found.

    Attributes:
        where: selects a case: one boolean SQL expression over the columns of `scores` and `samples`.
        by: a column of numbers; the smallest are the worst, or the largest with a minus before it, as in `-sad`.
        quantile: of what was scored, select the worst share by `by`, and of these only what `where` selects.
        budget: keep so many of the selected, the worst by `by`.
        diverse: spread the budget over failure modes, batches, and what the images are like, instead.
        perceptual: measure the gradient and connectivity errors of soft labels as well.
        runtime: what computes the network: auto, torch or openvino.
        precision: auto, fp32 or bf16.
        batch: images a network call.
        second_opinions: other versions (id, name or folder) or ONNX files; where they agree against a label, that is
            evidence.
        folds: score what the version was trained on as well, by versions trained on the other folds.
        sheet: cases on the contact sheet.
        triage: when a label is suspected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: str = Field(default="miou < 0.8 OR hole_recall < 0.5", min_length=1)
    by: str = Field(default="miou", pattern=r"^-?[a-z_][a-z0-9_]*$")
    quantile: float | None = Field(default=None, gt=0, le=1)
    budget: int | None = Field(default=None, ge=1)
    diverse: bool = False
    perceptual: bool = False
    runtime: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    batch: int = Field(default=8, ge=1, le=1024)
    second_opinions: tuple[str, ...] = ()
    folds: int | None = Field(default=None, ge=2, le=20)
    sheet: int = Field(default=24, ge=0, le=500)
    triage: TriageRecipe = TriageRecipe()

    @field_validator("where")
    @classmethod
    def _without_margins(cls, where: str) -> str:
        stripped = where.strip()
        if not stripped:
            raise ValueError("give one boolean expression, such as miou < 0.8")
        return stripped

    @model_validator(mode="after")
    def _spreads_something(self) -> MineRecipe:
        if self.diverse and self.budget is None:
            raise ValueError("diverse: there is nothing to spread without a budget; give mine.budget too")
        return self
