"""Trained versions: listed, shown, compared by their scores, promoted by compare-and-swap, and timed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from segdata.catalog import models, splits
from segdata.catalog.schemas import rows_to_table
from segdata.errors import CatalogError, CheckpointError, TooFewSamplesError, UsageError
from segdata.inference.benchmark import REFERENCE, benchmark, ways_here
from segdata.inference.model_folder import ModelSpec, model_id_of, write_version
from segdata.inference.scoring import identify
from segdata.mine.run import scoring_options
from segdata.networks.bisenet import BiSeNet
from segdata.pipeline.session import Session, open_session
from segdata.pipeline.versions import compare_models, list_models, promote_model, show_model

SPEC = ModelSpec(name="tiny", backbone="test_efficientnet", fusion_channels=16, input_hw=(64, 48))


def write(folder: Path, seed: int) -> str:
    """A version of random weights; returns its id."""
    torch.manual_seed(seed)
    network = BiSeNet(SPEC.backbone, False, SPEC.fusion_channels)
    training = pa.table({"sample_id": ["a/1", "a/2", "b/1"], "image_sha256": ["0"] * 3, "alpha_sha256": ["0"] * 3})
    write_version(folder, network, SPEC, f"# {folder.name}\n", training)
    return model_id_of(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions of one spec."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("tiny-old", "tiny-new")):
        write(root / name, seed)
    return {name: root / name for name in ("tiny-old", "tiny-new")}


@pytest.fixture
def session(workspace: Path, trained: dict[str, Path]) -> Session:
    """A workspace that knows both, the old one promoted, and has a val split."""
    opened = open_session(workspace)
    catalog = opened.workspace.catalog
    splits.cut_val(catalog, 0.5)
    pin = splits.test_pin(catalog.read("samples", where="kind = 'portrait' AND split = 'test'"))
    for number, (name, folder) in enumerate(trained.items()):
        metrics = {"val": {"miou_image": 0.9 + number / 100}, "test": {"miou_image": 0.8}, "training_samples": 3}
        record(catalog, folder, name, metrics, created_at=datetime(2026, 1, 1 + number, tzinfo=UTC), test_pin=pin)
    assert models.promote(catalog, model_id_of(trained["tiny-old"]), None)
    return opened


def record(catalog: Any, folder: Path, name: str, metrics: dict[str, Any], **columns: Any) -> None:
    row = {"model_id": model_id_of(folder), "name": name, "spec": "tiny", "uri": str(folder), "promoted": False}
    row |= {"created_at": datetime(2026, 2, 1, tzinfo=UTC), "run_id": "r", "test_pin": "pin"}
    models.record_model(catalog, {**row, "metrics": metrics, **columns})


def score(session: Session, folder: Path, miou: Callable[[int], float]) -> int:
    """Scores of a version for all of val and test, as mining would have kept them; returns how many."""
    catalog = session.workspace.catalog
    scorer = identify(folder, scoring_options(session.recipe.mine), session.workspace.catalog)
    samples = catalog.read("samples", where="kind = 'portrait' AND split IN ('val', 'test')").to_pylist()
    rows = [
        {
            **{key: row[key] for key in ("sample_id", "image_sha256", "alpha_sha256")},
            "scorer_id": scorer.scorer_id,
            "model_id": scorer.model_id,
            "miou": miou(number),
            "status": "scored",
        }
        for number, row in enumerate(samples)
    ]
    catalog.append("scores", rows_to_table("scores", rows), f"test/{scorer.scorer_id}")
    return len(rows)


def test_versions_are_listed_oldest_first(session: Session) -> None:
    found = list_models(session)
    assert [(row["name"], row["promoted"]) for row in found] == [("tiny-old", True), ("tiny-new", False)]
    assert found[1]["metrics"]["val"]["miou_image"] == 0.91
    assert found[1]["training_samples"] == 3


def test_all_about_one_is_shown(session: Session) -> None:
    found = show_model(session, "tiny-new")
    assert found["training"] == {"a": 2, "b": 1}
    assert found["card"] == "# tiny-new\n"
    assert found["weights"] == "as recorded"
    assert show_model(session)["name"] == "tiny-old"


def test_nothing_trained_and_an_unknown_version_are_told(session: Session, workspace: Path) -> None:
    with pytest.raises(UsageError, match="tiny-old, tiny-new"):
        show_model(session, "tiny-none")
    empty = open_session(workspace, options={"catalog.uri": "elsewhere"})
    assert list_models(empty) == []
    with pytest.raises(TooFewSamplesError, match="segdata train"):
        show_model(empty)


def test_versions_are_compared_image_by_image_from_the_scores_that_are_kept(
    session: Session, trained: dict[str, Path]
) -> None:
    score(session, trained["tiny-old"], lambda number: 0.80 + 0.01 * (number % 3))
    count = score(session, trained["tiny-new"], lambda number: 0.83 + 0.01 * (number % 3))
    found = compare_models(session, "tiny-old", "tiny-new")
    assert (found["scored"], found["missing"]) == (0, 0)
    overall = {split: values["slices"][0] for split, values in found["splits"].items()}
    for one in overall.values():
        assert (one["slice"], one["mean"], one["low"], one["high"]) == ("overall", 0.03, 0.03, 0.03)
    assert sum(values["images"] for values in found["splits"].values()) == count
    back = compare_models(session, "tiny-new", "tiny-old")["splits"]["test"]["slices"][0]
    assert back["mean"] == -0.03 and back["worse"]


def test_what_is_not_scored_yet_is_counted_in_a_dry_run_and_scored_else(
    workspace: Path, session: Session, trained: dict[str, Path]
) -> None:
    count = score(session, trained["tiny-old"], lambda number: 0.5)
    dry = open_session(workspace, dry_run=True)
    found = compare_models(dry, "tiny-old", "tiny-new")
    assert (found["scored"], found["missing"]) == (0, count)
    assert found["splits"]["val"]["slices"] == []
    found = compare_models(session, "tiny-old", "tiny-new")
    assert (found["scored"], found["missing"]) == (count, 0)
    assert sum(values["images"] for values in found["splits"].values()) == count


def test_a_version_is_not_compared_with_itself(session: Session) -> None:
    with pytest.raises(UsageError, match="the same version"):
        compare_models(session, "tiny-old", "tiny-old")


def test_promotion_changes_which_one_is_used(session: Session) -> None:
    result = promote_model(session, "tiny-new").result
    assert (result["name"], result["instead_of"], result["promoted"]) == ("tiny-new", "tiny-old", True)
    assert [row["promoted"] for row in list_models(session)] == [False, True]
    assert promote_model(session, "tiny-new").result["instead_of"] is None


def test_a_dry_promotion_changes_nothing(workspace: Path, session: Session) -> None:
    promote_model(open_session(workspace, dry_run=True), "tiny-new")
    assert [row["promoted"] for row in list_models(session)] == [True, False]


def test_other_weights_than_were_recorded_are_not_promoted(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-swapped"
    write(folder, 5)
    record(session.workspace.catalog, folder, "tiny-swapped", {"val": {}, "test": {}})
    write(folder, 6)
    assert show_model(session, "tiny-swapped")["weights"] == "changed"
    with pytest.raises(CheckpointError, match="not those that were recorded"):
        promote_model(session, "tiny-swapped")
    (folder / "weights.safetensors").unlink()
    assert show_model(session, "tiny-swapped")["weights"] == "missing"
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        promote_model(session, "tiny-swapped")
    assert [row["name"] for row in list_models(session) if row["promoted"]] == ["tiny-old"]


def test_an_arm_of_an_experiment_is_not_promoted(session: Session, trained: dict[str, Path]) -> None:
    record(session.workspace.catalog, trained["tiny-new"], "tiny-new", {"val": {}, "test": {}, "arm": "control-0"})
    with pytest.raises(UsageError, match="'control-0'"):
        promote_model(session, "tiny-new")


def test_who_comes_second_is_told(session: Session, trained: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, real = session.workspace.catalog, models.promoted_model

    def overtaken(looked_at: Any) -> Any:
        before = real(looked_at)
        assert models.promote(catalog, model_id_of(trained["tiny-new"]), before["model_id"])
        return before

    monkeypatch.setattr(models, "promoted_model", overtaken)
    with pytest.raises(CatalogError, match="promoted meanwhile"):
        promote_model(session, "tiny-old")


class Counting:
    """A runtime that counts its calls."""

    calls = 0
    name, precision, at_once = "torch", "fp32", 1

    def probabilities(self, batch: Any) -> Any:
        Counting.calls += 1
        assert batch.shape == (1, 64, 48, 3)
        return np.zeros(batch.shape[:3], np.float32)


def test_speed_is_told_for_every_way_with_and_without_resizing(trained: dict[str, Path]) -> None:
    opened = []

    def opener(folder: Path, name: str, precision: str) -> Counting:
        opened.append((name, precision))
        return Counting()

    Counting.calls = 0
    found = benchmark(trained["tiny-old"], images=4, photo_hw=(80, 60), opener=opener).to_json()
    assert opened == ways_here()
    assert {("torch", "fp32"), ("openvino", "fp32")} <= set(opened)
    assert Counting.calls == len(opened) * 2 * (4 + 3)
    assert all(one["network"] > 0 and one["whole"] > 0 for one in found["speeds"])
    assert found["reference"] == REFERENCE and REFERENCE["images_per_second"] == 48
    assert "cores" in found["machine"]


def test_a_comparison_over_a_test_split_that_has_changed_is_refused(session: Session) -> None:
    catalog = session.workspace.catalog
    row = catalog.read("samples", where="kind = 'portrait' AND split = 'test'").to_pylist()[0]
    catalog.merge("samples", rows_to_table("samples", [{**row, "alpha_sha256": "another label"}]))
    with pytest.raises(CatalogError, match="the test split is not the one that the earlier models were measured on"):
        compare_models(session, "tiny-old", "tiny-new")


def test_a_version_that_was_trained_on_held_out_samples_is_not_promoted(
    session: Session, trained: dict[str, Path]
) -> None:
    record(session.workspace.catalog, trained["tiny-new"], "tiny-new", {"final": "all_data"})
    with pytest.raises(UsageError, match="nothing that follows could be compared with it"):
        promote_model(session, "tiny-new")
