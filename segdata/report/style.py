"""Matplotlib's own style, whatever `matplotlibrc` lies in the current folder or the user's: figures look the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def default_style() -> Iterator[None]:
    """Draw with Matplotlib's defaults.

    A `matplotlibrc` in the current folder, which may be a stranger's, could have texts set by a LaTeX of the machine.
    """
    from matplotlib import style

    with style.context("default"):
        yield
