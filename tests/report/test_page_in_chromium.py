"""The page in a real browser: cases judged by key and button, undone, saved, read back; hostile text is only shown."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from segdata.report.recipe import ReportRecipe
from segdata.report.run import run
from tests.chromium import CHROMIUM, Page, chromium

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
SHOTS = Path(os.environ.get("SEGDATA_SCREENSHOTS", Path(__file__).parents[2] / "build" / "screenshots"))
HOSTILE = [
    "aisegment/=cmd()|'/c calc'!A0,\"x\"",
    "aisegment/<img src=x onerror=hacked=1>",
    "aisegment/\u202egnp.exe \x1b[31mred",
    "aisegment/'; drop table verdicts --</script><script>hacked=1</script>",
]
NOTE = "=HYPERLINK(\"http://example.org\",'x') <img src=x onerror=hacked=1> \u202e"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "profile") as opened:
        yield opened


@pytest.fixture
def hostile(builder: Any) -> Any:
    """Four cases whose names, reasons and rejects would do harm if anything ran them."""
    (builder.workspace.root / "pipelines").mkdir()
    (builder.workspace.root / "pipelines" / "portrait.toml").write_text("")
    for name in HOSTILE:
        builder.sample(name)
    scorer = builder.scores("aaaa", {name: 0.5 + 0.1 * place for place, name in enumerate(HOSTILE)})
    builder.selection("hard-1", scorer, dict.fromkeys(HOSTILE, "hard"), why=HOSTILE[1])
    builder.add("rejects", {"dataset": "d", "path": HOSTILE[1], "reason": "empty_file", "detail": HOSTILE[3]})
    return builder


def told(page: Page, part: str) -> str:
    return str(page.run(f"document.querySelector('[data-review] [data-{part}]').textContent"))


def saved(page: Page, folder: Path, act: str, name: str) -> Path:
    """The file that a button saves."""
    page.downloads_to(folder)
    page.click(f"[data-review] [data-act={act}]")
    until = time.monotonic() + 60
    while not (folder / name).is_file():
        assert time.monotonic() < until, "nothing was saved"
        time.sleep(0.1)
    return folder / name


def shown(page: Page) -> list[str]:
    """The names of the hard cases that are shown, in order."""
    script = "[...document.querySelectorAll('#hard [data-case]')].filter(e => !e.hidden).map(e => e.dataset.case)"
    return [json.loads(text)["sample_id"] for text in page.run(script)]


def test_cases_are_judged_on_the_page_and_come_into_the_catalog(
    hostile: Any, page: Page, segdata: Any, tmp_path: Path
) -> None:
    result = run(hostile.context(), ReportRecipe(holes=0, leaks=0).for_review("hard-1"))
    root, folder = hostile.workspace.root, tmp_path / "saved"
    folder.mkdir()
    page.open(result.path.as_uri())
    page.wait("document.querySelector('[data-review]') && !document.querySelector('[data-review]').hidden")
    assert told(page, "progress") == "0 of 4 reviewed"
    page.press("n", alt=True)
    page.wait("(r => r.top >= 0 && r.top < innerHeight)(document.querySelector('.chosen').getBoundingClientRect())", 20)
    page.press("2", alt=True)  # label error, by key: on to the next
    assert told(page, "progress") == "1 of 4 reviewed"
    page.click("[data-review] [data-verdict=hard]")
    page.press("3", alt=True)
    assert told(page, "progress") == "3 of 4 reviewed"
    page.press("z", alt=True)
    assert told(page, "progress") == "2 of 4 reviewed"
    page.click("[data-review] [data-note]")
    page.write(NOTE)
    page.press("4", alt=True)
    page.click("[data-review] [data-reviewer]")
    page.write("=ben")
    page.run("document.querySelector('.chosen').scrollIntoView({block: 'center', behavior: 'instant'})")
    page.shot(SHOTS / "page-judged.png")
    page.click("[data-review] [data-note]")
    page.write("look again")  # on the last one a note alone; on the first one a note that comes after its verdict
    page.click("#hard [data-case] h3")
    page.click("[data-review] [data-note]")
    page.write("hat")
    page.click("h1")
    assert told(page, "progress") == "3 of 4 reviewed", "a note is no verdict"
    told_json = saved(page, folder, "json", "verdicts.json")
    told_csv = saved(page, folder, "csv", "verdicts.csv")
    assert told(page, "saved") == "all saved"
    with told_csv.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert {"'=ben", f"'{NOTE}"} <= set(cells), "text, to a spreadsheet"
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    first = segdata("review", "--import", told_json, "--json", cwd=root)
    assert (first.json["verdicts"], first.json["remarks"]) == ({"fine": 1, "hard": 1, "label_error": 1}, 1), first.err
    second = segdata("review", "--import", told_csv, "--json", cwd=root)
    assert (second.json["verdicts"], second.json["known"]) == ({}, 4), "the CSV says exactly the same"
    rows = hostile.workspace.catalog.read("verdicts").to_pylist()
    assert {(row["sample_id"], row["verdict"], row["reviewer"], row["note"] or None) for row in rows} == {
        (HOSTILE[0], "label_error", "=ben", "hat"),
        (HOSTILE[1], "hard", "=ben", None),
        (HOSTILE[2], "fine", "=ben", NOTE),
        (HOSTILE[3], None, "=ben", "look again"),
    }
    assert page.run("typeof hacked") == "undefined", "text of the data was run"
    assert page.complaints == [] and page.went_outside() == []


def test_galleries_and_tables_are_sorted_and_filtered(hostile: Any, page: Page) -> None:
    page.open(run(hostile.context(), ReportRecipe(holes=0, leaks=0)).path.as_uri())
    page.wait("document.querySelector('#hard [data-tools]') && !document.querySelector('#hard [data-tools]').hidden")
    assert shown(page) == HOSTILE, "as mined"

    def choose(field: str, value: str) -> None:
        place = f"document.querySelector('#hard [data-{field}]')"
        page.run(f"{place}.value = {json.dumps(value)}; {place}.dispatchEvent(new Event('input', {{bubbles: true}}))")

    choose("sort", "sample_id")
    assert shown(page) == sorted(HOSTILE)
    choose("name", "ONERROR")
    assert shown(page) == [HOSTILE[1]]
    choose("name", "")
    choose("show", "unreviewed")
    assert len(shown(page)) == 4
    choose("show", "drop")
    assert shown(page) == []
    heads = "[...document.querySelectorAll('#data th button')].find(b => b.textContent === 'file')"
    page.run(f"{heads}.click()")
    assert page.run(f"{heads}.parentElement.getAttribute('aria-sort')") == "ascending"


def test_the_page_is_read_on_a_phone_and_on_paper(hostile: Any, page: Page) -> None:
    hostile.whole_loop()
    result = run(hostile.context(), ReportRecipe())
    for name, width in (("phone", 390), ("desk", 1280)):
        page.resize(width, 844, phone=name == "phone")
        page.open(result.path.as_uri())
        page.wait("document.readyState === 'complete' && document.querySelector('[data-review]') !== null")
        page.wait("[...document.images].every(image => { image.loading = 'eager'; return image.complete; })")
        assert page.run("document.documentElement.scrollWidth") <= width, "nothing sticks out to the side"
        page.shot(SHOTS / f"page-{name}.png", whole=True)
    page.call("Emulation.setEmulatedMedia", media="print")
    page.resize(718, 1000)  # A4 with margins of a centimetre
    assert page.run("document.documentElement.scrollWidth") <= 718, "nothing is cut off by the paper's edge"
    assert page.run("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    assert page.run("[...document.querySelectorAll('.told > div')].every(e => e.offsetWidth > 120)"), "words stay whole"
    assert page.run("getComputedStyle(document.querySelector('[data-review]')).display") == "none"
    page.shot(SHOTS / "page-print.png", whole=True)
    for name in ("phone", "desk", "print"):
        image = cv2.imread(str(SHOTS / f"page-{name}.png"))
        assert image is not None and image.std() > 10, "a blank page"
    assert page.complaints == []
