"""Mended test labels: every version is measured on them, and what was measured before is kept."""

from __future__ import annotations

from typing import Any

import pytest

from segdata.catalog.models import all_models
from segdata.catalog.splits import test_pin as pin_of
from segdata.errors import CheckpointError
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.repinning import pin_test_anew
from segdata.pipeline.repinning import test_split as split_of
from tests.report.conftest import Builder, builder  # noqa: F401  # a fixture


@pytest.fixture
def measured(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Builder:  # noqa: F811  # the fixture that is imported
    """Three versions: two measured on the split as it is, one on another; measuring again gives 0.95, or no folder."""
    builder.samples(2, "p", "test")
    context = builder.context()
    pin = pin_of(split_of(context.catalog))
    for name, its_pin in (("aaaa", pin), ("gone", pin), ("bbbb", "another")):
        builder.model(name, 0.9, test_pin=its_pin, uri=name)

    def evaluate(_context: Any, _recipe: Any, folder: Any, rows: Any) -> dict[str, Any]:
        if folder.name == "gone":
            raise CheckpointError("no such folder")
        return {"miou_image": 0.95, "images": rows.num_rows, "scorer_id": "s"}

    monkeypatch.setattr("segdata.pipeline.training.evaluate", evaluate)
    return builder


def test_versions_of_that_split_are_measured_anew_and_keep_what_was_before(measured: Builder) -> None:
    context = measured.context()
    before = split_of(context.catalog)
    measured.sample("p/test/00000", split="test", alpha_sha256="mended")
    context = measured.context()
    told = pin_test_anew(context, Recipe(), before)
    assert told == [{"name": "bisenet_lite0-aaaa", "before": 0.9, "after": 0.95}]
    models = {row["model_id"]: row for row in all_models(context.catalog)}
    assert models["aaaa"]["test_pin"] == pin_of(split_of(context.catalog)) != pin_of(before)
    assert models["aaaa"]["metrics"]["test"]["miou_image"] == 0.95
    (kept,) = models["aaaa"]["metrics"]["test_before"]
    assert (kept["miou_image"], kept["test_pin"]) == (0.9, pin_of(before))
    assert models["gone"]["test_pin"] == pin_of(before) and models["bbbb"]["test_pin"] == "another"


def test_a_split_that_did_not_change_is_left_alone(measured: Builder) -> None:
    context = measured.context()
    assert pin_test_anew(context, Recipe(), split_of(context.catalog)) == []
