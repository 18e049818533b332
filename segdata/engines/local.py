"""One machine: threads for what releases the GIL (decoding, hashing, OpenCV), spawned processes for what does not.

Processes are spawned, never forked: the catalog's library runs threads of its own, and a fork would copy their locks.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from segdata.errors import DataError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_OF_A_HEAP = 32 << 20  # what is larger goes back to the system all the same
_KEPT_BYTES = 1 << 30

S = TypeVar("S")
R = TypeVar("R")


def map_threads(function: Callable[[S], R], items: Iterable[S], threads: int, look_ahead: int = 4) -> Iterator[R]:
    """Results in the order of the items, computed by threads that run at most `look_ahead * threads` items ahead.

    Args:
        function: pure; should spend its time where the GIL is released.
        items: read only as far as needed, so that memory stays bounded.
        threads: 1 or less runs in the caller's own thread.

    >>> list(map_threads(abs, [-1, 2, -3], threads=2))
    [1, 2, 3]
    """
    if threads <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="segdata") as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= threads * look_ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@cache
def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next picture instead of giving it back to the system.

    Asking again costs hundreds of page faults a picture, a fifth of what scoring one takes. The most memory that is
    ever in use stays what it is. Nothing happens where the C library is another than glibc.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_OF_A_HEAP)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


@contextmanager
def collecting_later() -> Iterator[None]:
    """Have Python look for cycles of references afterwards, where many rows are made that all stay and form none.

    While they are made it would look at those made so far again and again: a tenth of the time of such work.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def map_shards(function: Callable[[S], R], shards: Sequence[S], workers: int) -> Iterator[tuple[int, R]]:
    """Each shard's index and result, as they come, from spawned processes.

    A worker that dies (out of memory, killed) takes the pool down; the shards without a result are given once more
    to a new pool, one worker each, so that the shard which kills is told from those that were only beside it.

    Args:
        function: pure and importable by its name: it is sent to other processes.
        shards: what `function` takes; pickled.
        workers: 1 or less runs in this process.

    Raises:
        DataError: A shard killed its worker twice.
    """
    if workers <= 1:
        yield from enumerate(map(function, shards))
        return
    left = set(range(len(shards)))
    try:
        for index, result in _run_pool(function, shards, sorted(left), workers):
            left.discard(index)
            yield index, result
    except BrokenProcessPool:
        for index in sorted(left):
            yield index, _alone(function, shards, index)


def _run_pool(
    function: Callable[[S], R], shards: Sequence[S], indices: Sequence[int], workers: int
) -> Iterator[tuple[int, R]]:
    spawn = multiprocessing.get_context("spawn")
    # Ctrl-C reaches the whole group of processes: the caller alone answers it, and then ends the workers.
    quiet = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=signal.signal, initargs=quiet) as pool:
        waiting = iter(indices)
        running: dict[Future[R], int] = {}
        try:
            while True:
                while len(running) < 2 * workers and (index := next(waiting, None)) is not None:
                    running[pool.submit(function, shards[index])] = index
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    index = running.pop(future)
                    yield index, future.result()
        finally:
            for future in running:
                future.cancel()


def _alone(function: Callable[[S], R], shards: Sequence[S], index: int) -> R:
    try:
        return next(result for _, result in _run_pool(function, shards, [index], 1))
    except BrokenProcessPool as error:
        raise DataError(
            f"shard {index}: its worker died twice (out of memory?); run it again with fewer workers: --workers 1"
        ) from error
