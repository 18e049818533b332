"""`make audit` checks the pinned packages, and says so where it could not check them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.tracing import ROOT


@pytest.fixture(autouse=True)
def _needs_make() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed: apt-get install make")
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests run outside a virtual environment, and make works in one")


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    call = ["make", "-C", str(ROOT), *arguments, f"VENV={sys.prefix}", f"AUDIT={folder}", f"MADE={folder}"]
    return subprocess.run(call, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})


@pytest.fixture
def advisories() -> Iterator[tuple[str, list[str]]]:
    """A service on this machine that knows every version, and what it was asked for."""
    asked: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"vulnerabilities": []}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/pypi", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def auditor(tmp_path: Path) -> Path:
    """A folder with a pip-audit that only prints its arguments, and fails as the file beside it says."""
    program = tmp_path / "bin" / "pip-audit"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "audited: $*"\nexit $(cat "$(dirname "$0")/code")\n')
    program.chmod(0o755)
    (tmp_path / "bin" / "code").write_text("0")
    return tmp_path


def test_an_audit_that_reaches_nothing_fails_and_says_what_it_needs(auditor: Path) -> None:
    done = make("audit", "ADVISORIES=http://127.0.0.1:9/pypi", folder=auditor)
    assert done.returncode != 0
    assert "make audit checked nothing: http://127.0.0.1:9/pypi/absl-py/" in done.stderr
    assert "Connection refused" in done.stderr
    assert "audited" not in done.stdout


def test_an_audit_looks_at_the_pinned_packages_and_fails_with_pip_audit(
    auditor: Path, advisories: tuple[str, list[str]]
) -> None:
    service, asked = advisories
    done = make("audit", f"ADVISORIES={service}", folder=auditor)
    assert done.returncode == 0, done.stderr
    assert "audited: --requirement constraints.txt --no-deps --disable-pip --strict" in done.stdout
    assert [path.rpartition("/")[2] for path in asked] == ["json"]
    (auditor / "bin" / "code").write_text("1")
    assert make("audit", f"ADVISORIES={service}", folder=auditor).returncode != 0


def test_check_does_not_audit(tmp_path: Path) -> None:
    (tmp_path / "install").touch()  # what `make install` leaves when it is done
    done = make("--dry-run", "check", folder=tmp_path)
    assert "lint-imports" in done.stdout
    assert "--requirement constraints.txt" not in done.stdout
