"""What others try against a review that is open: another user of the machine, a page in another tab, a planted file.

The attacks ran on an earlier version, and worked. Each goes against the real command, its server and its database.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psutil
import pytest

from segdata.review.environment import free_port
from segdata.review.sockets import socket_uri
from tests.chromium import CHROMIUM, Page, chromium
from tests.conftest import ENTRY
from tests.review.conftest import filled, reviewing

pytestmark = pytest.mark.usefixtures("mongod")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
NOBODY = 65534
PLANTED = "<title>planted</title><script>hacked = 1; document.title = 'hacked'</script>"


@dataclass(frozen=True)
class Opened:
    """A review that is open.

    Attributes:
        root: of the workspace.
        port: of the App.
        url: what the command printed.
        launched: the arguments that the browser got.
        mongod: its process.
        socket: where it listens.
    """

    root: Path
    port: int
    url: str
    launched: str
    mongod: int
    socket: Path

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]

    @property
    def picture(self) -> Path:
        """A picture of the dataset."""
        return self.root / "data" / "0.png"

    def media(self, path: Path | str) -> str:
        return f"http://127.0.0.1:{self.port}/media?filepath={quote(str(path), safe='')}"

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes]:
        """A request with the cookie."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        cookie = {"Cookie": f"segdata-review-{self.port}={self.token}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers=cookie | headers)
        answer = connection.getresponse()
        status, data = answer.status, answer.read()
        connection.close()
        return status, data

    def of_first_case(self) -> dict[str, Any]:
        """The part of a call of an operator that says which case is selected."""
        import pymongo

        with pymongo.MongoClient(socket_uri(self.socket)) as client:  # type: ignore[var-annotated]  # of any documents
            (name,) = [name for name in client["fiftyone"].list_collection_names() if name.startswith("samples.")]
            first = client["fiftyone"][name].find_one()
        assert first is not None
        return {"dataset_name": "segdata-portraits", "selected": [str(first["_id"])]}

    def operate(self, operator: str, **params: str) -> Any:
        """What an operator of the review bar answers."""
        body = {"operator_uri": f"@segdata/review/{operator}", "params": params} | self.of_first_case()
        status, answer = self.ask("POST", "/operators/execute", json.dumps(body))
        assert status == 200, answer
        return json.loads(answer)["result"]


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """A review in a workspace that others may look into, and a browser that only notes what it is asked to open."""
    top = Path(tempfile.mkdtemp(prefix="segdata-test-"))
    launched, browser = top / "launched", top / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {launched}.part && mv {launched}.part {launched}\n')
    browser.chmod(0o755)
    root = filled(top / "portraits").workspace.root
    for folder in (top, root):
        folder.chmod(0o755)
    (root / "readable").write_text("yes")
    (root / "data" / "planted.html").write_text(PLANTED)
    port = free_port()
    try:
        with reviewing(ENTRY, root, port, browser=f"{browser} %s") as (process, url):
            known = json.loads((root / "review" / "mongo" / "segdata.json").read_text())
            while not launched.is_file():  # the browser is started by a thread
                assert process.poll() is None
            arguments = launched.read_text().strip()
            yield Opened(root, port, url, arguments, known["mongod"], Path(known["socket"]))
            process.terminate()
            process.communicate(timeout=120)
    finally:
        shutil.rmtree(top, ignore_errors=True)


@contextmanager
def other_server() -> Iterator[int]:
    """A web page of somebody else, on another port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>other</title>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


AS_NOBODY = """
import encodings.idna, http.client, json, os, pathlib, socket, sys  # all imports, before nothing can be read any more
asked = json.load(sys.stdin)
os.setgroups([]); os.setgid(asked["uid"]); os.setuid(asked["uid"])

