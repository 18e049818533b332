"""`mine --model` accepts what `predict --model` accepts: an id, a name, or the folder of any trained version."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from segdata.errors import UsageError
from segdata.pipeline import commands
from segdata.pipeline.session import Session


def version_of(folder: Path) -> Path:
    return next(path.parent for path in (folder / "models").glob("*/weights.safetensors"))


def open_session_of(open_tiny: Any, folder: Path) -> Session:
    session = open_tiny(folder)._session
    assert isinstance(session, Session)
    return session


def test_a_version_of_another_workspace_mines(
    mined_template: Path, tiny: Path, open_tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(version_of(mined_template), tmp_path / "elsewhere" / "v1")
    monkeypatch.setenv("VERSIONS", str(tmp_path / "elsewhere"))
    session = open_session_of(open_tiny, tiny)
    mined = [commands.mine(session, given).result for given in (str(tmp_path / "elsewhere" / "v1"), "${VERSIONS}/v1")]
    assert mined[0]["selected"] == 5
    assert (mined[1]["model_id"], mined[1]["selection"]) == (mined[0]["model_id"], mined[0]["selection"])
    with pytest.raises(UsageError, match="model \\$NO_SUCH_VARIABLE/v1: the environment variable NO_SUCH_VARIABLE"):
        commands.mine(session, "$NO_SUCH_VARIABLE/v1")


def test_weights_and_spec_alone_mine_the_whole_pool_with_a_warning(
    mined_template: Path, tiny: Path, open_tiny: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "v1").mkdir()
    for name in ("weights.safetensors", "model.toml"):
        shutil.copy(version_of(mined_template) / name, tmp_path / "v1" / name)
    with caplog.at_level(logging.WARNING):
        result = commands.mine(open_session_of(open_tiny, tiny), str(tmp_path / "v1")).result
    assert result["selected"] == 5
    assert "training.parquet is missing" in caplog.text


def test_names_and_ids_still_mine(mined: Path, open_tiny: Any) -> None:
    session = open_session_of(open_tiny, mined)
    folder = version_of(mined)
    named = commands.mine(session, folder.name).result
    assert [named["model_id"]] == session.workspace.catalog.read("models", ["model_id"])["model_id"].to_pylist()
    assert commands.mine(session, named["model_id"][:10]).result["selection"] == named["selection"]
    assert commands.mine(session, f"models/{folder.name}").result["selection"] == named["selection"]
