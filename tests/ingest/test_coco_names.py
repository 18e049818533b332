"""Which file a file_name means, whoever wrote it."""

from __future__ import annotations

import pytest

from segdata.ingest.coco_names import NamedFile, match_names


def paths(names: list[str], folder: str, *files: str) -> list[str]:
    return [match.path for match in match_names(names, folder, files)]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("1.jpg", "val/1.jpg"),
        ("./1.jpg", "val/1.jpg"),
        ("val/1.jpg", "val/1.jpg"),
        ("val\\1.jpg", "val/1.jpg"),
        ("images/val/1.jpg", "val/1.jpg"),
        ("some/export/val/1.jpg", "val/1.jpg"),
        ("sub/4.jpg", "val/sub/4.jpg"),
        ("sub\\4.jpg", "val/sub/4.jpg"),
        (".\\sub\\4.jpg", "val/sub/4.jpg"),
        ("val/sub/4.jpg", "val/sub/4.jpg"),
        ("4.jpg", "val/sub/4.jpg"),
    ],
)
def test_a_name_alone_or_with_folders(name: str, path: str) -> None:
    assert paths([name], "val", "val/1.jpg", "val/sub/4.jpg") == [path]


def test_names_of_photos_beside_the_annotations() -> None:
    assert paths(["images/1.jpg", "./2.jpg"], ".", "images/1.jpg", "2.jpg") == ["images/1.jpg", "2.jpg"]


def test_a_file_whose_own_name_has_a_backslash() -> None:
    assert paths(["sub\\4.jpg"], "val", "val/sub\\4.jpg") == ["val/sub\\4.jpg"]
    assert paths(["sub\\4.jpg"], ".", "sub\\4.jpg") == ["sub\\4.jpg"]


def test_a_photo_is_not_given_to_an_entry_while_another_names_it() -> None:
    """Else a photo of a person would pass for the photo of a bench that is missing."""
    assert paths(["old/1.jpg", "1.jpg"], "val", "val/1.jpg") == ["val/old/1.jpg", "val/1.jpg"]


def test_a_name_that_two_files_or_two_names_fit_means_none() -> None:
    assert paths(["1.jpg"], "val", "val/a/1.jpg", "val/b/1.jpg") == ["val/1.jpg"]
    assert paths(["a/1.jpg", "b/1.jpg"], "val", "val/1.jpg") == ["val/a/1.jpg", "val/b/1.jpg"]


def test_folders_decide_between_files_of_one_name() -> None:
    files = ("val/a/1.jpg", "val/b/1.jpg")
    assert paths(["x/a/1.jpg", "x/b/1.jpg"], "val", *files) == list(files)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("..\\..\\secret.jpg", "leaves its folder"),
        ("a/..\\../secret.jpg", "leaves its folder"),
        ("\\\\server\\share\\1.jpg", "leaves its folder"),
        ("C:\\photos\\1.jpg", "leaves its folder"),
        ("c:/photos/1.jpg", "leaves its folder"),
        ("file:\\\\etc\\passwd", "is an address"),
        (None, "is missing"),
        (["1.jpg"], "is missing"),
    ],
    ids=repr,
)
def test_a_name_that_leads_elsewhere_is_a_fault(name: object, fault: str) -> None:
    assert match_names([name], "val", ["val/1.jpg", "val/secret.jpg"]) == [NamedFile("", fault)]


def test_a_path_of_another_machine_is_looked_up_by_its_last_part_where_that_is_asked_for() -> None:
    files = ["images/1.jpg", "images/2.jpg"]
    names = ["..\\media\\1.jpg", "/data/2.jpg", "../3.jpg", None, ".."]
    assert match_names(names, "images", files, moved=True) == [
        NamedFile("images/1.jpg"),
        NamedFile("images/2.jpg"),
        NamedFile("", "leaves its folder"),
        NamedFile("", "is missing"),
        NamedFile("", "leaves its folder"),
    ]
