"""Which categories of an annotation file are people: by supercategory, by common names, or as the recipe names them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

IsPerson = Callable[[str, str], bool]
"""Whether a category is of people: its name, its supercategory -> answer."""

_PERSON_WORDS = frozenset(
    {"person", "persons", "people", "human", "humans", "pedestrian", "pedestrians"}
    | {"man", "men", "woman", "women", "boy", "boys", "girl", "girls", "child", "children"}
)
"""A name that contains one of these words is a person's: "standing person", "human--rider"."""
_PERSON_NAMES = frozenset(
    {"kid", "kids", "baby", "babies", "toddler", "infant", "adult", "adults", "teenager", "lady", "ladies", "guy"}
    | {"male", "female", "rider", "riders", "cyclist", "bicyclist", "motorcyclist", "driver", "passenger", "crowd"}
    | {"face", "faces", "head", "portrait", "portraits", "selfie", "body", "player", "worker", "skier", "surfer"}
)
"""A person only if nothing else is in the name: "head", but not "head of lettuce"; "baby", but not "baby stroller"."""

_PERSON_LABEL = re.compile(r"(persons?|humans?|people|portraits?)(?![^\W\d_])")


def person_test(names: Sequence[str] | None) -> IsPerson:
    """How to recognise categories of people.

    Args:
        names: the names of all categories of people; None recognises them by supercategory and by common names.

    >>> person_test(None)(" Person", "outdoor"), person_test(None)("rider", ""), person_test(None)("x", "human")
    (True, True, True)
    >>> person_test(["Goalkeeper"])("goalkeeper ", ""), person_test(["goalkeeper"])("person", "person")
    (True, False)
    """
    if names is None:
        return lambda name, supercategory: is_person_name(name) or is_person_name(supercategory)
    wanted = {plain_name(name) for name in names}
    return lambda name, _: plain_name(name) in wanted


def person_label_test(labels: Sequence[str] | None) -> Callable[[str], bool]:
    """How to recognise labels of people in the files of annotation tools.

    Args:
        labels: all labels of people; None takes those that begin with person, human, people or portrait.

    >>> [person_label_test(None)(label) for label in ("Person_bmp", " human", "neutral", "a person")]
    [True, True, False, False]
    >>> person_label_test(["Woman"])("woman"), person_label_test(["woman"])("person")
    (True, False)
    """
    if labels is None:
        return is_person_label
    wanted = {plain_name(label) for label in labels}
    return lambda label: plain_name(label) in wanted


def is_person_label(label: str) -> bool:
    """Whether a label is a person's: its first word is person, human, people or portrait, in any case.

    >>> [is_person_label(label) for label in ("Person", "person_bmp", "person1", "people 2", "chair", "personal bag")]
    [True, True, True, True, False, False]
    """
    return _PERSON_LABEL.match(plain_name(label)) is not None


def is_person_name(name: str) -> bool:
    """Whether the name of a category or supercategory means people.

    >>> [is_person_name(name) for name in ("women", "Human face", "bench", "snowman", "head of lettuce")]
    [True, True, False, False, False]
    """
    plain = plain_name(name)
    return plain in _PERSON_NAMES or not _PERSON_WORDS.isdisjoint(re.findall(r"[^\W_]+", plain))


def plain_name(name: str) -> str:
    """The name of a category, trimmed and in lower case, with single spaces.

    >>> plain_name("  Traffic   Light ")
    'traffic light'
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
