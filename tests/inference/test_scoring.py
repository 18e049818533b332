"""Scoring: nothing twice, nothing skipped, and the table ends equal to an undisturbed run."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.catalog.keys import key_of
from segdata.catalog.packing import pack_mask, unpack_mask, unpack_probability
from segdata.catalog.schemas import SCORES, rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import CatalogError, CheckpointError
from segdata.imaging.decode import read_image
from segdata.imaging.guided import enlarge_along
from segdata.inference.scoring import ScoringOptions, evaluate, identify, score_samples, scores_of
from segdata.metrics.image_scores import score_image
from segdata.storage.files import sha256_of

HEIGHT, WIDTH, SIDE = 48, 36, 32
OPTIONS = ScoringOptions("torch", "fp32", batch=8)


class BrightIsPerson:
    """A network whose probability of a person is the brightness."""

    name, precision, at_once = "torch", "fp32", 1

    def __init__(self, folder=None, name="torch", precision="fp32"):
        self.batches = []

    def probabilities(self, batch):
        self.batches.append(len(batch))
        return batch.astype(np.float32).mean(axis=3) / 255

    def describe(self, batch):
        return self.probabilities(batch), batch.mean(axis=(1, 2)).astype(np.float32)


class NotANumber(BrightIsPerson):
    """A network that diverged."""

    def probabilities(self, batch):
        found = super().probabilities(batch)
        found[0, 0, 0] = np.nan
        return found


class Stopped(BrightIsPerson):
    """Somebody presses Ctrl-C at the network's twelfth batch."""

    def probabilities(self, batch):
        found = super().probabilities(batch)
        if len(self.batches) == 12:
            raise KeyboardInterrupt
        return found


def must_not_open(folder, name, precision):
    raise AssertionError("opened a network with nothing to score")


def portrait(workspace, number):
    """A bright person before darkness, labelled rightly; each another, by its number."""
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[10 + number % 7 :, 6 + number % 11 : 28] = 255
    image = np.where(alpha[..., None] > 0, 220, 30).astype(np.uint8).repeat(3, axis=2)
    image[0, 0] = number % 256, number // 256, 0
    row = {
        "sample_id": f"pool/{number:04d}", "dataset": "pool", "kind": "portrait", "split": "pool", "status": "present",
        "alpha_kind": "hard", "width": WIDTH, "height": HEIGHT, "alpha_channel": None,
    }  # fmt: skip
    for name, array in (("image", image), ("alpha", alpha)):
        path = workspace.root / "data" / f"{number:04d}_{name}.png"
        cv2.imwrite(str(path), array)
        row |= {
            f"{name}_uri": workspace.uri_of(path),
            f"{name}_size": path.stat().st_size,
            f"{name}_mtime_ns": path.stat().st_mtime_ns,
            f"{name}_sha256": sha256_of(path.read_bytes()),
        }
    return row


def make_workspace(root):
    (root / "data").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "model" / "model.toml").write_text(f'name = "bright"\ninput_hw = [{SIDE}, {SIDE}]\n')
    (root / "model" / "weights.safetensors").write_bytes(b"what the fake network does not read")
    return Workspace(root, Catalog(root / "catalog"))


def pool(workspace, count):
    return rows_to_table("samples", [portrait(workspace, number) for number in range(count)])


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path)


@pytest.fixture
def context(workspace):
    return RunContext(workspace, "run-1")


def score(context, samples, opener=BrightIsPerson, **changes):
    return score_samples(replace(context, **changes), context.workspace.root / "model", samples, OPTIONS, opener=opener)


def table(context, name="scores"):
    rows = context.catalog.read(name).to_pylist()
    return sorted(({**row, "run_id": ""} for row in rows), key=lambda row: row["sample_id"])


def test_scores_and_predictions_are_those_of_the_image(context):
    samples = pool(context.workspace, 3)
    result = score(context, samples)
    assert (result.scored, result.reused, result.failed) == (3, 0, 0)
    row, prediction = table(context)[1], table(context, "predictions")[1]
    alpha = cv2.imread(str(context.workspace.root / "data/0001_alpha.png"), cv2.IMREAD_GRAYSCALE)
    probability = unpack_probability(prediction["probability"], SIDE, SIDE)
    restored = cv2.resize(probability, (WIDTH, HEIGHT))
    expected = score_image(alpha, restored, "hard")
    assert row["miou"] == pytest.approx(expected["miou"], abs=0.01)
    assert row["true_positive"] + row["false_positive"] == unpack_mask(prediction["mask"], HEIGHT, WIDTH).sum()
    assert (row["status"], row["reason"], row["model_id"]) == ("scored", None, result.model_id)
    assert (row["runtime"], row["precision"]) == ("torch", "fp32")
    assert np.array_equal(unpack_mask(prediction["mask"], HEIGHT, WIDTH), restored >= 0.5)


