"""Which labels of annotation tools mean a person, and which the background."""

from __future__ import annotations

import re

from segdata.ingest.people import plain_name

_PERSON = re.compile(r"(persons?|humans?|people|portraits?)(?![^\W_])")
_BACKGROUND = frozenset({"background", "_background_", "bg"})


def is_person_label(label: str) -> bool:
    """Whether a label is a person's: its first word is person, human, people or portrait, in any case.

    >>> [is_person_label(label) for label in ("Person", "person_bmp", "people 2", "chair", "personal bag")]
    [True, True, True, False, False]
    """
    return _PERSON.match(plain_name(label)) is not None


def is_background_label(label: str) -> bool:
    """Whether a shape with the label covers what is no person.

    >>> is_background_label(" Background"), is_background_label("backpack")
    (True, False)
    """
    return plain_name(label) in _BACKGROUND
