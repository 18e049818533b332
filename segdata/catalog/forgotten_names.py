"""The names that a file without its photo may have of a forgotten sample: of its label, its annotations, or in a list.

Such a name differs from the sample's id: it lies in another folder, is decorated as masks are, is written in another
case, or is what an upload made of it. So names are compared by their words alone, in a form without regard to case,
accents, spaces and punctuation.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_PARTS = re.compile(r"[/\\]")
_MOST_WORDS = 16
"""Words in one part of a path that are tried together, besides all of them."""


def name_form(name: str) -> str:
    """A name as it is compared: its letters and digits alone; a name that has none is left as it is.

    >>> name_form("Renée O'Brien (2)"), name_form("Renee_OBrien_2")
    ('reneeobrien2', 'reneeobrien2')
    """
    plain = _without_accents(name)
    return "".join(_WORD.findall(plain)) or plain.strip()


def forms_in(path: str) -> set[str]:
    """The forms of all names that may stand in a path or in a line of a list: of words that follow each other.

    >>> sorted(forms_in("masks/anna_b.png"))
    ['anna', 'annab', 'annabpng', 'b', 'bpng', 'masks', 'png']
    """
    forms = set[str]()
    for part in _PARTS.split(path):
        words = _WORD.findall(_without_accents(part))
        for start in range(len(words)):
            joined = ""
            for word in words[start : start + _MOST_WORDS]:
                joined += word
                forms.add(joined)
        forms |= {name_form(part), name_form(part.rpartition(".")[0]), name_form(part.partition(".")[0])}
    return forms - {""}


def last_part(path: str) -> str:
    """What follows the last slash.

    >>> last_part("people/images/anna")
    'anna'
    """
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """A path without the suffix of its last part.

    >>> stem_of("images/anna.png"), stem_of("images.d/anna")
    ('images/anna', 'images.d/anna')
    """
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def _without_accents(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
