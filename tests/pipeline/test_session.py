"""The journal tells what happened, also where it can't be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segdata.catalog import runs
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.errors import CatalogError, SourceError
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Workspace(tmp_path, Catalog(tmp_path / "catalog")), Recipe(), "here.toml")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's row can be begun, and not be finished."""

    def finish(*_: Any) -> float:
        raise CatalogError("runs: no room")

    monkeypatch.setattr(runs, "finish", finish)


def test_what_stopped_the_work_is_told_and_not_that_the_journal_could_not_be_written(
    session: Session, full_disk: None
) -> None:
    with pytest.raises(SourceError, match="photos: no room"), session.record("ingest"):
        raise SourceError("photos: no room")
    assert session.journal[-1].status == "failed"


def test_a_run_whose_end_could_not_be_written_has_failed(session: Session, full_disk: None) -> None:
    with pytest.raises(CatalogError, match="runs: no room"), session.record("ingest"):
        pass


def test_every_commit_of_a_run_names_it(session: Session) -> None:
    with session.record("ingest") as record:
        pass
    for table in [session.workspace.catalog.open("runs")]:
        assert table is not None
        assert {told.get("run_id") for told in table.history()} == {record.run_id, None}
