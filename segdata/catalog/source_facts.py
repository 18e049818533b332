"""What an ingest decided once for a whole source, such as how its files are named; kept until the recipe changes.

A fact is decided again when the part of the recipe that it depends on is not the one that it was decided for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog

_TABLE = "sources"


def read_fact(catalog: Catalog, dataset: str, fact: str, recipe: Mapping[str, object]) -> Any | None:
    """The value of a fact of a source; None if there is none for this recipe.

    Args:
        catalog: holds the facts.
        dataset: the source's name in the recipe.
        fact: its name, such as `naming`.
        recipe: the part of the recipe that the fact depends on.
    """
    where = f"dataset = '{dataset}' AND fact = '{fact}'"
    rows = catalog.read(_TABLE, ["value", "recipe"], where=where).to_pylist()
    return next((json.loads(row["value"]) for row in rows if row["recipe"] == _as_text(recipe)), None)


def write_fact(
    catalog: Catalog, source_fact: tuple[str, str], value: Any, recipe: Mapping[str, object], run_id: str
) -> None:
    """Record a fact of a source; nothing is written if it is recorded already.

    Args:
        catalog: holds the facts.
        source_fact: the source's name in the recipe, and the fact's name.
        value: the fact, as JSON has it.
        recipe: the part of the recipe that it depends on.
        run_id: of the run that decided it.
    """
    dataset, fact = source_fact
    if read_fact(catalog, dataset, fact, recipe) == json.loads(_as_text(value)):
        return
    row: dict[str, object] = {
        "dataset": dataset,
        "fact": fact,
        "value": _as_text(value),
        "recipe": _as_text(recipe),
        "run_id": run_id,
    }
    catalog.merge(_TABLE, rows_to_table(_TABLE, [row]))


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=list)
