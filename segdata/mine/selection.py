"""Which scored samples are hard: those for which a predicate over their scores is true, worst first.

A quantile looks at what was scored, the predicate at each case by itself, and a budget at what is left then.
"""

from __future__ import annotations

import hashlib
import json
from math import ceil
from typing import Any

import pyarrow as pa

from segdata.catalog.queries import check_predicate, filter_rows
from segdata.catalog.schemas import SAMPLES, SCORES
from segdata.errors import RecipeError, UsageError
from segdata.mine.recipe import MineRecipe

Row = dict[str, Any]

# Where both tables have a column of that name (ids, hashes, status, run_id) the score's counts.
JOINED = pa.schema([*SCORES, *(field for field in SAMPLES if field.name not in SCORES.names)])
"""The columns that a predicate may name: those of `scores`, then those of `samples`."""


def check_recipe(recipe: MineRecipe) -> None:
    """Refuse what can't select: before hours of scoring, not after.

    Raises:
        RecipeError: The predicate is not one boolean expression over known columns, or `by` is no column of numbers;
            says what is wrong and what there is.
    """
    try:
        check_predicate(recipe.where, JOINED)
    except UsageError as error:
        raise RecipeError(f"mine.where: {error}") from error
    numbers = [field.name for field in JOINED if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    if recipe.by.removeprefix("-") not in numbers:
        raise RecipeError(f"mine.by: {recipe.by!r} is no column of numbers; these are: {', '.join(numbers)}")


def select_cases(pairs: list[tuple[Row, Row]], recipe: MineRecipe) -> list[Row]:
    """The joined rows that the recipe selects, worst first: by `by`, then mIoU, then hole recall, then id.

    A null makes a comparison neither true nor false, as in SQL: an image without a hole is no `hole_recall < 0.5`.
    A row without a value of `by` is in no quantile, and comes last. The budget is not spent here.

    Args:
        pairs: a `samples` row and its `scores` row each.
        recipe: where, by and quantile.

    Raises:
        RecipeError: The predicate is no such expression, or fails on a row.
    """
    joined = pa.Table.from_pylist([{**sample, **score} for sample, score in pairs], schema=JOINED)
    try:
        selected: list[Row] = filter_rows(joined, recipe.where).to_pylist()
    except UsageError as error:
        raise RecipeError(f"mine.where: {error}") from error
    if recipe.quantile is not None:
        limit = _worst_share(joined, recipe.by, recipe.quantile)
        selected = [row for row in selected if badness(row, recipe.by) <= limit]
    return sorted(selected, key=lambda row: _order(row, recipe.by))


def badness(row: Row, by: str) -> float:
    """What a row is ordered by: its value of the column, negated with a minus before it; infinite where it has none.

    >>> badness({"sad": 5.0}, "-sad"), badness({"hole_recall": None}, "hole_recall")
    (-5.0, inf)
    """
    value = row[by.removeprefix("-")]
    if value is None:
        return float("inf")
    return -float(value) if by.startswith("-") else float(value)


def _worst_share(joined: pa.Table, by: str, share: float) -> float:
    """The value that the worst share of the rows does not exceed: ceil(share * n) rows, more only where equal."""
    values = sorted(badness({by.removeprefix("-"): value}, by) for value in joined[by.removeprefix("-")].to_pylist())
    values = [value for value in values if value != float("inf")]
    return values[max(1, ceil(share * len(values))) - 1] if values else float("-inf")


def selection_name(scorer_id: str, recipe: MineRecipe, version: int | None = None) -> str:
    """The selection's name: the same scorer and the same choice give the same.

    Args:
        version: the version of `samples` that was mined instead of the newest; such a selection stands beside.

    >>> selection_name("0123456789abcdef", MineRecipe(where="miou < 0.8"))
    'hard-01234567-06c7c2'
    >>> selection_name("0123456789abcdef", MineRecipe(where="miou < 0.8"), 7)
    'hard-01234567-06c7c2-of-7'
    """
    chosen = [recipe.where]
    rest = {"by": recipe.by, "quantile": recipe.quantile, "budget": recipe.budget, "diverse": recipe.diverse}
    if rest != {"by": "miou", "quantile": None, "budget": None, "diverse": False}:
        chosen.append(json.dumps(rest))
    if recipe.second_opinions or recipe.folds:
        chosen.append(json.dumps([recipe.second_opinions, recipe.folds]))
    name = f"hard-{scorer_id[:8]}-{hashlib.sha256(chr(10).join(chosen).encode()).hexdigest()[:6]}"
    return name if version is None else f"{name}-of-{version}"


def predicate_of(recipe: MineRecipe) -> str:
    """What was asked for, in words: the predicate, and what came on top.

    >>> predicate_of(MineRecipe(where="miou < 0.8", budget=50, diverse=True))
    'miou < 0.8; 50 of them, spread'
    """
    worst = "" if recipe.quantile is None else f"; among the worst {recipe.quantile:.4g} by {recipe.by}"
    if recipe.budget is None:
        return f"{recipe.where}{worst}"
    return f"{recipe.where}{worst}; {recipe.budget} of them, {'spread' if recipe.diverse else f'worst by {recipe.by}'}"


def _order(row: Row, by: str) -> tuple[float, float, float, str]:
    recall = row["hole_recall"]
    return badness(row, by), row["miou"], 2.0 if recall is None else recall, row["sample_id"]
