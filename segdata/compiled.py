"""Loops that numba compiles: on first use, kept on disk, free of the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_COMPILING = Lock()


def lazily_compiled(loop: Callable[..., Any], signature: str, fastmath: bool = False) -> Callable[..., Any]:
    """A plain Python loop as machine code: compiled at the first call ever, read from disk in later processes.

    Args:
        loop: a function of a module, of arrays and numbers only.
        signature: its types, as numba writes them.
        fastmath: let sums be regrouped, so that several are computed at once; results then differ in the last digits.
    """
    with _COMPILING:  # threads that start together compile it once
        return _compiled(loop, signature, fastmath)


def ignore_numba_settings() -> None:
    """Keep numba from looking for settings in the current folder again, as it does whenever it compiles."""
    from numba.core import config

    config._config_fname = f"{os.devnull}/none"


@cache
def _compiled(loop: Callable[..., Any], signature: str, fastmath: bool) -> Callable[..., Any]:
    ignore_numba_settings()
    from numba import njit

    compiled: Any
    try:
        compiled = njit(signature, nogil=True, cache=True, fastmath=fastmath)(loop)
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        compiled = njit(signature, nogil=True, fastmath=fastmath)(loop)
    result: Callable[..., Any] = compiled
    return result


def called_by_loops(function: F) -> F:
    """A function of arrays and numbers that compiled loops may call: it is compiled with each of them."""
    ignore_numba_settings()
    from numba.extending import register_jitable

    registered: F = register_jitable(function)
    return registered
