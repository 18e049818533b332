"""The trained versions in the order they were made, and what the newest promoted one gained over the first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from segdata.report.text import finite, json_object

Row = dict[str, Any]

HEADLINES: tuple[tuple[str, str, str], ...] = (
    ("miou_image", "mIoU per image", "mean over images of the mean of foreground and background IoU"),
    ("miou_dataset", "mIoU of all pixels", "pixels of all images pooled, then the same mean"),
    ("boundary_iou", "Boundary IoU", "IoU of the bands along the outlines: what thin structures cost"),
    (
        "hole_recall",
        "Hole recall",
        "share of the gaps in the label, such as between arm and body, that stay background",
    ),
)


@dataclass(frozen=True)
class Epoch:
    """One point of a training curve."""

    epoch: float
    train_loss: float | None
    val_miou: float | None


@dataclass(frozen=True)
class Version:
    """A row of `models`, read.

    Attributes:
        label: m0, m1, … by the time it was made.
        parent: the parent's label, its model_id if it is not in the table, None for a first version.
        selected: samples of the selection it was trained on, None if it had none.
        test, val: their metrics by name; a name that is missing or no number is left out.
        test_before: mIoU per image on the test labels as they were, before each time that some were mended.
    """

    label: str
    model_id: str
    name: str
    spec: str
    parent: str | None
    selection: str | None
    selected: int | None
    promoted: bool
    created_at: datetime | None
    test_pin: str | None
    test: Mapping[str, float]
    val: Mapping[str, float]
    scorer_ids: frozenset[str]
    curve: tuple[Epoch, ...]
    test_before: tuple[float, ...] = ()


@dataclass(frozen=True)
class Headline:
    """One large number: the newest promoted version's, and the first one's to compare with."""

    key: str
    title: str
    meaning: str
    latest: float | None
    first: float | None
    history: tuple[float, ...]

    @property
    def delta(self) -> float | None:
        """What was gained, None without two values."""
        return None if self.latest is None or self.first is None else self.latest - self.first


@dataclass(frozen=True)
class Comparison:
    """The two versions that the page compares.

    Attributes:
        latest: the newest promoted version; the newest of all if none is promoted.
        first: the first version judged on the same test split; None if that is `latest` itself.
        other_pins: versions left out since they were judged on another test split.
    """

    latest: Version
    first: Version | None
    other_pins: tuple[str, ...]
    headlines: tuple[Headline, ...]


def read_versions(models: Sequence[Row], selection_sizes: Mapping[str, int]) -> tuple[Version, ...]:
    """Rows of `models` as versions, oldest first, labelled m0, m1, …

    Args:
        models: rows of the table, in any order.
        selection_sizes: samples per selection.
    """
    ordered = sorted(models, key=lambda row: (_when(row.get("created_at")), str(row.get("model_id"))))
    labels = {str(row.get("model_id")): f"m{index}" for index, row in enumerate(ordered)}
    return tuple(_version(row, labels, selection_sizes) for row in ordered)


def compare(versions: Sequence[Version]) -> Comparison | None:
    """The newest promoted version beside the first on the same frozen test split; None without any version."""
    if not versions:
        return None
    latest = next((version for version in reversed(versions) if version.promoted), versions[-1])
    until = versions[: versions.index(latest) + 1]
    same = [version for version in until if version.test_pin == latest.test_pin]
    first = same[0] if same[0] is not latest else None
    others = tuple(version.label for version in versions if version.test_pin != latest.test_pin)
    headlines = tuple(_headline(key, title, meaning, same, first) for key, title, meaning in HEADLINES)
    return Comparison(latest=latest, first=first, other_pins=others, headlines=headlines)


def _headline(key: str, title: str, meaning: str, same: Sequence[Version], first: Version | None) -> Headline:
    return Headline(
        key=key,
        title=title,
        meaning=meaning,
        latest=same[-1].test.get(key),
        first=first.test.get(key) if first else None,
        history=tuple(version.test[key] for version in same if key in version.test),
    )


def _version(row: Row, labels: Mapping[str, str], selection_sizes: Mapping[str, int]) -> Version:
    metrics = json_object(row.get("metrics"))
    selection, parent = row.get("selection") or None, row.get("parent_model_id") or None
    # what was added to the training is what counts; the selection's whole size is the next best thing to say
    selected = finite(metrics.get("selected"))
    if selected is None and selection is not None:
        selected = finite(selection_sizes.get(selection))
    scorers = {_section(metrics, part).get("scorer_id") for part in ("test", "val")}
    return Version(
        label=labels[str(row.get("model_id"))],
        model_id=str(row.get("model_id")),
        name=str(row.get("name") or row.get("model_id")),
        spec=str(row.get("spec") or ""),
        parent=labels.get(parent, parent) if parent else None,
        selection=selection,
        selected=None if selected is None else round(selected),
        promoted=bool(row.get("promoted")),
        created_at=row.get("created_at"),
        test_pin=row.get("test_pin"),
        test=_numbers(_section(metrics, "test")),
        val=_numbers(_section(metrics, "val")),
        scorer_ids=frozenset(scorer for scorer in scorers if isinstance(scorer, str)),
        curve=_curve(metrics.get("curves")),
        test_before=_before_mending(metrics.get("test_before")),
    )


def _before_mending(value: object) -> tuple[float, ...]:
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return tuple(miou for entry in entries if (miou := finite(entry.get("miou_image"))) is not None)


def _curve(value: object) -> tuple[Epoch, ...]:
    points = []
    for entry in value if isinstance(value, list) else []:
        epoch = finite(entry.get("epoch")) if isinstance(entry, dict) else None
        if epoch is not None:
            points.append(Epoch(epoch, finite(entry.get("train_loss")), finite(entry.get("val_miou"))))
    return tuple(sorted(points, key=lambda point: point.epoch))


def _section(metrics: Row, name: str) -> Row:
    section = metrics.get(name)
    return section if isinstance(section, dict) else {}


def _numbers(section: Row) -> dict[str, float]:
    numbers = {key: finite(value) for key, value in section.items()}
    return {key: number for key, number in numbers.items() if number is not None}


def _when(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.min.replace(tzinfo=UTC)
