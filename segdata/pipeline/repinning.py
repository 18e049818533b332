"""Test labels that were mended: the test split is pinned anew, every version measured on it, and both results kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segdata.catalog import models
from segdata.catalog.mends import measured_anew, mends_of
from segdata.catalog.purging import quoted_in
from segdata.catalog.splits import test_pin
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext
from segdata.errors import DataError
from segdata.pipeline.cards import write_card_anew
from segdata.pipeline.recipe import Recipe

_TEST = "kind = 'portrait' AND split = 'test' AND status = 'present'"


def pin_test_anew(context: RunContext, recipe: Recipe) -> list[dict[str, Any]]:
    """Measure the versions that were measured on test labels before they were mended on those as they are.

    Only the mended samples are scored; `metrics.test_before` keeps what was measured before, the newest last. A version
    whose folder is gone can't be measured, and keeps its old pin: it is compared with nobody any more. So does every
    version if the test split has changed in another way too. Killed anywhere, the same call again goes on.

    Args:
        context: of the run.
        recipe: how they are scored.

    Returns:
        `name`, `before` and `after` (mIoU per image) of each version, the oldest first; none if test has not changed.
    """
    catalog = context.catalog
    measured = _measured_before(catalog)
    if not measured:
        return []
    after = catalog.read("samples", where=_TEST)
    old_pin, new_pin = test_pin(_as_measured(after, measured)), test_pin(after)
    rows = models.all_models(catalog) if old_pin != new_pin else []
    told = [_measure(context, recipe, row, after) for row in rows if row["test_pin"] == old_pin]
    measured_anew(catalog, measured.keys())
    return [one for one in told if one is not None]


def _measure(context: RunContext, recipe: Recipe, model: dict[str, Any], test: pa.Table) -> dict[str, Any] | None:
    from segdata.pipeline.training import evaluate

    old, repinned = model["metrics"].get("test") or {}, {**model, "test_pin": test_pin(test)}
    if not old:  # trained on test too: it never had a result there, and gets none
        models.record_model(context.catalog, repinned)
        return None
    try:
        measured = evaluate(context, recipe, context.workspace.resolve(model["uri"]), test)
    except DataError:
        return None
    history = [*model["metrics"].get("test_before", ()), {**old, "test_pin": model["test_pin"]}]
    metrics = {**model["metrics"], "test": measured, "test_before": history}
    repinned = {**repinned, "metrics": metrics}
    write_card_anew(context.workspace, repinned)  # first: whoever is killed in between does both again
    models.record_model(context.catalog, repinned)
    return {"name": model["name"], "before": old.get("miou_image"), "after": measured["miou_image"]}


def _measured_before(catalog: Catalog) -> dict[str, str]:
    """The hash of the label that versions were measured on, of each sample whose mended one is in the catalog."""
    mends = {name: mend for name, mend in mends_of(catalog).items() if mend.measured is not None}
    if not mends:
        return {}
    rows = catalog.read("samples", ["sample_id", "alpha_sha256"], quoted_in("sample_id", set(mends))).to_pylist()
    return {
        row["sample_id"]: str(mend.measured)
        for row in rows
        if (mend := mends[row["sample_id"]]).alpha == row["alpha_sha256"]
    }


def _as_measured(test: pa.Table, measured: Mapping[str, str]) -> pa.Table:
    """The test split with the labels that versions were measured on, in place of those that were mended since."""
    rows = [{**row, "alpha_sha256": measured.get(row["sample_id"], row["alpha_sha256"])} for row in test.to_pylist()]
    return pa.Table.from_pylist(rows, schema=test.schema)
