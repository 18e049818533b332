"""Files below a root are read without leaving it, also where links appear after a look at the names."""

from __future__ import annotations

import errno
import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from segdata.storage.root import LeavesRootError, Root

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with `a/b/file`, beside a secret."""
    folder = (tmp_path / "root").resolve()
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    return folder


def test_a_file_is_read_with_its_stat(root: Path) -> None:
    data, found = Root(root).read("a/b/file")
    assert (data, found.st_size, found.st_mtime_ns) == (b"inside", 6, (root / "a/b/file").stat().st_mtime_ns)


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "a/b/../../../secret", "a/..", "a/.", "a/b/", ""])
def test_dots_never_lead_anywhere(root: Path, path: str) -> None:
    with pytest.raises(OSError):
        Root(root).read(path)


@pytest.mark.parametrize("target", ["../../../secret", "absolute"])
def test_a_file_that_became_a_link_out_of_the_root_is_refused(root: Path, tmp_path: Path, target: str) -> None:
    opened = Root(root)
    opened.read("a/b/file")
    (root / "a/b/file").unlink()
    (root / "a/b/file").symlink_to(tmp_path / "secret" if target == "absolute" else target)
    with pytest.raises(LeavesRootError, match="leaves the root"):
        opened.read("a/b/file")


def test_a_link_within_the_root_is_read_and_a_chain_that_leaves_it_is_not(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to("a/b/file")
    (root / "folder").symlink_to(root / "a")
    (root / "chain").symlink_to("out")
    (root / "out").symlink_to(tmp_path / "secret")
    opened = Root(root)
    assert opened.read("link")[0] == opened.read("folder/b/file")[0] == b"inside"
    with pytest.raises(LeavesRootError):
        opened.read("chain")


def test_a_link_that_changes_between_its_resolution_and_its_opening_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "link").symlink_to("a/b/file")
    realpath = os.path.realpath

    def resolve_then_swap(path: str) -> str:
        answer = str(realpath(path))
        (root / "a/b/file").unlink(missing_ok=True)
        (root / "a/b/file").symlink_to(tmp_path / "secret")
        return answer

    monkeypatch.setattr(os.path, "realpath", resolve_then_swap)
    with pytest.raises(OSError) as told:
        Root(root).read("link")
    assert told.value.errno == errno.ELOOP


def test_a_file_that_becomes_a_link_after_it_was_looked_at_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def look_then_swap(path: str, **options: Any) -> os.stat_result:
        answer = stat(path, **options)
        if path == "file":
            (root / "a/b/file").unlink()
            (root / "a/b/file").symlink_to(tmp_path / "secret")
        return answer

    monkeypatch.setattr(os, "stat", look_then_swap)
    with pytest.raises(LeavesRootError):
        Root(root).read("a/b/file")


def test_a_root_that_became_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    opened = Root(root)
    root.symlink_to(root.rename(tmp_path / "elsewhere"))
    with pytest.raises(OSError):
        opened.read("a/b/file")


def test_many_folders_leave_few_descriptors_open_and_none_at_the_end(root: Path) -> None:
    for number in range(300):
        (root / f"{number}").mkdir()
        (root / f"{number}" / "file").write_bytes(b"%d" % number)
    if not DESCRIPTORS.is_dir():
        pytest.skip("the open descriptors of a process are listed by Linux only")
    before = len(list(DESCRIPTORS.iterdir()))
    opened = Root(root)
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda number: opened.read(f"{number}/file")[0], range(300)))
    assert read == [b"%d" % number for number in range(300)]
    assert len(list(DESCRIPTORS.iterdir())) <= before + 64
    opened = Root(root)
    gc.collect()
    assert len(list(DESCRIPTORS.iterdir())) <= before
