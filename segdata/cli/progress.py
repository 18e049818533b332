"""Draws what stages report: bars with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from segdata.records import Progress

if TYPE_CHECKING:
    from rich.progress import TaskID

_LINE_EVERY_SECONDS = 10.0
_Key = tuple[str, str]


class ProgressBars:
    """Bars on stderr, one a task; a context manager, called with each `Progress`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("[bold]{task.fields[stage]}[/] {task.description}", markup=True),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("<"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(file=sys.stderr),
        )
        self._tasks: dict[_Key, TaskID] = {}
        self._pace = Pace()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        from rich.markup import escape

        key, rate, fresh = self._pace(progress)
        if fresh:
            self._tasks[key] = self._bars.add_task(
                "", total=progress.total, stage=progress.stage, unit="", rate="", note=""
            )
        self._bars.update(
            self._tasks[key],
            description=escape(progress.task),
            completed=progress.done,
            total=progress.total,
            unit=progress.unit,
            rate=f"{rate:.1f}/s" if rate else "",
            note=escape(progress.note),
        )


class ProgressLines:
    """A line on stderr every ten seconds and at the end of a task: for logs and pipes."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._said = 0.0
        self._ended: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        _key, rate, _fresh = self._pace(progress)
        finished = progress.total is not None and progress.done >= progress.total
        if progress == self._ended or (not finished and time.monotonic() - self._said < _LINE_EVERY_SECONDS):
            return
        self._said = time.monotonic()
        self._ended = progress if finished else None
        sys.stderr.write(line_of(progress, rate) + "\n")
        sys.stderr.flush()


class Pace:
    """How fast each task goes, from its first report on; one that starts over (a second training) is timed anew.

    Args:
        clock: seconds, from any start.

    >>> pace = Pace(iter([0.0, 10.0]).__next__)
    >>> _ = pace(Progress("mine", "pool", 0, 100))
    >>> pace(Progress("mine", "pool", 20, 100))
    (('mine', 'pool'), 2.0, False)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[_Key, tuple[float, int, int]] = {}

    def __call__(self, progress: Progress) -> tuple[_Key, float, bool]:
        """The task's key, its units a second (0 while nothing is known), and whether it has just begun."""
        # The task of a training is its epoch: one bar for all of them.
        key = (progress.stage, progress.task if progress.stage != "train" else "")
        now = self._clock()
        began, first, last = self._seen.get(key, (now, progress.done, -1))
        fresh = progress.done < last or last < 0
        if fresh:
            began, first = now, progress.done
        self._seen[key] = (began, first, progress.done)
        seconds = now - began
        return key, (progress.done - first) / seconds if seconds > 0 else 0.0, fresh


def line_of(progress: Progress, rate: float) -> str:
    """One line of a log.

    Args:
        progress: how far it is.
        rate: units a second; 0 is unknown.

    >>> line_of(Progress("mine", "pool", 60, 100, note="miou 0.9"), rate=2.0)
    'mine pool: 60/100 images, 2.0/s, 20 s left, miou 0.9'
    """
    total = "" if progress.total is None else f"/{progress.total}"
    parts = [f"{progress.stage} {progress.task}: {progress.done}{total} {progress.unit}"]
    if rate > 0:
        parts.append(f"{rate:.1f}/s")
    if progress.total is not None and rate > 0 and progress.done < progress.total:
        parts.append(f"{_duration((progress.total - progress.done) / rate)} left")
    if progress.note:
        parts.append(progress.note)
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def progress_display() -> ProgressBars | ProgressLines:
    """Bars where somebody looks, lines elsewhere."""
    return ProgressBars() if sys.stderr.isatty() else ProgressLines()
