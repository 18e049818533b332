"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from segdata.errors import StorageError
from segdata.storage.files import atomic_write, read_bytes, sha256_of


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
