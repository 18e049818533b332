"""Folds: whole groups, nothing that shows a photo of the fold among what its version is trained on, found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.schemas import rows_to_table
from segdata.errors import TooFewSamplesError, UsageError
from segdata.pipeline import folds
from segdata.pipeline.commands import opinion_of
from segdata.pipeline.recipe import with_settings
from segdata.pipeline.session import Session, open_session

COUNT = 3


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40), st.integers(2, 5), st.integers(0, 5))
def test_each_sample_is_in_one_fold_and_groups_stay_together(drawn: list[Any], count: int, seed: int) -> None:
    rows = [
        {"sample_id": f"s{n}", "group_id": f"g{group}" if known else None} for n, (group, known) in enumerate(drawn)
    ]
    dealt = folds.dealt(rows, count, seed)
    assert sorted(row["sample_id"] for fold in dealt for row in fold) == sorted(row["sample_id"] for row in rows)
    groups = [{folds.group_of(row) for row in fold} for fold in dealt]
    assert sum(map(len, groups)) == len(set().union(*groups))
    more = folds.dealt([*rows, {"sample_id": "new", "group_id": None}], count, seed)
    assert all(set(map(str, one)) <= set(map(str, other)) for one, other in zip(dealt, more, strict=True))


@pytest.fixture
def session(workspace: Path) -> Session:
    opened = open_session(workspace)
    return opened.with_recipe(with_settings(opened.recipe, {"mine.folds": COUNT}, "mine"))


@pytest.fixture
def trained(session: Session) -> Path:
    """A version trained on all portraits of train, one of which has changed since, and on a composite."""
    catalog = session.workspace.catalog
    rows = catalog.read("samples", where="kind = 'portrait' AND split = 'train'").to_pylist()
    first = {key: rows[0][key] for key in ("sample_id", "image_sha256", "alpha_sha256")}
    made = {
        **rows[1],
        "sample_id": "fused/1",
        "kind": "composite",
        "image_sha256": "f" * 64,
        "parents": [{"role": "portrait", **first}],
    }
    copy = {**rows[0], "sample_id": "copy/1"}
    catalog.merge("samples", rows_to_table("samples", [made, copy]))
    keys = ("sample_id", "image_sha256", "alpha_sha256")
    training = [{key: row[key] for key in keys} for row in (*rows, made, copy)]
    training[5]["alpha_sha256"] = "another label then"
    folder = session.workspace.models / "v"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(training), folder / "training.parquet")
    return folder


def make(session: Session, trained: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Any]]:
    plans: list[Any] = []

    def train_version(context: Any, recipe: Any, plan: Any) -> Any:
        plans.append(plan)
        return SimpleNamespace(model={"uri": f"models/{plan.arm}"})

    monkeypatch.setattr(folds, "train_version", train_version)
    return folds.fold_versions(session.context("run"), session.recipe, trained), plans


def test_every_portrait_that_is_as_it_was_is_in_one_fold_and_no_version_sees_its_own(
    session: Session, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, plans = make(session, trained, monkeypatch)
    known = {row["sample_id"]: row for row in folds.still_as_trained(session.context("run"), trained)}
    portraits = {name for name, row in known.items() if row["kind"] == "portrait"}
    asked = [name for _, rows in found for name in rows["sample_id"].to_pylist()]
    assert sorted(asked) == sorted(portraits)
    assert len(known) == len(pq.read_table(trained / "training.parquet")) - 1
    assert [plan.arm for plan in plans] == [f"fold-{number}-of-{COUNT}" for number in (1, 2, 3)]
    for (path, held), plan in zip(found, plans, strict=True):
        assert path == session.workspace.models / plan.arm
        assert plan.parent is None
        inside, learnt = set(held["sample_id"].to_pylist()), set(plan.training.rows["sample_id"].to_pylist())
        assert not inside & learnt
        assert not set(held["image_sha256"].to_pylist()) & set(plan.training.rows["image_sha256"].to_pylist())
        original = next(parent["sample_id"] for parent in known["fused/1"]["parents"])
        assert ("fused/1" in learnt) == (original in learnt)
        assert set(plan.training.rows["weight"].to_pylist()) == {1.0}


def test_a_dry_run_trains_nothing_and_too_few_groups_are_said(
    session: Session, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make(replace(session, dry_run=True), trained, monkeypatch) == ([], [])
    table = pq.read_table(trained / "training.parquet").slice(0, 1)
    pq.write_table(table, trained / "training.parquet")
    with pytest.raises(TooFewSamplesError, match=r"--folds 3: the 1 portraits that v was trained on are 1 groups"):
        make(session, trained, monkeypatch)


def test_a_second_opinion_is_an_onnx_file_of_the_workspace_or_a_version(session: Session, trained: Path) -> None:
    context = session.context("run")
    (session.workspace.root / "other").mkdir()
    file = session.workspace.root / "other/model.onnx"
    file.write_bytes(b"")
    assert opinion_of(context, "other/model.onnx") == opinion_of(context, str(file)) == file
    (trained / "model.toml").write_text("")
    assert opinion_of(context, str(trained)) == trained
    with pytest.raises(UsageError, match=r"none\.onnx: no such file"):
        opinion_of(context, "none.onnx")
    with pytest.raises(UsageError, match="no such version"):
        opinion_of(context, "nothing")


@pytest.mark.slow
def test_mining_by_folds_scores_the_training_samples_and_goes_on_where_it_was(
    workspace: Path, segdata: Callable[..., Any]
) -> None:
    small = (
        "--set",
        "train.epochs=1",
        "--set",
        "train.batch_size=8",
        "--set",
        "train.size=[64,64]",
        "--set",
        "train.fusion=none",
    )
    assert segdata("train", *small, cwd=workspace).code == 0
    answer = segdata("mine", "--folds", "2", "--where", "true", *small, "--json", cwd=workspace)
    assert answer.code == 0, answer.err
    said = answer.json
    train = segdata(
        "query",
        "SELECT count(*) AS n FROM samples WHERE split = 'train' AND kind = 'portrait'",
        "--json",
        cwd=workspace,
    )
    assert said["folds"] == 2
    assert said["scored"] + said["skipped"] >= train.json["rows"][0]["n"]
    rows = segdata("query", "SELECT DISTINCT c.model_id, s.split FROM scores c JOIN samples s USING (sample_id) "
                   "WHERE s.split IN ('train', 'pool')", "--json", cwd=workspace).json["rows"]  # fmt: skip
    assert len(rows) == 3  # the version and the pool, two folds' versions and train
    assert {row["split"] for row in rows if row["model_id"] == said["model_id"]} == {"pool"}
    again = segdata("mine", "--folds", "2", "--where", "true", *small, "--json", cwd=workspace).json
    assert (again["scored"], again["reused"], again["selection"]) == (0, said["scored"], said["selection"])
    models = segdata("models", "list", "--json", cwd=workspace).json["models"]
    assert [model["promoted"] for model in models] == [True, False, False]
