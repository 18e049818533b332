"""The slices of images that people care about, by name: the same for the guard and for the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Belongs = Callable[[Row], bool]

SMALL = 0.15
"""A subject is small below this share of the image."""
SOFT = 0.05
"""An alpha has soft edges where at least this share of the image lies strictly between 0 and 255: hair, fur, blur."""


def slices_of(rows: Sequence[Row]) -> dict[str, Belongs]:
    """Name -> which rows of `samples` belong to it: `overall` first; datasets where there are several.

    >>> rows = [{"dataset": "a", "hole_count": 1}, {"dataset": "b", "hole_count": 0}]
    >>> slices = slices_of(rows)
    >>> list(slices)
    ['overall', 'holes', 'small subjects', 'soft edges', 'dataset a', 'dataset b']
    >>> [slices["holes"](row) for row in rows]
    [True, False]
    """
    slices: dict[str, Belongs] = {
        "overall": bool,
        "holes": lambda row: bool(row["hole_count"]),
        "small subjects": lambda row: (row["foreground_fraction"] or 0) < SMALL,
        "soft edges": lambda row: (row.get("soft_fraction") or 0) >= SOFT,
    }
    datasets = sorted({row["dataset"] for row in rows})
    if len(datasets) > 1:
        slices |= {f"dataset {name}": _of_dataset(name) for name in datasets}
    return slices


def _of_dataset(name: str) -> Belongs:
    return lambda row: bool(row["dataset"] == name)
