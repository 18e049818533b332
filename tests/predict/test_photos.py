"""Which photos are meant, and that no result lies on another or on a photo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import StorageError, UsageError
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.ingest import reading
from segdata.predict.photos import Photo, check_free, find_photos, name_outputs


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def places(paths: list[Path], out: Path) -> list[str]:
    return [photo.place.as_posix() for photo in find_photos(paths, out)]


def named(paths: list[Path], out: Path) -> list[str]:
    photos = find_photos(paths, out)
    names = name_outputs(photos, out, ".png")
    return [names[photo.path].relative_to(out).as_posix() for photo in photos]


def test_a_folder_keeps_its_folders(tmp_path: Path) -> None:
    touch(tmp_path / "in/b/x.jpg", tmp_path / "in/a/x.JPG", tmp_path / "in/c.webp", tmp_path / "in/notes.txt")
    assert named([tmp_path / "in"], tmp_path / "out") == ["a/x.png", "b/x.png", "c.png"]


def test_no_result_lies_behind_a_link_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    touch(tmp_path / "in/a/x.jpg", tmp_path / "elsewhere/y.txt", tmp_path / "out/y.txt")
    (tmp_path / "out/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"a link in .*out leads out of it"):
        named([tmp_path / "in"], tmp_path / "out")


def test_every_format_that_is_read_is_found_by_name_or_by_its_first_bytes(tmp_path: Path) -> None:
    names = ["a.heic", "b.HEIF", "c.avif", "d.jfif", "e.gif", "f.jpe", "g.tiff"]
    touch(*(tmp_path / "in" / name for name in names))
    (tmp_path / "in/h").write_bytes(b"\xff\xd8\xff\xe0" + bytes(20))
    (tmp_path / "in/i.jpg_large").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    (tmp_path / "in/j.dng").write_bytes(b"II*\0" + bytes(20))  # a raw photo, whose TIFF part is a thumbnail
    touch(tmp_path / "in/k.txt")
    assert places([tmp_path / "in"], tmp_path / "out") == [*names, "h", "i.jpg_large"]
    assert IMAGE_SUFFIXES is reading.IMAGE_SUFFIXES


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "in/.thumbs/x.jpg", tmp_path / "in/._y.jpg", tmp_path / "in/z.jpg")
    assert places([tmp_path / "in"], tmp_path / "out") == ["z.jpg"]


def test_results_within_the_folder_are_no_photos(tmp_path: Path) -> None:
    touch(tmp_path / "in/x.jpg", tmp_path / "in/out/x.png")
    assert places([tmp_path / "in"], tmp_path / "in/out") == ["x.jpg"]


def test_a_photo_that_is_named_twice_is_taken_once(tmp_path: Path) -> None:
    touch(tmp_path / "in/x.jpg")
    assert places([tmp_path / "in", tmp_path / "in/x.jpg"], tmp_path / "out") == ["x.jpg"]


def test_photos_of_one_stem_get_names_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path / "a/x.jpg", tmp_path / "a/x.png", tmp_path / "b/x.jpg", tmp_path / "c/x.jpg")
    paths = [tmp_path / "a", tmp_path / "b/x.jpg", tmp_path / "c/x.jpg"]
    assert named(paths, tmp_path / "out") == ["x.png", "x.png.png", "x.jpg.png", "x.jpg-2.png"]


def test_names_that_differ_by_case_alone_are_kept_apart(tmp_path: Path) -> None:
    photos = [Photo(Path("a/X.jpg"), Path("X.jpg")), Photo(Path("b/x.jpg"), Path("x.jpg"))]
    assert [path.name for path in name_outputs(photos, tmp_path, ".png").values()] == ["X.png", "x.jpg.png"]


@given(st.lists(st.sampled_from(["x.jpg", "x.png", "X.jpg", "x.jpg.png", "a/x.jpg", "x.jpg-2.png"]), max_size=12))
def test_no_two_photos_share_a_file(names: list[str]) -> None:
    photos = [Photo(Path(f"{number}/{name}"), Path(name)) for number, name in enumerate(names)]
    outputs = name_outputs(photos, Path("out"), ".png")
    assert len({path.as_posix().casefold() for path in outputs.values()}) == len(names)


def test_a_result_never_lies_on_a_photo(tmp_path: Path) -> None:
    touch(tmp_path / "x.png", tmp_path / "group.png")
    photos = find_photos([tmp_path], tmp_path)
    with pytest.raises(UsageError, match="would be overwritten"):
        name_outputs(photos, tmp_path, ".png")
    with pytest.raises(UsageError, match="would be overwritten"):
        check_free(tmp_path / "group.png", photos)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such photo or folder"):
        find_photos([tmp_path / "nowhere"], tmp_path)
    touch(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match=r"no photos in .*\.jpeg, \.jpg"):
        find_photos([tmp_path], tmp_path / "out")


@pytest.mark.parametrize(
    "names",
    [
        ["c" * 251 + ".jpg", "c" * 251 + ".png", "C" * 251 + ".jpg", "c" * 250 + ".webp"],
        ["人" * 83 + ".jpg", "人" * 83 + ".jpeg", "人" * 83 + ".png"],
        ["é" * 125 + "x.png", "é" * 125 + "x.tif"],
        ["x" * 255],
    ],
)
def test_names_as_long_as_the_disk_allows_get_results_of_their_own(names: list[str], tmp_path: Path) -> None:
    photos = [Photo(Path(f"in/{name}"), Path("sub") / name) for name in names]
    files = name_outputs(photos, tmp_path, ".png")
    assert len({file.name.casefold() for file in files.values()}) == len(names)
    for name, file in zip(names, files.values(), strict=True):
        assert len(os.fsencode(file.name)) <= 255
        assert file.parent == tmp_path / "sub" and file.name.startswith(name[:70])
        touch(file)
