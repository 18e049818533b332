"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segdata.catalog import upkeep
from segdata.errors import StorageError
from segdata.storage.files import alone, atomic_write, make_folder_beside, read_bytes, read_steady, sha256_of


def test_a_write_leaves_no_temporary_file_behind(tmp_path: Path) -> None:
    atomic_write(tmp_path / "deep" / "a.bin", b"one")
    atomic_write(tmp_path / "deep" / "a.bin", b"two")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.bin"]
    assert read_bytes(tmp_path / "deep" / "a.bin") == b"two"


def test_a_write_that_fails_keeps_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write(tmp_path / "a.bin", b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(
        StorageError, match=r"a\.bin: can't be written \(No space left on device\); make room on the disk"
    ):
        atomic_write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_files_follow_the_umask(tmp_path: Path) -> None:
    atomic_write(tmp_path / "ours", b"")
    (tmp_path / "theirs").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nope: can't be read \(No such file or directory\)"):
        read_bytes(tmp_path / "nope")


def test_the_hash_is_that_of_the_bytes() -> None:
    # FIPS 180-2, appendix B.1
    assert sha256_of(b"abc").startswith("ba7816bf8f01cfea")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe, socket or device, and no file"):
        read_steady(tmp_path / "pipe")
    with pytest.raises(StorageError, match="pipe: can't be read"):
        read_bytes(tmp_path / "pipe")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(OSError, match="1,000,000,000,000 bytes; at most 1,000 are read") as caught:
        read_steady(tmp_path / "sparse", most=1000)
    assert caught.value.errno == errno.EFBIG


class Growing:
    """A file system on which a file grows whenever it is looked at, so many times."""

    def __init__(self, path: Path, times: int) -> None:
        self._path, self._left, self._fstat = path, times, os.fstat

    def __call__(self, handle: int) -> os.stat_result:
        found = self._fstat(handle)
        if self._left:
            self._left -= 1
            with self._path.open("ab") as file:
                file.write(b"more")
        return found


@pytest.mark.parametrize(("times", "expected"), [(0, b"old"), (1, b"oldmore")])
def test_a_file_that_changes_while_it_is_read_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, expected: bytes
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fstat", Growing(tmp_path / "file", times))
    data, found = read_steady(tmp_path / "file")
    assert (data, found.st_size) == (expected, len(expected))


def test_a_file_that_never_rests_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fstat", Growing(tmp_path / "file", 99))
    with pytest.raises(OSError, match="it changes while it is read"):
        read_steady(tmp_path / "file")


def test_a_file_that_is_written_over_without_growing_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    fstat, moments = os.fstat, iter(range(99))

    def written_over(handle: int) -> os.stat_result:
        found = fstat(handle)
        (tmp_path / "file").write_bytes(b"new")
        os.utime(tmp_path / "file", ns=(0, next(moments)))
        return found

    monkeypatch.setattr(os, "fstat", written_over)
    with pytest.raises(OSError, match="changes while it is read"):
        read_steady(tmp_path / "file")


def test_whoever_asks_second_waits_for_the_first(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")

    def add_one(_: int) -> None:
        with alone(tmp_path):  # each opens the lock anew, as another process does
            count = int((tmp_path / "count").read_text())
            time.sleep(0.005)
            (tmp_path / "count").write_text(str(count + 1))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_one, range(24)))
    assert (tmp_path / "count").read_text() == "24"


@pytest.mark.parametrize("name", ["a" * 255, "人" * 85, "b" * 251 + ".png"])
def test_a_name_as_long_as_the_disk_allows_can_be_written(name: str, tmp_path: Path) -> None:
    atomic_write(tmp_path / name, b"one")
    assert (tmp_path / name).read_bytes() == b"one"
    temporary = make_folder_beside(tmp_path / name)
    assert name[:4] not in temporary.name and len(temporary.name) < 30


def test_the_sweep_knows_the_names_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []

    def interrupted(handle: int) -> None:
        left.extend(path.name for path in tmp_path.iterdir())
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(StorageError):
        atomic_write(tmp_path / "a.bin", b"")
    left.append(make_folder_beside(tmp_path / "a").name)
    assert len(left) == 2
    assert all(upkeep.UNFINISHED_NAME.fullmatch(name.removesuffix(".tmp")) for name in left)
