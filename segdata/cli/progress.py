"""Draws what stages report: bars with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from segdata.records import Progress

if TYPE_CHECKING:
    from rich.progress import TaskID

_LINE_EVERY_SECONDS = 10.0


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
        self._tasks: dict[tuple[str, str], tuple[TaskID, float, int]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        from rich.markup import escape

        key = (progress.stage, progress.task if progress.stage != "train" else "")
        if key not in self._tasks:
            task = self._bars.add_task("", total=progress.total, stage=progress.stage, unit="", rate="", note="")
            self._tasks[key] = (task, time.monotonic(), progress.done)
        task, began, first = self._tasks[key]
        self._bars.update(
            task,
            description=escape(progress.task),
            completed=progress.done,
            total=progress.total,
            unit=progress.unit,
            rate=rate_of(progress.done - first, time.monotonic() - began),
            note=escape(progress.note),
        )


class ProgressLines:
    """A line on stderr every ten seconds and at the end of a task: for logs and pipes."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, str], tuple[float, int]] = {}
        self._said = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        began, first = self._began.setdefault((progress.stage, progress.task), (now, progress.done))
        finished = progress.total is not None and progress.done >= progress.total
        if not finished and now - self._said < _LINE_EVERY_SECONDS:
            return
        self._said = now
        sys.stderr.write(line_of(progress, first, now - began) + "\n")
        sys.stderr.flush()


def line_of(progress: Progress, first: int, seconds: float) -> str:
    """One line of a log.

    Args:
        progress: how far it is.
        first: what was done already when the task was first heard of.
        seconds: since then.

    >>> line_of(Progress("mine", "pool", 60, 100, note="miou 0.9"), first=0, seconds=30)
    'mine pool: 60/100 images, 2.0/s, 20 s left, miou 0.9'
    """
    done = progress.done - first
    total = "" if progress.total is None else f"/{progress.total}"
    parts = [f"{progress.stage} {progress.task}: {progress.done}{total} {progress.unit}"]
    if rate := rate_of(done, seconds):
        parts.append(rate)
    if progress.total is not None and done > 0 and progress.done < progress.total:
        parts.append(f"{_duration((progress.total - progress.done) * seconds / done)} left")
    if progress.note:
        parts.append(progress.note)
    return ", ".join(parts)


def rate_of(done: int, seconds: float) -> str:
    """Units a second, or nothing while there is nothing to say.

    >>> rate_of(30, 2.0)
    '15.0/s'
    """
    return f"{done / seconds:.1f}/s" if done > 0 and seconds > 0 else ""


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def progress_display() -> ProgressBars | ProgressLines:
    """Bars where somebody looks, lines elsewhere."""
    return ProgressBars() if sys.stderr.isatty() else ProgressLines()
