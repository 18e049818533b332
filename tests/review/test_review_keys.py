"""Keys and text at any time: no verdict on a case whose picture was not on the screen, and no text that gets lost.

Each case's picture has a colour of its own along its upper edge. A script that the page runs before the App notes the
colour on the screen whenever a key is struck, so that the test knows what a reviewer could see, without asking the App.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from segdata.review.environment import free_port
from tests.chromium import CHROMIUM, Page, chromium
from tests.report.conftest import Builder
from tests.review.conftest import filled, reviewing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.usefixtures("mongod"),
]
BAR = "document.querySelector('#segdata-review')"
NOTE = f"{BAR}.querySelector('input')"
IDLE = f"{BAR} && !{BAR}.hidden && !{BAR}.hasAttribute('aria-busy')"
VERDICTS = ("hard", "label_error", "drop", "fine")
THUMBNAILS = "document.querySelectorAll('[data-cy=looker]:not([data-cy=modal] *)')"
SHOTS = Path(os.environ.get("SEGDATA_SCREENSHOTS", Path(__file__).parents[2] / "build" / "screenshots"))
DISMISS = "[...document.querySelectorAll('button')].find((one) => one.innerText === 'Dismiss')"
"""The button of FiftyOne's advertisement, which takes the keys."""
LATENCY_MS = 250
"""Each request waits this long, so that there is time to strike keys before the next picture is drawn."""
WITNESS = """
  window.struck = [];
  window.typed = "";
  window.triggered = [];
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (answer.url.endsWith("/operators/execute")) {
      const told = await answer.clone().json();
      for (const one of (told.executor && told.executor.requests) || []) window.triggered.push(JSON.stringify(one));
    }
    return answer;
  };
  window.seen = () => {
    const canvas = document.querySelector("[data-cy=modal] [data-cy=modal-looker-container] canvas");
    if (!canvas || !canvas.width) return null;
    const box = canvas.getBoundingClientRect();
    const above = document.elementFromPoint(box.x + box.width / 2, box.y + box.height * 0.03);
    if (!above || !above.closest("[data-cy=modal-looker-container]")) return null;
    const at = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height * 0.03, 1, 1).data;
    const number = Math.round((at[0] - 30) / 12);
    const isMarked = at[3] === 255 && at[2] === 200 && Math.abs(at[0] - 30 - 12 * number) < 2;
    return isMarked && Math.abs(at[1] - 250 + 12 * number) < 2 ? number : null;
  };
  addEventListener("keydown", (event) => {
    if (event.altKey) window.struck.push([event.code, window.seen()]);
  }, true);
  addEventListener("input", (event) => {
    if (event.target.closest("#segdata-review")) window.typed += event.data;
  }, true);
"""
RELOADS = "triggered.filter((one) => one.includes('reload_samples')).length"
SPY = """
  const { executeOperator } = window.__foo__;
  window.__foo__ = {
    ...window.__foo__,
    executeOperator: (uri, ...more) => { window.triggered.push(uri); return executeOperator(uri, ...more); },
  };
  1
"""
"""Notes which operators the bar runs in the browser."""


