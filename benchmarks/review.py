"""How long 34,000 cases take to come into FiftyOne, to be seen in Chromium, to be judged: python benchmarks/review.py

The cases are rows alone; they share a few drawn photographs, whose overlays are drawn once, so that what is measured is
the catalog, the import and the App. What overlays cost is measured apart, on those that there are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from segdata.catalog.packing import pack_mask
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.workspace import RunContext, Workspace, open_workspace
from segdata.imaging.encode import encode_jpeg, encode_png
from segdata.records import Progress
from segdata.review.environment import free_port
from segdata.review.recipe import ReviewRecipe
from segdata.review.run import Asked, open_review
from tests.chromium import Page, chromium

PHOTOS = 40
WATCH = """(() => {
  const started = performance.now(), canvas = () => document.querySelector("[data-cy=modal-looker-container] canvas");
  const before = canvas(), mine = {};
  window.drawnAfter = null;
  window.watching = mine;
  const look = () => {
    if (window.watching !== mine) return;
    const now = canvas(), isNext = now && now !== before && now.hasAttribute("canvas-loaded");
    if (!isNext) window.drawnAfter = null;
    else if (window.drawnAfter === null) window.drawnAfter = (performance.now() - started) / 1000;
    setTimeout(look, 10);
  };
  look();
})()"""
"""Notes when the picture of another case was drawn; if it goes blank again, when it came back."""
VERDICTS = 9
HEIGHT, WIDTH = 800, 600


def photographs(root: Path) -> list[dict[str, Any]]:
    """A few photographs with labels, and the columns that name them."""
    (root / "data").mkdir(parents=True)
    rng = np.random.default_rng(0)
    columns = []
    for number in range(PHOTOS):
        image = np.repeat(rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8), 8, axis=0).repeat(8, axis=1)
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        alpha = np.where(((y - 500) / 380) ** 2 + ((x - 300) / (150 + number)) ** 2 < 1, 255, 0).astype(np.uint8)
        for name, data in ((f"{number}.jpg", encode_jpeg(image)), (f"{number}.png", encode_png(alpha))):
            (root / "data" / name).write_bytes(data)
        uris = {"image_uri": f"data/{number}.jpg", "alpha_uri": f"data/{number}.png"}
        hashes = {
            key: hashlib.sha256(f"{key}{number}".encode()).hexdigest() for key in ("image_sha256", "alpha_sha256")
        }
        columns.append(uris | hashes)
    return columns


def fill(workspace: Workspace, cases: int) -> None:
    """So many scored and selected samples."""
    photos = photographs(workspace.root)
    samples, scores, selected, predictions = [], [], [], []
    for number in range(cases):
        photo = photos[number % PHOTOS]
        key = {"sample_id": f"aisegment/{number:06d}", **{k: photo[k] for k in ("image_sha256", "alpha_sha256")}}
        shape = {"width": WIDTH, "height": HEIGHT, "alpha_kind": "hard", "status": "present"}
        samples.append({**key, **photo, **shape, "dataset": "aisegment", "kind": "portrait", "split": "pool"})
        scored = {
            **key,
            "scorer_id": "s",
            "miou": number / cases,
            "failure_mode": ("missed_hole", "outline")[number % 2],
        }
        scores.append({**scored, "status": "scored", "run_id": "r"})
        selected.append({**key, "selection": "all", "rank": number, "triage": "hard", "scorer_id": "s", "run_id": "r"})
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[120:, 150:430] = True
        predictions.append({**key, "scorer_id": "s", "mask": pack_mask(mask), "height": HEIGHT, "width": WIDTH})
    catalog = workspace.catalog
    catalog.merge("samples", rows_to_table("samples", samples))
    catalog.append("scores", rows_to_table("scores", scores))
    catalog.append("predictions", rows_to_table("predictions", predictions))
    catalog.merge("selections", rows_to_table("selections", selected))


def opened(workspace: Workspace, cases: int, known: int) -> dict[str, Any]:
    """A review in a process of its own, looked at with Chromium, some cases judged by key after those that are known.

    Returns:
        Seconds: until all is imported, until the server is up, until pictures are seen; from a verdict until the bar is
        idle, and until the next picture stays; medians.
    """
    port = free_port()
    code = "from benchmarks.review import review; review()"
    call = [sys.executable, "-c", code, str(workspace.root), str(port), str(cases)]
    began = time.perf_counter()
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert process.stdout is not None
    try:
        imported = began
        for line in process.stdout:
            if line.startswith("imported"):
                imported = time.perf_counter()
            if line.startswith("http"):
                break
        up = time.perf_counter()
        with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as page:
            page.open(line.split()[-1])
            page.wait("document.body.innerText.includes('missed_hole')", 300)  # beside a picture of the grid
            seen = time.perf_counter()
            judged = [judge(page, known + number, bool(number)) for number in range(1 + VERDICTS)]
    finally:
        process.terminate()
        told = process.stdout.read().strip().splitlines()
        process.wait()
    idle, drawn = (statistics.median(seconds) for seconds in zip(*judged[1:], strict=True))
    parts = {"import": imported - began, "server": up - imported, "seen": seen - up, "judge": idle, "picture": drawn}
    return {**{name: round(value, 2) for name, value in parts.items()}, **json.loads(told[-1])}


def judge(page: Page, number: int, verdict: bool) -> tuple[float, float]:
    """Press a key, for a verdict or for going on, that opens case `number`, the first without a verdict.

    Returns:
        Seconds until the bar is idle again, and until the picture of that case is drawn and stays.
    """
    page.run(WATCH)
    began = time.perf_counter()
    page.press("1" if verdict else "n", alt=True)
    bar = "document.querySelector('#segdata-review')"
    page.wait(f"{bar}.innerText.includes('{number} of ') && {bar}.innerText.includes('aisegment/{number:06d}')", 300)
    page.wait(f"!{bar}.hasAttribute('aria-busy')")
    idle = time.perf_counter() - began
    time.sleep(4.0)  # a picture that is drawn may go blank again
    return idle, float(page.wait("drawnAfter"))


def review() -> None:
    """What the process does."""
    root, port, cases = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

    def progress(_: Progress) -> None:
        print("imported", flush=True)  # the last of them is when all were

    def say(line: str) -> None:
        if "http" in line:
            print("http", line, flush=True)

    context = RunContext(open_workspace(root), "benchmark", limit=cases, progress=progress)
    result = open_review(context, ReviewRecipe(port=port, reviewer="benchmark"), Asked(browser=False), say)
    counts = {key: value for key, value in result.to_json().items() if key in ("added", "changed", "unchanged")}
    print(json.dumps(counts))


def timed(function: Callable[[], Any]) -> float:
    """Its seconds."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def overlay_rate(workspace: Workspace) -> float:
    """Overlays drawn and written, cases a second, one thread."""
    from segdata.review.overlays import write_overlays

    rows = workspace.catalog.read("samples", where="sample_id < 'aisegment/000040'").to_pylist()
    masks = workspace.catalog.read("predictions", where="sample_id < 'aisegment/000040'").to_pylist()
    assert read_alpha_of(workspace, rows[0]).shape == (HEIGHT, WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        pairs = list(zip(rows, sorted(masks, key=lambda row: row["sample_id"]), strict=True))
        seconds = timed(lambda: [write_overlays(workspace, *pair, Path(folder), 640) for pair in pairs])
    return len(pairs) / seconds


def main() -> None:
    """Fill, open, open again with a tenth more, and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=34_000)
    cases = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder))
        fill(workspace, cases)
        print(f"overlays of one case: {overlay_rate(workspace):.0f} cases/s, one thread")
        for number, title in enumerate(("first opening", "a tenth more", "nothing new")):
            limit = cases if number else cases * 9 // 10
            print(f"{title}, {limit} cases: {opened(workspace, limit, VERDICTS * number)}", flush=True)


if __name__ == "__main__":
    main()
