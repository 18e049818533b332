"""`segdata init` with somebody's own folders writes a recipe that ingests them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segdata.errors import UsageError
from segdata.imaging.encode import encode_png
from segdata.pipeline import commands
from segdata.pipeline.init import TEMPLATES, OwnFolders, init
from segdata.pipeline.session import open_session


def draw(folder: Path, *names: str, mask: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        pixels = np.tri(16, k=number, dtype=np.uint8) * np.uint8(255) if mask else noise
        (folder / name).write_bytes(encode_png(pixels))
    return folder


@pytest.mark.parametrize(
    ("images", "masks"),
    [("d/images", "d/masks"), ("d/my photos", 'elsewhere/deep/"masks"'), ("d/$photos", "d/~masks"), ("d", "d/m")],
)
def test_own_folders_become_sources(images: str, masks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / images, "1.png", "2.png")
    draw(tmp_path / masks, "1.png", "2.png", mask=True)
    draw(tmp_path / "rooms", "a.png")
    init(Path("work"), {}, own=OwnFolders(images, masks, "rooms"))
    session = open_session(tmp_path / "work")
    assert [source.name for source in session.recipe.sources] == ["photos", "backgrounds"]
    result = commands.ingest(session).result
    assert {name: row["added"] for name, row in result["sources"].items()} == {"photos": 2, "backgrounds": 1}
    rows = session.workspace.catalog.read("samples").to_pylist()
    assert sorted((row["kind"], row["split"]) for row in rows) == [("background", "none"), *[("portrait", "train")] * 2]


@pytest.mark.parametrize("template", TEMPLATES)
def test_own_folders_go_into_every_template_beside_other_roots(template: str, tmp_path: Path) -> None:
    folders = [draw(tmp_path / name, "1.png", mask=name == "m") for name in ("i", "m")]
    init(tmp_path / "w", {"coco": "/data/coco"}, template, OwnFolders(*map(str, folders)))
    for name in TEMPLATES:
        recipe = open_session(tmp_path / "w", f"pipelines/{name}.toml").recipe
        assert [source.name for source in recipe.sources] == ["coco", "photos"]


def test_folders_inside_the_workspace_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "w/data/images", "1.png")
    draw(tmp_path / "w/data/masks", "1.png", mask=True)
    monkeypatch.chdir(tmp_path)
    init(Path("w"), {}, own=OwnFolders("data/images", "data/masks"))  # not under the current folder
    (source,) = open_session(tmp_path / "w").recipe.sources
    assert (source.root, source.images, source.masks) == ("data", "images", "masks")


def test_images_need_masks_and_folders_have_to_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = str(draw(tmp_path / "there", "1.png"))
    monkeypatch.delenv("NOWHERE", raising=False)
    for own, message in (
        (OwnFolders(images=there), "--images needs --masks as well"),
        (OwnFolders(masks=there), "--masks needs --images as well"),
        (
            OwnFolders(there, f"{there}/none"),
            "--masks .*/none: no such folder; give the folder that holds the pictures",
        ),
        (
            OwnFolders(backgrounds="$NOWHERE/x"),
            r"--backgrounds \$NOWHERE/x: the environment variable NOWHERE is not set",
        ),
        (OwnFolders(backgrounds=os.fsdecode(b"caf\xe9")), "--backgrounds .*: the path is not UTF-8; rename the folder"),
    ):
        with pytest.raises(UsageError, match=message):
            init(tmp_path / "w", {}, own=own)
    assert not (tmp_path / "w").exists()
    init(tmp_path / "w", {})
    with pytest.raises(UsageError, match="there already, and left as it is"):
        init(tmp_path / "w", {}, own=OwnFolders(backgrounds=there))


def test_masks_below_the_photos_are_no_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", "1.jpg.png", "2.png", "sub.png")
    draw(tmp_path / "photos" / "masks", "1.jpg_mask.png", "2_mask.png", "sub_mask.png", mask=True)
    init(Path("work"), {}, own=OwnFolders("photos", "photos/masks"))
    counts = commands.ingest(open_session(tmp_path / "work")).result["sources"]["photos"]
    assert (counts["found"], counts["added"], counts["rejected"]) == (3, 3, 0)
    assert (counts["naming"]["mask_suffix"], counts["naming"]["pairs"]) == ("_mask", 3)


@pytest.mark.slow
def test_three_commands_lead_from_one_folder_to_a_first_report(tmp_path: Path, segdata: Callable[..., Any]) -> None:
    names = [f"photo {number:02}" for number in range(24)]
    draw(tmp_path / "d", *(f"{name}.png" for name in names))
    draw(tmp_path / "d" / "masks", *(f"{name}_mask.png" for name in names), mask=True)
    quick = [f"--set={key}" for key in ("model.spec=bisenet_lite0", "train.max_steps=2", "loop.rounds=0")]
    assert segdata("init", "work", "--images", "d", "--masks", "d/masks", cwd=tmp_path).code == 0
    ran = segdata("run", *quick, cwd=tmp_path / "work")
    assert ran.code == 0, ran.err
    assert 'photos naming: photos *, masks *_mask, 24 pairs (mask_suffix = "_mask")' in ran.out
    reported = segdata("report", "--json", cwd=tmp_path / "work")
    assert (tmp_path / "work" / reported.json["path"]).is_file()
