"""The main job, end to end: from drawn portraits on disk to a retrained model and a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import segdata as package
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.versions import as_of

Run = Callable[..., Any]
pytestmark = pytest.mark.slow
LITE0 = ("--set", "model.spec=bisenet_lite0")  # a network that learns something, for the loop as a whole
SMALL = (*LITE0, "--set", "train.epochs=2", "--set", "train.batch_size=8", "--set", "mine.where=miou < 0.999")


@pytest.fixture(scope="module")
def looped(ingested: Path, segdata: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A workspace after one round, and what the command said."""
    folder = tmp_path_factory.mktemp("looped") / "ws"
    shutil.copytree(ingested, folder)
    answer = segdata("run", "--rounds", "1", *SMALL, "--json", cwd=folder)
    assert answer.code == 0, answer.err
    return folder, answer.json


def test_the_loop_goes_from_photos_to_a_retrained_model_and_a_page(looped: tuple[Path, dict[str, Any]]) -> None:
    folder, said = looped
    assert said["status"] == "done"
    first, second = said["rounds"]
    assert (first["round"], first["selected"]) == (0, 0)
    assert second["selected"] > 0
    assert first["model_id"] != second["model_id"]
    assert 0.4 < second["metrics"]["miou_image"] <= 1
    page = (folder / said["path"]).read_text()
    assert said["path"] == f"reports/{said['run_id']}/index.html"
    assert second["name"] in page


def test_a_second_run_finds_everything_and_changes_nothing(looped: tuple[Path, dict[str, Any]], segdata: Run) -> None:
    folder, said = looped
    answer = segdata("run", "--rounds", "1", *SMALL, "--json", cwd=folder)
    assert answer.code == 0, answer.err
    assert answer.json["rounds"] == said["rounds"]
    assert answer.json["ingest"]["sources"]["aisegment"]["added"] == 0
    models = segdata("query", "SELECT count(*) AS n FROM models", "--json", cwd=folder).json["rows"]
    assert models == [{"n": 2}]


def test_the_second_version_says_what_it_was_made_of(looped: tuple[Path, dict[str, Any]], segdata: Run) -> None:
    folder, said = looped
    sql = "SELECT model_id, parent_model_id, selection, uri, metrics FROM models ORDER BY created_at"
    first, second = segdata("query", sql, "--json", cwd=folder).json["rows"]
    assert second["parent_model_id"] == first["model_id"]
    card = (folder / second["uri"] / "CARD.md").read_text()
    assert second["selection"] in card
    trained = package.open(folder).query("SELECT count(*) AS n FROM samples WHERE split = 'train'").to_pylist()[0]["n"]
    metrics = json.loads(second["metrics"])
    assert metrics["training_samples"] == trained + metrics["selected"] - metrics["leaks_removed"]
    assert metrics["selected"] == said["rounds"][1]["selected"]


def test_the_past_is_trained_on_and_mined_as_it_was(
    looped: tuple[Path, dict[str, Any]], segdata: Run, tmp_path: Path
) -> None:
    folder, said = tmp_path / "ws", looped[1]
    shutil.copytree(looped[0], folder)
    first = said["rounds"][0]["model_id"]
    catalog = package.open(folder)._session.workspace.catalog
    then = catalog.at({"samples": as_of(catalog, said["run_id"]).versions["samples"]})
    assert "val" not in then.read("samples")["split"].to_pylist()
    for split in ("train", "pool"):  # one sample of each kind is no longer what it was
        row = catalog.read("samples", where=f"kind = 'portrait' AND split = '{split}'").slice(0, 1).to_pylist()[0]
        catalog.merge("samples", rows_to_table("samples", [{**row, "split": "none"}]))
    before = catalog.version("samples")

    # the same samples, cut the same way: the version is found again, which the samples of now would not find
    answer = segdata("train", *SMALL, "--as-of", said["run_id"], "--json", cwd=folder)
    assert answer.code == 0, answer.err
    assert (answer.json["model_id"], answer.json["reused"]) == (first, True)
    assert answer.json["as_of"]["versions"]["samples"] == then.version("samples")
    assert answer.json["as_of"]["left_out"] == 0
    now = segdata("train", *SMALL, "--dry-run", "--json", cwd=folder).json["training_samples"]
    assert now == answer.json["training_samples"] - 1

    nobody = segdata("mine", *SMALL, "--as-of", said["run_id"], cwd=folder)
    assert nobody.code == 4  # nothing was promoted then
    mined = segdata("mine", *SMALL, "--as-of", said["run_id"], "--model", first, "--json", cwd=folder)
    assert mined.code == 0, mined.err
    today = segdata("mine", *SMALL, "--model", first, "--json", cwd=folder)
    assert (mined.json["scored"], mined.json["reused"]) == (0, today.json["reused"] + 1)
    assert mined.json["selection"] == f"{today.json['selection']}-of-{then.version('samples')}"
    assert catalog.version("samples") == before
    (row,) = catalog.read("runs", ["result", "table_versions"], f"run_id = '{mined.json['run_id']}'").to_pylist()
    assert json.loads(row["table_versions"])["samples"] == then.version("samples")
    assert json.loads(row["result"])["as_of"]["asked"] == said["run_id"]


