"""The registry of trained versions: which there are, which one is promoted, and how that changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.errors import TooFewSamplesError

Row = dict[str, Any]


def all_models(catalog: Catalog) -> list[Row]:
    """Every trained version, oldest first; `metrics` parsed from its JSON."""
    rows = sorted(catalog.read("models").to_pylist(), key=lambda row: (row["created_at"], row["model_id"]))
    return [{**row, "metrics": json.loads(row["metrics"] or "{}")} for row in rows]


def promoted_model(catalog: Catalog) -> Row | None:
    """The promoted version; None before the first training."""
    promoted = [row for row in all_models(catalog) if row["promoted"]]
    return promoted[-1] if promoted else None


def require_promoted(catalog: Catalog) -> Row:
    """The promoted version.

    Raises:
        TooFewSamplesError: Nothing was trained yet.
    """
    model = promoted_model(catalog)
    if model is None:
        raise TooFewSamplesError("models: nothing is trained yet; run: segdata train")
    return model


def model_of_training(catalog: Catalog, training_key: str) -> Row | None:
    """The version that a training with this key made before, if any: the same call need not train again."""
    found = [row for row in all_models(catalog) if row["training_key"] == training_key]
    return found[-1] if found else None


def record_model(catalog: Catalog, row: Mapping[str, Any]) -> None:
    """Write or update one version's row; `metrics` is given as a dictionary."""
    catalog.merge("models", rows_to_table("models", [{**row, "metrics": json.dumps(row["metrics"])}]))


def promote(catalog: Catalog, model_id: str, instead_of: str | None) -> bool:
    """Make one version the promoted one, if `instead_of` still is what is promoted: a compare-and-swap.

    Both rows change in one commit.

    Returns:
        False if somebody else promoted another version meanwhile; nothing is changed then.
    """
    models = all_models(catalog)
    now = [row["model_id"] for row in models if row["promoted"]]
    if now == [model_id]:
        return True
    if now != ([] if instead_of is None else [instead_of]):
        return False
    changed = [
        {**row, "promoted": row["model_id"] == model_id, "metrics": json.dumps(row["metrics"])}
        for row in models
        if row["model_id"] == model_id or row["promoted"]
    ]
    catalog.merge("models", rows_to_table("models", changed))
    return True
