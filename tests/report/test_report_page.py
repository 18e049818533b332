"""The whole stage on a workspace made by hand: every section filled, every section empty, hostile text, lost files."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segdata.errors import UsageError
from segdata.records import Progress
from segdata.report.recipe import ReportRecipe
from segdata.report.run import ReportResult, run

VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


class Page(HTMLParser):
    """A page taken apart: its elements with attributes, its text by section; complains about bad nesting."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._open: list[str] = []
        self._section = "head"
        self.feed(html)
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = str(dict(attrs)["id"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> within {self._open}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        self.sections[self._section] = f"{self.sections.get(self._section, '')} {words}".strip()

    def images(self) -> list[np.ndarray]:
        sources = [str(attributes["src"]) for tag, attributes in self.elements if tag == "img"]
        return [picture(source) for source in sources]


def picture(uri: str) -> np.ndarray:
    head, data = uri.split(",", maxsplit=1)
    assert head == "data:image/jpeg;base64"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def opened(result: ReportResult) -> Page:
    return Page(result.path.read_text(encoding="utf-8"))


def test_a_whole_loop_fills_every_section(builder: Any) -> None:
    builder.whole_loop()
    builder.scores("bbbb", {"aisegment/pool/00007": 0.7})
    builder.judge("aisegment/pool/00000", "hard", "kim")
    page = opened(run(builder.context(), ReportRecipe()))
    assert "m1 segments the test portraits at 0.9300 mIoU" in page.html.replace("<b>", "").replace("</b>", "")
    assert "+0.0300" in page.sections["scores"] and "from 0.9000 at m0" in page.sections["scores"]
    assert "val" in page.sections["curves"] and "Training loss" in page.sections["curves"]
    assert "miou < 0.8 OR hole_recall < 0.5" in page.sections["pool"]
    assert "missed hole" in page.sections["pool"] and "suspect label" in page.sections["pool"]
    assert "misses 75 % of the gap between arm and body" in page.sections["hard"]
    assert "suspicion" in page.sections["suspects"] and "0.90" in page.sections["suspects"]
    assert "0.850 → 0.950" in page.sections["changes"] and "−0.010" in page.sections["changes"]
    assert "1 missing alpha" in page.sections["data"]
    assert "bisenet_lite0-bbbb" in page.sections["lineage"] and "1 min 15 s" in page.sections["lineage"]
    assert "the last word" in page.sections["verdicts"] and "kim" in page.sections["verdicts"]
    assert "m1 against its parent m0" in page.sections["rounds"]
    # 2 hard, 1 suspect and 1 hole with 4 pictures, 2 improved and 1 worsened with 3, 2 composites, 8 leaks with 2:
    # these drawn people all look alike
    assert len(page.images()) == 4 * 4 + 3 * 3 + 2 + 8 * 2


def test_the_pool_is_counted_on_the_images_that_both_versions_scored(builder: Any) -> None:
    builder.whole_loop()
    text = opened(run(builder.context(), ReportRecipe())).sections["pool"]
    # m1 scored the 5 that it was not trained on; of these m0 had one under 0.8 (0.75), m1 none (0.82 and up)
    assert "5 pool images that both versions scored" in text
    assert "Below 0.8: 1 by m0, 0 by m1" in text


def test_the_prediction_is_shown_as_it_was_packed(builder: Any) -> None:
    builder.whole_loop()
    photo, label, prediction, disagreement = opened(run(builder.context(), ReportRecipe(suspects=0))).images()[:4]
    assert {image.shape for image in (photo, label, prediction, disagreement)} == {(96, 72, 3)}
    # In the gap under the arm (row 80, column 16) the label shows its tint, the prediction the photo, and the
    # disagreement is a false positive: orange, in OpenCV's order of blue, green, red.
    blue, green, red = (int(value) for value in label[80, 16])
    assert green > red + 60 and green > blue
    assert np.abs(prediction[80, 16].astype(int) - photo[80, 16]).max() < 25
    blue, green, red = (int(value) for value in disagreement[80, 16])
    assert red > 200 and blue < 60


def test_an_empty_catalog_gives_a_page_that_says_what_to_do(builder: Any) -> None:
    page = opened(run(builder.context(), ReportRecipe()))
    for section in ("scores", "curves", "pool", "hard", "suspects", "changes", "composites", "data", "lineage"):
        assert "Next: segdata ingest" in page.sections[section], section
    assert page.images() == []


NEXT_OF_SAMPLES = {"scores": "train", "pool": "train", "hard": "train", "composites": "fuse", "lineage": "train"}
NEXT_OF_A_MODEL = {"pool": "mine", "hard": "mine", "suspects": "mine", "changes": "mine"}


def test_an_empty_section_names_the_command_that_comes_next(builder: Any) -> None:
    builder.samples(1)
    sections = opened(run(builder.context("a"), ReportRecipe())).sections
    assert {
        name: command for name, command in NEXT_OF_SAMPLES.items() if f"Next: segdata {command}" in sections[name]
    } == NEXT_OF_SAMPLES
    builder.model("aaaa", 0.9)
    sections = opened(run(builder.context("b"), ReportRecipe())).sections
    assert {
        name: command for name, command in NEXT_OF_A_MODEL.items() if f"Next: segdata {command}" in sections[name]
    } == NEXT_OF_A_MODEL


def test_samples_without_a_model_are_counted(builder: Any) -> None:
    builder.samples(3)
    page = opened(run(builder.context(), ReportRecipe()))
    assert "no model is trained yet" in page.html
    assert "aisegment portrait · · · 3" in page.sections["data"]


def test_one_version_has_no_differences(builder: Any) -> None:
    builder.model("aaaa", 0.9, promoted=True)
    page = opened(run(builder.context(), ReportRecipe()))
    assert "the first version, m0" in page.sections["scores"]
    assert "Two versions are needed to compare." in page.sections["changes"]


def test_a_version_without_metrics_is_listed_and_not_measured(builder: Any) -> None:
    builder.model("aaaa", None, metrics="{damaged")
    page = opened(run(builder.context(), ReportRecipe()))
    assert "not measured" in page.sections["scores"]
    assert "Curves come with the first training." in page.sections["curves"]
    assert "bisenet_lite0-aaaa" in page.sections["lineage"]


def test_a_selection_without_hard_cases_says_so(builder: Any) -> None:
    (sample,) = builder.samples(1)
    scorer = builder.scores("aaaa", {sample: 0.5})
    builder.selection("s", scorer, {sample: "suspect_label"})
    page = opened(run(builder.context(), ReportRecipe()))
    assert "The newest selection holds no hard case." in page.sections["hard"]


def test_scores_without_kept_predictions_show_photo_and_label_and_say_what_lacks(builder: Any) -> None:
    (sample,) = builder.samples(1)
    builder.selection("s", builder.scores("aaaa", {sample: 0.5}, predictions=False), {sample: "hard"})
    result = run(builder.context(), ReportRecipe(holes=0))
    page = opened(result)
    assert len(page.images()) == 2 and result.unreadable == 1
    assert "no prediction is kept for these files" in page.sections["hard"]


def test_lost_damaged_and_changed_files_leave_a_frame_that_says_why(builder: Any) -> None:
    ids = builder.samples(5)
    builder.selection("s", builder.scores("aaaa", dict.fromkeys(ids, 0.5)), dict.fromkeys(ids, "hard"))
    rows = [builder.written[one] for one in ids]
    root = builder.workspace.root
    (root / rows[0]["image_uri"]).unlink()
    (root / rows[1]["image_uri"]).write_bytes(b"not a picture")
    cv2.imwrite(str(root / rows[2]["alpha_uri"]), np.zeros((5, 5), np.uint8))
    builder.sample(ids[3], status="gone")
    builder.sample(ids[4], image_sha256="mended")
    result = run(builder.context(), ReportRecipe(holes=0))
    page = opened(result)
    text = page.sections["hard"]
    assert str(root) not in page.html, "a path of this machine has no place on a page that gets mailed"
    assert result.unreadable == text.count("no photo") == 4
    assert text.count("a file is gone or can't be read") == 1
    assert text.count("the files can't be decoded, or differ in size") == 2
    assert "the sample is gone" in text
    assert "files changed since it was mined" in text


def test_a_damaged_prediction_leaves_a_frame_that_says_why(builder: Any) -> None:
    (sample,) = builder.samples(1)
    scorer = builder.scores("aaaa", {sample: 0.5}, predictions=False)
    bad = builder.key(sample, scorer) | {"mask": b"garbage", "height": 96, "width": 72}
    builder.add("predictions", bad)
    builder.selection("s", scorer, {sample: "hard"})
    assert "the prediction is damaged" in opened(run(builder.context(), ReportRecipe())).sections["hard"]


HOSTILE = "aisegment/<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp{{7*7}} select 'x' --"


def test_hostile_text_is_shown_and_never_markup(builder: Any) -> None:
    builder.sample(HOSTILE)
    scorer = builder.scores("aaaa", {HOSTILE: 0.5}, failure_mode=HOSTILE)
    builder.selection(HOSTILE, scorer, {HOSTILE: "hard"}, why=HOSTILE, predicate=HOSTILE)
    builder.model("aaaa", 0.9, name=HOSTILE, parent=HOSTILE)
    builder.run(HOSTILE, HOSTILE, status=HOSTILE, error=HOSTILE)
    builder.judge(HOSTILE, "drop", HOSTILE, note=HOSTILE)
    builder.add("rejects", {"dataset": HOSTILE, "path": HOSTILE, "reason": HOSTILE, "detail": HOSTILE})
    page = opened(run(builder.context(), ReportRecipe(holes=0)))
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert scripts == [{}], "the page's own, and no other"
    allowed = {
        "data-case",
        "data-current",
        "data-saved",
        "data-saving",
        "hidden",
        "class",
        "id",
        "style",
        "src",
        "alt",
        "width",
        "height",
        "loading",
        "decoding",
        "href",
        "scope",
    }
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "form", "base", "link"), tag
        if tag in ("img", "a", "code", "span", "p", "article", "td"):
            assert set(attributes) <= allowed | {"aria-hidden"}, (tag, attributes)
    assert len(page.images()) == 4, "the hostile sample's own pictures, its predictions found by its quoted name"
    assert "<script>alert(1)</script>" in page.sections["hard"].replace("/ ", "/")
    assert "{{7*7}}" in page.sections["hard"] and "⟨U+202E⟩" in page.sections["hard"]
    assert "\u202e" not in page.html


def test_the_page_fetches_nothing_and_its_policy_forbids_it(builder: Any) -> None:
    builder.whole_loop()
    page = opened(run(builder.context(), ReportRecipe()))
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")
    script = re.search(r"<script>(.*?)</script>", page.html, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy, "the page's own script, and nothing else"
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "srcset", "data", "action"):
                assert value is not None and value.startswith(("data:image/jpeg;base64,", "#")), (tag, value)
    assert not re.search(r"url\(|@import|https?://", page.html)


def test_every_link_within_the_page_leads_to_a_section(builder: Any) -> None:
    page = opened(run(builder.context(), ReportRecipe()))
    links = {str(attributes["href"])[1:] for tag, attributes in page.elements if tag == "a"}
    assert links == {attributes["id"] for tag, attributes in page.elements if tag == "section"}


def test_the_result_names_the_page_relative_to_the_workspace(builder: Any) -> None:
    result = run(builder.context("20260302-report"), ReportRecipe())
    assert result.path == builder.workspace.root / "reports/20260302-report/index.html"
    answer = result.to_json()
    assert answer["path"] == "reports/20260302-report/index.html"
    assert answer["bytes"] == result.path.stat().st_size
    json.dumps(answer)


def test_the_galleries_are_as_long_as_the_recipe_and_the_limit_allow(builder: Any) -> None:
    builder.whole_loop()
    nothing = ReportRecipe(gallery=0, suspects=0, holes=0, leaks=0, changes=0, composites=0, runs=0)
    assert opened(run(builder.context("a"), nothing)).images() == []
    assert "1 of 2" in opened(run(builder.context("c"), ReportRecipe(gallery=1))).sections["hard"]
    # one hard, one suspect, one improved, one worsened, one composite, one leak
    assert run(builder.context("b", limit=1), ReportRecipe()).cards == 6


def test_the_pictures_keep_within_their_share_of_the_page(builder: Any) -> None:
    ids = builder.samples(4)
    noise = np.random.default_rng(0).integers(0, 256, (320, 240, 3), np.uint8)
    for sample in ids:
        row = builder.written[sample]
        cv2.imwrite(str(builder.workspace.root / row["image_uri"]), noise)
        cv2.imwrite(str(builder.workspace.root / row["alpha_uri"]), noise[..., 0])
    builder.selection("s", builder.scores("aaaa", dict.fromkeys(ids, 0.5)), dict.fromkeys(ids, "hard"))
    page = opened(run(builder.context(), ReportRecipe(thumbnail_px=320, page_megabytes=0.21, holes=0, leaks=0)))
    sizes = [len(str(attributes["src"])) for tag, attributes in page.elements if tag == "img"]
    assert len(sizes) == 8, "photo and label of four; their predictions are of another size"
    assert max(sizes) <= 0.21e6 / 16 + 30, "each its share, and the words before the data"


def test_a_dry_run_writes_nothing(builder: Any) -> None:
    builder.whole_loop()
    result = run(builder.context(dry_run=True), ReportRecipe(leaks=0))
    assert (result.page_bytes, result.path.exists(), result.cards) == (0, False, 8)


def test_the_progress_counts_every_card(builder: Any) -> None:
    builder.whole_loop()
    seen: list[Progress] = []
    run(builder.context(progress=seen.append), ReportRecipe(leaks=0))
    assert [(one.done, one.total, one.stage) for one in seen] == [(n, 8, "report") for n in range(1, 9)]


def test_an_older_selection_is_shown_by_name_and_an_unknown_one_refused(builder: Any) -> None:
    first, second = builder.samples(2)
    scorer = builder.scores("aaaa", {first: 0.5, second: 0.6})
    builder.selection("one", scorer, {first: "hard"}, run_id=builder.run("r1", "mine"))
    builder.selection("two", scorer, {second: "hard"}, run_id=builder.run("r2", "mine"))
    assert second.split("/")[-1] in opened(run(builder.context("a"), ReportRecipe())).sections["hard"]
    assert first.split("/")[-1] in opened(run(builder.context("b"), ReportRecipe(selection="one"))).sections["hard"]
    with pytest.raises(UsageError, match="no selection 'three'; there are one, two"):
        run(builder.context("c"), ReportRecipe(selection="three"))


def test_a_verdict_is_shown_beside_its_case(builder: Any) -> None:
    builder.whole_loop()
    builder.judge("aisegment/pool/00000", "label_error", "kim")
    assert "reviewed: label error" in opened(run(builder.context(), ReportRecipe())).sections["hard"]


def test_two_reviewers_who_disagree_are_both_shown_and_the_last_one_wins(builder: Any) -> None:
    builder.whole_loop()
    builder.judge("aisegment/pool/00000", "label_error", "kim")
    builder.judge("aisegment/pool/00000", "hard", "ben")
    page = opened(run(builder.context(), ReportRecipe()))
    assert "kim: label error" in page.sections["hard"] and "ben: hard, the last word" in page.sections["hard"]
    assert "kim: label error, then ben: hard , the last word" in page.sections["verdicts"]


def test_every_figure_is_also_a_png(builder: Any) -> None:
    builder.whole_loop()
    gap = {"slice": "holes $x$", "metric": "miou", "images": 4, "seeds": 3, "differs": True}
    evidence = {"arms": [], "test": [{"differences": [gap | {"mean": 0.01, "low": 0.0, "high": 0.02}]}]}
    told = {"proof": {"claim": "it helped", "seeds": 3, "evidence": evidence}}
    builder.model("cccc", None, metrics=told | {"test": {}, "val": {}}, test_pin="another")
    builder.selection("round2", "scorer-aaaa", {"aisegment/pool/00002": "hard"}, run_id=builder.run("mine-2", "mine"))
    result = run(builder.context(), ReportRecipe())
    names = {uri.rsplit("/", 1)[1] for uri in result.figures}
    assert {"rounds.png", "val-miou.png", "training-loss.png", "pool.png", "triage.png", "failure-modes.png"} <= names
    assert {"since-the-last-round.png", "mined-minus-control.png"} <= names
    assert {"pool-1-aisegment-pool.png", "pool-2-portrait2000-test.png"} <= names
    for uri in result.figures:
        image = cv2.imread(str(builder.workspace.root / uri))
        assert image is not None and image.std() > 5, uri


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_chromium_shows_the_page_with_nothing_to_complain_about(builder: Any, tmp_path: Path) -> None:
    builder.whole_loop()
    result = run(builder.context(), ReportRecipe())
    shot, profile = tmp_path / "page.png", tmp_path / "profile"
    assert CHROMIUM is not None
    answer = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *(f"--user-data-dir={profile}", f"--screenshot={shot}", "--window-size=1280,2400"),
            result.path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in answer.stderr, answer.stderr
    image = cv2.imread(str(shot))
    assert image is not None and image.shape[:2] == (2400, 1280)
    assert image[:, :, 0].std() > 10, "a blank page"
