"""What mining was worth against its control, as the newest version that was held against one tells. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.report.text import finite, json_object

Row = dict[str, Any]

_COLUMNS = {
    "miou_image": "mIoU, images",
    "miou_dataset": "mIoU, pixels",
    "boundary_iou": "boundary IoU",
    "hole_recall": "hole recall",
}
_METRICS = {"miou": "mIoU", "boundary_iou": "boundary IoU", "hole_recall": "hole recall"}
_ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class Side:
    """An arm: its trainings, and the means of their test metrics in the order of `Proof.columns`."""

    name: str
    versions: int
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Gap:
    """Mined minus control on a slice, with its interval in per cent of the widest one shown: for a bar.

    Attributes:
        differs: whether it is more than luck, and there are seeds enough to say so.
        left, width, nought, dot: of the bar, its interval, zero and the mean; shares of the width in per cent.
    """

    slice: str
    metric: str
    images: int
    mean: float
    low: float
    high: float
    differs: bool
    left: float
    width: float
    nought: float
    dot: float


@dataclass(frozen=True)
class Proof:
    """The comparison of a version with its control.

    Attributes:
        name: the version's.
        columns: of the arms' values.
        sides: old, mined, control.
        gaps: slice by slice.
        seeds: trainings an arm.
        claim: the sentence.
    """

    name: str
    columns: tuple[str, ...]
    sides: tuple[Side, ...]
    gaps: tuple[Gap, ...]
    seeds: int
    claim: str


def without_arms(models: Sequence[Row]) -> list[Row]:
    """The versions that are no arms of an experiment: these belong to the comparison, not into the line of versions."""
    return [row for row in models if not json_object(row.get("metrics")).get("arm")]


def newest_proof(models: Sequence[Row]) -> Proof | None:
    """The proof of the newest version that has one.

    Args:
        models: rows of the table, in any order.
    """
    for row in sorted(models, key=lambda one: (str(one.get("created_at")), str(one.get("model_id"))), reverse=True):
        told = json_object(row.get("metrics")).get("proof")
        if isinstance(told, dict) and isinstance(told.get("evidence"), dict):
            return _proof_of(str(row.get("name") or row.get("model_id")), told)
    return None


def _proof_of(name: str, told: Mapping[str, Any]) -> Proof:
    evidence = told["evidence"]
    sides = tuple(
        Side(str(arm["name"]), len(arm["model_ids"]), tuple(finite(arm["metrics"].get(key)) for key in _COLUMNS))
        for arm in evidence["arms"]
    )
    shown = [one for comparison in evidence["test"][:1] for one in comparison["differences"]]
    low = min([0.0, *(float(one["low"]) for one in shown)])
    high = max([0.0, *(float(one["high"]) for one in shown)])
    reach = (high - low) or 1.0

    def place(value: float) -> float:
        return round(100 * (value - low) / reach, 2)

    gaps = tuple(
        Gap(
            slice=str(one["slice"]),
            metric=_METRICS.get(str(one["metric"]), str(one["metric"])),
            images=int(one["images"]),
            mean=float(one["mean"]),
            low=float(one["low"]),
            high=float(one["high"]),
            differs=bool(one["differs"]) and int(one["seeds"]) >= _ENOUGH_SEEDS,
            left=place(float(one["low"])),
            width=round(place(float(one["high"])) - place(float(one["low"])), 2),
            nought=place(0.0),
            dot=place(float(one["mean"])),
        )
        for one in shown
    )
    return Proof(name, tuple(_COLUMNS.values()), sides, gaps, int(told["seeds"]), str(told["claim"]))
