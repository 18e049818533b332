"""The page: its facts, its charts, and the template that lays them out. Pure: everything in, HTML out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from segdata.imaging import figures
from segdata.report import charts, text
from segdata.report.judged import Judged
from segdata.report.pictures import Picture
from segdata.report.plan import Case
from segdata.report.proofs import Proof
from segdata.report.rounds import Change, Gain
from segdata.report.summaries import Overview, Pool, SelectionSummary
from segdata.report.versions import Comparison, Version
from segdata.report.vetoes import Veto

if TYPE_CHECKING:
    from jinja2 import Environment

Row = dict[str, Any]

_CURVES_SHOWN = 6

SECTIONS: tuple[tuple[str, str], ...] = (
    ("scores", "Scores"),
    ("worth", "Worth it?"),
    ("curves", "Curves"),
    ("pool", "Pool"),
    ("rounds", "Since the last round"),
    ("hard", "Hard cases"),
    ("suspects", "Suspect labels"),
    ("holes", "Holes"),
    ("verdicts", "Verdicts"),
    ("changes", "Before → after"),
    ("composites", "Composites"),
    ("leaks", "Leaks"),
    ("data", "Data"),
    ("lineage", "Lineage"),
)
"""The page's sections, in order: a new one needs its line here and its `<section>` in page.html. `worth` is there
only where a version has a proof."""


@dataclass(frozen=True)
class Card:
    """A case and its pictures."""

    case: Case
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Galleries:
    """The cards of the page, gallery by gallery."""

    hard: Sequence[Card] = ()
    suspects: Sequence[Card] = ()
    holes: Sequence[Card] = ()
    improved: Sequence[Card] = ()
    worsened: Sequence[Card] = ()
    composites: Sequence[Card] = ()
    vetoed: Sequence[Card] = ()
    leaks: Sequence[Card] = ()


@dataclass(frozen=True)
class PageFacts:
    """All that the page says.

    Attributes:
        title: the workspace's name.
        run_id: this report's run.
        written_at: when.
        pool: per-image mIoU of the pool; None without scores.
        histogram_scale: linear, log or auto.
        leaders: cards of the hard gallery shown large.
        veto: what was said about people in the backgrounds; None where nobody was asked.
        proof: what mining was worth against its control; None without one.
        judged: what people said.
        change: what the selection has that the one before it had not; None without one before it.
        gains: the newest version's parent, itself, and what it gained on test; None for a first version.
        rejects: rows of `rejects`, as many as are listed.
        masks: what the mask values of each dataset mean, and which labels a person should look at, in words.
    """

    title: str
    run_id: str
    written_at: datetime
    overview: Overview
    versions: Sequence[Version]
    comparison: Comparison | None
    pool: Pool | None
    selection: SelectionSummary | None
    galleries: Galleries
    runs: Sequence[Row]
    histogram_scale: str = "auto"
    leaders: int = 2
    veto: Veto | None = None
    proof: Proof | None = None
    judged: Judged | None = None
    change: Change | None = None
    gains: tuple[str, str, tuple[Gain, ...]] | None = None
    rejects: Sequence[Row] = ()
    masks: Sequence[tuple[str, Sequence[str]]] = ()


def render(facts: PageFacts) -> str:
    """The page as one HTML document that fetches nothing.

    Every string of the data is escaped by the template engine, its invisible characters are spelt out, and the
    page's own policy (no script but its own, no network, pictures from within) stops what might still slip through.
    """
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(
            facts=facts,
            sections=SECTIONS,
            charts=page_charts(facts),
            dataset_charts=dataset_charts(facts),
            colours=_COLOURS,
            script=Markup(script),
            script_sha256=digest,
        )
    )


@cache
def _script() -> str:
    """The page's own script, as it is: nothing of the data goes into it."""
    return files("segdata.report").joinpath("templates/page.js").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    """The template engine: every value is escaped, and a name that is misspelt is an error. Compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("segdata.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


def page_charts(facts: PageFacts) -> Mapping[str, Markup]:
    """The page's charts by name; an empty one means that there is nothing to draw yet."""
    return {
        "rounds": rounds_chart(facts.versions),
        "val": curves_chart(facts.versions, "val_miou"),
        "loss": curves_chart(facts.versions, "train_loss"),
        "pool": charts.histogram_chart(facts.pool.histogram, facts.histogram_scale, "Per-image mIoU of the pool")
        if facts.pool
        else Markup(),
    }


