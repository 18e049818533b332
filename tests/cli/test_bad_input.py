"""Bad input: the message says where, what and what to do, the exit code is the right one, and nothing is lost."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
TRAIN = ("train", "--set", "train.epochs=1", "--set", "train.batch_size=8")


def test_a_folder_that_is_no_workspace(segdata: Run, tmp_path: Path) -> None:
    answer = segdata("ingest", "--workspace", tmp_path / "nope", cwd=tmp_path)
    assert answer.code == 2
    assert "nope: no such workspace; make one with: segdata init" in answer.err


def test_a_workspace_without_a_recipe(segdata: Run, tmp_path: Path) -> None:
    answer = segdata("ingest", cwd=tmp_path)
    assert answer.code == 2
    assert "pipelines/portrait.toml: no such recipe; segdata init writes" in answer.err


def test_a_folder_under_whose_name_no_catalog_can_lie(segdata: Run, tmp_path: Path) -> None:
    answer = segdata("init", "photos [2]/work", cwd=tmp_path)
    assert answer.code == 3
    assert "photos [2]/work: no catalog can lie under a name with '[' in it; rename that folder" in answer.err
    assert not list(tmp_path.iterdir())


def test_a_wrong_recipe_key(segdata: Run, workspace: Path) -> None:
    recipe = workspace / "pipelines" / "portrait.toml"
    recipe.write_text(recipe.read_text().replace("ratio = 0.3", "ratoi = 0.3"))
    answer = segdata("fuse", "--json", cwd=workspace)
    assert answer.code == 2
    message = "pipelines/portrait.toml: fuse.ratoi: unknown key; [fuse] knows ratio"
    assert message in answer.err
    assert answer.json["error"]["kind"] == "RecipeError"
    assert answer.json["error"]["exit_code"] == 2
    assert message in answer.json["error"]["message"]


def test_an_unknown_option_gives_one_object_too(segdata: Run, workspace: Path) -> None:
    answer = segdata("fuse", "--ratoi", "0.3", "--json", cwd=workspace)
    assert answer.code == 2
    assert answer.json["status"] == "failed"
    assert "--ratoi" in answer.json["error"]["message"]


def test_a_missing_root(segdata: Run, workspace: Path) -> None:
    answer = segdata("ingest", "coco", "--root", "not/here", "--json", cwd=workspace)
    assert answer.code == 3
    assert "coco" in answer.json["error"]["message"]
    assert "not/here" in answer.json["error"]["message"]
    assert answer.json["error"]["kind"] == "SourceError"
    rows = segdata("query", "SELECT status FROM runs ORDER BY started_at DESC LIMIT 1", "--json", cwd=workspace)
    assert rows.json["rows"] == [{"status": "failed"}]


def test_an_unknown_source(segdata: Run, workspace: Path) -> None:
    answer = segdata("ingest", "cocoa", cwd=workspace)
    assert answer.code == 2
    assert "no source 'cocoa'; the recipe has portrait2000, aisegment, coco" in answer.err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fuse", "segdata ingest"),
        ("train", "segdata ingest"),
        ("mine", "nothing is trained yet; run: segdata train"),
        ("retrain", "nothing is trained yet; run: segdata train"),
    ],
)
def test_an_empty_catalog(segdata: Run, tmp_path: Path, command: str, message: str) -> None:
    assert segdata("init", "ws", cwd=tmp_path).code == 0
    answer = segdata(command, "--json", cwd=tmp_path / "ws")
    assert answer.code == 4
    assert answer.json["error"]["kind"] == "TooFewSamplesError"
    assert message in answer.json["error"]["message"]


def test_status_of_an_empty_workspace_says_what_to_do(segdata: Run, tmp_path: Path) -> None:
    segdata("init", "ws", cwd=tmp_path)
    answer = segdata("status", cwd=tmp_path / "ws")
    assert answer.code == 0
    assert "segdata ingest   # the catalog is empty" in answer.out


def test_no_backgrounds(segdata: Run, drawn_data: Path, tmp_path: Path) -> None:
    segdata(
        "init", tmp_path / "ws", "--template", "demo", f"--portrait2000={drawn_data / 'portrait2000'}", cwd=tmp_path
    )
    assert segdata("ingest", cwd=tmp_path / "ws").code == 0
    for command, code in (("fuse", 4), ("train", 0)):
        answer = segdata(command, "--dry-run", cwd=tmp_path / "ws")
        assert answer.code == code
        assert "background" in answer.err
        assert "segdata ingest" in answer.err


def test_sql_that_would_write_is_refused(segdata: Run, workspace: Path) -> None:
    answer = segdata("query", f"COPY samples TO '{workspace}/out.csv'", cwd=workspace)
    assert answer.code == 2
    assert not (workspace / "out.csv").exists()


def test_query_shows_rows_to_people_and_all_of_them_to_programs(segdata: Run, workspace: Path) -> None:
    sql = "SELECT split, count(*) AS n FROM samples WHERE kind = 'portrait' GROUP BY split ORDER BY split"
    rows = {row["split"]: row["n"] for row in segdata("query", sql, "--json", cwd=workspace).json["rows"]}
    assert rows == {"pool": 24, "test": 6, "train": 24}
    assert "pool" in segdata("query", sql, cwd=workspace).out


@pytest.fixture(scope="module")
def trained(ingested: Path, segdata: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one version, trained for one epoch. Read only."""
    folder = tmp_path_factory.mktemp("trained") / "ws"
    shutil.copytree(ingested, folder)
    answer = segdata(*TRAIN, "--json", cwd=folder)
    assert answer.code == 0, answer.err
    assert answer.json["promoted"] is True
    return folder


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """The folder of a trained version, in a workspace of the test's own."""
    shutil.copytree(trained, tmp_path / "ws")
    return next((tmp_path / "ws" / "models").glob("tiny-*"))


