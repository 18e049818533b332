"""`~` and `$VAR` in paths that people write into recipes, as shells expand them."""

from __future__ import annotations

import os
import re
from pathlib import Path

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)


class ExpansionError(ValueError):
    """A path that can't be expanded; the message says why and what to do."""


def expand_path(text: str, folder: Path) -> Path:
    """A path with `~`, `~user`, `$VAR` and `${VAR}` expanded; a relative one is relative to a folder.

    A path that exists exactly as written is taken as written, so that a folder may be called `$old`.

    Args:
        text: the path as somebody wrote it.
        folder: what relative paths are relative to.

    Raises:
        ExpansionError: A variable that is not set or is empty, or a user without a home folder.

    >>> expand_path("data/own", Path("/w"))
    PosixPath('/w/data/own')
    """
    if not ("$" in text or text.startswith("~")) or os.path.lexists(folder / text):
        return folder / text
    path = Path(_VARIABLE.sub(_value_of, text))
    if not path.parts or not path.parts[0].startswith("~"):
        return folder / path
    try:
        return folder / path.expanduser()
    except RuntimeError as error:
        raise ExpansionError(f"{path.parts[0]} has no home folder; write the whole path") from error


def _value_of(variable: re.Match[str]) -> str:
    name = variable[1] or variable[2]
    value = os.environ.get(name, "")
    if not value:
        raise ExpansionError(f"the environment variable {name} is not set; set it, or write the whole path")
    return value