@pytest.mark.stress
def test_a_control_arm_says_what_mining_was_worth(
    looped: tuple[Path, dict[str, Any]], segdata: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "ws"
    shutil.copytree(looped[0], folder)
    narrow = (*LITE0, "--set", "train.epochs=1", "--set", "train.batch_size=8", "--set", "mine.where=miou < 2")
    first = looped[1]["rounds"][0]["model_id"]
    assert (
        segdata("mine", "--model", first, *narrow, "--where", "sample_id < 'aisegment/clip_img/18032'", cwd=folder).code
        == 0
    )
    answer = segdata("retrain", "--control", "--model", first, *narrow, "--json", cwd=folder)
    assert answer.code in (0, 5), answer.err
    said = answer.json
    assert said["control"]["model_id"] != said["model_id"]
    assert said["difference"]["low"] <= said["difference"]["mean"] <= said["difference"]["high"]
    assert "fewer than 3 seeds" in said["claim"]


def test_fuse_gives_the_same_files_whatever_the_workers(segdata: Run, ingested: Path, tmp_path: Path) -> None:
    made = []
    for workers in ("1", "2"):
        folder = tmp_path / workers
        shutil.copytree(ingested, folder)
        said = segdata("fuse", "--ratio", "0.3", "--workers", workers, "--json", cwd=folder).json
        assert said["written"] == said["composites"] > 0
        files = sorted((folder / "catalog" / "files" / "composites").rglob("*.*"))
        made.append({path.relative_to(folder): path.read_bytes() for path in files})
        again = segdata("fuse", "--ratio", "0.3", "--json", cwd=folder).json
        assert (again["written"], again["reused"]) == (0, said["composites"])
    assert made[0] == made[1]


def test_rendered_composites_are_trained_on(segdata: Run, workspace: Path) -> None:
    rendered = ("--set", "train.epochs=1", "--set", "train.batch_size=8", "--fusion", "rendered")
    refused = segdata("train", *rendered, cwd=workspace)
    assert refused.code == 4
    assert "segdata fuse" in refused.err
    composites = segdata("fuse", "--ratio", "0.5", "--json", cwd=workspace).json["composites"]
    said = segdata("train", *rendered, "--json", cwd=workspace)
    assert said.code == 0, said.err
    trained = package.open(workspace).query("SELECT count(*) AS n FROM samples WHERE split = 'train'").to_pylist()
    assert said.json["training_samples"] == trained[0]["n"]
    assert composites > 0


def test_predictions_are_as_large_as_their_photos(
    looped: tuple[Path, dict[str, Any]], segdata: Run, drawn_data: Path, tmp_path: Path
) -> None:
    import cv2

    photos = sorted((drawn_data / "aisegment" / "clip_img").rglob("*.jpg"))[:3]
    for option, channels in (("--alpha", 1), ("--cutout", 4)):
        out = tmp_path / option
        answer = segdata("predict", *photos, option, "--out", out, "--json", cwd=looped[0])
        assert answer.json["written"] == 3
        for photo in photos:
            made = cv2.imread(str(out / f"{photo.stem}.png"), cv2.IMREAD_UNCHANGED)
            assert made.shape[:2] == cv2.imread(str(photo)).shape[:2]
            assert (1 if made.ndim == 2 else made.shape[2]) == channels


def test_the_python_api_does_what_the_commands_do(workspace: Path) -> None:
    ws = package.open(workspace, settings={"train.epochs": 1, "train.batch_size": 8})
    assert ws.ingest()["sources"]["portrait2000"]["unchanged"] == 30
    assert ws.train()["promoted"] is True
    mined = ws.mine()
    frame = ws.scores(where="status = 'scored'").to_pandas()
    assert (frame["miou"] <= 1).all()
    assert len(ws.selections()) == mined["selected"]
    assert (workspace / ws.report()["path"]).is_file()
    assert ws.status()["models"][0]["promoted"] is True