@pytest.mark.slow
def test_a_corrupt_checkpoint(segdata: Run, model: Path) -> None:
    weights = model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    answer = segdata("mine", "--json", cwd=model.parents[1])
    assert answer.code == 3
    assert answer.json["error"]["kind"] == "CheckpointError"
    assert str(weights) in answer.json["error"]["message"]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.slow
def test_a_pickle_offered_as_weights_is_never_run(segdata: Run, model: Path, drawn_data: Path, tmp_path: Path) -> None:
    weights = model / "weights.safetensors"
    weights.write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    photos = drawn_data / "portrait2000" / "testing"
    answer = segdata("predict", photos, "--model", model, "--out", "out", "--json", cwd=model.parents[1])
    assert answer.code == 3
    assert str(weights) in answer.json["error"]["message"]
    assert not (tmp_path / "boom").exists()


@pytest.mark.slow
def test_a_wrong_predicate_names_the_columns(segdata: Run, model: Path) -> None:
    answer = segdata("mine", "--where", "moiu < 0.8", "--json", cwd=model.parents[1])
    assert answer.code == 2
    assert "moiu" in answer.json["error"]["message"]
    assert "miou" in answer.json["error"]["message"]


@pytest.mark.slow
def test_the_same_training_is_found_again(segdata: Run, model: Path) -> None:
    again = segdata(*TRAIN, "--json", cwd=model.parents[1])
    assert again.code == 0
    assert again.json["reused"] is True
    assert again.json["path"] == f"models/{model.name}"


