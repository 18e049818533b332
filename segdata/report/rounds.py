"""What changed since the last round: which hard cases came, stayed, went, and what the newest version gained. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.report.summaries import started
from segdata.report.versions import HEADLINES, Version

Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """The newest selection beside the one before it.

    Attributes:
        before, after: the selections' names.
        came: sample ids that are selected now, and were not.
        stayed: those that were selected both times.
        learned: those that were selected, and that a version was trained on since.
        went: those that were selected, and are not any more, for other reasons: a better score, a verdict, lost files.
    """

    before: str
    after: str
    came: tuple[str, ...]
    stayed: tuple[str, ...]
    learned: tuple[str, ...]
    went: tuple[str, ...]


@dataclass(frozen=True)
class Gain:
    """One metric of the newest version, on test, beside its parent's."""

    title: str
    parent: float
    latest: float

    @property
    def delta(self) -> float:
        """What was gained."""
        return self.latest - self.parent


def last_change(
    selections: Sequence[Row], runs: Sequence[Row], after: str | None, trained: Mapping[str, set[str]]
) -> Change | None:
    """What the selection that is shown has, that the one before it had not; None without one before it.

    Args:
        selections: rows of `selections`.
        runs: rows of `runs`: when each selection was mined.
        after: the selection that is shown.
        trained: by version, the sample ids that it was trained on.
    """
    began = {row["run_id"]: started(row) for row in runs}
    names: dict[str, tuple[Any, str]] = {}
    members: dict[str, set[str]] = {}
    for row in selections:
        name = str(row["selection"])
        moment = (began.get(row["run_id"], started({})), str(row["run_id"]))
        names[name] = max(names.get(name, moment), moment)
        members.setdefault(name, set()).add(str(row["sample_id"]))
    if after not in names:
        return None
    earlier = [name for name in names if names[name] < names[after] and name != after]
    if not earlier:
        return None
    before = max(earlier, key=lambda name: (*names[name], name))
    now, then = members[after], members[before]
    gone = then - now
    learned = gone & set().union(*trained.values()) if trained else set()
    return Change(
        before,
        after,
        came=tuple(sorted(now - then)),
        stayed=tuple(sorted(now & then)),
        learned=tuple(sorted(learned)),
        went=tuple(sorted(gone - learned)),
    )


def last_gains(versions: Sequence[Version]) -> tuple[str, str, tuple[Gain, ...]] | None:
    """The newest version that has a parent on the same test split, that parent, and what it gained by metric."""
    by_label = {version.label: version for version in versions}
    for latest in reversed(versions):
        parent = by_label.get(latest.parent or "")
        if parent is None or parent.test_pin != latest.test_pin:
            continue
        gains = [
            Gain(title, parent.test[key], latest.test[key])
            for key, title, _ in HEADLINES
            if key in parent.test and key in latest.test
        ]
        return parent.label, latest.label, tuple(gains)
    return None
