"""Which pictures are looked at, and that none is looked at twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.inference import gathering
from segdata.inference.gathering import gather_pictures, lay_over
from segdata.inference.presence import LEAST
from segdata.storage.files import sha256_of

_FREE = LEAST + 5


def _write(path: Path, number: int, tone: int) -> dict[str, Any]:
    """A picture of one tone, with its number in a corner so that no two have the same bytes."""
    image = np.full((40, 60, 3), tone, np.uint8)
    image[0, :8, 0] = [255 * (number >> bit & 1) for bit in range(8)]
    cv2.imwrite(str(path), image)
    return {"image_uri": path.name, "image_sha256": sha256_of(path.read_bytes()), "width": 60, "height": 40}


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), run_id="r1", workers=1)


@pytest.fixture
def backgrounds(tmp_path: Path) -> pa.Table:
    rows = [
        {"sample_id": f"b/{n}", "kind": "background", "status": "present", **_write(tmp_path / f"b{n}.png", n, 40)}
        for n in range(_FREE)
    ]
    return rows_to_table("samples", rows)


@pytest.fixture
def people(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"p{n}.png" for n in range(LEAST)]
    for n, path in enumerate(paths):
        _write(path, n, 200)
    return paths


@pytest.fixture
def portraits(tmp_path: Path) -> pa.Table:
    rows = []
    for n in range(LEAST):
        cv2.imwrite(str(tmp_path / f"m{n}.png"), np.full((40, 60), 255, np.uint8))
        row = _write(tmp_path / f"f{n}.png", n, 220)
        rows.append({"sample_id": f"f/{n}", "kind": "portrait", "alpha_uri": f"m{n}.png", "alpha_kind": "hard", **row})
    return rows_to_table("samples", rows)


class _Looks:
    """A network that keeps the mean of what it is shown, and counts."""

    def __init__(self) -> None:
        self.shown: list[float] = []

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.shown.append(float(image.mean()))
        return np.full(4, round(image.mean()), np.uint8)


_NONE = rows_to_table("samples", [])


def test_each_picture_is_looked_at_once_and_what_is_new_alone(
    context: RunContext, backgrounds: pa.Table, people: list[Path]
) -> None:
    looks = _Looks()
    first = gather_pictures(context, backgrounds.slice(3), people, _NONE, lambda: looks)
    assert first is not None
    assert first.looked == len(looks.shown) == _FREE - 3 + LEAST
    assert {one.tolist()[0] for one in first.pictures.people.values()} == {200}
    assert first.pictures.names[0] == ("b/3", backgrounds["image_sha256"][3].as_py())
    again = gather_pictures(context, backgrounds, people, _NONE, lambda: looks)
    assert again is not None
    assert again.looked == 3
    assert len(looks.shown) == _FREE + LEAST
    assert len(again.pictures.names) == _FREE
    same = again.pictures.people
    assert all(np.array_equal(same[shown], one) for shown, one in first.pictures.people.items())


def test_a_cut_off_run_keeps_what_it_saw(
    context: RunContext, backgrounds: pa.Table, people: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "_SHARD", 10)

    class GivesUp(_Looks):
        def __call__(self, image: np.ndarray) -> np.ndarray:
            if len(self.shown) == 25:
                raise KeyboardInterrupt
            return super().__call__(image)

    with pytest.raises(KeyboardInterrupt):
        gather_pictures(context, backgrounds, people, _NONE, GivesUp)
    after = gather_pictures(context, backgrounds, people, _NONE, _Looks)
    assert after is not None
    assert after.looked == _FREE + LEAST - 20


def test_portraits_are_laid_over_backgrounds_where_no_photo_shows_people(
    context: RunContext, backgrounds: pa.Table, portraits: pa.Table
) -> None:
    found = gather_pictures(context, backgrounds, [], portraits, _Looks)
    assert found is not None
    assert len(found.pictures.people) == _FREE
    over = {name for _, name in found.pictures.people}
    assert over == set(found.pictures.backgrounds)
    assert all(one[0] > 40 for one in found.pictures.people.values())
    more = rows_to_table("samples", portraits.to_pylist()[:-1])
    assert gather_pictures(context, backgrounds, [], more, _Looks) is None  # one too few


def test_beside_photos_with_people_as_many_portraits_are_laid_over(
    context: RunContext, backgrounds: pa.Table, people: list[Path], portraits: pa.Table
) -> None:
    found = gather_pictures(context, backgrounds, people, portraits, _Looks)
    assert found is not None
    assert [sum(over is None for _, over in found.pictures.people), len(found.pictures.people)] == [LEAST, 2 * LEAST]


def test_what_cannot_be_read_or_has_changed_is_left_out(
    context: RunContext, backgrounds: pa.Table, people: list[Path], portraits: pa.Table, tmp_path: Path
) -> None:
    (tmp_path / "b0.png").unlink()
    _write(tmp_path / "b1.png", 99, 90)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"nothing")
    found = gather_pictures(context, backgrounds, [*people, damaged, tmp_path / "gone.png"], _NONE, _Looks)
    assert found is not None
    assert [name for name, _ in found.pictures.names] == [f"b/{n}" for n in range(2, _FREE)]
    assert len(found.pictures.people) == LEAST


def test_a_photo_that_is_a_background_too_or_was_forgotten_teaches_nothing(
    context: RunContext, backgrounds: pa.Table, people: list[Path], tmp_path: Path
) -> None:
    forgotten = {"sample_id": "x", "status": "forgotten", "image_sha256": sha256_of(people[0].read_bytes())}
    context.catalog.merge("samples", rows_to_table("samples", [forgotten]))
    assert gather_pictures(context, backgrounds, people, _NONE, _Looks) is None
    enough = [*people, _extra(tmp_path)]
    found = gather_pictures(context, backgrounds, [*enough, tmp_path / "b0.png"], _NONE, _Looks)
    assert found is not None
    assert not {name for name, _ in found.pictures.people} & {forgotten["image_sha256"], *found.pictures.backgrounds}


def _extra(folder: Path) -> Path:
    _write(folder / "extra.png", 77, 201)
    return folder / "extra.png"


def test_a_dry_run_counts_and_looks_at_nothing(context: RunContext, backgrounds: pa.Table, people: list[Path]) -> None:
    dry = RunContext(context.workspace, run_id="r2", dry_run=True)
    found = gather_pictures(dry, backgrounds, people, _NONE, lambda: pytest.fail("opened"))
    assert found is not None
    assert found.looked == _FREE + LEAST
    assert not found.pictures.backgrounds
    assert context.catalog.version("embeddings") == -1


def test_too_few_backgrounds_are_not_even_looked_at(
    context: RunContext, backgrounds: pa.Table, people: list[Path]
) -> None:
    few = backgrounds.slice(0, LEAST - 1)
    assert gather_pictures(context, few, people, _NONE, lambda: pytest.fail("opened")) is None


@pytest.mark.parametrize(("size", "rows"), [(0.0, 40), (1.0, 10)])
def test_a_portrait_stands_on_the_bottom_edge_from_a_quarter_of_the_height_up(size: float, rows: int) -> None:
    background, portrait = np.zeros((40, 80, 3), np.uint8), np.full((20, 10, 3), 200, np.uint8)
    draws = {"size": size, "place": 0.5}
    laid = lay_over(background, portrait, np.full((20, 10), 255, np.uint8), draws.__getitem__)
    seen = laid[..., 0] > 100
    assert seen.any(axis=1).sum() == pytest.approx(rows, abs=1)
    assert seen[-1].any()
    assert seen.any(axis=0).sum() == pytest.approx(rows / 2, abs=4)  # the portrait's own shape, its edge enlarged
    assert not background.any()
