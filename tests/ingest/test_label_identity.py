"""A label is another one when its mask is read in another way, and the same one as long as nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.catalog.forgetting import erase, traces_of
from segdata.catalog.forgotten import make_pseudonyms
from segdata.catalog.mends import keep_mends, undo_mends
from segdata.catalog.pixels import read_alpha_of, read_unchanged_alpha
from segdata.catalog.tables import Catalog
from segdata.catalog.verify import verify_files
from segdata.catalog.workspace import RunContext, Workspace
from segdata.imaging.encode import encode_png
from segdata.ingest.counts import SourceCounts
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import IngestOptions, run
from segdata.storage.files import sha256_of
from tests.ingest.test_accounting import mask, photo, samples, write


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    for number in range(2):
        write(tmp_path / f"d/images/{number}.png", photo())
        write(tmp_path / f"d/masks/{number}.png", mask(8 + number))
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run", workers=1)


def ingest(context: RunContext, verify: bool = False, **keys: Any) -> SourceCounts:
    recipe = SourceRecipe(**{"name": "mine", "reader": "folder", "root": "d", **keys})
    return run(context, [recipe], IngestOptions(verify)).sources["mine"]


def first(context: RunContext) -> dict[str, Any]:
    return samples(context)["images/0.png"]


@pytest.mark.parametrize("keys", [{"alpha_invert": True}, {"alpha_index": 0}])
def test_a_mask_that_is_read_in_another_way_is_another_label(context: RunContext, keys: dict[str, Any]) -> None:
    ingest(context)
    plain = first(context)
    file_sha256 = sha256_of(context.workspace.resolve(plain["alpha_uri"]).read_bytes())
    assert (plain["alpha_sha256"], plain["alpha_file_sha256"]) == (file_sha256, None)
    counts = ingest(context, **keys)
    assert (counts.changed, counts.unchanged) == (2, 0)
    other = first(context)
    assert other["alpha_sha256"] != file_sha256
    assert other["alpha_file_sha256"] == file_sha256
    assert np.array_equal(read_unchanged_alpha(context.workspace, other), read_alpha_of(context.workspace, other))
    assert verify_files(context) == (4, [])
    for again in (False, True):
        counts = ingest(context, again, **keys)
        assert (counts.unchanged, counts.decoded) == (2, 2 if again else 0)
        assert first(context)["alpha_sha256"] == other["alpha_sha256"]
    assert ingest(context).changed == 2
    assert first(context)["alpha_sha256"] != other["alpha_sha256"]


def test_a_setting_that_is_taken_back_brings_the_old_hash_back(context: RunContext) -> None:
    ingest(context)
    sha256 = first(context)["alpha_sha256"]
    ingest(context, alpha_invert=True)
    ingest(context)
    assert first(context)["alpha_sha256"] == sha256


def test_no_later_reading_takes_the_hash_of_an_earlier_one(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path / "d/masks/0.png", np.dstack([mask(8)] * 3 + [mask(14)]))
    keys: tuple[dict[str, Any], ...] = (
        {"alpha_channel": 3},
        {"alpha_channel": 0, "alpha_invert": True},
        {"alpha_channel": 0},
        {"alpha_index": 0},
    )
    hashes = []
    for reading in keys:
        ingest(context, **reading)
        hashes.append(first(context)["alpha_sha256"])
    assert len(set(hashes)) == len(keys)


@pytest.mark.parametrize(("keys", "later"), [({"alpha_index": 0}, {"alpha_index": 0}), ({}, {"alpha_invert": True})])
def test_a_mended_label_follows_its_photo_and_an_undo_restores_the_hash(
    context: RunContext, tmp_path: Path, keys: dict[str, Any], later: dict[str, Any]
) -> None:
    ingest(context, **keys)
    row = first(context)
    name, hashes = row["sample_id"], (row["image_sha256"], row["alpha_sha256"])
    keep_mends(context.catalog, {name: encode_png(mask(3))}, {name: hashes}, "mending")
    ingest(context, **keys)
    undo_mends(context.catalog, "mending")
    ingest(context, **keys)
    assert first(context)["alpha_sha256"] == row["alpha_sha256"]
    keep_mends(context.catalog, {name: encode_png(mask(3))}, {name: hashes}, "again")
    ingest(context, **later)
    for folder in ("images", "masks"):
        (tmp_path / f"d/{folder}/0.png").rename(tmp_path / f"d/{folder}/new.png")
    ingest(context, **later)
    assert "files/mended" in samples(context)["images/new.png"]["alpha_uri"]


def test_a_forgetting_that_is_cut_off_still_knows_the_file_of_the_mask(context: RunContext) -> None:
    ingest(context, alpha_invert=True)
    row = first(context)
    traces = traces_of(context.workspace, [row["sample_id"]])
    assert row["alpha_file_sha256"] in traces.hashes
    erase(context.workspace, traces, make_pseudonyms(context.workspace), "run")
    assert row["alpha_file_sha256"] in traces_of(context.workspace, [row["sample_id"]]).hashes


def test_a_renamed_photo_keeps_its_label_however_that_is_read(context: RunContext, tmp_path: Path) -> None:
    ingest(context, alpha_invert=True)
    sha256 = first(context)["alpha_sha256"]
    for folder, name in (("images", "0"), ("masks", "0")):
        (tmp_path / f"d/{folder}/{name}.png").rename(tmp_path / f"d/{folder}/renamed.png")
    assert ingest(context, alpha_invert=True).renamed == 1
    assert samples(context)["images/renamed.png"]["alpha_sha256"] == sha256


def test_labels_of_an_older_catalog_keep_their_hashes(context: RunContext) -> None:
    """There it was always that of the file."""
    ingest(context, alpha_index=0)
    row = first(context)
    assert row["alpha_file_sha256"] is None
    assert row["alpha_sha256"] == sha256_of(context.workspace.resolve(row["alpha_uri"]).read_bytes())
    counts = ingest(context, verify=True, alpha_index=0)
    assert (counts.unchanged, counts.decoded) == (2, 2)
    assert first(context)["alpha_sha256"] == row["alpha_sha256"]
    assert ingest(context).changed == 2
    assert first(context)["alpha_sha256"] != row["alpha_sha256"]


def test_merged_masks_are_inverted_once(context: RunContext, tmp_path: Path) -> None:
    (tmp_path / "d/masks/0.png").unlink()
    write(tmp_path / "d/masks/0-a.png", 255 - mask(20))
    write(tmp_path / "d/masks/0-b.png", 255 - mask(4))
    keys: dict[str, Any] = {"mask_suffix": "-?", "masks_of_one": "union"}
    ingest(context, **keys)
    upright = first(context)
    ingest(context, **keys, alpha_invert=True)
    inverted = first(context)
    assert np.array_equal(read_alpha_of(context.workspace, inverted), mask(4))
    assert inverted["foreground_fraction"] == pytest.approx(200 / 432)
    assert inverted["alpha_sha256"] != upright["alpha_sha256"]
