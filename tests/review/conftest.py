"""A workspace with scores and a selection made by hand, and FiftyOne with a database of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.workspace import open_workspace
from tests.report.conftest import Builder

RECIPE = '[review]\nreviewer = "kim"\n'


def filled(root: Path, cases: int = 4, last: str | None = None, why: str = "misses a gap") -> Builder:
    """A workspace that was mined: so many cases, the second one a suspect label; the last one may have a name."""
    (root / "pipelines").mkdir(parents=True)
    (root / "pipelines" / "portrait.toml").write_text(RECIPE)
    builder = Builder(open_workspace(root))
    names = builder.samples(cases if last is None else cases - 1) + ([] if last is None else [builder.sample(last)])
    scorer = builder.scores("aaaa", {name: 0.5 + 0.1 * index for index, name in enumerate(names)}, run_id="r")
    triage = {name: "suspect_label" if index == 1 else "hard" for index, name in enumerate(names)}
    builder.selection("hard-1", scorer, triage, run_id=builder.run("r", "mine"), why=why)
    builder.context()
    return builder


@contextmanager
def reviewing(
    entry: list[str], root: Path, port: int, browser: str | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and the App's address, once it prints that; ended afterwards.

    Args:
        entry: starts segdata.
        root: the workspace.
        port: for the App.
        browser: the command of a browser, as the variable BROWSER has it; None for none.
    """
    call = [*entry, "review", "--browser" if browser else "--no-browser", "--port", str(port), "--json"]
    environment = {**os.environ, "BROWSER": browser or ""}
    process = subprocess.Popen(
        call, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        heard = []
        for line in process.stderr:
            heard.append(line)
            if f"http://127.0.0.1:{port}/" in line:
                break
        else:
            raise AssertionError("".join(heard))
        yield process, line.split()[-1]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def mined(tmp_path: Path) -> Builder:
    """Four cases, mined."""
    return filled(tmp_path / "portraits")


@pytest.fixture(scope="session")
def mongod() -> Path:
    """FiftyOne's mongod, or one on the PATH; what needs it is skipped where there is none."""
    from segdata.errors import DataError
    from segdata.review.environment import require_fiftyone, require_mongod

    try:
        return require_mongod(require_fiftyone())
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fiftyone(mongod: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """FiftyOne in this process, on a database that ends with the tests. It reads its settings once, when imported."""
    from segdata.review.environment import Place, set_environment
    from segdata.review.guest import close_connection
    from segdata.review.mongod import open_database

    assert "fiftyone" not in sys.modules, "it was imported before, and has the database of whoever runs this"
    folder = tmp_path_factory.mktemp("fiftyone")
    place = Place(folder, folder / "mongo", None, own=True)
    with open_database(place) as uri:
        set_environment(place, uri, "kim")
        import fiftyone as fo

        assert fo.config.database_uri == uri
        del os.environ["FIFTYONE_DATABASE_URI"]  # else the reviews that later tests open would take it for the user's
        yield fo
        close_connection()
    shutil.rmtree(folder, ignore_errors=True)
