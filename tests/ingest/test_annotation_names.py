"""Names in files of annotations are read by a process with limits, so that a file costs its photo alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segdata.engines.isolated import Limits, RequestRefusedError, WorkerDiedError
from segdata.errors import SourceError
from segdata.ingest import annotation_names, labelme, supervisely
from segdata.ingest.annotation_names import AnnotationNames
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Reject

_NEEDS_A_GIGABYTE = '{"imagePath":"a.jpg","shapes":[' + "[]," * 12_000_000 + "[]]}"


@pytest.fixture
def half_a_gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_names, "_LIMITS", Limits(memory_bytes=1 << 29))


@pytest.mark.usefixtures("half_a_gigabyte")
def test_a_file_of_labelme_that_needs_too_much_memory_costs_its_photo_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    (tmp_path / "b.json").write_text(_NEEDS_A_GIGABYTE)
    (tmp_path / "c.json").write_text(json.dumps({"imagePath": "a.jpg"}))
    pairs = list(labelme.read(tmp_path, SourceRecipe(name="in", reader="labelme", root=str(tmp_path))))
    assert [pair.path for pair in pairs if isinstance(pair, Candidate)] == ["a.jpg"]
    assert [(pair.path, pair.reason) for pair in pairs if isinstance(pair, Reject)] == [("b.json", "missing_image")]


@pytest.mark.usefixtures("half_a_gigabyte")
def test_classes_of_supervisely_that_need_too_much_memory_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    for folder in ("img", "ann"):
        (tmp_path / folder).mkdir()
    (tmp_path / "meta.json").write_text(_NEEDS_A_GIGABYTE)
    source = SourceRecipe(name="in", reader="supervisely", root=str(tmp_path), person_labels=("person",))
    with pytest.raises(SourceError, match=r"meta\.json: can't be read \(.+\); download the project again"):
        list(supervisely.read(tmp_path, source))


def test_what_is_too_deep_to_parse_is_refused() -> None:
    with AnnotationNames("labelme") as names, pytest.raises((RequestRefusedError, WorkerDiedError)):
        names.read(b"[" * 200_000)
