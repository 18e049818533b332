"""Mended test labels: every version is measured on them, and what was measured before is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.mends import keep_mends, mends_of
from segdata.catalog.models import all_models, record_model
from segdata.catalog.splits import test_pin as pin_of
from segdata.catalog.tables import Catalog
from segdata.errors import CheckpointError
from segdata.export.repair import run as export_repair
from segdata.ingest.mended import MendedOptions
from segdata.pipeline.commands import ingest_mended
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.repinning import pin_test_anew
from tests.report.conftest import Builder, builder  # noqa: F401  # a fixture

MENDED = "p/test/00000"


@pytest.fixture
def measured(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Builder:  # noqa: F811  # the fixture that is imported
    """Four versions: three measured on the split as it is, one on another; measuring again gives 0.95, or no folder."""
    builder.samples(2, "p", "test")
    context = builder.context()
    pin = pin_now(context.catalog)
    for name, its_pin in (("aaaa", pin), ("gone", pin), ("bbbb", "another")):
        builder.model(name, 0.9, test_pin=its_pin, uri=name)
    builder.model("all", None, test_pin=pin, uri="all")

    def evaluate(_context: Any, _recipe: Any, folder: Any, rows: Any) -> dict[str, Any]:
        assert folder.name != "all", "it was trained on test"
        if folder.name == "gone":
            raise CheckpointError("no such folder")
        return {"miou_image": 0.95, "images": rows.num_rows, "scorer_id": "s"}

    monkeypatch.setattr("segdata.pipeline.training.evaluate", evaluate)
    builder.context()
    return builder


def pin_now(catalog: Catalog) -> str:
    return pin_of(catalog.read("samples", where="split = 'test'"))


def mend(builder: Builder, data: bytes, taken_in: bool = True) -> None:  # noqa: F811  # likewise
    """Keep a mended label, and take it into the catalog as an ingest does."""
    catalog = builder.workspace.catalog
    before = builder.written[MENDED]
    keep_mends(catalog, {MENDED: data}, {MENDED: (before["image_sha256"], before["alpha_sha256"])})
    if taken_in:
        take_in(builder)


def take_in(builder: Builder) -> None:  # noqa: F811  # likewise
    file = mends_of(builder.workspace.catalog)[MENDED].file
    image = builder.written[MENDED]["image_sha256"]
    builder.sample(MENDED, split="test", image_sha256=image, alpha_sha256=file.removesuffix(".png"))
    builder.context()


def test_versions_of_that_split_are_measured_anew_and_keep_what_was_before(measured: Builder) -> None:
    context = measured.context()
    before = pin_now(context.catalog)
    mend(measured, b"mended")
    told = pin_test_anew(context, Recipe())
    assert told == [{"name": "bisenet_lite0-aaaa", "before": 0.9, "after": 0.95}]
    models = {row["model_id"]: row for row in all_models(context.catalog)}
    assert models["aaaa"]["test_pin"] == models["all"]["test_pin"] == pin_now(context.catalog) != before
    assert models["aaaa"]["metrics"]["test"]["miou_image"] == 0.95
    (kept,) = models["aaaa"]["metrics"]["test_before"]
    assert (kept["miou_image"], kept["test_pin"]) == (0.9, before)
    assert models["gone"]["test_pin"] == before and models["bbbb"]["test_pin"] == "another"
    assert models["all"]["metrics"]["test"] == {}
    assert pin_test_anew(context, Recipe()) == [], "once is enough"


@pytest.mark.slow
def test_mended_labels_of_a_real_version_change_its_result_and_the_page_shows_both(
    tiny: Path, open_tiny: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "wrong"
    workspace = open_tiny(tiny, model__spec="bisenet_lite0", train__size=[64, 64], report__leaks=0)
    workspace.train()
    session = workspace._session
    (before,) = all_models(session.workspace.catalog)
    gone = {"model_id": "gone", "uri": "models/gone", "training_key": "gone", "promoted": False}
    record_model(session.workspace.catalog, {**before, **gone, "created_at": datetime.now(UTC)})
    with session.record("export") as record:
        assert export_repair(record.context.limited(2), folder, "folder", None, "split = 'test'").samples == 2
    for path in sorted((folder / "masks").rglob("*.png")):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        cv2.imwrite(str(path), np.zeros_like(mask))  # nobody is there: whatever the version sees is wrong now
    ingested = ingest_mended(session, folder, MendedOptions(trust=True))  # it has nothing in common with the old ones
    result = ingested.result
    after, without = all_models(session.workspace.catalog)
    was, now = before["metrics"]["test"], after["metrics"]["test"]
    assert len(result["mended"]["changed"]) == 2
    assert result["test"] == [{"name": after["name"], "before": was["miou_image"], "after": now["miou_image"]}]
    assert now["images"] == was["images"] and now["miou_image"] != was["miou_image"]
    assert after["metrics"]["test_before"] == [{**was, "test_pin": before["test_pin"]}]
    assert after["test_pin"] == pin_now(session.workspace.catalog) != before["test_pin"]
    scored = session.workspace.catalog.read("scores", ["run_id"]).to_pylist()
    assert sum(row["run_id"] == ingested.run_id for row in scored) == 2, "the mended ones alone"
    card = (session.workspace.resolve(after["uri"]) / "CARD.md").read_text(encoding="utf-8")
    assert f"| test | {now['miou_image']:.4f} |" in card and f"test split: {after['test_pin'][:16]};" in card
    page = (tiny / workspace.report()["path"]).read_text(encoding="utf-8")
    assert f"{was['miou_image']:.4f} before labels were mended" in page and f"{now['miou_image']:.4f}" in page
    assert without["test_pin"] == before["test_pin"], "nobody can measure it"
    assert not open_tiny(tiny, model__spec="bisenet_lite0", train__size=[32, 32], report__leaks=0).train()["reused"]


def test_a_command_that_was_killed_before_it_measured_is_finished_by_the_next(measured: Builder) -> None:
    context = measured.context()
    mend(measured, b"mended", taken_in=False)
    assert pin_test_anew(context, Recipe()) == [], "the label is not in the catalog yet"
    take_in(measured)
    mend(measured, b"mended better")  # versions were never measured on the first one
    assert [one["after"] for one in pin_test_anew(context, Recipe())] == [0.95]
    assert {row["test_pin"] for row in all_models(context.catalog) if row["model_id"] in ("aaaa", "all")} == {
        pin_now(context.catalog)
    }


def test_a_split_that_has_changed_otherwise_too_is_not_pinned_anew(measured: Builder) -> None:
    context = measured.context()
    mend(measured, b"mended")
    measured.sample("p/test/00001", split="test", alpha_sha256="of the source")
    measured.context()
    assert pin_test_anew(context, Recipe()) == []


def test_a_split_that_did_not_change_is_left_alone(measured: Builder) -> None:
    assert pin_test_anew(measured.context(), Recipe()) == []
