"""The recipes and model specs that come with the package: from the wheel, or from a checkout."""

from __future__ import annotations

from pathlib import Path

from segdata.errors import StorageError

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """The path of a shipped file or folder, such as `pipelines/portrait.toml` or `models`.

    The wheel carries them under `segdata/_shipped`; in a checkout they lie at the top level.

    Raises:
        StorageError: Neither has it: the installation is damaged.

    >>> shipped("pipelines/portrait.toml").name
    'portrait.toml'
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise StorageError(f"{name}: not among the shipped files; install segdata again")
