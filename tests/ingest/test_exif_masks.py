"""Photos that EXIF turns and whose masks have no EXIF: the edges of the photos decide, once per source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.catalog.pixels import read_pair
from segdata.catalog.sources import read_sources
from segdata.ingest.label_file import EXIF_QUESTION
from tests.ingest.mask_sources import context_of, draw, ingest, save

UPSIDE_DOWN, MIRRORED, QUARTER = 3, 2, 6
_ORIENTATION = 0x0112


def exif(orientation: int) -> Pillow.Exif:
    block = Pillow.Exif()
    block[_ORIENTATION] = orientation
    return block


def lay_out(
    root: Path, orientation: int, upright_mask: bool, size: tuple[int, int] = (60, 80), photos: int = 3
) -> None:
    """Photos as a camera stores them; their masks fit the stored pixels, or the upright photo."""
    for number in range(photos):
        photo, person = draw(number, *size)
        save(root / f"images/{number}.jpg", photo, exif=exif(orientation), quality=95)
        mask = Pillow.fromarray(person.astype(np.uint8) * 255)
        if upright_mask:
            transposed = {3: Pillow.Transpose.ROTATE_180, 2: Pillow.Transpose.FLIP_LEFT_RIGHT}
            transposed[6] = Pillow.Transpose.ROTATE_270
            mask = mask.transpose(transposed[orientation])
        save(root / f"masks/{number}.png", mask)


def fits_its_photo(workspace: Path) -> list[bool]:
    """Whether the label of each sample is where its photo is bright."""
    context = context_of(workspace)
    fits = []
    for row in context.catalog.read("samples", where="status = 'present'").to_pylist():
        photo, alpha = read_pair(context.workspace, row)
        fits.append(bool(((photo[:, :, 1] > 125) == (alpha >= 128)).mean() > 0.98))
    return fits


@pytest.mark.parametrize(
    ("orientation", "size"),
    [(UPSIDE_DOWN, (60, 80)), (MIRRORED, (60, 80)), (QUARTER, (70, 70))],
    ids=["180 degrees", "mirrored", "square"],
)
@pytest.mark.parametrize("upright_mask", [True, False], ids=["mask of the upright photo", "mask of the stored pixels"])
def test_the_edges_of_the_photos_decide(
    tmp_path: Path, orientation: int, size: tuple[int, int], upright_mask: bool
) -> None:
    lay_out(tmp_path / "data", orientation, upright_mask, size)
    counts = ingest(tmp_path, tmp_path / "data")
    assert counts.added == 3
    assert fits_its_photo(tmp_path) == [True] * 3
    assert counts.masks is not None
    rule = "apply" if upright_mask else "ignore"
    assert "3 photos that EXIF turns have masks without EXIF" in counts.masks.exif
    assert f'as exif = "{rule}" in the recipe would do' in counts.masks.exif
    assert read_sources(context_of(tmp_path).catalog)["own"].exif == rule


def test_the_decision_holds_for_later_photos_and_reads_nothing_again(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", UPSIDE_DOWN, upright_mask=False, photos=2)
    ingest(tmp_path, tmp_path / "data")
    lay_out(tmp_path / "more", UPSIDE_DOWN, upright_mask=False, photos=3)
    for part, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / f"more/{part}/2.{suffix}").rename(tmp_path / f"data/{part}/2.{suffix}")
    counts = ingest(tmp_path, tmp_path / "data")
    assert (counts.added, counts.unchanged, counts.decoded) == (1, 2, 1)
    assert fits_its_photo(tmp_path) == [True] * 3


def test_a_mask_that_fits_only_the_stored_pixels_follows_the_decision(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", UPSIDE_DOWN, upright_mask=False)
    photo, person = draw(8)
    save(tmp_path / "data/images/lying.jpg", photo, exif=exif(QUARTER), quality=95)
    save(tmp_path / "data/masks/lying.png", person.astype(np.uint8) * 255)
    assert ingest(tmp_path, tmp_path / "data").added == 4
    assert fits_its_photo(tmp_path) == [True] * 4


def test_without_such_photos_it_is_rejected_and_told_the_remedy(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", QUARTER, upright_mask=False)
    assert ingest(tmp_path, tmp_path / "data").rejected == 3
    rows = context_of(tmp_path).catalog.read("rejects").to_pylist()
    assert {row["reason"] for row in rows} == {"size_mismatch"}
    assert 'set exif = "ignore"' in rows[0]["detail"]
    assert ingest(tmp_path, tmp_path / "data", exif="ignore").added == 3
    assert fits_its_photo(tmp_path) == [True] * 3


def test_where_the_edges_say_nothing_the_photos_are_rejected_with_a_question(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", UPSIDE_DOWN, upright_mask=False)
    for number in range(3):
        save(tmp_path / f"data/images/{number}.jpg", np.full((80, 60, 3), 90, np.uint8), exif=exif(UPSIDE_DOWN))
    counts = ingest(tmp_path, tmp_path / "data")
    assert (counts.added, counts.rejected) == (0, 3)
    assert counts.masks is not None
    assert 'set exif = "apply" or exif = "ignore"' in counts.masks.exif
    rows = context_of(tmp_path).catalog.read("rejects").to_pylist()
    assert {(row["reason"], row["detail"]) for row in rows} == {("implausible_alpha", EXIF_QUESTION)}
    assert ingest(tmp_path, tmp_path / "data").decoded == 0
    assert ingest(tmp_path, tmp_path / "data", exif="ignore").added == 3


def test_the_recipe_overrules_and_only_photos_in_question_are_read_again(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", UPSIDE_DOWN, upright_mask=False)
    photo, person = draw(9)
    save(tmp_path / "data/images/plain.jpg", photo, quality=95)
    save(tmp_path / "data/masks/plain.png", person.astype(np.uint8) * 255)
    ingest(tmp_path, tmp_path / "data")
    counts = ingest(tmp_path, tmp_path / "data", exif="apply")
    assert (counts.decoded, counts.changed, counts.unchanged) == (3, 3, 1)
    assert fits_its_photo(tmp_path) == [False, False, False, True]
    assert ingest(tmp_path, tmp_path / "data", exif="ignore").decoded == 3
    assert fits_its_photo(tmp_path) == [True] * 4


def test_a_mask_with_an_exif_of_its_own_is_turned_by_that(tmp_path: Path) -> None:
    for number in range(2):
        photo, person = draw(number)
        save(tmp_path / f"data/images/{number}.jpg", photo, exif=exif(UPSIDE_DOWN), quality=95)
        mask = Pillow.fromarray(person.astype(np.uint8) * 255)
        save(tmp_path / f"data/masks/{number}.png", mask, exif=exif(UPSIDE_DOWN))
    counts = ingest(tmp_path, tmp_path / "data")
    assert counts.added == 2
    assert counts.masks is not None
    assert counts.masks.exif == ""
    assert fits_its_photo(tmp_path) == [True] * 2
