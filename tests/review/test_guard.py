"""The guard before the App's server: who is answered, and with which headers."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from segdata.review.guard import Access, answer_to, guarded

HEADERS = [(b"content-type", b"text/html"), (b"content-length", b"99"), (b"cross-origin-resource-policy", b"x")]
PAGE = b'<head><link rel="preload" href="https://fonts.googleapis.com/css2" as="font"></head>'
TOKEN = "t" * 43
ACCESS = Access(5151, TOKEN, {})
HOST = "127.0.0.1:5151"
COOKIE = f"segdata-review-5151={TOKEN}"


def request(target: str = "/", method: str = "GET", kind: str = "http", **headers: str) -> dict[str, Any]:
    """A request as ASGI has it; `Host` and the cookie are right where they are not given."""
    path, _, query = target.partition("?")
    given = {"host": HOST, "cookie": COOKIE} | {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name.encode(), value.encode()) for name, value in given.items() if value]
    scope = {"type": kind, "method": method, "path": path, "raw_path": path.encode(), "headers": pairs}
    return scope | {"query_string": query.encode()}


def asked(scope: dict[str, Any]) -> list[dict[str, Any]]:
    """What the guard answers, before a server that would hand out a page with an outside font."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[20:]})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(guarded(app, ACCESS)(scope, None, send))
    return sent


def test_the_page_is_told_to_fetch_from_here_alone_and_names_no_outside_font() -> None:
    start, body = asked(request(origin=f"http://{HOST}", sec_fetch_site="same-origin"))
    headers = dict(start["headers"])
    assert body["body"] == b"<head></head>" and headers[b"content-length"] == b"13"
    policy = headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'self'") and "http" not in policy
    assert headers[b"x-content-type-options"] == b"nosniff" and headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"cross-origin-resource-policy"] == b"same-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:5151"},  # a name that somebody made point to 127.0.0.1
        {"host": "127.0.0.1:8080"},
        {"origin": "http://evil.example"},  # a page that is open beside it
        {"origin": "null"},
        {"origin": "https://127.0.0.1:5151"},
        {"origin": "chrome-extension://127.0.0.1:5151"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "http://localhost:5151"},  # ours by another name: a browser takes it for another page
        {"origin": "http://127.0.0.1:5151.evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},  # another port of this machine
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
        {"cookie": ""},
        {"cookie": f"segdata-review-5152={TOKEN}"},
        {"cookie": COOKIE[:-1]},
        {"cookie": "segdata-review-5151=\u00e9"},
        {"cookie": f"other={COOKIE}"},
    ],
)
@pytest.mark.parametrize("target", ["/", "/media?filepath=/a", "/graphql", "/fiftyone"])
def test_a_request_of_another_page_or_without_the_token_is_refused(headers: dict[str, str], target: str) -> None:
    for method in ("GET", "POST", "HEAD", "PATCH", "OPTIONS"):
        sent = asked(request(target, method, **headers))
        assert sent[0]["status"] == 403, method
        assert b"Open the address that segdata review printed" in sent[1]["body"]
    assert asked(request(target, kind="websocket", **headers)) == [{"type": "websocket.close", "code": 1008}]


def test_a_wrong_token_in_the_address_gets_403_and_no_cookie() -> None:
    for token in ("", "x", TOKEN[:-1], TOKEN + "t"):
        start = asked(request(f"/?token={token}", cookie=""))[0]
        assert start["status"] == 403 and b"set-cookie" not in dict(start["headers"])


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get() -> None:
    start = asked(request(f"/datasets/mine?view=worst-first&token={TOKEN}", cookie="", sec_fetch_site="none"))[0]
    headers = dict(start["headers"])
    assert start["status"] == 303
    assert headers[b"location"] == b"/datasets/mine?view=worst-first", "the token does not stay in the history"
    assert headers[b"set-cookie"].decode() == f"{COOKIE}; Path=/; HttpOnly; SameSite=Strict"
    assert headers[b"referrer-policy"] == b"no-referrer" and headers[b"cache-control"] == b"no-store"
    start = asked(request(f"//evil.example?token={TOKEN}", sec_fetch_site="none"))[0]
    assert dict(start["headers"])[b"location"] == b"/evil.example"


