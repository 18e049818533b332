"""Which mask belongs to which photo, by their names: exactly, then less and less exactly. Pure.

A looser comparison decides only about names that no stricter one has paired, and only where it leaves no choice.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Set


def pair_names(photos: Collection[str], masks: Collection[str]) -> dict[str, str]:
    """The mask of each photo that has one.

    Names are compared as they are, then normalised (Unicode NFC: a Mac writes é as two characters), then without regard
    to case. If all masks lie in one folder, photos in subfolders are compared by their last part in the same way.

    Args:
        photos: names without suffixes, such as `sub/1`; a name may be given several times.
        masks: likewise.

    >>> pair_names(["IMG_1", "sub/3", "4"], ["img_1", "3"])
    {'IMG_1': 'img_1', 'sub/3': '3'}
    """
    known = masks if isinstance(masks, Set) else set(masks)
    pairs = {photo: photo for photo in photos if photo in known}
    if len(pairs) == len(photos):
        return pairs
    for form in (normal_form, folded):
        _pair_by(form, photos, known, pairs)
    if len(pairs) < len(photos) and not any("/" in mask for mask in known):
        for form in (_last_part, lambda name: normal_form(_last_part(name)), lambda name: folded(_last_part(name))):
            _pair_by(form, photos, known, pairs)
    return pairs


def normal_form(name: str) -> str:
    """A name in Unicode's normal form C."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """A name in normal form, without regard to case."""
    return name.lower() if name.isascii() else normal_form(normal_form(name).casefold())


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]


def _pair_by(form: Callable[[str], str], photos: Iterable[str], masks: Set[str], pairs: dict[str, str]) -> None:
    """Add the pairs whose forms are equal, if no other photo and no other mask has that form."""
    missing = [photo for photo in dict.fromkeys(photos) if photo not in pairs]
    free = masks - set(pairs.values()) if missing else masks
    if not (missing and free):
        return
    of_photos = Counter(form(photo) for photo in set(photos))
    of_masks = Counter(form(mask) for mask in masks)
    by_form = {form(mask): mask for mask in sorted(free)}
    for photo in missing:
        name = form(photo)
        if name in by_form and of_photos[name] == of_masks[name] == 1:
            pairs[photo] = by_form[name]
