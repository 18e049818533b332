"""A browser for tests: headless Chromium, driven by its DevTools protocol over one WebSocket.

What the tests need is little: open a page, wait until something is so, click, press keys, look. Every request that the
page makes is noted, so that a test can say that none left this machine.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
_ADDRESS = re.compile(rb"DevTools listening on (ws://\S+)")
_CODES = {"Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37}
_ALT = 1


def _code(key: str) -> str:
    """The code of the physical key, as in KeyboardEvent.code."""
    return f"Digit{key}" if key.isdigit() else f"Key{key.upper()}" if len(key) == 1 else key


class Page:
    """One open page.

    Attributes:
        requests: URLs that the page asked for and was let, by the browser's number of the request.
        complaints: what the console and uncaught errors said.
        answers: the status of each answer, by the number of the request.
    """

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=120, suppress_origin=True)
        self._number = 0
        self.requests: dict[str, str] = {}
        self.complaints: list[str] = []
        self.answers: dict[str, int] = {}
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are noted."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self._note(answer)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, (script, answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 120.0) -> Any:
        """Wait until a JavaScript expression is true; its value."""
        until = time.monotonic() + seconds
        while True:
            try:
                if value := self.run(condition):
                    return value
            except AssertionError:  # the page is on its way to another one
                pass
            assert time.monotonic() < until, (condition, self.complaints[-5:], self.run("document.body.innerText"))
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """Click the middle of an element, as a person would: whatever lies over it gets the click."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"{place} && ({place}.scrollIntoView({{block: 'center', behavior: 'instant'}}), true)")
        x, y = self.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({place}.getBoundingClientRect())")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def press(self, key: str, alt: bool = False) -> None:
        """Press and release a key: a letter, a digit, or a name such as Enter."""
        code = _code(key)
        number = _CODES.get(key) or ord(key.upper())
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=code,
                windowsVirtualKeyCode=number,
                modifiers=_ALT if alt else 0,
            )

    def press_at_once(self, *keys: str, alt: bool = False) -> None:
        """Strike keys within one task of the page, so that it draws nothing between two of them."""
        events = [
            {"key": key, "code": _code(key), "altKey": alt and len(key) == 1, "bubbles": True, "cancelable": True}
            for key in keys
        ]
        self.run(
            f"for (const key of {json.dumps(events)}) for (const kind of ['keydown', 'keyup'])"
            " document.activeElement.dispatchEvent(new KeyboardEvent(kind, key))"
        )

    def write(self, text: str) -> None:
        """Type text where the cursor is."""
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        """Give the window another size, in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def shot(self, path: Path, whole: bool = False) -> Path:
        """A picture of what is seen, or of the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def downloads_to(self, folder: Path) -> None:
        """Where files go that the page saves."""
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def went_outside(self) -> list[str]:
        """The requests that were for another machine."""
        return [
            url
            for url in self.requests.values()
            if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|file:", url)
        ]

    def failed(self) -> list[tuple[int, str]]:
        """The requests that were answered with an error, with its status."""
        return [(status, self.requests.get(number, "")) for number, status in self.answers.items() if status >= 400]

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests[params["requestId"]] = params["request"]["url"]
        elif method == "Network.responseReceived":
            self.answers[params["requestId"]] = params["response"]["status"]
        elif method == "Network.loadingFailed" and params.get("blockedReason") == "csp":
            self.requests.pop(params["requestId"], None)  # the page's policy stopped it before it left
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.complaints.append(json.dumps(params["args"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(json.dumps(params["entry"])[:500])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A page of a browser of its own, which ends with the test."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--remote-debugging-port=0",
    ]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={profile}", "--window-size=1440,900", "about:blank"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stderr is not None
        address = next(found[1].decode() for line in process.stderr if (found := _ADDRESS.search(line)))
        yield Page(address)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