@pytest.mark.slow
def test_a_copied_workspace_works(segdata: Run, model: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    model.parents[1].rename(moved)
    answer = segdata("mine", "--json", cwd=moved)
    assert answer.code == 0, answer.err
    assert answer.json["scored"] + answer.json["skipped"] == 24
    again = segdata("mine", "--json", "--where", "miou < 2", cwd=moved)
    assert (again.json["scored"], again.json["reused"]) == (0, answer.json["scored"])
    assert again.json["selected"] == answer.json["scored"]


def stop_when(
    entry: list[str], arguments: tuple[str, ...], cwd: Path, ready: Callable[[], bool], how: int
) -> tuple[int, str]:
    """Start a command, wait until something is true of the disk, send a signal; exit code and stdout."""
    process = subprocess.Popen([*entry, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read() if process.stderr else ""
    os.kill(process.pid, how)
    out, _ = process.communicate(timeout=120)
    return process.returncode, out


def epochs_kept(workspace: Path) -> Callable[[], bool]:
    return lambda: any((workspace / "models" / ".training").glob("*/*"))


@pytest.mark.slow
def test_ctrl_c_in_a_training_is_told_and_the_next_call_goes_on(
    segdata: Run, segdata_entry: list[str], workspace: Path
) -> None:
    call = ("train", "--set", "train.epochs=3", "--json")
    code, out = stop_when(segdata_entry, call, workspace, epochs_kept(workspace), signal.SIGINT)
    assert code == 130
    told = json.loads(out)
    assert told["status"] == "interrupted"
    assert told["error"]["exit_code"] == 130
    assert "the last one was cut off" in segdata("status", cwd=workspace).out
    again = segdata(*call, cwd=workspace)
    assert again.code == 0, again.err
    epochs = segdata("query", "SELECT metrics FROM models", "--json", cwd=workspace).json["rows"]
    assert [record["epoch"] for record in json.loads(epochs[0]["metrics"])["curves"]] == [1, 2, 3]


@pytest.mark.stress
def test_kill_9_in_a_training_loses_nothing_that_was_done(
    segdata: Run, segdata_entry: list[str], workspace: Path
) -> None:
    call = ("run", "--rounds", "0", "--set", "train.epochs=3", "--json")
    code, _ = stop_when(segdata_entry, call, workspace, epochs_kept(workspace), signal.SIGKILL)
    assert code == -signal.SIGKILL
    again = segdata(*call, cwd=workspace)
    assert again.code == 0, again.err
    assert len(again.json["rounds"]) == 1
    statuses = segdata("query", "SELECT status FROM runs WHERE command = 'run'", "--json", cwd=workspace).json["rows"]
    assert sorted(row["status"] for row in statuses) == ["done", "running"]


@pytest.mark.slow
def test_kill_9_in_an_ingest_loses_nothing(
    segdata: Run, segdata_entry: list[str], drawn_data: Path, ingested: Path, tmp_path: Path
) -> None:
    roots = [f"--{name}={drawn_data / name}" for name in ("portrait2000", "aisegment", "coco")]
    folder = tmp_path / "ws"
    segdata("init", folder, "--template", "demo", *roots, cwd=tmp_path)
    begun = folder / "catalog" / "tables" / "samples" / "_delta_log"
    stop_when(segdata_entry, ("ingest",), folder, begun.exists, signal.SIGKILL)
    answer = segdata("ingest", "--json", cwd=folder)
    assert answer.code == 0, answer.err
    sql = "SELECT sample_id, image_sha256, split FROM samples ORDER BY sample_id"
    assert segdata("query", sql, "--json", cwd=folder).json == segdata("query", sql, "--json", cwd=ingested).json


def test_names_that_are_not_utf8_are_told_in_letters(segdata: Run, ingested: Path, tmp_path: Path) -> None:
    latin1 = os.fsdecode(b"caf\xe9")
    answer = segdata("init", latin1, cwd=tmp_path)
    assert answer.code == 3
    assert "caf\\xe9: no catalog can lie under a name that is not UTF-8; rename that folder" in answer.err
    answer = segdata("ingest", "folder", "--root", latin1, "--dry-run", "--json", cwd=ingested)
    assert answer.json["error"]["message"] == "ingest: --root caf\\xe9: the path is not UTF-8; rename the folder"
    (tmp_path / "link").symlink_to(tmp_path / latin1)
    (tmp_path / latin1).mkdir()
    answer = segdata("ingest", "folder", "--root", tmp_path / "link", "--dry-run", "--json", cwd=ingested)
    assert answer.code == 3
    assert "caf\\xe9: the path is not UTF-8; rename the folder" in answer.json["error"]["message"]


def test_a_message_about_a_name_that_is_not_utf8_reaches_the_journal(segdata: Run, workspace: Path) -> None:
    shutil.rmtree(workspace.parent / "none", ignore_errors=True)
    folder = os.fsdecode(b"caf\xe9")
    answer = segdata("ingest", "--mended", folder, "--json", cwd=workspace)
    assert answer.code == 3, answer.err
    assert "caf\\xe9" in answer.json["error"]["message"]
    where = f"run_id = '{answer.json['run_id']}'"  # other tests leave failed runs in this workspace
    runs = segdata("query", f"SELECT error FROM runs WHERE {where}", "--json", cwd=workspace)
    assert [row["error"] for row in runs.json["rows"]] == [answer.json["error"]["message"]]
