"""A mended label goes with the bytes of its photograph: to another name, and not to another photograph."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from segdata.catalog.mends import keep_mends, mends_of
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.imaging.encode import encode_png
from segdata.ingest.counts import SourceCounts
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run
from segdata.storage.files import sha256_of

SOURCE = SourceRecipe(name="mine", reader="folder", root="data")
LABELS = {name: encode_png(np.full((40, 30), value, np.uint8)) for name, value in (("0", 255), ("1", 250))}


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """Three samples, of which two were mended."""
    for number in range(3):
        write(tmp_path, f"{number}", number)
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run")
    ingest(context)
    for name, label in LABELS.items():
        mend(context, name, label)
    assert ingest(context).changed == 2
    return context


def write(root: Path, name: str, seed: int, size_hw: tuple[int, int] = (40, 30)) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    mask = np.where(random.random(size_hw) < 0.5, 0, 255).astype(np.uint8)
    for folder, pixels in (("images", image), ("masks", mask)):
        (root / "data" / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "data" / folder / f"{name}.png"), pixels)


def mend(context: RunContext, name: str, label: bytes) -> None:
    rows = {row["sample_id"]: row for row in context.catalog.read("samples").to_pylist()}
    row = rows[f"mine/images/{name}"]
    keep_mends(
        context.catalog, {row["sample_id"]: label}, {row["sample_id"]: (row["image_sha256"], row["alpha_sha256"])}
    )


def ingest(context: RunContext) -> SourceCounts:
    return run(context, [SOURCE]).sources["mine"]


def rename(root: Path, *names: tuple[str, str]) -> None:
    """All at once, as if by way of names that nobody saw."""
    for old, _ in names:
        for folder in ("images", "masks"):
            (root / "data" / folder / f"{old}.png").rename(root / "data" / folder / f"{old}.aside")
    for old, new in names:
        for folder in ("images", "masks"):
            (root / "data" / folder / f"{old}.aside").rename(root / "data" / folder / f"{new}.png")


def labels(context: RunContext) -> dict[str, str]:
    """The name of each sample -> the mend that it is measured on, or what else its label is."""
    told = {sha256_of(label): f"mended {name}" for name, label in LABELS.items()}
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    for row in rows:
        assert ("files/mended" in row["alpha_uri"]) == (row["alpha_sha256"] in told)
    return {row["sample_id"].rpartition("/")[2]: told.get(row["alpha_sha256"], "the source's") for row in rows}


def test_a_renamed_sample_keeps_its_mend(context: RunContext, tmp_path: Path) -> None:
    rename(tmp_path, ("0", "new"))
    counts = ingest(context)
    assert (counts.added, counts.renamed, counts.gone, counts.unchanged) == (1, 1, 1, 2)
    assert labels(context) == {"new": "mended 0", "1": "mended 1", "2": "the source's"}
    again = ingest(context)
    assert (again.unchanged, again.decoded) == (3, 0)


def test_what_is_mended_again_under_its_new_name_comes_along_to_the_next(context: RunContext, tmp_path: Path) -> None:
    rename(tmp_path, ("0", "new"))
    ingest(context)
    mend(context, "new", LABELS["1"])
    ingest(context)
    rename(tmp_path, ("new", "newer"))
    ingest(context)
    assert labels(context)["newer"] == "mended 1"
    assert mends_of(context.catalog)["mine/images/newer"].earlier == (f"{sha256_of(LABELS['0'])}.png",)


def test_two_that_change_places_take_their_mends_along(context: RunContext, tmp_path: Path) -> None:
    rename(tmp_path, ("0", "1"), ("1", "0"))
    ingest(context)
    assert labels(context) == {"0": "mended 1", "1": "mended 0", "2": "the source's"}
    assert ingest(context).decoded == 0
    rename(tmp_path, ("0", "2"), ("2", "0"))
    ingest(context)
    assert labels(context) == {"0": "the source's", "1": "mended 0", "2": "mended 1"}
    assert ingest(context).decoded == 0


@pytest.mark.parametrize("size_hw", [(40, 30), (50, 40)])
def test_another_photograph_under_the_name_of_a_mended_one_has_its_own_label(
    context: RunContext, tmp_path: Path, size_hw: tuple[int, int]
) -> None:
    kept = [shutil.copy2(tmp_path / "data" / folder / "0.png", tmp_path / folder) for folder in ("images", "masks")]
    write(tmp_path, "0", 77, size_hw)
    counts = ingest(context)
    assert (counts.changed, counts.rejected) == (1, 0)
    assert labels(context)["0"] == "the source's"
    assert ingest(context).decoded == 0
    for path, folder in zip(kept, ("images", "masks"), strict=True):
        shutil.copy2(path, tmp_path / "data" / folder / "0.png")
    ingest(context)
    assert labels(context)["0"] == "mended 0", "and when it comes back, so does its mended label"


def test_a_mended_label_that_is_lost_is_a_reject_and_not_quietly_the_old_label(
    context: RunContext, tmp_path: Path
) -> None:
    lost = context.catalog.files / "mended" / f"{sha256_of(LABELS['0'])}.png"
    lost.unlink()
    assert run(context, [SOURCE]).rejects == {"unreadable_alpha": 1}
    assert set(labels(context)) == {"1", "2"}
