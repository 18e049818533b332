"""P3M-10k: three parts with folders of their own, and splits by what the paper does with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.errors import SourceError
from segdata.ingest.p3m10k import read
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, PhotoSet

PARTS = {
    "train/blurred_image": "train",
    "validation/P3M-500-P/blurred_image": "test",
    "validation/P3M-500-NP/original_image": "test",
}


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((4, 3), np.uint8))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for images in PARTS:
        part = (tmp_path / images).parent
        write(tmp_path / images / "p_1.jpg")
        for other in ("mask", "trimap", "fg", "bg"):
            write(part / other / "p_1.png")
    return tmp_path.resolve()


def found(root: Path) -> list[Candidate]:
    yielded = read(root, SourceRecipe(name="p3m10k", root=str(root)))
    pairs = [one for one in yielded if not isinstance(one, PhotoSet)]
    assert all(isinstance(one, Candidate) for one in pairs)
    return [one for one in pairs if isinstance(one, Candidate)]


def test_each_part_is_read_with_its_mattes_and_its_split(tree: Path) -> None:
    assert {one.path: one.split for one in found(tree)} == {f"{part}/p_1.jpg": split for part, split in PARTS.items()}
    assert {Path(one.alpha).relative_to(tree).as_posix() for one in found(tree) if one.alpha} == {
        f"{Path(part).parent.as_posix()}/mask/p_1.png" for part in PARTS
    }


def test_a_part_that_was_not_downloaded_is_no_fault(tree: Path) -> None:
    (tree / "train").rename(tree / "elsewhere")
    assert {one.split for one in found(tree)} == {"test"}


def test_a_part_without_its_mattes_is_one(tree: Path) -> None:
    (tree / "train" / "mask").rename(tree / "train" / "masks")
    with pytest.raises(SourceError, match="lacks train/blurred_image/ and train/mask/"):
        found(tree)


def test_a_reader_that_the_recipe_lacks_is_named_with_its_root(
    tree: Path, tmp_path_factory: pytest.TempPathFactory, segdata: Callable[..., Any]
) -> None:
    workspace = tmp_path_factory.mktemp("ws")
    assert segdata("init", workspace, cwd=workspace).code == 0
    answer = segdata("ingest", "p3m10k", "--root", tree, "--json", cwd=workspace)
    assert answer.code == 0, answer.err
    assert answer.json["sources"]["p3m10k"]["added"] == 3
