"""Files looked up by the ends of their paths: the same files as comparing each, with few comparisons."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.repairs import ExportedSample, RepairExport
from segdata.ingest import path_ends
from segdata.ingest.annotations import matching
from segdata.ingest.coco_names import match_names
from segdata.ingest.labelstudio import match_tasks

_PARTS = st.lists(st.sampled_from(["a", "b", "a-", ""]), min_size=1, max_size=4)


def _agree(path: list[str], name: list[str]) -> bool:
    shorter = min(len(path), len(name))
    return path[-shorter:] == name[-shorter:]


@given(st.lists(_PARTS, max_size=6, unique_by=tuple), _PARTS)
def test_the_paths_are_those_that_comparing_each_finds(paths: list[list[str]], name: list[str]) -> None:
    expected = {"/".join(path) for path in paths if _agree(path, name)}
    matches = path_ends.PathEnds("/".join(path) for path in paths).find(name)
    assert set(matches) <= expected
    assert len(matches) == len(set(matches)) == min(2, len(expected))


@pytest.mark.parametrize(
    "look_up",
    [
        lambda paths: match_tasks([["1.jpg"]] * 200, paths),
        lambda paths: match_names(["1.jpg"] * 200, "images", dict.fromkeys(paths)),
    ],
    ids=["labelstudio", "coco"],
)
def test_a_name_that_many_files_share_compares_few_of_them(
    look_up: Callable[[list[str]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0

    class Counted(str):
        def startswith(self, *args: object) -> bool:  # type: ignore[override]  # any arguments, which are passed on
            nonlocal compared
            compared += 1
            return super().startswith(*args)  # type: ignore[arg-type]  # whatever the caller gave

        def split(self, *args: object, **kwargs: object) -> list[str]:  # type: ignore[override]  # as above
            nonlocal compared
            compared += 1
            return super().split(*args, **kwargs)  # type: ignore[arg-type]  # whatever the caller gave

        def removeprefix(self, prefix: str, /) -> Counted:
            return Counted(super().removeprefix(prefix))

    key_of = path_ends._key_of
    monkeypatch.setattr(path_ends, "_key_of", lambda parts: Counted(key_of(parts)))
    files: list[str] = [Counted(f"images/{number}/1.jpg") for number in range(300)]
    look_up(files)
    assert 0 < compared <= 300 + 2 * 200  # each path once, and two for each name; it was 300 * 200


def test_a_label_that_many_samples_share_looks_at_none_of_their_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    stem_of = matching._exported_stem

    def count(sample: ExportedSample) -> str:
        nonlocal made
        made += 1
        return stem_of(sample)

    monkeypatch.setattr(matching, "_exported_stem", count)
    samples = tuple(ExportedSample(f"p/{n}/1", f"images/p/{n}/1.png", "a", "b") for n in range(100))
    export = RepairExport("r", "folder", datetime.now(UTC), samples)
    matches = matching.match_labels([("1",)] * 50 + [(posixpath.join("x", "p", "7", "1.png"),)], [export])
    assert made <= 2 * len(samples)
    assert matches[0].reason == "100 exported images have a name like it; rename it as it was exported"
    assert matches[-1].sample is samples[7]
