"""How photos and their masks are named: the name that both share, and what surrounds it. Pure.

If a recipe names no scheme, the usual ones are tried over all names; the one that gives most photos a mask is taken.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.ingest.pairing import folded
from segdata.records import Naming

_PHOTO_WORDS = (
    *("images", "image", "imgs", "img", "im", "photos", "photo", "pictures", "picture", "pic", "rgb", "frame"),
    *("colour", "color", "original", "orig", "input", "source", "src", "raw"),
)
_MASK_WORDS = (
    *("masks", "mask", "msk", "mattes", "matte", "matting", "alphas", "alpha", "pha", "segmentation", "segm", "seg"),
    *("labels", "label", "lbl", "groundtruth", "ground_truth", "gt", "annotations", "annotation", "anno", "ann"),
    *("person", "people", "human", "portrait", "silhouette", "foreground", "fgr", "fg", "binary", "bin", "cutout"),
    *("target", "output", "out", "m", "l", "copy"),
)
_MOST_TRIED = 6
"""How many different beginnings, and how many different ends, of names are tried, the most frequent first."""


def _affixes(words: Sequence[str], keeps_suffix: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds the usual beginnings and ends of names, in their last part."""
    joined = "|".join(words)
    long = "|".join(word for word in words if len(word) >= 3)
    formats = "|".join(suffix[1:] for suffix in sorted(IMAGE_SUFFIXES))
    kept = rf"\.(?:{formats})" if keeps_suffix else "(?!)"
    prefix = re.compile(rf"(?:(?:{joined})[ _.-]+|(?:{long})(?=\d))", re.IGNORECASE)
    suffix = re.compile(rf"(?:{kept})?(?:[ _.-]+(?:{joined})|(?<=\d)(?:{long}))$|{kept}$", re.IGNORECASE)
    return prefix, suffix


_PHOTO_AFFIXES = _affixes(_PHOTO_WORDS, False)
_MASK_AFFIXES = _affixes(_MASK_WORDS, True)


def shared_name(stem: str, prefix: str, suffix: str) -> str | None:
    """What is left of a name without its beginning and end; None if it has another one, or nothing is left.

    >>> [shared_name(stem, "mask_", ".jpg") for stem in ("sub/mask_1.jpg", "Mask_1.JPG", "mask_1", "mask_.jpg")]
    ['sub/1', '1', None, None]
    """
    if not (prefix or suffix):
        return stem
    folder, slash, name = stem.rpartition("/")
    end = len(name) - len(suffix)
    fits = name[: len(prefix)].lower() == prefix.lower() and name[max(end, 0) :].lower() == suffix.lower()
    return f"{folder}{slash}{name[len(prefix) : end]}" if fits and end > len(prefix) else None


def match_pattern(stem: str, naming: Naming, photos: Collection[str]) -> str | None:
    """The name that a mask shares with its photo, if the scheme's `mask_suffix` is a pattern; None if it does not fit.

    Where several ends of a name fit, the longest name that a photo has is taken, or else the shortest.

    Args:
        stem: of the mask.
        naming: the scheme.
        photos: the shared names of the photos.

    >>> match_pattern("a-person-1", Naming(mask_suffix="-person-*"), {"a"})
    'a'
    """
    fits = _pattern_of(naming.mask_suffix)
    literal = re.split(r"[*?]", naming.mask_suffix)[0].lower()
    folder, slash, name = stem.rpartition("/")
    shortest = None
    for end in range(len(name) - len(literal), 0, -1):
        if name[end : end + len(literal)].lower() == literal and fits.match(name[end:]):
            shared = shared_name(f"{folder}{slash}{name[:end]}", naming.mask_prefix, "")
            if shared in photos:
                return shared
            shortest = shared or shortest
    return shortest


@lru_cache(maxsize=8)
def _pattern_of(suffix: str) -> re.Pattern[str]:
    """`fnmatch.translate` writes a pattern whose time grows with the product of both lengths at most."""
    return re.compile(fnmatch.translate(suffix.replace("[", "[[]")), re.IGNORECASE)


def is_pattern(suffix: str) -> bool:
    """Whether a suffix contains `*` or `?`."""
    return "*" in suffix or "?" in suffix


def looks_like_mask(stem: str) -> bool:
    """Whether a name begins or ends as names of masks usually do.

    >>> looks_like_mask("sub/1_mask"), looks_like_mask("sub/1")
    (True, False)
    """
    name = stem.rpartition("/")[2]
    return bool(_MASK_AFFIXES[0].match(name) or _MASK_AFFIXES[1].search(name))


def choose_naming(photos: Sequence[str], masks: Sequence[str]) -> tuple[Naming, int]:
    """The naming scheme that gives most photos a mask, and how many; of equals the simplest.

    Args:
        photos: names of the photos below their folder, without their suffixes.
        masks: of the masks likewise.

    >>> choose_naming(["1_image", "2_image"], ["1_mask", "2_mask"])
    (Naming(image_prefix='', image_suffix='_image', mask_prefix='', mask_suffix='_mask'), 2)
    """
    names = set(photos)
    best, most = Naming(), len(names.intersection(masks))
    if most == len(names):
        return best, most
    flat = not any("/" in mask for mask in masks)
    of_masks = [(affixes, _shared(masks, affixes, flat)) for affixes in _tried(masks, _MASK_AFFIXES)]
    for image_affixes in _tried(photos, _PHOTO_AFFIXES):
        names = _shared(photos, image_affixes, flat)
        for mask_affixes, mask_names in of_masks:
            pairs = len(names & mask_names)
            if pairs > most:
                best, most = Naming(*image_affixes, *mask_affixes), pairs
    return best, most


def _shared(stems: Iterable[str], affixes: tuple[str, str], flat: bool) -> set[str]:
    """The shared names that a beginning and an end leave, as they are compared in the end."""
    names = (shared_name(stem, *affixes) for stem in stems)
    return {folded(name.rpartition("/")[2] if flat else name) for name in names if name is not None}


def _tried(stems: Sequence[str], affixes: tuple[re.Pattern[str], re.Pattern[str]]) -> Iterator[tuple[str, str]]:
    """The beginnings and ends that names have, none first, then by how frequent they are."""
    found: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for stem in stems:
        name = stem.rpartition("/")[2]
        for pattern, counts, find in zip(affixes, found, ("match", "search"), strict=True):
            if match := getattr(pattern, find)(name):
                counts[match[0].lower()] += 1
    prefixes, suffixes = ([text for text, _ in counts.most_common(_MOST_TRIED)] for counts in found)
    yield "", ""
    yield from (("", suffix) for suffix in suffixes)
    yield from ((prefix, "") for prefix in prefixes)
    yield from ((prefix, suffix) for prefix in prefixes for suffix in suffixes)
