"""Which scored samples are hard: those for which a predicate over their scores is true, worst first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segdata.catalog.queries import check_predicate, filter_rows
from segdata.catalog.schemas import SAMPLES, SCORES
from segdata.errors import RecipeError, UsageError

Row = dict[str, Any]

# Where both tables have a column of that name (ids, hashes, status, run_id) the score's counts.
JOINED = pa.schema([*SCORES, *(field for field in SAMPLES if field.name not in SCORES.names)])
"""The columns that a predicate may name: those of `scores`, then those of `samples`."""


def check_where(where: str) -> None:
    """Refuse a predicate that can't select: before hours of scoring, not after.

    Raises:
        RecipeError: It is not one boolean expression over known columns; says what is wrong and what there is.
    """
    try:
        check_predicate(where, JOINED)
    except UsageError as error:
        raise RecipeError(f"mine.where: {error}") from error


def select_cases(pairs: list[tuple[Row, Row]], where: str) -> list[Row]:
    """The joined rows for which the predicate is true, worst first: by mIoU, then hole recall, then id.

    A null makes a comparison neither true nor false, as in SQL: an image without a hole is no `hole_recall < 0.5`.

    Args:
        pairs: a `samples` row and its `scores` row each.
        where: one boolean SQL expression over the columns of both.

    Raises:
        RecipeError: The predicate is no such expression, or fails on a row.
    """
    joined = pa.Table.from_pylist([{**sample, **score} for sample, score in pairs], schema=JOINED)
    try:
        selected: list[Row] = filter_rows(joined, where).to_pylist()
    except UsageError as error:
        raise RecipeError(f"mine.where: {error}") from error
    return sorted(selected, key=_badness)


def selection_name(scorer_id: str, where: str, version: int | None = None) -> str:
    """The selection's name: the same scorer and predicate give the same.

    Args:
        version: the version of `samples` that was mined instead of the newest; such a selection stands beside.

    >>> selection_name("0123456789abcdef", "miou < 0.8")
    'hard-01234567-06c7c2'
    >>> selection_name("0123456789abcdef", "miou < 0.8", 7)
    'hard-01234567-06c7c2-of-7'
    """
    name = f"hard-{scorer_id[:8]}-{hashlib.sha256(where.encode()).hexdigest()[:6]}"
    return name if version is None else f"{name}-of-{version}"


def _badness(row: Mapping[str, Any]) -> tuple[float, float, str]:
    recall = row["hole_recall"]
    return row["miou"], 2.0 if recall is None else recall, row["sample_id"]
