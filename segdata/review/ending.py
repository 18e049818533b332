"""How a review ends: by Ctrl-C, a polite kill, or a terminal that is closed; and nothing interrupts the way home."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Ending:
    """Whether the review shall end."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self, *_: Any) -> None:
        """End it; to ask again changes nothing."""
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it shall end; whether it shall."""
        return self._asked.wait(seconds)


@contextmanager
def ended_politely() -> Iterator[Ending]:
    """What would interrupt the program asks the review to end instead, as long as this lasts.

    So an impatient second Ctrl-C can't cut off the pull that the first one led to. In a thread that is not the main
    one, signals are not ours to take, and only `ask` ends it.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before = {number: signal.signal(number, ending.ask) for number in _SIGNALS}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
