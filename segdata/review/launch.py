"""Open the browser without showing the review's token to other users of this machine.

A program's arguments can be read by everybody, so the browser gets the path of a file that only this user can read, and
that sends it on to the App.
"""

from __future__ import annotations

import html
import os
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PAGE = '<!DOCTYPE html><title>segdata review</title><meta http-equiv="refresh" content="0; url={address}">\n'


@contextmanager
def launch_page(folder: Path, address: str) -> Iterator[Path]:
    """A page that sends the browser to an address, as long as this lasts.

    Args:
        folder: in the workspace: some browsers may not read hidden folders or temporary ones.
        address: with the token.
    """
    path = folder / "open.html"
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(address=html.escape(address)))
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


def open_browser(page: Path) -> None:
    """Open a page in the user's browser, without waiting for it."""
    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()
