"""A training in a process of its own, which dies or is hampered as the call says: what a test can't do to itself.

    python worker.py FOLDER [--step N] [--sync N] [--file-size BYTES]

FOLDER/call.pickle holds (context, recipe, job). The process kills itself with SIGKILL at the N-th step, or at the N-th
time that a file is made durable; or no file may grow beyond BYTES from the fourth step on.
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import signal
from dataclasses import replace
from pathlib import Path

from segdata.errors import SegdataError
from segdata.records import Progress
from segdata.train.run import run


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", type=int)
    parser.add_argument("--sync", type=int)
    parser.add_argument("--file-size", type=int)
    options = parser.parse_args()
    context, recipe, job = pickle.loads((options.folder / "call.pickle").read_bytes())

    def watch(progress: Progress) -> None:
        if progress.done == options.step:
            os.kill(os.getpid(), signal.SIGKILL)
        if options.file_size and progress.done == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_size, resource.RLIM_INFINITY))

    if options.sync:
        die_at_sync(options.sync)
    try:
        print(run(replace(context, progress=watch), recipe, job).resumed_from)
    except SegdataError as error:
        print(f"{type(error).__name__}: {error}")
        return error.exit_code
    return 0


def die_at_sync(number: int) -> None:
    """SIGKILL instead of the N-th fsync: some bytes of a file are written then, and its name is not its own yet."""
    sync, seen = os.fsync, 0

    def counted(handle: int) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)

    os.fsync = counted


if __name__ == "__main__":  # pytest, which looks for examples in every module, imports it too
    raise SystemExit(main())