def test_a_version_that_is_enlarged_along_edges_is_scored_so_and_is_another_scorer(context):
    samples = pool(context.workspace, 2)
    linear = score(context, samples)
    spec = context.workspace.root / "model" / "model.toml"
    spec.write_text(spec.read_text() + 'upsample = "guided"\n')
    guided = score(context, samples)
    assert guided.scorer_id != linear.scorer_id
    for prediction in table(context, "predictions"):
        image = read_image(context.workspace.root / f"data/{prediction['sample_id'][-4:]}_image.png")
        probability = unpack_probability(prediction["probability"], SIDE, SIDE)
        led = enlarge_along(image, probability) if prediction["scorer_id"] == guided.scorer_id else None
        restored = cv2.resize(probability, (WIDTH, HEIGHT)) if led is None else led
        mask = unpack_mask(prediction["mask"], HEIGHT, WIDTH)
        assert np.count_nonzero(mask != (restored >= 0.5)) <= 2  # the kept probability is rounded
    assert len(table(context, "predictions")) == 4


def test_a_second_run_opens_no_network_and_adds_nothing(context):
    samples = pool(context.workspace, 5)
    first = score(context, samples)
    again = score(context, samples, opener=must_not_open)
    assert (again.scored, again.reused, again.failed) == (0, 5, 0)
    assert again.scorer_id == first.scorer_id
    assert len(table(context)) == len(table(context, "predictions")) == 5


def test_only_what_is_new_or_changed_is_scored(context):
    score(context, pool(context.workspace, 3))
    rows = pool(context.workspace, 5).to_pylist()
    rows[0]["alpha_sha256"] = "0" * 64  # another label since
    result = score(context, rows_to_table("samples", rows[1:]))
    assert (result.scored, result.reused) == (2, 2)
    assert score(context, rows_to_table("samples", rows[:1])).failed == 0


def test_another_model_is_another_scorer_and_shares_nothing(context):
    samples = pool(context.workspace, 2)
    first = score(context, samples)
    (context.workspace.root / "model" / "weights.safetensors").write_bytes(b"others")
    second = score(context, samples)
    assert second.scored == 2
    assert second.scorer_id != first.scorer_id


def test_precision_and_size_make_another_scorer(context):
    folder = context.workspace.root / "model"
    ids = {
        identify(folder, ScoringOptions("torch", precision), context.catalog).scorer_id
        for precision in ("fp32", "bf16")
    }
    (folder / "model.toml").write_text('name = "bright"\ninput_hw = [64, 32]\n')
    ids.add(identify(folder, OPTIONS, context.catalog).scorer_id)
    assert len(ids) == 3


def test_a_limit_takes_the_first_and_a_dry_run_writes_nothing(context):
    samples = pool(context.workspace, 6)
    assert score(context, samples, opener=must_not_open, dry_run=True).scored == 6
    assert table(context) == []
    assert score(context, samples, limit=4).scored == 4
    assert [row["sample_id"] for row in table(context)] == [f"pool/000{number}" for number in range(4)]


def test_an_unreadable_sample_is_a_failed_row_that_counts_nowhere_but_is_counted(context):
    samples = pool(context.workspace, 4)
    (context.workspace.root / "data/0001_image.png").unlink()
    (context.workspace.root / "data/0002_image.png").write_bytes(b"no picture")
    result = score(context, samples)
    assert (result.scored, result.failed) == (2, 2)
    gone, changed = table(context)[1:3]
    assert gone["status"] == changed["status"] == "failed"
    assert "0001_image.png" in gone["reason"]
    assert "changed since it was ingested; run: segdata ingest" in changed["reason"]
    assert gone["miou"] is None
    summary = evaluate(context.catalog, result.scorer_id, samples)
    assert (summary["images"], summary["failed"], summary["miou_image"]) == (2, 2, pytest.approx(1, abs=0.1))


