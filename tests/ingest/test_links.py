"""Links into the cache that belongs to a source are followed; others only if the recipe says so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.imaging.encode import encode_png
from segdata.ingest.counts import SourceCounts
from segdata.ingest.links import link_targets
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run

CACHES = {
    "DVC": ("repo/data", "repo/.dvc/cache/files/md5/ab"),
    "DVC 2": ("repo/sets/mine", "repo/.dvc/cache/ab"),
    "git-annex": ("repo", "repo/.git/annex/objects/1x/2y/KEY"),
    "DataLad, a folder below": ("repo/sub/photos", "repo/.git/annex/objects/1x/2y/KEY"),
    "Hugging Face": ("hub/datasets--me--faces/snapshots/abc/data", "hub/datasets--me--faces/blobs"),
}


def lay_out(root: Path, cache: Path) -> None:
    """Two pairs whose files are links into a cache."""
    cache.mkdir(parents=True)
    for number in range(2):
        photo = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        for folder, pixels in (("images", photo), ("masks", np.tri(8, dtype=np.uint8) * np.uint8(255))):
            place = root / folder / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            blob = cache / f"{folder}{number}"
            blob.write_bytes(encode_png(pixels))
            place.symlink_to(os.path.relpath(blob, place.parent))


def ingest(tmp_path: Path, root: str, **keys: str) -> tuple[SourceCounts, dict[str, tuple[str, str]]]:
    context = RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run", workers=1)
    source = SourceRecipe(**{"name": "mine", "reader": "folder", "root": root, **keys})  # type: ignore[arg-type]  # keys of the recipe
    counts = run(context, [source]).sources["mine"]
    rows = context.catalog.read("rejects").to_pylist()
    return counts, {row["path"]: (row["reason"], row["detail"]) for row in rows}


@pytest.mark.parametrize("name", CACHES)
def test_links_into_the_cache_of_the_tree_are_followed(name: str, tmp_path: Path) -> None:
    root, cache = CACHES[name]
    lay_out(tmp_path / root, tmp_path / cache)
    (tmp_path / "repo/.dvc").mkdir(parents=True, exist_ok=True)
    counts, _ = ingest(tmp_path, root)
    assert (counts.found, counts.added) == (2, 2)


@pytest.mark.parametrize(
    ("root", "cache"),
    [
        ("repo/data", "other/.dvc/cache/ab"),  # of another repository
        ("repo/data", "repo/.dvc/tmp"),
        ("repo/data", "repo/.git/objects"),
        ("outer/.dvc/x/data", "outer/.git/hooks"),
        ("hub/datasets--me--faces/snapshots/abc", "hub/datasets--you--faces/blobs"),
        ("mine/snapshots/abc", "mine/blobs"),  # no folder of the hub
        ("data", "elsewhere"),
    ],
)
def test_other_links_need_the_word_of_the_user(root: str, cache: str, tmp_path: Path) -> None:
    lay_out(tmp_path / root, tmp_path / cache)
    (tmp_path / "repo/.dvc").mkdir(parents=True, exist_ok=True)
    counts, rejects = ingest(tmp_path, root)
    assert (counts.found, counts.rejected) == (2, 2)
    assert {reason for reason, _ in rejects.values()} == {"unsafe_path"}
    assert all('links = "follow"' in detail for _, detail in rejects.values())
    assert ingest(tmp_path, root, links="follow")[0].added == 2


def test_a_cache_that_is_itself_a_link_is_no_cache(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    lay_out(tmp_path / "repo/data", secret)
    (tmp_path / "repo/.dvc").mkdir()
    (tmp_path / "repo/.dvc/cache").symlink_to(secret)
    for place in (tmp_path / "repo/data").rglob("*.png"):
        name = place.readlink().name
        place.unlink()
        place.symlink_to(tmp_path / "repo/.dvc/cache" / name)
    counts, rejects = ingest(tmp_path, "repo/data")
    assert (counts.added, {reason for reason, _ in rejects.values()}) == (0, {"unsafe_path"})


def test_a_file_in_a_cache_that_is_a_link_out_of_it_is_not_read(tmp_path: Path) -> None:
    cache = tmp_path / "repo/.dvc/cache/ab"
    lay_out(tmp_path / "repo/data", cache)
    (cache / "images1").rename(tmp_path / "secret")
    (cache / "images1").symlink_to(tmp_path / "secret")
    counts, rejects = ingest(tmp_path, "repo/data")
    assert (counts.added, rejects["images/1.png"][0]) == (1, "unsafe_path")


def test_a_link_to_a_file_that_was_not_fetched_says_so(tmp_path: Path) -> None:
    cache = tmp_path / "repo/.git/annex/objects/a"
    lay_out(tmp_path / "repo", cache)
    (cache / "images1").unlink()
    counts, rejects = ingest(tmp_path, "repo")
    assert (counts.found, counts.added) == (2, 1)
    assert rejects["images/1.png"][0] == "unreadable_image"
    assert "git annex get" in rejects["images/1.png"][1]


def test_links_to_folders_are_followed_if_asked_and_a_circle_ends(tmp_path: Path) -> None:
    lay_out(tmp_path / "real", tmp_path / "cache")
    for folder in ("images", "masks"):
        (tmp_path / "d" / folder).mkdir(parents=True)
        (tmp_path / "d" / folder / "sub").symlink_to(tmp_path / "real" / folder)
        (tmp_path / "real" / folder / "round").symlink_to(tmp_path / "d" / folder)
    counts, rejects = ingest(tmp_path, "d", links="follow")
    assert counts.added == 2
    assert set(rejects) == {"images/sub/round", "masks/sub/round"}
    assert ingest(tmp_path, "d")[0].rejected == 2  # the two links


def test_the_caches_of_the_innermost_repository_count(tmp_path: Path) -> None:
    root = tmp_path / "outer/inner/data"
    root.mkdir(parents=True)
    for repository in ("outer", "outer/inner"):
        (tmp_path / repository / ".dvc/cache").mkdir(parents=True)
    assert link_targets(root) == (str(tmp_path / "outer/inner/.dvc/cache"),)
    assert link_targets(root, "follow") == ("/",)
