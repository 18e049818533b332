"""Threads and spawned processes give what a plain loop gives, also when a worker dies."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from segdata.engines.local import collecting_later, map_shards, map_threads
from segdata.errors import DataError


def square(number: int) -> int:
    return number * number


def die_once(where: str) -> int:
    """Kill this process the first time; answer the second."""
    marker = Path(where)
    if marker.exists():
        return 7
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_threads_keep_the_order_whoever_is_quicker() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number

    assert list(map_threads(slow_first, range(20), threads=4)) == list(range(20))


def test_threads_read_only_a_little_ahead() -> None:
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    results = map_threads(square, items(), threads=2, look_ahead=3)
    assert next(results) == 0
    assert len(taken) <= 7
    results.close()


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_threads(lambda number: 1 // number, [1, 0, 1], threads=2))
    assert threading.active_count() < 10


@pytest.mark.parametrize("workers", [1, 2])
def test_shards_give_what_a_loop_gives(workers: int) -> None:
    assert sorted(map_shards(square, [3, 1, 2], workers)) == [(0, 9), (1, 1), (2, 4)]


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    shards = [str(tmp_path / "a"), str(tmp_path / "b")]
    (tmp_path / "b").touch()
    assert sorted(map_shards(die_once, shards, 2)) == [(0, 7), (1, 7)]


def test_a_shard_that_kills_twice_is_named() -> None:
    with pytest.raises(DataError, match=r"shard 0: its worker died twice .* --workers 1"):
        list(map_shards(die, [0], 2))


def test_cycles_are_collected_again_afterwards_also_after_an_error() -> None:
    with collecting_later():
        assert not gc.isenabled()
        with collecting_later():
            pass
        assert not gc.isenabled()  # the outer one still holds
    assert gc.isenabled()
    with pytest.raises(ValueError, match="row"), collecting_later():
        raise ValueError("row")
    assert gc.isenabled()
