"""Test labels that were mended: the test split is pinned anew, every version measured on it, and both results kept."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from segdata.catalog import models
from segdata.catalog.splits import test_pin
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext
from segdata.errors import DataError
from segdata.pipeline.recipe import Recipe


def test_split(catalog: Catalog) -> pa.Table:
    """The test split as it is."""
    return catalog.read("samples", where="kind = 'portrait' AND split = 'test' AND status = 'present'")


def pin_test_anew(context: RunContext, recipe: Recipe, before: pa.Table) -> list[dict[str, Any]]:
    """Measure the versions that were measured on the test split as it was on the split as it is, if that changed.

    Only the mended samples are scored; `metrics.test_before` keeps what was measured before, the newest last. A version
    whose folder is gone can't be measured, and keeps its old pin: it is compared with nobody any more.

    Args:
        context: of the run.
        recipe: how they are scored.
        before: rows of `samples`: the test split before labels were mended.

    Returns:
        `name`, `before` and `after` (mIoU per image) of each version, the oldest first; none if test has not changed.
    """
    from segdata.pipeline.training import evaluate

    catalog = context.catalog
    after = test_split(catalog)
    old_pin, new_pin = test_pin(before), test_pin(after)
    told = []
    for model in models.all_models(catalog) if old_pin != new_pin else ():
        if model["test_pin"] != old_pin:
            continue
        try:
            measured = evaluate(context, recipe, context.workspace.resolve(model["uri"]), after)
        except DataError:
            continue
        old = model["metrics"].get("test") or {}
        history = [*model["metrics"].get("test_before", ()), {**old, "test_pin": old_pin}]
        metrics = {**model["metrics"], "test": measured, "test_before": history}
        models.record_model(catalog, {**model, "test_pin": new_pin, "metrics": metrics})
        told.append({"name": model["name"], "before": old.get("miou_image"), "after": measured["miou_image"]})
    return told
