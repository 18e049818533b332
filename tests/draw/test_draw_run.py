"""Drawn trees: the three layouts on disk, the same bytes whatever the workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segdata.draw.run import DrawCounts, run
from segdata.drawn.portrait import draw_portrait
from segdata.errors import UsageError
from segdata.imaging.composite import composite_over


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_files_whatever_the_workers(tmp_path: Path) -> None:
    counts = DrawCounts(portraits=5, pool=2, backgrounds=3)
    run(tmp_path / "a", counts, seed=3, workers=1)
    run(tmp_path / "b", counts, seed=3, workers=2)
    first = tree(tmp_path / "a")
    assert first == tree(tmp_path / "b")
    assert {
        "portrait2000/training/00004.png",
        "portrait2000/training/00004_matte.png",
        "portrait2000/testing/00001.png",
        "aisegment/clip_img/1803201916/clip_00000000/1803201916-00000001.jpg",
        "aisegment/matting/1803201916/matting_00000000/1803201916-00000001.png",
        "coco/annotations/instances_val2017.json",
        "coco/val2017/000000000003.jpg",
    } <= set(first)


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds files that were not drawn; give an empty folder"):
        run(tmp_path, DrawCounts(1, 1, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_a_camera_a_portrait_is_the_composite_of_its_parts() -> None:
    drawn = draw_portrait(5, (200, 150), camera=False)
    assert (composite_over(drawn.foreground, drawn.background, drawn.alpha) == drawn.image).all()
    assert ((drawn.alpha > 0) & (drawn.alpha < 255)).any()
    assert np.array_equal(draw_portrait(5, (200, 150), camera=False).image, drawn.image)