def test_a_failed_sample_is_tried_again_and_written_again_only_when_it_can_be_scored(context):
    samples = pool(context.workspace, 2)
    path = context.workspace.root / "data/0001_image.png"
    kept = path.read_bytes()
    path.unlink()
    assert score(context, samples).failed == 1
    assert score(context, samples).failed == 1
    assert len(table(context)) == 2
    path.write_bytes(kept)  # a copy, with another time: the hash says that it is the same
    result = score(context, samples)
    assert (result.scored, result.reused, result.failed) == (1, 1, 0)
    assert scores_of(context.catalog, result.scorer_id, samples).num_rows == 2
    assert evaluate(context.catalog, result.scorer_id, samples)["failed"] == 0


def test_an_output_that_is_not_finite_is_a_failed_row(context):
    result = score(context, pool(context.workspace, 2), opener=NotANumber)
    assert (result.scored, result.failed) == (1, 1)
    assert table(context)[0]["reason"] == "the network's output is not finite"


def test_ctrl_c_leaves_what_was_committed_and_the_next_call_goes_on(context):
    samples = pool(context.workspace, 100)
    with pytest.raises(KeyboardInterrupt):
        score(context, samples, opener=Stopped)
    assert len(table(context)) == 64
    result = score(context, samples)
    assert (result.scored, result.reused) == (36, 64)
    assert [row["sample_id"] for row in table(context)] == sorted(samples["sample_id"].to_pylist())


def test_threads_change_nothing(context, tmp_path):
    alone = RunContext(make_workspace(tmp_path / "alone"), "run-2", workers=1)
    score(context, pool(context.workspace, 20), workers=4)
    score(alone, pool(alone.workspace, 20))
    assert table(context) == table(alone)
    assert table(context, "predictions") == table(alone, "predictions")


def test_two_drivers_at_once_score_nothing_twice(context):
    samples = pool(context.workspace, 130)
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(score, context, samples) for _ in range(2)]:
            done.result()
    ids = [row["sample_id"] for row in table(context)]
    assert ids == sorted(samples["sample_id"].to_pylist())
    assert len(table(context, "predictions")) == 130


def test_a_driver_that_begins_after_failures_shares_its_shards_with_one_that_goes_on(context):
    samples, goes_on = pool(context.workspace, 200), threading.Event()
    for number in (3, 5):
        (context.workspace.root / f"data/{number:04d}_image.png").unlink()

    class Waiting(BrightIsPerson):
        def probabilities(self, batch):
            found = super().probabilities(batch)
            if len(self.batches) == 12:
                goes_on.wait(60)
            return found

    with ThreadPoolExecutor(1) as first:
        early = first.submit(score, context, samples, opener=Waiting)
        deadline = time.monotonic() + 60
        while len(table(context)) < 64 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert score(context, samples).failed == 2
        goes_on.set()
        early.result()
    assert [row["sample_id"] for row in table(context)] == sorted(samples["sample_id"].to_pylist())
    assert len(table(context, "predictions")) == 198


def test_progress_counts_what_is_reused(context):
    seen = []
    samples = pool(context.workspace, 70)
    score(context, samples, limit=3)
    score(context, samples, progress=seen.append)
    assert [(one.done, one.total, one.stage) for one in seen] == [
        (3, 70, "score"), (67, 70, "score"), (70, 70, "score"),
    ]  # fmt: skip


_KILLED = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import test_scoring as t

    class Slow(t.BrightIsPerson):
        def probabilities(self, batch):
            time.sleep(0.05)
            return super().probabilities(batch)

    root = Path({root!r})
    workspace = t.Workspace(root, t.Catalog(root / "catalog"))
    samples = workspace.catalog.read("samples")
    t.score(t.RunContext(workspace, "killed"), samples, opener=Slow)
