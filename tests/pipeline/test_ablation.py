"""The ablation: rows and seeds as arms, each against the row before, the mined one against its control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.catalog.models import all_models
from segdata.pipeline.ablation import Table, markdown
from segdata.pipeline.arms import Arm
from segdata.pipeline.evidence import Comparison, Difference
from segdata.report.ablation_curves import Line, ablation_picture

Open = Callable[..., Any]


def arm(name: str, *miou: float) -> Arm:
    metrics = [{"test": {"miou_image": value, "boundary_iou": value - 0.1}, "training_samples": 9} for value in miou]
    return Arm(name, tuple({"model_id": f"{name}{n}", "metrics": one} for n, one in enumerate(metrics)))


def against(new: str, old: str, mean: float, differs: bool, seeds: int) -> Comparison:
    one = Difference("overall", "miou", 40, seeds, mean, mean - 0.001, mean + 0.001, 0.01, differs)
    return Comparison(new, old, (one,))


def table(seeds: int) -> Table:
    arms = (arm("ce", *[0.9] * seeds), arm("+ mined", *[0.95] * seeds), arm("control", *[0.93] * seeds))
    pairs = (against("+ mined", "ce", 0.05, True, seeds), against("control", "+ mined", -0.0002, False, seeds))
    return Table(arms, (None, *pairs), against("+ mined", "control", 0.02, True, seeds), seeds)


def test_the_table_says_what_each_row_gained_and_which_is_more_than_luck() -> None:
    text = markdown(table(3), "pipelines/ablation.toml", "ablation.png")
    assert "segdata ablate --recipe pipelines/ablation.toml --seeds 3" in text
    assert "| ce | 0.9000 | - | 0.8000 | - | - | 9 |" in text
    assert "| + mined | 0.9500 | - | 0.8500 | - | **+0.0500 [+0.0490, +0.0510]** | 9 |" in text
    assert "| -0.0002 [-0.0012, +0.0008] | 9 |" in text
    assert "On the 40 images of the test split, the mean of 3 seeds a row" in text
    assert "**Mining**: Mining helped: mined minus random is +0.0200" in text
    assert "](ablation.png)" in text


def test_with_one_seed_nothing_is_bold_and_that_is_said() -> None:
    text = markdown(table(1), "pipelines/ablation.toml", "ablation.png")
    assert "With 1 seed, fewer than 3, no claim is made." in text
    assert "**+" not in text
    assert "**Mining**: No claim: 1 seed" in text


def test_the_mean_over_the_seeds_is_what_a_row_shows() -> None:
    told = arm("a", 0.9, 0.94).to_json()
    assert told["metrics"]["miou_image"] == pytest.approx(0.92)
    assert told["metrics"]["hole_recall"] is None
    assert told["model_ids"] == ["a0", "a1"]


def test_the_curves_are_a_picture_with_a_line_a_row() -> None:
    lines = [
        Line("ce", (((1, 0.8), (2, 0.9)), ((1, 0.82), (2, 0.88))), (0.90, 0.91)),
        Line("+ mined", (((1, 0.9),),), ()),
    ]
    data = ablation_picture(lines, dpi=50)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (200, 550, 3)
    assert (image < 200).any()


@pytest.mark.slow
def test_rows_are_trained_once_and_promoted_never(tiny: Path, open_tiny: Open) -> None:
    from segdata.pipeline.ablation import ablate

    rows = [
        {"name": "ce", "set": {"train.loss": "ce"}},
        {"name": "+ mined", "set": {"train.loss": "ce"}, "mined": True},
        {"name": "control", "set": {"train.loss": "ce"}, "control": True},
    ]
    workspace = open_tiny(tiny, sources=[], ablation=rows)
    session, catalog = workspace._session, workspace._session.workspace.catalog
    said = ablate(session, 2).to_json()
    assert [row["name"] for row in said["rows"]] == ["ce", "+ mined", "control"]
    assert [len(row["model_ids"]) for row in said["rows"]] == [2, 2, 2]
    assert said["rows"][0]["difference"] is None
    assert said["rows"][1]["training_samples"] == said["rows"][2]["training_samples"]
    assert said["claim"].startswith("No claim: 2 seeds")
    versions = all_models(catalog)
    assert len(versions) == 6
    assert not any(row["promoted"] for row in versions)
    assert len({row["metrics"]["val"]["images"] for row in versions}) == 1  # whatever the seed, val is the same
    text = (tiny / said["path"]).read_text()
    assert "--seeds 2" in text
    assert (tiny / said["curves"]).read_bytes()[:4] == b"\x89PNG"

    again = ablate(session, 2).to_json()
    assert again["rows"] == said["rows"]
    assert len(all_models(catalog)) == 6
