"""A process of its own: a request that crashes, hangs or grows in it costs that request, and the next is answered."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segdata.engines import isolated
from segdata.engines.isolated import IsolatedWorker, Limits, RequestRefusedError, WorkerDiedError

HERE = "test_isolated"  # the module as the process finds it
ROOM = 1000


def open_anything(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Runs in the process."""
    if setup == b"refuse":
        raise ValueError("not this one")
    if setup == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    return b"hello " + setup, answer


def answer(request: bytes) -> bytes:
    """Runs in the process."""
    if request == b"crash":
        from pycocotools import mask as coco

        coco.frPyObjects([[0.0, 0.0, 1e9, 0.0, 1e9, 1e9]], 10, 10)
    elif request == b"hang":
        time.sleep(600)
    elif request == b"grow":
        return bytes(len(bytearray(64 << 30)))
    elif request == b"long":
        return bytes(10**6)
    elif request == b"raise":
        raise KeyError("what")
    elif request == b"print":
        print("noise" * 100)
        os.write(1, b"noise")
    elif request == b"exit":
        os._exit(3)
    elif request == b"path":
        return os.fsencode(str(Path.cwd() in map(Path, sys.path)))
    elif request == b"limits":
        return repr([resource.getrlimit(kind) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CORE)]).encode()
    return request.upper()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[IsolatedWorker]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with IsolatedWorker(f"{HERE}:open_anything", b"you", Limits(answer_seconds=60)) as opened:
        yield opened


def test_requests_are_answered_by_one_process_that_greets_once(worker: IsolatedWorker) -> None:
    assert worker.start(ROOM) == b"hello you"
    assert [worker.ask(request, ROOM) for request in (b"one", b"", b"two" * 1000)] == [b"ONE", b"", b"TWO" * 1000]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (b"crash", r"the process that decodes crashed \(SIGSEGV\)"),
        (b"exit", r"the process that decodes ended \(exit code 3\)"),
        (b"long", r"gave a longer answer than was asked for"),
    ],
)
def test_a_request_that_ends_the_process_costs_that_request_alone(
    worker: IsolatedWorker, request_: bytes, reason: str
) -> None:
    assert worker.ask(b"before", ROOM) == b"BEFORE"
    with pytest.raises(WorkerDiedError, match=reason):
        worker.ask(request_, ROOM)
    assert worker.ask(b"after", ROOM) == b"AFTER"


@pytest.mark.parametrize(("request_", "reason"), [(b"raise", "KeyError: 'what'"), (b"grow", "more memory than")])
def test_what_the_function_raises_is_a_message(worker: IsolatedWorker, request_: bytes, reason: str) -> None:
    with pytest.raises(RequestRefusedError, match=reason):
        worker.ask(request_, ROOM)
    assert worker.ask(b"after", ROOM) == b"AFTER"


@pytest.mark.parametrize(("machine", "expected"), [(3 << 30, 3 << 29), (64 << 30, 2 << 30)])
def test_the_process_has_its_limit_or_half_of_what_the_machine_or_its_container_has(
    monkeypatch: pytest.MonkeyPatch, machine: int, expected: int
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(isolated, "machine_memory", lambda: machine)
    with IsolatedWorker(f"{HERE}:open_anything", b"", Limits(memory_bytes=2 << 30)) as worker:
        worker.start(ROOM)
        assert worker.ask(b"limits", ROOM) == repr([(expected, expected), (0, 0)]).encode()


def test_a_request_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with IsolatedWorker(f"{HERE}:open_anything", b"", Limits(answer_seconds=0.2)) as worker:
        worker.start(ROOM)
        with pytest.raises(WorkerDiedError, match=r"took longer than 0\.2 seconds"):
            worker.ask(b"hang", ROOM)


def test_what_a_library_prints_is_no_answer(worker: IsolatedWorker) -> None:
    assert worker.ask(b"print", ROOM) == b"PRINT"


def test_after_many_deaths_nothing_is_tried_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with IsolatedWorker(f"{HERE}:open_anything", b"", Limits(deaths=2)) as worker:
        for _ in range(2):
            with pytest.raises(WorkerDiedError, match="exit code 3"):
                worker.ask(b"exit", ROOM)
        with pytest.raises(WorkerDiedError, match="not tried: the process that decodes died 2 times before"):
            worker.ask(b"fine", ROOM)


@pytest.mark.parametrize(
    ("setup", "raised", "reason"),
    [(b"refuse", RequestRefusedError, "not this one"), (b"crash", WorkerDiedError, "SIGSEGV")],
)
def test_an_opener_that_fails_says_so(
    monkeypatch: pytest.MonkeyPatch, setup: bytes, raised: type[Exception], reason: str
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with IsolatedWorker(f"{HERE}:open_anything", setup) as worker, pytest.raises(raised, match=reason):
        worker.start(ROOM)


def test_a_module_in_the_current_folder_is_not_imported(
    worker: IsolatedWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("import os; os._exit(9)")
    monkeypatch.chdir(tmp_path)
    assert worker.ask(b"path", ROOM) == b"False"
