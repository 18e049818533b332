"""Keep files of the current folder from being run: it may hold photos that a stranger sent, and other files.

Python takes modules from the current folder when it is started with `-c`, as `multiprocessing` starts it. The dynamic
loader takes libraries from it where an entry of LD_LIBRARY_PATH is empty, and importing OpenCV makes such an entry.
numba's settings are kept out by `segdata.compiled`, and Matplotlib's by `segdata.report.style`.
"""

from __future__ import annotations

import os


def distrust_current_folder() -> None:
    """Set what child processes inherit. Called where a program enters segdata; safe to call again."""
    os.environ["PYTHONSAFEPATH"] = "1"
    entries = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    # OpenCV puts its own entry before what is there, with nothing behind the colon if nothing is there. No folder can
    # have the path of the null device.
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(entries) or os.devnull
