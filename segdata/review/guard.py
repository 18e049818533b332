"""Which requests the App's server answers: those of a browser that has the review's token, from the App's own pages.

FiftyOne's server asks nobody who they are. The guard stands before it and refuses what a web page in another tab, a
page on another port of this machine, or another user of this machine asks.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs

from segdata.review.environment import ADDRESS
from segdata.review.pages import send_refusal, send_to_clean_address, with_page_policy
from segdata.review.served_media import serve_media

TOKEN = "token"
"""The query parameter of the review's first address."""
Answer = Literal["refuse", "redirect", "forward", "picture", "serve"]

_READING = frozenset({"GET", "HEAD"})
_REFUSED_PAGES = ("/dataset/", "/runtime-assets/", "/screenshot/")
"""What FiftyOne reads for datasets of other kinds, models to download, and notebooks."""
_POSTS = frozenset({
    *("/aggregate", "/event", "/events", "/frames", "/geo", "/graphql", "/sort", "/tag", "/tagging", "/values"),
    *("/operators", "/operators/execute", "/operators/execute/generator", "/operators/resolve-execution-options"),
    *("/operators/resolve-placements", "/operators/resolve-type", "/operators/subscribe-execution-store"),
})  # fmt: skip
"""What the App asks for by POST. FiftyOne's other routes change a sample's paths or write files, and are refused."""


@dataclass(frozen=True)
class Access:
    """Who may ask the App's server, and for which files.

    Attributes:
        port: where it is served.
        token: at least 128 random bits.
        files: from `registered_media`.
    """

    port: int
    token: str
    files: Mapping[str, str]

    @property
    def cookie(self) -> str:
        """The name of the cookie that has the token. Browsers send cookies to every port, so the name has the port."""
        return f"segdata-review-{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The names of this server."""
        return frozenset(f"{name}:{self.port}" for name in (ADDRESS, "localhost"))


def guarded(app: Any, access: Access) -> Any:
    """An ASGI application that answers only requests with the token, from the App's own pages.

    Args:
        app: FiftyOne's application.
        access: who may ask it.
    """

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        answer = answer_to(scope, access)
        if answer == "serve":
            await app(scope, receive, with_page_policy(send, access.hosts))
        elif answer == "picture":
            await serve_media(scope, send, access.files)
        elif answer == "refuse":
            await send_refusal(scope, send)
        else:
            cookie = f"{access.cookie}={access.token}; Path=/; HttpOnly; SameSite=Strict"
            await send_to_clean_address(scope, send, cookie, TOKEN, as_page=answer == "forward")

    return guard


def answer_to(scope: Mapping[str, Any], access: Access) -> Answer:
    """How to answer a request.

    Args:
        scope: of the request, as ASGI has it.
        access: who may ask.

    Returns:
        refuse: 403, or the WebSocket is closed. redirect: the token becomes a cookie, and the browser goes to the
        address without it. forward: the same by a page, for a browser that a page elsewhere may have sent here,
        because it would not send the cookie after a redirect. picture: a registered file. serve: FiftyOne answers.
    """
    if scope["type"] not in ("http", "websocket") or not _has_own_host_and_origin(scope, access):
        return "refuse"
    reads = scope["type"] == "http" and scope["method"] in _READING
    sites = set(_header(scope, b"sec-fetch-site"))  # browsers say it; older ones and programs do not
    own_page = sites <= {"same-origin", "none"}
    with_token = _is_token(parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN, ()), access)
    if with_token and reads and (own_page or _header(scope, b"sec-fetch-mode") == ["navigate"]):
        return "redirect" if own_page and sites else "forward"
    if not own_page or not (with_token or _is_token(_cookies(scope, access.cookie), access)):
        return "refuse"
    if reads and scope["path"] == "/media":
        return "picture"
    return "serve" if scope["type"] == "websocket" or _is_needed(scope["method"], scope["path"]) else "refuse"


def _has_own_host_and_origin(scope: Mapping[str, Any], access: Access) -> bool:
    """Whether a request is for this server by its own name, and comes from a page of the same complete origin."""
    hosts = _header(scope, b"host")
    if len(hosts) != 1 or hosts[0] not in access.hosts:
        return False
    return set(_header(scope, b"origin")) <= {f"http://{hosts[0]}"}


def _is_needed(method: str, path: str) -> bool:
    """Whether the App needs a route of FiftyOne's: the rest could read or write files and is refused."""
    if method in _READING:
        return not path.startswith(_REFUSED_PAGES)
    return method == "POST" and (path in _POSTS or path.startswith("/embeddings/"))


def _is_token(values: Sequence[str], access: Access) -> bool:
    return any(hmac.compare_digest(value.encode("utf-8", "replace"), access.token.encode()) for value in values)


def _cookies(scope: Mapping[str, Any], name: str) -> list[str]:
    parts = (part.strip().partition("=") for header in _header(scope, b"cookie") for part in header.split(";"))
    return [value for key, _, value in parts if key == name]


def _header(scope: Mapping[str, Any], name: bytes) -> list[str]:
    """All values of a header: a request may have it more than once."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