def status(method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", asked["port"], timeout=60)
    connection.request(method, path, headers=headers)
    return connection.getresponse().status

def outcome(action):
    try:
        return str(action())
    except OSError as error:
        return type(error).__name__

def readable(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""

def connect():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(asked["socket"])

upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "graphql-transport-ws"}
files = [pathlib.Path(folder, name) for folder, _, names in os.walk(asked["root"]) for name in names]
processes = [pid for pid in os.listdir("/proc") if pid.isdigit()]
told = [pathlib.Path("/proc", pid, name) for pid in processes for name in ("cmdline", "environ")]
token = asked["token"].encode()
print(json.dumps({
    "control": [outcome(pathlib.Path(asked["root"], "readable").read_text), len(files) > 5],
    "statuses": [status(*request) for request in asked["requests"]] + [status("GET", "/graphql", **upgrade)],
    "socket": outcome(connect),
    "database": outcome(lambda: os.listdir(asked["database"])),
    "token in": [str(path) for path in files + told if token in readable(path)],
}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_reaches_neither_the_app_nor_the_database(opened: Opened) -> None:
    requests = [
        ("GET", "/"),
        ("GET", "/datasets/segdata-portraits"),
        ("GET", f"/media?filepath={opened.picture}"),
        ("GET", "/media?filepath=/etc/hostname"),
        ("POST", "/graphql"),
        ("POST", "/events"),
        ("POST", "/operators/execute"),
        ("GET", "/plugins/segdata/review.js"),
        ("GET", "/?token=guess"),
    ]
    asked = {"uid": NOBODY, "port": opened.port, "socket": str(opened.socket), "root": str(opened.root)}
    asked |= {"database": str(opened.root / "review" / "mongo"), "token": opened.token, "requests": requests}
    call = [sys.executable, "-I", "-c", AS_NOBODY]
    done = subprocess.run(call, input=json.dumps(asked), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["control"] == ["yes", True], "the other user can look into the workspace, as this test wants"
    assert told["statuses"] == [403] * 10
    assert (told["socket"], told["database"]) == ("PermissionError", "PermissionError")
    assert (opened.root / "review").stat().st_mode & 0o777 == 0o700, "its overlays and log are the user's alone, too"
    assert told["token in"] == []
    assert psutil.Process(opened.mongod).net_connections(kind="inet") == [], "mongod has no TCP port"


def test_the_browser_gets_a_file_of_this_user_alone_and_not_the_token(opened: Opened) -> None:
    page = opened.root / "review" / "open.html"
    assert opened.launched == page.as_uri()
    assert page.stat().st_mode & 0o777 == 0o600 and opened.token in page.read_text()
    assert len(opened.token) >= 22, "128 bits in base64"


def test_the_database_that_the_app_changed_names_no_file(opened: Opened) -> None:
    import pymongo

    other = opened.root / "data" / "0_matte.png"  # a picture, but none of the dataset
    assert other.is_file() and opened.ask("GET", f"/media?filepath={opened.picture}")[0] == 200
    with pymongo.MongoClient(socket_uri(opened.socket)) as client:  # type: ignore[var-annotated]  # of whatever documents
        (name,) = [name for name in client["fiftyone"].list_collection_names() if name.startswith("samples.")]
        before = client["fiftyone"][name].find_one()
        assert before is not None
        client["fiftyone"][name].update_one({"_id": before["_id"]}, {"$set": {"filepath": str(other)}})
        try:
            assert opened.ask("GET", f"/media?filepath={other}")[0] == 404
        finally:
            client["fiftyone"][name].replace_one({"_id": before["_id"]}, before)
        dataset = client["fiftyone"]["datasets"].find_one()["_id"]
    patch = json.dumps([{"op": "replace", "path": "/filepath", "value": "/etc/hostname"}])
    assert opened.ask("PATCH", f"/dataset/{dataset}/sample/{before['_id']}", patch)[0] == 403


def test_with_the_token_the_app_still_lists_no_folders(opened: Opened) -> None:
    body = json.dumps({"operator_uri": "@voxel51/operators/list_files", "params": {"path": "/etc"}})
    status, answer = opened.ask("POST", "/operators/execute", body)
    assert b"does not have permission" in answer and status == 403
    assert opened.operate("state")["total"] == 4


def test_with_the_token_no_python_of_a_request_is_executed_and_no_path_is_changed(
    opened: Opened, tmp_path: Path
) -> None:
    code = f"open({str(tmp_path / 'executed')!r}, 'w')\nsubsets = {{}}"
    scenario = {"scenario_type": "custom_code", "subset_expressions": code}
    for name, params in (
        ("mes_plot_resolver", scenario),
        ("edit_field_values", {"path": "filepath", "map": [{"current": str(opened.picture), "new": "/etc/hostname"}]}),
    ):
        body = json.dumps({"operator_uri": f"@voxel51/operators/{name}", "params": params})
        status, answer = opened.ask("POST", "/operators/execute", body)
        assert (status, b"does not have permission" in answer) == (403, True)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("part", ["view", "aggregations"])
def test_with_the_token_no_function_that_a_request_names_is_called(opened: Opened, tmp_path: Path, part: str) -> None:
    call = {"_cls": "os.system", "kwargs": [["command", f"touch {tmp_path / 'executed'}"]], "_uuid": "x"}
    body = {"dataset": "segdata-portraits", "filters": {}, "sample_ids": [], "view": [], "aggregations": []}
    opened.ask("POST", "/aggregate", json.dumps({**body, part: [call]}))
    assert not (tmp_path / "executed").exists()
    count = {"_cls": "fiftyone.core.aggregations.Count", "kwargs": [["field_or_expr", None]], "_uuid": "y"}
    first = {"_cls": "fiftyone.core.stages.Limit", "kwargs": [["limit", 2]], "_uuid": "z"}
    status, answer = opened.ask("POST", "/aggregate", json.dumps({**body, "view": [first], "aggregations": [count]}))
    assert (status, b"2" in answer) == (200, True), answer


def test_with_the_token_no_module_that_a_request_names_is_imported(opened: Opened) -> None:
    query = (
        "mutation ($name: String!, $view: BSONArray, $form: StateForm)"
        ' { setView(subscription: "x", session: null, datasetName: $name, view: $view, form: $form) }'
    )
    for name in ("antigravity.fly", "fiftyone.service.main.main"):
        form = {"addStages": [{"_cls": name, "kwargs": []}]}
        variables = {"name": "segdata-portraits", "view": [], "form": form}
        body = json.dumps({"query": query, "variables": variables})
        _, answer = opened.ask("POST", "/graphql", body)
        assert b"is no class of FiftyOne that is in use" in answer, answer


@pytest.mark.parametrize("scheme", ["https", "chrome-extension"])
def test_the_origin_counts_with_its_scheme(opened: Opened, scheme: str) -> None:
    query = json.dumps({"query": "{ __typename }"})
    own, other = (f"{name}://127.0.0.1:{opened.port}" for name in ("http", scheme))
    assert opened.ask("POST", "/graphql", query, Origin=own)[0] == 200
    assert opened.ask("POST", "/graphql", query, Origin=other)[0] == 403


def status_of(page: Page, url: str) -> int:
    """The status of the last answer to a request for a URL."""
    return [page.answers[number] for number, asked in page.requests.items() if asked == url and number in page.answers][
        -1
    ]


@in_a_browser
@pytest.mark.browser
def test_the_launched_page_leads_into_the_app_and_leaves_no_token_behind(opened: Opened, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as page:
        page.open(opened.launched)
        page.wait("document.body && document.body.innerText.includes('worst first')")
        assert (
            page.run("location.href") == f"http://127.0.0.1:{opened.port}/datasets/segdata-portraits?view=worst-first"
        )
        assert page.run("document.cookie") == "", "scripts do not see it"
        assert page.run("document.referrer") == ""
        assert page.run(f"fetch('{opened.media(opened.picture)}').then(answer => answer.status)") == 200
        (cookie,) = page.call("Network.getCookies", urls=[opened.url])["cookies"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["session"]) == (True, "Strict", True)


@in_a_browser
@pytest.mark.browser
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the same site on another port, and another site
def test_a_page_in_another_tab_learns_nothing_and_changes_nothing(opened: Opened, tmp_path: Path, host: str) -> None:
    with other_server() as port, chromium(tmp_path / "profile") as page:
        page.open(opened.url)
        page.wait("document.body && document.body.innerText.includes('worst first')")  # the cookie is there
        elsewhere = f"http://{host}:{port}/"

        def attack(script: str) -> Any:
            page.open(elsewhere)
            page.wait("document.title === 'other'")
            return page.run(script)

        for target in (opened.picture, opened.root / "data" / "planted.html", "/etc/hostname"):
            attack(f"location.href = {json.dumps(opened.media(target))}, 0")
            page.wait("document.body && document.body.innerText.includes('segdata review: refused')")
            assert status_of(page, opened.media(target)) == 403
        probe = (
            "new Promise(done => {{ const i = new Image(); i.onload = i.onerror = e => done(e.type); i.src = {}; }})"
        )
        seen = [attack(probe.format(json.dumps(opened.media(path)))) for path in (opened.picture, "/nowhere.png")]
        assert seen == ["error", "error"], "it can't test whether a picture exists"
        before = opened.operate("state")["done"]
        verdict = {"operator_uri": "@segdata/review/judge", "params": {"verdict": "drop"}} | opened.of_first_case()
        address = f"http://127.0.0.1:{opened.port}/operators/execute"
        how = {"method": "POST", "mode": "no-cors", "credentials": "include", "body": json.dumps(verdict)}
        attack(f"fetch({json.dumps(address)}, {json.dumps(how)}).catch(() => 0).then(() => 0)")
        assert opened.operate("state")["done"] == before
        assert attack(
            f"new Promise(done => {{ const s = new WebSocket('ws://127.0.0.1:{opened.port}/graphql');"
            " s.onopen = s.onerror = event => done(event.type); })"
        ) == "error"  # fmt: skip
    assert opened.operate("judge", verdict="drop")["done"] == before + 1, (
        "the same request of the App's own page counts"
    )
    opened.operate("undo")


@in_a_browser
@pytest.mark.browser
def test_a_planted_file_is_never_run_not_even_when_the_user_opens_it(opened: Opened, tmp_path: Path) -> None:
    picture = opened.root / "data" / "3.png"
    kept = picture.read_bytes()
    with chromium(tmp_path / "profile") as page:
        page.open(opened.url)
        page.wait("document.body && document.body.innerText.includes('worst first')")
        page.open(opened.media(opened.root / "data" / "planted.html"))
        page.wait("document.body && document.body.innerText.includes('not a picture of this review')")
        try:
            picture.write_text(PLANTED)  # a registered name
            page.open(opened.media(picture))
            page.wait("document.body && document.body.innerText.includes('not a picture of this review')")
            picture.write_bytes(kept[:64] + PLANTED.encode())  # and a file that begins as a picture
            page.open(opened.media(picture))
            page.wait("document.contentType === 'image/png'")
        finally:
            picture.write_bytes(kept)
        assert page.run("typeof hacked") == "undefined" and page.run("document.title") != "hacked"
        assert page.run("self.origin") == "null", "in a sandbox, not in the App's origin"
