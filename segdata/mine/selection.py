"""Which scored samples are hard: those for which a predicate over their scores is true, worst first.

A quantile looks at what was scored, the predicate at each case by itself, and a budget at what is left then.
"""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa

from segdata.catalog.keys import COLUMNS
from segdata.catalog.limited_queries import QueryLimits, check_predicate_limited, select_where_limited
from segdata.catalog.schemas import SAMPLES, SCORES
from segdata.errors import RecipeError, UsageError
from segdata.mine.recipe import MineRecipe

# Where both tables have a column of that name (ids, hashes, status, run_id) the score's counts.
JOINED = pa.schema([*SCORES, *(field for field in SAMPLES if field.name not in SCORES.names)])
"""The columns that a predicate may name: those of `scores`, then those of `samples`."""


def check_recipe(recipe: MineRecipe, limits: QueryLimits | None = None) -> None:
    """Refuse what can't select: before hours of scoring, not after.

    Args:
        recipe: where and by.
        limits: when the predicate is stopped.

    Raises:
        RecipeError: The predicate is not one boolean expression over known columns, or `by` is no column of numbers;
            says what is wrong and what there is.
    """
    try:
        check_predicate_limited(recipe.where, JOINED, limits or QueryLimits())
    except UsageError as error:
        raise RecipeError(f"mine.where: {error}") from error
    numbers = [field.name for field in JOINED if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    if recipe.by.removeprefix("-") not in numbers:
        raise RecipeError(f"mine.by: {recipe.by!r} is no column of numbers; these are: {', '.join(numbers)}")


def select_cases(
    samples: pa.Table, scores: pa.Table, recipe: MineRecipe, limits: QueryLimits | None = None
) -> pa.Table:
    """The cases that the recipe selects, worst first: by `by`, then mIoU, then hole recall, then id.

    A null makes a comparison neither true nor false, as in SQL: an image without a hole is no `hole_recall < 0.5`.
    A row without a value of `by` is in no quantile, and comes last. The budget is not spent here.

    Args:
        samples: rows of `samples`.
        scores: rows of `scores`, one for each of the samples that was scored.
        recipe: where, by and quantile.
        limits: when the predicate is stopped.

    Returns:
        Rows of both in one: the columns of `JOINED`. Of those that are not selected only what the predicate names is
        looked at, so that memory follows the cases and hardly the pool.

    Raises:
        RecipeError: The predicate is no such expression, fails on a row, or a limit stops it.
    """
    tables, sql = {"samples": samples, "scores": scores}, _statement(recipe)
    try:
        return select_where_limited(sql, tables, recipe.where, JOINED, limits or QueryLimits()).cast(JOINED)
    except UsageError as error:
        raise RecipeError(f"mine.where: {error}") from error


def _statement(recipe: MineRecipe) -> str:
    """One SELECT over `samples` and `scores`; a row of which the predicate speaks is one of `rows`, as it was checked.

    With q of n values the quantile takes those of rank ceil(q n) at most: more only where equal. Nulls rank behind.
    """
    by, descending = recipe.by.removeprefix("-"), " DESC" if recipe.by.startswith("-") else ""
    order = f"{by}{descending} NULLS LAST"
    columns = ", ".join(f'{"scores" if name in SCORES.names else "samples"}."{name}"' for name in JOINED.names)
    same = " AND ".join(f"samples.{name} IS NOT DISTINCT FROM scores.{name}" for name in COLUMNS)
    worst = ""
    if recipe.quantile is not None:
        most = f"ceil({recipe.quantile!r}::DOUBLE * count({by}) OVER ())"
        worst = f"QUALIFY rank() OVER (ORDER BY {order}) <= {most}"
    return (
        f"WITH pairs AS (SELECT {columns} FROM samples JOIN scores ON {same}), rows AS (SELECT * FROM pairs {worst}) "
        f"SELECT * FROM rows WHERE ({recipe.where}\n) "
        f"ORDER BY {order}, miou NULLS LAST, hole_recall NULLS LAST, sample_id"
    )


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
