"""What the tests of kills and races share: a process that is killed at one exact system call."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

_CALLS = "rename,renameat,renameat2,link,linkat,unlink,unlinkat"
_LINE = re.compile(rb"(\d+) +\w+\((?!.*resumed)")

KillAfter = Callable[[Sequence[str], Path, int], int]


@pytest.fixture(scope="session")
def kill_after() -> KillAfter:
    """Runs a command and kills it right after its n-th rename, link or unlink; says how many there were.

    strace stops the process at each of these calls; we count, and let it go on or kill it. So every state that a kill
    can leave is reached, whichever thread makes the call: strace's own `when` counts thread by thread.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, and kills at an exact system call need it: apt-get install strace")
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here (ptrace is forbidden), and kills at an exact system call need it")

    def run(command: Sequence[str], cwd: Path, number: int) -> int:
        reading, writing = os.pipe()
        strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={_CALLS}", "-e", "signal=none"]
        inject = ["-e", f"inject={_CALLS}:signal=STOP", "-o", f"/dev/fd/{writing}"]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [*strace, *inject, *command],
            cwd=cwd,
            env=environment,
            pass_fds=[writing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        os.close(writing)
        seen = 0
        traced: list[int] = []
        ended = threading.Event()
        waker = threading.Thread(target=_wake, args=(traced, ended))
        waker.start()
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                made = _LINE.match(line)
                if made is None or 0 < number == seen:
                    continue  # what other threads were about to do when it died is not counted
                seen += 1
                traced.append(int(made[1]))
                with contextlib.suppress(ProcessLookupError):  # another thread's call let it go on, and it ended
                    os.kill(int(made[1]), signal.SIGKILL if seen == number else signal.SIGCONT)
        ended.set()
        waker.join()
        _, told = process.communicate(timeout=300)
        # -9: strace ends as what it traced did
        assert process.returncode in ((0, -signal.SIGKILL) if seen == number else (0,)), told.decode()
        return seen

    return run


def _wake(traced: list[int], ended: threading.Event) -> None:
    """A call of two threads at once may be told before the second one's stop arrives: that stop needs another go.

    Only where nothing was told for a second: on the very moment of a stop it would make strace itself stumble.
    """
    told = 0
    while not ended.wait(1.0):
        if traced and len(traced) == told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(traced[0], signal.SIGCONT)
        told = len(traced)
