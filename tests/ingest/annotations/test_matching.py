"""Returned labels find their samples by what was recorded; whatever fits several samples belongs to none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from segdata.catalog.repairs import ExportedSample, RepairExport
from segdata.ingest.annotations.matching import match_labels


def export_of(*images: str, run_id: str = "run", alpha: str = "a") -> RepairExport:
    samples = tuple(ExportedSample(f"id of {image}", f"images/{image}", "i", alpha) for image in images)
    return RepairExport(run_id, "coco", datetime(2026, 3, 1, tzinfo=UTC), samples)


EXPORT = export_of("a/1-00000001.jpg", "b/1-00000002.jpg", "b/2-00000003.png")


def matched(*names: str, exports: tuple[RepairExport, ...] = (EXPORT,)) -> list[str | None]:
    matches = match_labels([(name,) for name in names], exports)
    return [match.sample.sample_id if match.sample else None for match in matches]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a/1-00000001.jpg", "a/1-00000001.jpg"),
        ("masks/a/1-00000001.png", "a/1-00000001.jpg"),
        ("a/1-00000001", "a/1-00000001.jpg"),
        ("x-1-00000002.jpg", "b/1-00000002.jpg"),
        ("frame 00000003 of a film.png", "b/2-00000003.png"),
        ("00000004-1-00000002.jpg", "b/1-00000002.jpg"),
        ("a/1.jpg", None),
        ("1-100000001.jpg", None),
        ("00000001-00000002.jpg", None),
        ("", None),
        ("..", None),
        ("http://[", None),
        ("%", None),
    ],
)
def test_a_name_is_matched_by_its_path_or_by_its_digits(name: str, image: str | None) -> None:
    assert matched(name) == [image and f"id of {image}"]


OLD = export_of("a/1.jpg", "b/1.jpg", "b/img_2.jpg", "b/2.jpg", "b/3.jpg")
"""An export of an older segdata, whose names have no digits at their end."""


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a/1.jpg", "a/1.jpg"),
        ("upload/0a1b2c3d-3.jpg", "b/3.jpg"),
        ("1.jpg", None),  # of two
        ("0a1b2c3d-1.jpg", None),  # of two
        ("13.jpg", None),  # a name goes on before the 3
        ("0a1b2c3d-img_2.jpg", None),  # img_2 with one prefix, or 2 with another
        ("img_2.jpg", "b/img_2.jpg"),
    ],
)
def test_a_name_without_digits_is_matched_by_the_one_name_with_which_it_ends(name: str, image: str | None) -> None:
    assert matched(name, exports=(OLD,)) == [image and f"id of {image}"]


def test_of_several_names_the_first_that_means_something_counts() -> None:
    (match,) = match_labels([("nothing.jpg", "a/1-00000001.jpg", "b/1-00000002.jpg")], [EXPORT])
    assert match.sample is not None and match.sample.image == "images/a/1-00000001.jpg"


def test_of_several_entries_of_a_sample_the_one_with_its_whole_path_counts() -> None:
    assert matched("a/1-00000001.jpg", "x-1-00000001.jpg") == ["id of a/1-00000001.jpg", None]
    assert matched("x-1-00000001.jpg", "y-1-00000001.jpg") == [None, None]
    assert matched("a/1-00000001.jpg", "x/a/1-00000001.jpg") == [None, None]


def test_a_sample_is_matched_as_it_was_in_the_first_export_that_has_it() -> None:
    newer = export_of("a/1-00000001.jpg", run_id="newer", alpha="mended")
    (match,) = match_labels([("a/1-00000001.jpg",)], [newer, EXPORT])
    assert match.sample is not None and match.sample.alpha_sha256 == "mended"
