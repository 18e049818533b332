"""A quicker way of running a network is taken where it says the same as fp32, and kept where it was asked once."""

import json
import logging
from typing import ClassVar

import cv2
import numpy as np
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.inference import scoring
from segdata.inference.parity import LIMITS, Parity, compare, recall, same_order, settle
from segdata.inference.scoring import ScoringOptions, identify, score_samples
from segdata.storage.files import sha256_of

SIDE = 32
WAYS = [("openvino", "bf16"), ("openvino", "fp32"), ("torch", "fp32")]
AUTO = ScoringOptions("auto", "auto", batch=4)


def mask(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


def test_what_is_measured_is_worked_by_hand():
    ours, theirs = mask("##..", "##.."), mask("##..", "###.")
    found = compare(("openvino", "bf16"), [ours, ours], [ours, ours], [ours, theirs])
    assert found.iou == 8 / 9  # pooled: 4 + 4 of 4 + 5
    assert found.changed == 1 / 8  # of the worst image
    assert (found.order, found.images, found.passed) == (1.0, 2, False)
    assert compare(("openvino", "bf16"), [ours], [ours], [ours]).passed


def test_two_images_that_change_places_cost_order_and_near_ties_do_not():
    assert same_order([0.5, 0.6, 0.9], [0.61, 0.6, 0.9]) == pytest.approx(2 / 3)
    assert same_order([0.9, 0.9 + LIMITS.apart / 2], [0.9, 0.1]) == 1
    assert same_order([0.7], [0.2]) == 1


def parity(way, passed):
    return Parity(*way, images=16, iou=0.5, changed=0.4, order=0.5, passed=passed)


def test_the_first_way_that_passes_is_taken_and_nothing_is_asked_twice(tmp_path, caplog):
    catalog, asked = Catalog(tmp_path), []

    def check(way):
        asked.append(way)
        return parity(way, way == ("openvino", "fp32"))

    with caplog.at_level(logging.WARNING):
        way, known = settle(WAYS, catalog, "m", check)
    assert way == ("openvino", "fp32")
    assert known.passed
    assert "openvino in bf16 is not close enough to fp32 with this model: on 16 images" in caplog.text
    assert "agree to an IoU of 0.5000 (limit 0.99)" in caplog.text
    assert settle(WAYS, catalog, "m", check)[0] == settle(WAYS, catalog, "m")[0] == way
    assert asked == WAYS[:2]
    assert settle(WAYS, catalog, "other")[0] == WAYS[0]  # of which nothing is known


def test_the_reference_needs_no_check_and_is_what_is_left(tmp_path):
    catalog = Catalog(tmp_path)
    assert settle(WAYS, catalog, "m", lambda way: parity(way, False)) == (("torch", "fp32"), None)
    assert recall(catalog, "m", ("torch", "fp32")) is None


def test_where_there_is_no_image_nothing_is_kept(tmp_path):
    catalog = Catalog(tmp_path)
    assert settle(WAYS, catalog, "m", lambda way: None) == (WAYS[0], None)
    assert recall(catalog, "m", WAYS[0]) is None


def test_a_damaged_record_is_asked_again(tmp_path):
    catalog = Catalog(tmp_path)
    settle(WAYS, catalog, "m", lambda way: parity(way, True))
    (tmp_path / "files/parity/m-openvino-bf16.json").write_text('{"iou": 1}')
    assert recall(catalog, "m", WAYS[0]) is None


class Bright:
    """The network in one way: its masks are wrong by `error` in bf16."""

    error, at_once = 0.0, 1
    opened: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, folder, name, precision):
        self.name, self.precision = name, precision
        Bright.opened.append((name, precision))

    def probabilities(self, batch):
        grey = batch.astype(np.float32).mean(axis=3) / 255
        return np.abs(grey - (self.error if self.precision == "bf16" else 0))

    def describe(self, batch):
        return self.probabilities(batch), batch.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setattr(
        scoring, "ways_for", lambda name, precision: WAYS if precision == "auto" else [(name, precision)]
    )
    monkeypatch.setattr(Bright, "opened", [])
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.toml").write_text(f'name = "bright"\ninput_hw = [{SIDE}, {SIDE}]\n')
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"what the fake network does not read")
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run-1")


def samples(context, kind="portrait"):
    rows = []
    for number in range(5):
        alpha = np.zeros((48, 36), np.uint8)
        alpha[10 + number :, 6:28] = 255
        row = {
            "sample_id": f"p/{number}", "dataset": "p", "kind": kind, "split": "pool", "status": "present",
            "alpha_kind": "hard", "width": 36, "height": 48,
        }  # fmt: skip
        for role, array in (("image", np.where(alpha > 0, 230, 20)), ("alpha", alpha)):
            path = context.workspace.root / f"{number}_{role}.png"
            cv2.imwrite(str(path), array.astype(np.uint8))
            row |= {f"{role}_uri": path.name, f"{role}_sha256": sha256_of(path.read_bytes())}
        rows.append(row)
    return rows_to_table("samples", rows)


def score(context, rows, options=AUTO):
    return score_samples(context, context.workspace.root / "model", rows, options, opener=Bright)


def test_bf16_that_agrees_is_taken_and_recorded_with_every_score(context):
    result = score(context, samples(context))
    assert (result.runtime, result.precision, result.scored) == ("openvino", "bf16", 5)
    assert result.parity["passed"]
    assert result.parity["images"] == 5
    rows = context.catalog.read("scores").to_pylist()
    assert {(row["runtime"], row["precision"]) for row in rows} == {("openvino", "bf16")}
    assert score(context, samples(context)).reused == 5
    assert Bright.opened == [("torch", "fp32"), ("openvino", "bf16"), ("openvino", "bf16")]


def test_bf16_that_does_not_agree_is_left_and_said(context, monkeypatch, caplog):
    monkeypatch.setattr(Bright, "error", 0.6)
    with caplog.at_level(logging.WARNING):
        result = score(context, samples(context))
    assert (result.runtime, result.precision) == ("openvino", "fp32")
    assert "openvino in bf16 is not close enough" in caplog.text
    folder = context.workspace.root / "model"
    assert identify(folder, AUTO, context.catalog).scorer_id == result.scorer_id
    assert score(context, samples(context)).reused == 5
    asked_for = score(context, samples(context), ScoringOptions("openvino", "bf16", batch=4))
    assert (asked_for.precision, asked_for.scored, asked_for.parity) == ("bf16", 5, None)


def test_backgrounds_and_unreadable_photos_are_no_images_to_compare(context):
    rows = samples(context)
    (context.workspace.root / "0_image.png").unlink()
    result = score(context, rows)
    assert (result.parity["images"], result.failed) == (4, 1)
    assert score(context, samples(context, kind="background")).precision == "bf16"


def test_a_dry_run_asks_nothing(context):
    dry = RunContext(context.workspace, "run-2", dry_run=True)
    assert score(dry, samples(context)).parity is None
    assert Bright.opened == []
    assert not (context.workspace.root / "catalog/files/parity").exists()


def test_what_came_out_is_readable(context):
    score(context, samples(context))
    (path,) = (context.workspace.root / "catalog/files/parity").iterdir()
    assert json.loads(path.read_bytes()).keys() == {
        "runtime", "precision", "images", "iou", "changed", "order", "passed",
    }  # fmt: skip
