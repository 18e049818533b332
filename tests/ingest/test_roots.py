"""Roots as editors and shells write them: `~`, variables, a trailing slash, a path through the parent folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from segdata.errors import RecipeError, SourceError
from segdata.imaging.encode import encode_png
from segdata.ingest.recipe import SourceRecipe
from segdata.pipeline import commands
from segdata.pipeline.session import Session, open_session


def opened(folder: Path, root: str, uri: str = "catalog") -> Session:
    (folder / "pipelines").mkdir(parents=True, exist_ok=True)
    (folder / "pipelines/portrait.toml").write_text(
        f'[catalog]\nuri = "{uri}"\n[[sources]]\nname = "own"\nreader = "folder"\nroot = "{root}"\n'
    )
    return open_session(folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for kind, array in (("images", pixels), ("masks", np.tri(8, dtype=np.uint8) * np.uint8(255))):
        (home / "d" / kind).mkdir(parents=True)
        (home / "d" / kind / "1.png").write_bytes(encode_png(array))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DATA", str(home))
    monkeypatch.delenv("NOWHERE", raising=False)
    return home


@pytest.mark.parametrize("root", ["~/d", "$DATA/d", "${DATA}/d/", "~/../home/d", "../home/d"])
def test_the_root_of_a_source_is_expanded(root: str, home: Path, tmp_path: Path) -> None:
    session = opened(tmp_path / "ws", root)
    assert commands.ingest(session).result["sources"]["own"]["added"] == 1
    (row,) = session.workspace.catalog.read("samples").to_pylist()
    assert Path(row["image_uri"]) == home / "d/images/1.png"
    assert session.recipe.sources[0].root == root  # the recipe stays as it was written: a copy works elsewhere
    shutil.rmtree(tmp_path / "ws")


def test_the_root_option_is_expanded_too(home: Path, tmp_path: Path) -> None:
    session = opened(tmp_path / "ws", "nowhere")
    assert commands.ingest(session, ["own"], root="$DATA/d").result["sources"]["own"]["added"] == 1


def test_a_root_with_an_unset_variable_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"source own: root \$NOWHERE/d: the environment variable NOWHERE is not set; set it, or"
    ):
        commands.ingest(opened(tmp_path / "ws", "$NOWHERE/d"))


def test_the_place_of_the_catalog_is_expanded(home: Path, tmp_path: Path) -> None:
    session = opened(tmp_path / "ws", "~/d", uri="$DATA/tables")
    assert session.workspace.catalog.root == home / "tables"
    with pytest.raises(RecipeError, match=r"portrait.toml: catalog.uri: \$NOWHERE/t: the environment variable NOWHERE"):
        opened(tmp_path / "ws", "~/d", uri="$NOWHERE/t")


def test_a_root_is_relative_to_the_workspace() -> None:
    assert SourceRecipe(name="voc", root="data/voc").folder(Path("/w")) == Path("/w/data/voc")