def test_a_browser_that_a_local_file_sent_here_goes_on_by_a_page() -> None:
    # After a redirect, it would not send the cookie: where it came from still counts then.
    headers = {"cookie": "", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    start, body = asked(request(f'/datasets/"><script>?token={TOKEN}&view=a', **headers))
    assert start["status"] == 200 and dict(start["headers"])[b"set-cookie"].startswith(COOKIE.encode())
    assert b'content="0; url=/datasets/&quot;&gt;&lt;script&gt;?view=a"' in body["body"]
    assert TOKEN.encode() not in body["body"]
    old_browser = asked(request(f"/?token={TOKEN}", cookie=""))
    assert old_browser[0]["status"] == 200 and b'content="0; url=/"' in old_browser[1]["body"]
    image = headers | {"sec_fetch_mode": "no-cors"}
    assert asked(request(f"/?token={TOKEN}", **image))[0]["status"] == 403, "pages elsewhere embed nothing"


def test_a_program_may_send_the_token_with_each_request() -> None:
    assert answer_to(request(f"/graphql?token={TOKEN}", "POST", cookie=""), ACCESS) == "serve"
    assert answer_to(request(f"/graphql?token={TOKEN}", kind="websocket", cookie=""), ACCESS) == "serve"
    assert answer_to(request("/graphql", kind="websocket"), ACCESS) == "serve"


def test_two_cookie_headers_are_both_read_and_two_origins_refused() -> None:
    scope = request(cookie="a=b")
    scope["headers"].append((b"cookie", f"c=d; {COOKIE}".encode()))
    assert answer_to(scope, ACCESS) == "serve"
    scope["headers"] += [(b"origin", b"http://evil.example"), (b"origin", f"http://{HOST}".encode())]
    assert answer_to(scope, ACCESS) == "refuse"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/dataset/1/sample/2"),  # changes any field of a sample, filepath too
        ("PATCH", "/dataset/1/sample/2/field/3"),
        ("POST", "/dataset/1/sample/2/commit-mask"),  # writes a file
        ("GET", "/dataset/1/sample/2/intrinsics"),
        ("DELETE", "/dataset/1/sample/2/tags/3"),
        ("GET", "/runtime-assets/models/sam2/a"),
        ("GET", "/screenshot/a.html"),
        ("POST", "/media"),
        ("POST", "/get-similar-labels-frames"),
        ("PUT", "/graphql"),
        ("OPTIONS", "/media"),
    ],
)
def test_routes_that_the_app_does_not_need_are_refused(method: str, path: str) -> None:
    assert answer_to(request(path, method), ACCESS) == "refuse"


def test_every_route_of_fiftyone_is_either_needed_or_refused(fiftyone: Any) -> None:
    """A new FiftyOne with new routes: decide about each one, and extend the guard."""
    from fiftyone.server.routes import routes

    posts = {
        route
        for route, endpoint in routes
        if hasattr(endpoint, "post") and answer_to(request(route, "POST"), ACCESS) == "serve"
    }
    reads = {
        route
        for route, endpoint in routes
        if hasattr(endpoint, "get") and answer_to(request(route), ACCESS) in ("serve", "picture")
    }
    assert not any(
        answer_to(request(route, method), ACCESS) == "serve" for route, _ in routes for method in ("PATCH", "DELETE")
    )
    assert reads == {
        "/features", "/fiftyone", "/media", "/ontologies", "/ontologies/{name}/attributes",
        "/ontologies/{name}/taxonomy", "/plugins",
    }  # fmt: skip
    assert {route for route in posts if not re.match(r"/(embeddings|operators)", route)} == {
        "/aggregate", "/event", "/events", "/frames", "/geo", "/sort", "/tag", "/tagging", "/values",
    }  # fmt: skip
