"""Leaks are looked for once, and again as soon as the samples are others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from segdata.catalog.duplicates import Leak, all_leaks
from segdata.catalog.known_leaks import known_leaks, leaks_file
from tests.catalog.test_training_sets import House, picture


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A test portrait, and its copy in the pool."""
    house = House(tmp_path)
    house.add("p/test/0", "test", picture(0))
    house.add("a/pool/0", "pool", picture(0))
    return house


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[list[Leak]]:
    """What each search found, so that they can be counted."""
    found: list[list[Leak]] = []

    def counted(*arguments: object) -> list[Leak]:
        found.append(all_leaks(*arguments))  # type: ignore[arg-type]  # as they came
        return found[-1]

    monkeypatch.setattr("segdata.catalog.known_leaks.all_leaks", counted)
    return found


def names(leaks: list[Leak]) -> list[tuple[str, str]]:
    return [(leak.pair.sample_id, leak.pair.other_id) for leak in leaks]


def test_nothing_is_looked_for_twice_and_a_new_sample_is_seen(house: House, searches: list[list[Leak]]) -> None:
    first = known_leaks(house.workspace)
    assert (names(first), len(searches)) == ([("a/pool/0", "p/test/0")], 1)
    assert (known_leaks(house.workspace), len(searches)) == (first, 1), "every field of every pair comes back"
    house.add("a/pool/1", "pool", picture(0))
    assert names(known_leaks(house.workspace)) == [("a/pool/0", "p/test/0"), ("a/pool/1", "p/test/0")]


def test_another_table_with_the_same_version_number_is_looked_at(house: House, searches: list[list[Leak]]) -> None:
    known_leaks(house.workspace)
    version = house.workspace.catalog.version("samples")
    shutil.rmtree(house.workspace.catalog.path("samples"))
    house.add("p/test/0", "test", picture(0))
    house.add("a/pool/0", "pool", picture(5))
    assert house.workspace.catalog.version("samples") == version
    assert known_leaks(house.workspace) == []


def test_a_file_that_cannot_be_read_is_looked_at_again(house: House, searches: list[list[Leak]]) -> None:
    held, copy = house.root / "p_test_0.png", house.root / "elsewhere.png"
    known_leaks(house.workspace)  # decodes both
    leaks_file(house.workspace.catalog).unlink()
    from segdata.catalog.appearances import AppearanceWriter
    from segdata.imaging.appearance import thumbnail_of
    from segdata.imaging.decode import read_image

    thumbnails = {name: thumbnail_of(read_image(held)) for name in ("p/test/0", "a/pool/0")}
    AppearanceWriter(house.workspace.catalog, "run").add(thumbnails)
    held.rename(copy)
    assert [leak.pair.kind for leak in known_leaks(house.workspace)] == ["alike"]
    copy.rename(held)
    assert [leak.pair.kind for leak in known_leaks(house.workspace)] == ["copy"]


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), lambda path: path.write_text('{"of": 1}')])
def test_a_damaged_file_is_written_anew(
    house: House, searches: list[list[Leak]], damage: Callable[[Path], object]
) -> None:
    first = known_leaks(house.workspace)
    damage(leaks_file(house.workspace.catalog))
    assert known_leaks(house.workspace) == first
    assert len(json.loads(leaks_file(house.workspace.catalog).read_text())["leaks"]) == 1


def test_who_only_looks_writes_nothing(house: House) -> None:
    known_leaks(house.workspace, keep=False)
    assert not leaks_file(house.workspace.catalog).exists()
