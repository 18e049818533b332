"""Which labels of annotation tools mean the background."""

from __future__ import annotations

from segdata.ingest.people import plain_name

_BACKGROUND = frozenset({"background", "_background_", "bg"})


def is_background_label(label: str) -> bool:
    """Whether a shape with the label covers what is no person.

    >>> is_background_label(" Background"), is_background_label("backpack")
    (True, False)
    """
    return plain_name(label) in _BACKGROUND