"""


def test_a_driver_killed_between_commits_is_continued_to_the_same_table(context, tmp_path):
    samples = pool(context.workspace, 200)
    context.catalog.merge("samples", samples)
    script = textwrap.dedent(_KILLED.format(tests=str(Path(__file__).parent), root=str(context.workspace.root)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    driver = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        deadline = time.monotonic() + 60
        while context.catalog.version("scores") < 1 and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        driver.send_signal(signal.SIGKILL)
    finally:
        driver.wait()
    left = len(table(context))
    assert 64 <= left < 200
    result = score(context, samples)
    assert (result.scored, result.reused) == (200 - left, left)
    alone = RunContext(make_workspace(tmp_path / "alone"), "run-2")
    score(alone, pool(alone.workspace, 200))
    assert table(context) == table(alone)
    assert table(context, "predictions") == table(alone, "predictions")


@pytest.mark.stress
def test_two_drivers_of_which_one_is_killed_again_and_again_end_with_the_undisturbed_table(context, tmp_path):
    samples = pool(context.workspace, 640)
    context.catalog.merge("samples", samples)
    script = textwrap.dedent(_KILLED.format(tests=str(Path(__file__).parent), root=str(context.workspace.root)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    call = [sys.executable, "-c", script]
    steady = subprocess.Popen(call, env=environment)
    for attempt in range(6):
        driver = subprocess.Popen(call, env=environment)
        time.sleep(3 + 0.7 * attempt)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert steady.wait(300) == 0
    assert score(context, samples).scored == 0
    alone = RunContext(make_workspace(tmp_path / "alone"), "run-2")
    score(alone, pool(alone.workspace, 640))
    assert table(context) == table(alone)
    assert table(context, "predictions") == table(alone, "predictions")


def test_evaluation_pools_pixels_and_averages_images(context):
    samples = pool(context.workspace, 2)
    scorer = "5" * 16
    figures = [
        {"miou": 0.5, "boundary_iou": 0.2, "hole_recall": 0.25, "true_positive": 1, "false_positive": 1,
         "false_negative": 0, "true_negative": 2},
        {"miou": 1.0, "boundary_iou": 0.4, "hole_recall": None, "true_positive": 100, "false_positive": 0,
         "false_negative": 0, "true_negative": 100},
    ]  # fmt: skip
    keys = ("sample_id", "image_sha256", "alpha_sha256")
    rows = [
        {**{key: sample[key] for key in keys}, **figure, "scorer_id": scorer, "status": "scored"}
        for sample, figure in zip(samples.to_pylist(), figures, strict=True)
    ]
    context.catalog.append("scores", rows_to_table("scores", rows))
    found = evaluate(context.catalog, scorer, samples)
    assert found == {
        "miou_image": 0.75,
        "miou_dataset": pytest.approx((101 / 102 + 102 / 103) / 2),
        "boundary_iou": pytest.approx(0.3),
        "hole_recall": 0.25,
        "images": 2,
        "failed": 0,
    }


def test_an_evaluation_of_nothing_has_no_figures(context):
    found = evaluate(context.catalog, "0" * 16, pool(context.workspace, 1))
    assert (found["miou_image"], found["miou_dataset"], found["hole_recall"], found["images"]) == (None, None, None, 0)


def test_scores_of_older_bytes_are_not_taken_for_those_of_new_ones(context):
    samples = pool(context.workspace, 2)
    result = score(context, samples)
    rows = samples.to_pylist()
    rows[0]["image_sha256"] = "f" * 64
    kept = scores_of(context.catalog, result.scorer_id, rows_to_table("samples", rows))
    assert [key_of(row) for row in kept.to_pylist()] == [key_of(rows[1])]


def test_a_model_without_weights_is_named(context):
    (context.workspace.root / "model" / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: can't be read"):
        score(context, pool(context.workspace, 1))


def test_damaged_predictions_are_told_apart():
    packed = pack_mask(np.ones((5, 9), bool))
    assert unpack_mask(packed, 5, 9).shape == (5, 9)
    with pytest.raises(CatalogError, match="holds 10 bytes instead of 12; score the sample again"):
        unpack_mask(packed, 6, 9)
    with pytest.raises(CatalogError, match="can't be decompressed"):
        unpack_probability(b"garbage", 2, 2)


def test_the_table_knows_every_column_that_is_written(context):
    score(context, pool(context.workspace, 1))
    assert set(table(context)[0]) == set(SCORES.names)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_real_network_is_opened_and_scores(context, runtime):
    from segdata.inference.model_folder import ModelSpec, build_network, write_version

    spec = ModelSpec(name="tiny", backbone="test_efficientnet", fusion_channels=16, input_hw=(64, 64), flip=True)
    samples = pool(context.workspace, 3)
    folder = context.workspace.root / "tiny"
    write_version(folder, build_network(spec), spec, "card", samples.select(["sample_id"]))
    result = score_samples(context, folder, samples, ScoringOptions(runtime, "fp32", batch=2))
    assert (result.runtime, result.precision, result.scored, result.failed) == (runtime, "fp32", 3, 0)
    assert all(0 <= row["miou"] <= 1 and row["confidence"] > 0 for row in table(context))
