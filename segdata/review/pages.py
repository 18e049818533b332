"""What the App's server sends around FiftyOne's answers: its policy for pages, refusals, and the way to the App."""

from __future__ import annotations

import html
import re
from collections.abc import Set
from typing import Any

_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob: {sockets}; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)
_OUTSIDE_FONT = re.compile(rb'<link rel="preload" href="https?://[^>]*>')
_REFUSAL = b"segdata review: refused. Open the address that segdata review printed: it has the token of this review."
_FORWARD = '<!DOCTYPE html><title>segdata review</title><meta http-equiv="refresh" content="0; url={address}">'
_PRIVATE = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_OWN_PAGES_ONLY = (b"cross-origin-resource-policy", b"same-origin")
_STRICT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


def with_page_policy(send: Any, hosts: Set[str]) -> Any:
    """Add the policy to each answer, and take Google's font out of the page.

    Args:
        send: ASGI's.
        hosts: what the page may open WebSockets to.
    """
    policy = _POLICY.format(sockets=" ".join(f"ws://{host}" for host in sorted(hosts))).encode()
    added = dict((*_PRIVATE, _OWN_PAGES_ONLY, (b"content-security-policy", policy)))
    page: dict[str, Any] = {}

    async def send_on(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() not in added]
            message = {**message, "headers": [*headers, *added.items()]}
            if dict(headers).get(b"content-type", b"").startswith(b"text/html"):
                page.update(start=message, body=b"")
                return
        elif message["type"] == "http.response.body" and page:
            page["body"] += message.get("body", b"")
            if not message.get("more_body", False):
                await _send_page(send, page)
            return
        await send(message)

    return send_on


async def send_refusal(scope: Any, send: Any) -> None:
    """Answer 403 and how to get in; close a WebSocket.

    Args:
        scope: of the request.
        send: ASGI's.
    """
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [*_PRIVATE, _OWN_PAGES_ONLY, _STRICT, (b"content-type", b"text/plain")]
    await _send_whole(send, 403, headers, _REFUSAL)


async def send_to_clean_address(scope: Any, send: Any, cookie: str, token: str, as_page: bool) -> None:
    """Set the cookie, and send the browser on to the same address without the token.

    Args:
        scope: of the request, whose query has the token.
        send: ASGI's.
        cookie: the value of `Set-Cookie`.
        token: the name of the parameter that is left out.
        as_page: by a page that goes on by itself, else by a redirect.
    """
    path = "/" + scope["raw_path"].decode("latin-1").partition("?")[0].lstrip("/")  # two slashes would name a host
    rest = [part for part in scope["query_string"].decode("latin-1").split("&") if part.partition("=")[0] != token]
    address = "?".join(filter(None, (path, "&".join(rest))))
    headers = [*_PRIVATE, _OWN_PAGES_ONLY, _STRICT, (b"cache-control", b"no-store"), (b"set-cookie", cookie.encode())]
    if as_page:
        body = _FORWARD.format(address=html.escape(address)).encode()
        await _send_whole(send, 200, [*headers, (b"content-type", b"text/html; charset=utf-8")], body)
    else:
        await _send_whole(send, 303, [*headers, (b"location", address.encode("latin-1"))], b"")


async def _send_page(send: Any, page: dict[str, Any]) -> None:
    body = _OUTSIDE_FONT.sub(b"", page["body"])
    start = page["start"]
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    if page["body"]:  # the answer to HEAD has a length and no body
        headers.append((b"content-length", str(len(body)).encode()))
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_whole(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
