"""Keep files of the current folder from being run: it may hold photos that a stranger sent, and other files.

Python takes modules from the current folder when it is started with `-c`, as `multiprocessing` starts it. The dynamic
loader takes libraries from it where an entry of LD_LIBRARY_PATH, or of a library's own list of folders, is empty:
importing OpenCV makes such an entry, and libraries that PyTorch loads have one. numba takes settings from it.
Matplotlib's are kept out by `segdata.report.style`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from segdata.errors import UsageError

_NUMBA_SETTINGS = ".numba_config.yaml"
_LIBRARY = re.compile(r".+\.so(\.\d+)*")
_FOLDERS_OF_LIBRARIES = frozenset(
    {"glibc-hwcaps", "tls", "x86_64", "i586", "i686", "haswell", "xeon_phi", "avx512_1", "aarch64", "atomics"}
)
"""Folders in which the dynamic loader looks for a library for the processor at hand, beside the library's own."""


def distrust_current_folder() -> None:
    """Set what child processes inherit. Called where a program enters segdata; safe to call again."""
    os.environ["PYTHONSAFEPATH"] = "1"
    entries = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    # OpenCV puts its own entry before what is there, with nothing behind the colon if nothing is there. No folder can
    # have the path of the null device.
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(entries) or os.devnull


def refuse_code_in_current_folder() -> None:
    """See that PyTorch and numba, where they are not imported yet, find nothing to run in the current folder.

    Called before work begins, since what is imported later cannot tell a stranger's files from the user's.

    Raises:
        UsageError: There are settings for numba, which can name a folder of pickles to load, or shared libraries.
    """
    folder = Path.cwd()
    remedy = "Move it away, or start segdata in another folder"
    if "numba" not in sys.modules and (folder / _NUMBA_SETTINGS).exists():
        raise UsageError(
            f"{folder / _NUMBA_SETTINGS}: numba would take its settings from this file, and they can name code to run. "
            f"{remedy}; for settings of your own there are environment variables, NUMBA_..."
        )
    if "torch" not in sys.modules and (library := _library_in(folder)) is not None:
        raise UsageError(
            f"{folder / library}: PyTorch may load libraries that lie here, in the current folder. {remedy}"
        )


def _library_in(folder: Path) -> str | None:
    try:
        with os.scandir(folder) as entries:
            names = (entry.name for entry in entries)
            return next((name for name in names if _LIBRARY.fullmatch(name) or name in _FOLDERS_OF_LIBRARIES), None)
    except OSError as error:
        raise UsageError(
            f"{folder}: this folder can't be listed ({error.strerror}), and PyTorch may load libraries from it; start "
            "segdata in another folder"
        ) from error
