"""Who is asked about backgrounds, and when nobody is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.errors import CheckpointError, TooFewSamplesError
from segdata.fuse.recipe import FuseRecipe
from segdata.inference import gathering, presence, veto
from segdata.inference.presence import Pictures, Presence
from segdata.inference.veto import Veto, judge_people
from segdata.pipeline.backgrounds import training_backgrounds, usable_backgrounds
from segdata.pipeline.recipe import Recipe, with_settings

_MODEL = {"model_id": "m1", "name": "net-m1", "uri": "models/net-m1"}


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    rows = [
        {"sample_id": f"b/{n}", "kind": "background", "status": "gone" if n == 4 else "present", "split": split}
        for n, split in enumerate(("none", "none", "test", "pool", "none", "none", "none"))
    ]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    return RunContext(workspace, run_id="r1")


def _ids(context: RunContext, recipe: Recipe, model: dict[str, Any] | None) -> list[str]:
    names: list[str] = usable_backgrounds(context, recipe, model)[0]["sample_id"].to_pylist()
    return names


def test_present_backgrounds_outside_of_the_held_out_splits_are_used(context: RunContext) -> None:
    assert _ids(context, Recipe(), None) == ["b/0", "b/1", "b/3", "b/5", "b/6"]
    assert usable_backgrounds(context, Recipe(), None)[1] is None


def test_a_veto_of_0_asks_nobody(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(veto, "veto_backgrounds", lambda *_: pytest.fail("asked"))
    assert usable_backgrounds(context, Recipe(fuse=FuseRecipe(veto=0)), _MODEL)[1] is None


def test_what_the_version_vetoes_is_left_out_and_told(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(_: RunContext, folder: Path, backgrounds: Any, threshold: float, options: Any) -> Veto:
        asked.append((folder.name, backgrounds.num_rows, threshold))
        return judge_people("m1", "s", [("b/1", 0.95), *((f"b/{n}", 0.1) for n in (0, 3, 5, 6))], threshold)

    monkeypatch.setattr(veto, "veto_backgrounds", answer)
    left, told = usable_backgrounds(context, Recipe(), _MODEL)
    assert left["sample_id"].to_pylist() == ["b/0", "b/3", "b/5", "b/6"]
    assert told is not None
    assert told["vetoed"] == [{"sample_id": "b/1", "person_probability": 0.95, "by": "version"}]
    assert told["presence"] is None  # too few backgrounds to learn from
    assert asked == [("net-m1", 5, 0.9)]


def test_a_version_that_is_not_believed_is_warned_of(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scored = [("b/0", 0.99), ("b/1", 0.95), ("b/3", 0.1)]
    monkeypatch.setattr(veto, "veto_backgrounds", lambda *_: judge_people("m1", "s", scored, 0.9))
    with caplog.at_level(logging.WARNING):
        left, told = usable_backgrounds(context, Recipe(), _MODEL)
    assert left.num_rows == 5
    assert told is not None
    assert told["version"]["trusted"] is False
    assert "net-m1 sees people in 2 of 3 backgrounds, too many to be believed" in caplog.text


def _drawn(context: RunContext, settings: dict[str, Any]) -> int:
    return training_backgrounds(context, with_settings(Recipe(), settings, "test"), None)[0].num_rows


def test_a_training_draws_backgrounds_for_fusion_or_as_negatives_and_else_none(context: RunContext) -> None:
    assert _drawn(context, {"train.negatives": 0.0}) == 0
    assert _drawn(context, {"train.negatives": 0.1}) == 5
    assert _drawn(context, {"train.negatives": 0.1, "train.fusion": "rendered"}) == 5
    assert _drawn(context, {"train.negatives": 0.0, "train.fusion": "online"}) == 5


def test_negatives_are_left_away_where_no_background_may_be_used_and_online_fusion_is_not(
    context: RunContext, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert _drawn(context, {"train.negatives": 0.1, "train.licences": ["CC0"]}) == 0
    assert "no photo without a person is trained on" in caplog.text
    with pytest.raises(TooFewSamplesError, match="background"):
        _drawn(context, {"train.fusion": "online", "train.licences": ["CC0"]})
    context.catalog.merge("samples", rows_to_table("samples", [
        {"sample_id": f"b/{n}", "kind": "background", "status": "gone", "split": "none"} for n in range(7)
    ]))  # fmt: skip
    assert _drawn(context, {"train.negatives": 0.1}) == 0
    assert _drawn(context, {"train.fusion": "online"}) == 0


def _presence(trusted: bool) -> Presence:
    vetoed = (("b/1", 0.97), ("b/3", 0.8)) if trusted else ()
    return Presence(80, 80, 100, 0.95 if trusted else 0.6, 0.7, 0.75, 5, 2, vetoed)


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], list[float]]:
    """What the photos teach, as told; and with which share of losses they were asked."""

    def tell(trusted: bool) -> list[float]:
        asked: list[float] = []
        pictures = Pictures({}, {}, [])
        monkeypatch.setattr(gathering, "gather_pictures", lambda *_: gathering.Gathered(pictures, 9))
        monkeypatch.setattr(presence, "judge_presence", lambda _, lost: asked.append(lost) or _presence(trusted))
        return asked

    return tell


def test_what_the_photos_teach_counts_before_any_training(
    context: RunContext, photos: Callable[[bool], list[float]]
) -> None:
    asked = photos(True)
    left, told = usable_backgrounds(context, Recipe(), None)
    assert left["sample_id"].to_pylist() == ["b/0", "b/5", "b/6"]
    assert told is not None
    assert [(one["sample_id"], one["by"]) for one in told["vetoed"]] == [("b/1", "presence"), ("b/3", "presence")]
    assert (told["version"], told["presence"]["looked"], told["judged"]) == (None, 9, 5)
    assert asked == [0.02]
    assert usable_backgrounds(context, Recipe(fuse=FuseRecipe(presence=0)), None)[1] is None
    assert asked == [0.02]


def test_a_background_that_both_see_somebody_in_is_told_once(
    context: RunContext, photos: Callable[[bool], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(True)
    scored = [("b/0", 0.91), ("b/1", 0.93), *((f"x/{n}", 0.1) for n in range(10))]
    monkeypatch.setattr(veto, "veto_backgrounds", lambda *_: judge_people("m1", "s", scored, 0.9))
    left, told = usable_backgrounds(context, Recipe(), _MODEL)
    assert left["sample_id"].to_pylist() == ["b/5", "b/6"]
    assert told is not None
    assert [(one["sample_id"], one["person_probability"], one["by"]) for one in told["vetoed"]] == [
        ("b/1", 0.97, "version, presence"), ("b/0", 0.91, "version"), ("b/3", 0.8, "presence")
    ]  # fmt: skip


def test_photos_that_teach_nothing_leave_nobody_out_and_are_warned_of(
    context: RunContext, photos: Callable[[bool], list[float]], caplog: pytest.LogCaptureFixture
) -> None:
    photos(False)
    with caplog.at_level(logging.WARNING):
        left, told = usable_backgrounds(context, Recipe(), None)
    assert left.num_rows == 5
    assert told is not None
    assert told["vetoed"] == []
    assert "people can't be told from their absence in these backgrounds (AUC 0.60)" in caplog.text


def test_without_the_weights_nobody_looks_and_nothing_fails(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise CheckpointError("weights for tf_efficientnet_lite0: install them")

    monkeypatch.setattr(gathering, "gather_pictures", fail)
    with caplog.at_level(logging.WARNING):
        assert usable_backgrounds(context, Recipe(), None)[1] is None
    assert "nobody looks for people in backgrounds: weights for tf_efficientnet_lite0" in caplog.text
