"""No command contacts another machine or writes outside the workspace: for each library that reports, one that uses it.

The commands build on each other, as a user would call them. `make stress` traces all commands.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest

from segdata.review.environment import free_port
from tests.tracing import (
    SEGDATA,
    SMALL,
    Sandbox,
    Trace,
    documented_rows,
    open_sandbox,
    require_strace,
    traced_review,
)

pytestmark = pytest.mark.slow
TRACED = {
    "albumentations": "train",
    "duckdb": "query",
    "fiftyone": "review",
    "huggingface-hub": "train",
    "onnxruntime": "mine",
    "openvino": "mine",
}
"""Library that can report -> the command that is traced with it."""
NEVER_IMPORTED = {
    "hf-xet": "hf_xet",
    "openvino-telemetry": "openvino_telemetry",
    "universal-analytics-python3": "universal_analytics",
    "virtualenv": "virtualenv",
}
"""Package that can report, and that no command imports -> its folder."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    require_strace()
    with open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def workspace(sandbox: Sandbox, ingested: Path) -> Path:
    shutil.copytree(ingested, sandbox.top / "ws")
    return sandbox.top / "ws"


@pytest.fixture(scope="module")
def query(sandbox: Sandbox, workspace: Path) -> Trace:
    return sandbox.trace([*SEGDATA, "query", "SELECT count(*) AS n, max(width) FROM samples"], workspace)


@pytest.fixture(scope="module")
def train(sandbox: Sandbox, workspace: Path) -> Trace:
    return sandbox.trace([*SEGDATA, "train", *SMALL, "--set", "mine.runtime=torch"], workspace)


@pytest.fixture(scope="module")
def export(train: Trace, sandbox: Sandbox, workspace: Path) -> Trace:
    return sandbox.trace([*SEGDATA, "export", "model", "--format", "onnx", "--out", "onnx", "--images", "1"], workspace)


@pytest.fixture(scope="module")
def mine(export: Trace, sandbox: Sandbox, workspace: Path) -> Trace:
    opinion = ["--second-opinion", "onnx/model.onnx"]
    return sandbox.trace([*SEGDATA, "mine", *SMALL, "--set", "mine.runtime=openvino", *opinion], workspace)


@pytest.fixture(scope="module")
def review(mine: Trace, sandbox: Sandbox, workspace: Path) -> Trace:
    """A review whose page is fetched, with what the page asks for about the user."""
    from segdata.errors import DataError
    from segdata.review.environment import require_fiftyone, require_mongod

    try:
        require_mongod(require_fiftyone())
    except DataError as error:
        pytest.skip(str(error))
    traces: list[Trace] = []
    with traced_review(sandbox, workspace, ["--no-browser", "--port", str(free_port())], traces) as url:
        opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
        assert opener.open(url).status == 200
        asked = json.dumps({"query": "{ uid doNotTrack }"}).encode()
        address = "/".join(url.split("/")[:3])
        with opener.open(Request(f"{address}/graphql", asked, {"Content-Type": "application/json"})) as answer:
            assert json.load(answer)["data"]["doNotTrack"] is True
    return traces[0]


@pytest.mark.parametrize("command", ["query", "train", "export", "mine", "review"])
def test_a_command_contacts_nobody_and_leaves_nothing_outside_the_workspace(
    command: str, request: pytest.FixtureRequest, sandbox: Sandbox, workspace: Path
) -> None:
    trace: Trace = request.getfixturevalue(command)
    assert trace.exit_code == 0, trace.output
    assert trace.contacts == ()
    assert sandbox.undocumented(trace, workspace) == []
    used = {library.replace("-", "_") for library, name in TRACED.items() if name == command}
    assert used <= trace.packages
    assert trace.packages & set(NEVER_IMPORTED.values()) == set()


def test_every_package_that_can_report_is_traced_or_never_imported() -> None:
    assert {package for package, *_ in documented_rows("package")} == {*TRACED, *NEVER_IMPORTED}
