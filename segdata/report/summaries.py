"""What the tables hold, counted: datasets, rejects, scores of the pool, selections, runs. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from segdata.report.text import finite

Row = dict[str, Any]

SPLITS = ("train", "val", "test", "pool", "none")
_BIN = 0.02
_CUT = re.compile(r"\bmiou\s*<=?\s*(0?\.\d+|1(?:\.0*)?|0)(?![\d.])", re.IGNORECASE)


@dataclass(frozen=True)
class DatasetCount:
    """One line of the table of what there is: a dataset's samples of one kind.

    Attributes:
        splits: present samples per split.
        gone: samples whose files are gone or forgotten.
        rejects: candidates that could not become samples, by reason; told once per dataset.
    """

    dataset: str
    kind: str
    splits: Mapping[str, int]
    gone: int
    rejects: Mapping[str, int]

    @property
    def present(self) -> int:
        """Samples that can be used."""
        return sum(self.splits.values())


@dataclass(frozen=True)
class Overview:
    """What the workspace holds."""

    datasets: tuple[DatasetCount, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    rejects: tuple[tuple[str, int], ...] = ()

    @property
    def rejected(self) -> int:
        """Candidates that could not become samples."""
        return sum(number for _, number in self.rejects)


@dataclass(frozen=True)
class Histogram:
    """Per-image mIoU of the pool in bins of 0.02.

    Attributes:
        edges: (B + 1,) rising to 1.
        latest, first: (B,) images per bin; `first` is empty where only one scorer is known.
        cut: the mIoU below which the selection's predicate takes an image; None if it names none.
        below: images under the cut, of latest and of first.
    """

    edges: tuple[float, ...]
    latest: tuple[int, ...]
    first: tuple[int, ...]
    cut: float | None
    below: tuple[int, int | None]


@dataclass(frozen=True)
class Pool:
    """The pool's histogram, and whose scores it shows.

    Attributes:
        histogram: its bins.
        latest: label of the version whose scores the bars show.
        first: label of the version that the outline shows, None if there is none.
        images: images in it: those that both scored.
        by_dataset: name of dataset and split, its bins, and how many images, by the latest scorer of that split.
    """

    histogram: Histogram
    latest: str
    first: str | None
    images: int
    by_dataset: tuple[tuple[str, Histogram, int], ...] = ()


@dataclass(frozen=True)
class SelectionSummary:
    """A selection in a few numbers."""

    name: str
    predicate: str
    size: int
    triage: tuple[tuple[str, int], ...]
    failure_modes: tuple[tuple[str, int], ...]


def overview(samples: Iterable[Row], rejects: Iterable[Row]) -> Overview:
    """Samples per dataset, kind and split, and rejects per dataset and reason.

    Args:
        samples: rows with dataset, kind, split, status.
        rejects: rows with dataset, reason.
    """
    present: Counter[tuple[str, str, str]] = Counter()
    gone: Counter[tuple[str, str]] = Counter()
    for row in samples:
        key = (str(row["dataset"]), str(row["kind"]))
        if row["status"] == "present":
            present[(*key, str(row["split"]))] += 1
        else:
            gone[key] += 1
    refused = Counter((str(row["dataset"]), str(row["reason"])) for row in rejects)
    pairs = {key[:2] for key in present} | set(gone)
    pairs |= {(dataset, "portrait") for dataset, _ in refused if not any(pair[0] == dataset for pair in pairs)}
    told: set[str] = set()
    lines = []
    for dataset, kind in sorted(pairs, key=lambda pair: (_KIND_ORDER.get(pair[1], 9), pair[0])):
        splits = {split: present[dataset, kind, split] for split in SPLITS if present[dataset, kind, split]}
        reasons = {} if dataset in told else {why: n for (name, why), n in sorted(refused.items()) if name == dataset}
        told.add(dataset)
        lines.append(DatasetCount(dataset, kind, splits, gone[dataset, kind], reasons))
    kinds: Counter[str] = Counter()
    for line in lines:
        kinds[line.kind] += line.present
    by_reason: Counter[str] = Counter()
    for (_, reason), number in refused.items():
        by_reason[reason] += number
    return Overview(tuple(lines), dict(kinds), _most_first(by_reason))


_KIND_ORDER = {"portrait": 0, "background": 1, "composite": 2}


def cut_of(predicate: str | None) -> float | None:
    """The mIoU under which a predicate takes an image, where it says so plainly.

    >>> cut_of("miou < 0.8 OR hole_recall < 0.5"), cut_of("hole_recall < 0.5"), cut_of("0.2 < miou")
    (0.8, None, None)
    """
    found = _CUT.search(predicate or "")
    return float(found.group(1)) if found else None


def histogram(latest: Sequence[float], first: Sequence[float], cut: float | None) -> Histogram | None:
    """Bins of 0.02 from a tenth below everything (0.7 at most, so that the cut is in sight) to 1; None without scores.

    >>> histogram([0.79, 0.81, 1.0], [], 0.8).below
    (1, None)
    """
    everything = [*latest, *first]
    if not latest:
        return None
    marks = [0.7, min(everything), *([] if cut is None else [cut - 0.05])]
    low = max(0.0, np.floor(min(marks) * 10 + 1e-6) / 10)
    edges = np.round(np.arange(round((1.0 - low) / _BIN) + 1) * _BIN + low, 4)
    return Histogram(
        edges=tuple(float(edge) for edge in edges),
        latest=_bins(latest, edges),
        first=_bins(first, edges) if first else (),
        cut=cut,
        below=(_below(latest, cut), _below(first, cut) if first else None),
    )


def _bins(values: Sequence[float], edges: np.ndarray) -> tuple[int, ...]:
    # Scores are stored in single precision: 0.9 comes back as 0.89999998, and would fall a bin lower.
    counts, _ = np.histogram(np.round(np.clip(values, 0.0, 1.0), 6), bins=edges)
    return tuple(int(number) for number in counts)


def _below(values: Sequence[float], cut: float | None) -> int:
    return 0 if cut is None else sum(round(value, 6) < cut for value in values)


def histograms_by_dataset(values: Mapping[str, Sequence[float]], cut: float | None) -> tuple[Any, ...]:
    """Bins, as `histogram` makes them, and images of each dataset, in the order of their names.

    >>> [(name, images) for name, _, images in histograms_by_dataset({"b": [0.9], "a": [0.5, 0.7]}, None)]
    [('a', 2), ('b', 1)]
    """
    made = ((name, histogram(values[name], (), cut), len(values[name])) for name in sorted(values))
    return tuple((name, bins, images) for name, bins, images in made if bins is not None)


def selection_summary(
    name: str, predicate: str, rows: Sequence[Row], modes: Mapping[str, str | None]
) -> SelectionSummary:
    """A selection's size, and its rows by triage and failure mode.

    Args:
        name: the selection's name.
        predicate: what it took.
        rows: its rows of `selections`.
        modes: failure_mode by sample_id.
    """
    found = Counter(str(mode) for row in rows if (mode := modes.get(row["sample_id"])))
    return SelectionSummary(
        name=name,
        predicate=predicate,
        size=len(rows),
        triage=_most_first(Counter(str(row.get("triage") or "hard") for row in rows)),
        failure_modes=_most_first(found),
    )


def newest_runs(runs: Sequence[Row], own: str, limit: int) -> list[Row]:
    """The newest runs, this report's own left out, newest first."""
    others = [row for row in runs if row["run_id"] != own]
    others.sort(key=lambda row: (started(row), str(row["run_id"])), reverse=True)
    return others[:limit]


def started(row: Row) -> datetime:
    """When a run began; the beginning of time where the row does not say."""
    value = row.get("started_at")
    return value if isinstance(value, datetime) else datetime.min.replace(tzinfo=UTC)


def numbers(rows: Iterable[Row], column: str) -> list[float]:
    """The finite numbers of a column."""
    return [value for row in rows if (value := finite(row.get(column))) is not None]


def _most_first(counter: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