@dataclass
class Review:
    """A review that is open in a browser.

    Attributes:
        page: shows the App.
        process: the command.
        builder: of its workspace.
    """

    page: Page
    process: subprocess.Popen[str]
    builder: Builder

    def settle(self, progress: str = "", case: str = "") -> None:
        """Wait until the bar is idle and shows these texts."""
        text = f"{BAR}.innerText.includes"
        self.page.wait(f"{IDLE} && {text}({json.dumps(progress)}) && {text}({json.dumps(case)})")

    def focus_note(self) -> None:
        self.page.click("#segdata-review input")
        self.page.wait(f"document.activeElement === {NOTE}", 20)

    def type(self, text: str, pause: random.Random | None = None) -> None:
        """Type letter by letter, with pauses of random length."""
        for letter in text:
            self.page.write(letter)
            if pause is not None:
                time.sleep(pause.uniform(0, 0.06))

    def close_case(self) -> None:
        """Click beside the open case."""
        self.click_at(12, 400)
        self.page.wait("!document.querySelector('[data-cy=modal]')")

    def open_first_case(self) -> None:
        """Click the first picture of the grid: then the arrow keys go through the cases."""
        while not self.page.run("document.querySelector('[data-cy=modal]') !== null"):
            self.page.wait(f"{THUMBNAILS}.length > 0")  # the grid may be loading anew
            box = self.page.run(f"(r => [r.x + r.width / 2, r.y + 60])({THUMBNAILS}[0].getBoundingClientRect())")
            self.click_at(*box)
            time.sleep(1)
        self.page.wait("seen() === 0")
        self.settle("", "pool/00000")

    def select(self, number: int) -> None:
        """Tick a picture of the grid."""
        self.click_at(*self.page.run(f"(r => [r.x + 14, r.y + 14])({THUMBNAILS}[{number}].getBoundingClientRect())"))

    def click_at(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self.page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def end(self) -> dict[int, tuple[str | None, str | None]]:
        """End the review; verdict and note in the catalog, by the number of the case."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, err
        rows = self.builder.workspace.catalog.read("verdicts").to_pylist()
        return {int(row["sample_id"][-5:]): (row["verdict"], row["note"]) for row in rows}


@contextmanager
def opened(entry: list[str], folder: Path, cases: int) -> Iterator[Review]:
    """A review whose first case is open and drawn."""
    builder = filled(folder / "portraits", cases=cases)
    for number in range(cases):
        path = str(folder / "portraits" / "data" / f"{number}.png")
        image = cv2.imread(path)
        image[:8] = (200, 250 - 12 * number, 30 + 12 * number)  # blue, green, red
        cv2.imwrite(path, image)
    root, port = builder.workspace.root, free_port()
    with reviewing(entry, root, port) as (process, url), chromium(folder / "profile") as page:
        page.call("Page.addScriptToEvaluateOnNewDocument", source=WITNESS)
        page.open(url)
        page.wait("document.body.innerText.includes('missed_hole')")
        review = Review(page, process, builder)
        review.settle(f"0 of {cases}", "open a case")
        page.wait(f"{DISMISS} && ({DISMISS}.click(), true)")
        page.call(
            "Network.emulateNetworkConditions",
            **{"offline": False, "latency": LATENCY_MS, "downloadThroughput": -1, "uploadThroughput": -1},
        )
        page.press("n", alt=True)
        review.settle(f"0 of {cases}", "pool/00000")
        page.wait("seen() === 0")
        yield review


def test_keys_at_random_times_judge_only_what_was_seen_and_lose_no_text(
    segdata_entry: list[str], tmp_path: Path
) -> None:
    cases, rng = 12, random.Random(18)
    words: list[str] = []
    with opened(segdata_entry, tmp_path, cases) as review:
        page = review.page
        review.focus_note()
        for step in range(400):
            if f"{cases} of {cases}" in str(page.run(f"{BAR}.innerText")):
                break
            if rng.random() < 0.35 and page.run(f"document.activeElement === {NOTE}"):
                words.append(f"<{step} hair halo>")
                review.type(words[-1], rng)
            page.press("n" if rng.random() < 0.1 else rng.choice("1234"), alt=True)
            time.sleep(rng.choice((0, 0.02, rng.uniform(0, 1.2))))
        review.settle(f"{cases} of {cases}")
        page.run(f"{NOTE}.blur()")
        review.settle(f"{cases} of {cases}")
        struck, typed = page.run("[struck, typed]")
        said = review.end()
    assert sorted(number for number, (verdict, _) in said.items() if verdict) == list(range(cases))
    for number, (verdict, _) in said.items():
        assert [f"Digit{VERDICTS.index(str(verdict)) + 1}", number] in struck, f"case {number} was judged unseen"
    verdicts_struck = [seen for code, seen in struck if code.startswith("Digit")]
    assert len(verdicts_struck) > cases, "keys were struck while no undecided case was on the screen"
    notes = " ".join(note for _, note in said.values() if note)
    whole = [word for word in words if word in typed]
    assert len(whole) > 3, "text was typed"
    assert [word for word in whole if word not in notes] == [], (notes, typed)
    assert sorted(notes.replace(" ", "")) == sorted(typed.replace(" ", "")), "nothing more, and nothing less"


def test_text_after_a_verdict_is_the_note_of_the_next_case(segdata_entry: list[str], tmp_path: Path) -> None:
    with opened(segdata_entry, tmp_path, 3) as review:
        review.focus_note()
        review.type("hat")
        review.page.press("1", alt=True)
        review.type("hair halo")
        review.settle("1 of 3", "pool/00001")
        assert review.page.run(f"{NOTE}.value") == "hair halo"
        review.page.press("2", alt=True)
        review.type("one ")
        review.page.press("n", alt=True)  # before the third case is open: the text is that case's
        review.type("two")
        review.settle("2 of 3", "pool/00002")
        review.page.wait(f"{NOTE}.value === 'one  two' || {NOTE}.value === 'one two'")
        review.page.press("4", alt=True)
        review.type("three")  # no case is left: it belongs to the last one
        review.settle("3 of 3", "open a case")
        said = review.end()
    assert said[0] == ("hard", "hat")
    assert said[1] == ("label_error", "hair halo")
    assert said[2][0] == "fine" and str(said[2][1]).split() == ["one", "two", "three"]


def test_keys_struck_while_the_app_is_busy_are_carried_out_in_order(segdata_entry: list[str], tmp_path: Path) -> None:
    with opened(segdata_entry, tmp_path, 4) as review:
        page = review.page
        page.press_at_once("1", "1", "2", "z", alt=True)  # the second and third: for a picture that is not there yet
        review.settle("0 of 4", "pool/00000")
        page.wait("seen() === 0")
        for key in "nn":
            page.press(key, alt=True)
        review.settle("0 of 4", "pool/00002")
        page.press("3", alt=True)
        review.settle("1 of 4", "pool/00003")
        review.close_case()
        review.open_first_case()
        page.press_at_once("ArrowRight", "4", alt=True)  # the second case is not drawn yet, and the first is left
        page.wait("seen() === 1")
        review.settle("1 of 4", "pool/00001")
        said = review.end()
    assert said == {2: ("drop", None)}


def test_the_grid_is_loaded_anew_when_a_case_is_closed_and_after_a_verdict_on_selected_samples(
    segdata_entry: list[str], tmp_path: Path
) -> None:
    with opened(segdata_entry, tmp_path, 4) as review:
        page = review.page
        page.run(SPY)
        page.press("1", alt=True)
        review.settle("1 of 4", "pool/00001")
        page.wait("seen() === 1")
        page.shot(SHOTS / "app-after-verdict.png")
        assert page.run("triggered.some((one) => one.includes('open_sample'))")
        assert page.run(RELOADS) == 0, "the picture of the open case would go blank"
        review.close_case()
        review.settle("1 of 4", "open a case")
        assert page.run(RELOADS) == 1
        page.wait(f"[...{THUMBNAILS}].some((one) => one.innerText.startsWith('hard'))")
        page.shot(SHOTS / "app-grid-after-verdict.png")
        for number in (1, 2):
            review.select(number)
        review.settle("1 of 4", "2 selected")
        page.press("3", alt=True)
        review.settle("3 of 4", "open a case")
        page.wait(f"[...{THUMBNAILS}].filter((one) => one.innerText.startsWith('drop')).length === 2")
        assert page.run(RELOADS) == 2
        page.press("z", alt=True)
        review.settle("1 of 4", "open a case")
        page.wait(f"[...{THUMBNAILS}].every((one) => !one.innerText.startsWith('drop'))")
        said = review.end()
    assert said == {0: ("hard", None)}
