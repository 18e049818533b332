"""Answer requests in a process of its own: input that crashes its reader costs one request, and never the caller.

The process is started anew with the interpreter (never forked: the catalog's library runs threads of its own), has
limits of memory and time, and is started again after it died. Requests and answers are plain bytes: nothing that the
process sends is ever unpickled.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Self

from segdata.storage.memory import limit_process, machine_memory

Answer = Callable[[bytes], bytes]
Opener = Callable[[bytes], tuple[bytes, Answer]]

_LENGTH = struct.Struct(">Q")
_DONE, _REFUSED = b"+", b"-"
_CHUNK = 1 << 20
_LONGEST_MESSAGE = 2000
_SHORTEST_ANSWER = 1 << 16  # room for a message, however short the answer may be


class RequestRefusedError(ValueError):
    """The function raised; the message is its own."""


class WorkerDiedError(RuntimeError):
    """The process ended, or took too long, while it worked on a request."""


class NotTriedError(WorkerDiedError):
    """The process has died too often before, so that the request was not worked on."""


@dataclass(frozen=True)
class Limits:
    """What the process may use.

    Attributes:
        memory_bytes: memory of its own; at most half of what the machine, or its container, has.
        start_seconds: until the first answer.
        answer_seconds: until each further answer.
        deaths: after that many, no request is tried any more: each start costs time.
    """

    memory_bytes: int = 4 << 30
    start_seconds: float = 600
    answer_seconds: float = 60
    deaths: int = 10


class IsolatedWorker:
    """A process that opens something and answers requests about it, one at a time.

    Args:
        opener: `module:function`, importable by that name. The function takes `setup` and returns a greeting and the
            function that answers requests. It is called again whenever the process is started.
        setup: what the opener gets.
        limits: of the process.
    """

    def __init__(self, opener: str, setup: bytes, limits: Limits | None = None) -> None:
        self._opener, self._setup, self._limits = opener, setup, limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, most: int) -> bytes:
        """Start the process; its greeting.

        Args:
            most: bytes that the greeting may have.

        Raises:
            RequestRefusedError: The opener raised.
            WorkerDiedError: The process died, or was stopped at a limit.
        """
        self.close()
        memory_bytes = min(self._limits.memory_bytes, machine_memory() // 2)
        # What it prints would reach the caller's output; one thread, since each one's stack counts as memory.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _code(self._opener, memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        return self._exchange(self._process, self._setup, most, self._limits.start_seconds)

    def ask(self, request: bytes, most: int) -> bytes:
        """The answer to a request; the process is started first if it is not running.

        Args:
            request: for the function that the opener returned.
            most: bytes that the answer may have.

        Raises:
            RequestRefusedError: The function, or the opener, raised.
            WorkerDiedError: The process died, or was stopped at a limit.
            NotTriedError: It has died too often before.
        """
        if self._process is None:
            if self._deaths >= self._limits.deaths:
                raise NotTriedError(f"not tried: the process that decodes died {self._deaths} times before")
            self.start(sys.maxsize)
        assert self._process is not None
        return self._exchange(self._process, request, most, self._limits.answer_seconds)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # bytes that were not written any more when it died
                        pipe.close()
            self._process = None

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes, most: int, seconds: float) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(_LENGTH.pack(len(request)) + request)
            process.stdin.flush()
            data = _receive(process.stdout.fileno(), max(most, _SHORTEST_ANSWER), time.monotonic() + seconds)
        except (OSError, EOFError, TimeoutError, OverflowError) as error:
            reason = self._reason_of_death(process, error, seconds)
            self._deaths += 1
            self.close()
            raise WorkerDiedError(f"the process that decodes {reason}") from error
        except BaseException:  # such as Ctrl-C: what is still on its way is the answer to no other request
            self.close()
            raise
        if data[:1] != _DONE:
            raise RequestRefusedError(data[1:].decode("utf-8", "replace"))
        return data[1:]

    def _reason_of_death(self, process: subprocess.Popen[bytes], error: Exception, seconds: float) -> str:
        if isinstance(error, TimeoutError):
            return f"took longer than {seconds:g} seconds"
        if isinstance(error, OverflowError):
            return "gave a longer answer than was asked for"
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended (exit code {code})"


def serve(opener: str, memory_bytes: int) -> None:
    """What the process runs: answer the requests on stdin until it is closed.

    Args:
        opener: as of `IsolatedWorker`.
        memory_bytes: the limit of its memory.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the caller alone answers it
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):  # a library that prints must not write into the answers
        os.dup2(nothing, standard)
    limit_process(memory_bytes)
    module, _, name = opener.partition(":")
    open_it: Opener = getattr(import_module(module), name)
    answer: Answer | None = None
    while len(head := requests.read(_LENGTH.size)) == _LENGTH.size:
        request = requests.read(_LENGTH.unpack(head)[0])
        try:
            if answer is None:
                reply, answer = open_it(request)
            else:
                reply = answer(request)
            kind = _DONE
        except MemoryError:
            kind, reply = _REFUSED, b"more memory than is allowed"
        except Exception as error:  # whatever a parser stumbles on is the input's fault
            kind, reply = _REFUSED, _message(error)
        answers.write(_LENGTH.pack(1 + len(reply)) + kind)
        answers.write(reply)
        answers.flush()


def _code(opener: str, memory_bytes: int) -> str:
    """The process looks for modules where this one does, and not in the current folder, which may be a stranger's."""
    return (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"from segdata.engines.isolated import serve; serve({opener!r}, {memory_bytes})"
    )


def _receive(handle: int, most: int, deadline: float) -> bytes:
    (length,) = _LENGTH.unpack(_read(handle, _LENGTH.size, deadline))
    if length > most + 1:
        raise OverflowError(length)
    return _read(handle, length, deadline)


def _read(handle: int, size: int, deadline: float) -> bytes:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    chunks = []
    while size:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        chunk = os.read(handle, min(size, _CHUNK))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _message(error: Exception) -> bytes:
    plain = isinstance(error, ValueError | OSError) and not isinstance(error, UnicodeError)
    text = str(error) if plain else f"{type(error).__name__}: {error}"
    return text[:_LONGEST_MESSAGE].encode("utf-8", "backslashreplace")
