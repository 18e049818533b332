"""The whole review as a person does it: the command, the App in a real browser, keys, buttons, and the catalog after.

Screenshots go to build/screenshots, or where SEGDATA_SCREENSHOTS says: look at them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest

from segdata.review.environment import free_port
from tests.chromium import CHROMIUM, Page, chromium
from tests.review.conftest import filled, reviewing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.usefixtures("mongod"),
]
SHOTS = Path(os.environ.get("SEGDATA_SCREENSHOTS", Path(__file__).parents[2] / "build" / "screenshots"))
BAR = "document.querySelector('#segdata-review')"
HOSTILE = "aisegment/pool/<img src=x onerror=hacked=1>\u202e\x1b[31m\"'=cmd()3"
"""The last case's name, and the reason of all."""
PICTURE = "document.querySelector('#modal canvas, #modal img') !== null"


def said(page: Page) -> str:
    """What the bar says."""
    return str(page.run(f"{BAR}.innerText"))


def settled(page: Page, progress: str, case: str) -> None:
    """Wait until the bar says how far the review is and which case is open, and has nothing left to do."""
    page.wait(f"!{BAR}.hidden && !{BAR}.hasAttribute('aria-busy') && {BAR}.innerText.includes({json.dumps(progress)})")
    page.wait(f"{BAR}.innerText.includes({json.dumps(case)})")


def listening(pid: int) -> set[str]:
    """The addresses that a process and its children listen on."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def spoken_to(pid: int) -> set[str]:
    """The addresses that a process and its children are connected with."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {one.raddr.ip for process in family for one in process.net_connections(kind="inet") if one.raddr}


@pytest.fixture
def hostile(tmp_path: Path) -> Any:
    """Four cases, mined; the last one's name and every reason would do harm if anything ran them."""
    return filled(tmp_path / "portraits", last=HOSTILE, why=HOSTILE)


def test_verdicts_by_key_and_by_button_reach_the_catalog(
    hostile: Any, segdata: Any, segdata_entry: list[str], tmp_path: Path
) -> None:
    root, port = hostile.workspace.root, free_port()
    with reviewing(segdata_entry, root, port) as (command, url), chromium(tmp_path / "profile") as page:
        assert url.startswith(f"http://127.0.0.1:{port}/datasets/segdata-portraits?view=worst-first&token=")
        page.open(url)
        settled(page, "0 of 4 reviewed", "open a case")
        page.wait("document.body.innerText.includes('missed_hole')")  # the pictures are there
        time.sleep(1.0)
        page.shot(SHOTS / "app-grid.png")
        page.press("n", alt=True)
        settled(page, "0 of 4", "pool/00000")
        page.wait(PICTURE)
        page.press("2", alt=True)  # label error, by key: and on to the next
        settled(page, "1 of 4", "pool/00001")
        page.click("#segdata-review input")
        page.wait(f"document.activeElement === {BAR}.querySelector('input')", 10)
        page.write("later")
        page.press("n", alt=True)  # the note is kept, then the next case opened; and an undo takes the note back
        settled(page, "1 of 4", "pool/00002")
        page.press("z", alt=True)
        settled(page, "1 of 4", "pool/00001")
        page.click("#segdata-review [data-verdict=hard]")  # by button
        settled(page, "2 of 4", "pool/00002")
        page.press("3", alt=True)
        settled(page, "3 of 4", "onerror=hacked=1>⟨U+202E⟩⟨U+001B⟩[31m")  # shown, and spelt out
        page.press("z", alt=True)  # undone: its case is open again, without a verdict
        settled(page, "2 of 4", "pool/00002")
        page.click("#segdata-review input")
        page.wait(f"document.activeElement === {BAR}.querySelector('input')", 10)
        page.write("<img src=x onerror=alert(1)> unclear hair")
        page.click("#segdata-review [data-verdict=fine]")  # with the note, which nobody has sent before
        settled(page, "3 of 4", "=cmd()3")
        time.sleep(1.0)  # the picture fades in
        page.shot(SHOTS / "app-case.png")
        assert page.failed() == [], "the App asks for nothing that is refused"
        assert page.went_outside() == [], "the App fetches nothing from elsewhere"
        assert page.run("document.querySelectorAll('#segdata-review img').length") == 0, "a note is never markup"
        assert page.run("typeof hacked") == "undefined", "text of the data was run"
        assert listening(command.pid) == spoken_to(command.pid) == {"127.0.0.1"}, "the App's server and mongod"
        pulled = segdata("review", "--pull", "--json", cwd=root)
        assert pulled.json["verdicts"] == {"fine": 1, "hard": 1, "label_error": 1}, pulled.err
        page.press("z", alt=True)  # what was pulled is not undone
        page.wait("document.body.innerText.includes('Nothing to undo')")
        settled(page, "3 of 4", "=cmd()3")
        page.press("1", alt=True)
        settled(page, "4 of 4", "open a case")
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=120)
    answer = json.loads(out)
    assert (command.returncode, answer["status"], answer["verdicts"]) == (0, "done", {"hard": 1}), err
    rows = hostile.workspace.catalog.read("verdicts").to_pylist()
    told = {row["sample_id"][-1]: (row["verdict"], row["reviewer"], row["note"]) for row in rows}
    note = "<img src=x onerror=alert(1)> unclear hair"
    assert told == {
        "0": ("label_error", "kim", None), "1": ("hard", "kim", None), "2": ("fine", "kim", note),
        "3": ("hard", "kim", None),
    }  # fmt: skip
    for name in ("app-grid", "app-case"):
        image = cv2.imread(str(SHOTS / f"{name}.png"))
        assert image is not None and image.std() > 10, "a blank page"
    again = segdata("review", "--pull", "--json", cwd=root)
    assert again.json["verdicts"] == {} and len(hostile.workspace.catalog.read("verdicts")) == 4, "twice is once"