def dataset_charts(facts: PageFacts) -> list[tuple[str, Markup]]:
    """A histogram a dataset, by its name; none where there is but one."""
    shown = facts.pool.by_dataset if facts.pool and len(facts.pool.by_dataset) > 1 else ()
    return [
        (name, charts.histogram_chart(bins, facts.histogram_scale, f"Per-image mIoU of {name}"))
        for name, bins, _ in shown
    ]


def handle(case: Case) -> str:
    """What the page's script needs to know of a case, as JSON in ASCII: it survives any file encoding.

    >>> from segdata.report.plan import Case
    >>> json.loads(handle(Case("p/\u202e", None)))["sample_id"] == "p/\u202e"
    True
    """
    row = case.sample or case.selected
    told = {
        "sample_id": case.sample_id,
        "image_sha256": row.get("image_sha256"),
        "alpha_sha256": row.get("alpha_sha256"),
        "verdict": case.verdict,
        "dataset": (case.sample or {}).get("dataset"),
        "mode": case.score.get("failure_mode"),
        "triage": case.selected.get("triage"),
        "rank": case.selected.get("rank"),
        "miou": text.finite(case.score.get("miou")),
        "hole_recall": text.finite(case.score.get("hole_recall")),
        "boundary_iou": text.finite(case.score.get("boundary_iou")),
        "suspicion": text.finite(case.selected.get("label_suspicion")),
    }
    return json.dumps(told)


def rounds_chart(versions: Sequence[Version]) -> Markup:
    """mIoU per image on test and val, version by version."""
    series = []
    for name, css, dashed in (("test", "latest", False), ("val", "first", True)):
        points = tuple(
            (float(index), metrics["miou_image"])
            for index, version in enumerate(versions)
            if "miou_image" in (metrics := version.test if name == "test" else version.val)
        )
        series.append(charts.Series(name, css, points, dashed))
    ticks = [(float(index), version.label) for index, version in enumerate(versions)]
    return charts.line_chart(series, ticks, "mIoU per image on test and val, by version")


def curves_chart(versions: Sequence[Version], column: str) -> Markup:
    """One training curve a version, the newest in the strongest colour.

    Args:
        versions: the last six that have a curve are drawn.
        column: val_miou or train_loss.
    """
    shown = [version for version in versions if version.curve][-_CURVES_SHOWN:]
    series = []
    for age, version in enumerate(reversed(shown)):
        values = ((point.epoch, getattr(point, column)) for point in version.curve)
        points = tuple((epoch, value) for epoch, value in values if value is not None)
        series.append(charts.Series(version.label, f"c{age}", points))
    epochs = [point.epoch for version in shown for point in version.curve] or [0.0]
    start, last = int(min(epochs)), int(max(epochs))
    step = max(1, round((last - start) / 8))
    ticks = [(float(epoch), str(epoch)) for epoch in range(last, start - 1, -step)][::-1]
    return charts.line_chart(series[::-1], ticks, f"{column.replace('_', ' ')} by epoch", points=last <= 12)


def spark(values: Sequence[float]) -> Markup:
    """A headline's history in miniature."""
    return charts.sparkline(values, "its history, version by version")


def tone(delta: float | None) -> str:
    """The class of a difference: better, worse, or neither.

    >>> tone(0.01), tone(-0.01), tone(0.00001), tone(None)
    ('better', 'worse', 'same', 'same')
    """
    if delta is None or abs(delta) < 0.00005:
        return "same"
    return "better" if delta > 0 else "worse"


def widest(pairs: Sequence[tuple[str, int]]) -> int:
    """The largest count of a list of bars, at least 1."""
    return max((number for _, number in pairs), default=1) or 1


_FILTERS = {
    "visible": text.visible,
    "score": text.score,
    "signed": text.signed,
    "count": text.count,
    "percent": text.percent,
    "duration": text.duration,
    "moment": text.moment,
    "tone": tone,
    "spark": spark,
    "widest": widest,
    "handle": handle,
    "words": lambda value: text.visible(value).replace("_", " "),
}

_COLOURS = {
    name: "#{:02x}{:02x}{:02x}".format(*rgb)
    for name, rgb in (
        ("false_positive", figures.FALSE_POSITIVE_RGB),
        ("false_negative", figures.FALSE_NEGATIVE_RGB),
        ("label", figures.LABEL_RGB),
        ("prediction", figures.PREDICTION_RGB),
    )
}
