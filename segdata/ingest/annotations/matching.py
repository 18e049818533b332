"""Which sample each returned label belongs to, by what the catalog recorded when it was given out.

Uploads change names: they put a prefix or a hash before them, drop their folders, or add some. So a label is matched

1. by its path, from any folder on: `any/folder/<path as exported>`
2. by the eight digits that the export put at the end of each name: no other sample has them
3. by the one exported file name with which its name ends, if there is one

A label that fits several samples belongs to none of them: a photo must not get the label of another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from segdata.catalog.repairs import ExportedSample, RepairExport
from segdata.imaging.formats import IMAGE_SUFFIXES

_KEY = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8}(?![0-9A-Za-z])")
_EXPORTED_KEY = re.compile(r"-([0-9a-f]{8})$")
_WORD_ENDS = re.compile(r"(?<=[^0-9A-Za-z])(?=[0-9A-Za-z])")
_PHOTOS = "images/"


class Match(NamedTuple):
    """What a label was matched with.

    Attributes:
        sample: as it was given out; None for none.
        reason: why there is none.
        by_path: whether the whole path was found.
    """

    sample: ExportedSample | None
    reason: str = ""
    by_path: bool = False


@dataclass
class _Index:
    by_name: dict[str, dict[str, ExportedSample]] = field(default_factory=dict)
    by_key: dict[str, dict[str, ExportedSample]] = field(default_factory=dict)


def match_labels(names: Sequence[Sequence[str]], exports: Sequence[RepairExport]) -> list[Match]:
    """Match labels with exported samples.

    Args:
        names: of each label, the likeliest first.
        exports: those that count, the likeliest first: a sample is matched as it was in the first one that has it.

    Returns:
        A match per label; at most one label per sample.
    """
    index = _index_of(exports)
    matches = [_match(of_label, index) for of_label in names]
    exact = Counter(match.sample.sample_id for match in matches if match.sample is not None and match.by_path)
    every = Counter(match.sample.sample_id for match in matches if match.sample is not None)
    return [_without_rivals(match, exact, every) for match in matches]


def _without_rivals(match: Match, exact: Mapping[str, int], every: Mapping[str, int]) -> Match:
    if match.sample is None:
        return match
    name = match.sample.sample_id
    if match.by_path and exact[name] == 1:
        return match
    if every[name] == 1:
        return match
    return Match(None, f"several entries are of {name}; remove all but one")


def _match(names: Sequence[str], index: _Index) -> Match:
    reason = "it has no name of an image; export again with file names"
    for name in names:
        stem = _stem_of(name)
        last = stem.rpartition("/")[2]
        same = index.by_name.get(last, {})
        by_path = {one.sample_id: one for one in same.values() if f"/{stem}".endswith(f"/{_exported_stem(one)}")}
        if len(by_path) == 1:
            return Match(next(iter(by_path.values())), by_path=True)
        for found in (_by_key(last, index), same, _by_suffix(last, index)):
            if len(found) == 1:
                return Match(next(iter(found.values())))
            if found:
                return Match(None, f"{len(found)} exported images have a name like it; rename it as it was exported")
        reason = (
            "no image of the export has a name like it; rename it as it was exported, or choose the export with --of"
        )
    return Match(None, reason)


def _by_key(last: str, index: _Index) -> dict[str, ExportedSample]:
    found: dict[str, ExportedSample] = {}
    for key in _KEY.findall(last):
        found |= index.by_key.get(key, {})
    return found


def _by_suffix(last: str, index: _Index) -> dict[str, ExportedSample]:
    found: dict[str, ExportedSample] = {}
    for start in (match.start() for match in _WORD_ENDS.finditer(last)):
        found |= index.by_name.get(last[start:], {})
    return found


def _index_of(exports: Sequence[RepairExport]) -> _Index:
    index = _Index()
    for sample in (sample for export in exports for sample in export.samples):
        last = _exported_stem(sample).rpartition("/")[2]
        index.by_name.setdefault(last, {}).setdefault(sample.sample_id, sample)
        key = _EXPORTED_KEY.search(last)
        if key is not None:
            index.by_key.setdefault(key[1], {}).setdefault(sample.sample_id, sample)
    return index


def _exported_stem(sample: ExportedSample) -> str:
    return str(PurePosixPath(sample.image.removeprefix(_PHOTOS)).with_suffix(""))


def _stem_of(name: str) -> str:
    """A name without the parts that no file has: the host and the query of an address, and the suffix of a picture."""
    plain = name.replace("\\", "/")
    plain = plain.partition("?d=")[2] or plain  # Label Studio's address of a file on its own machine
    if "://" in plain or "%" in plain:
        try:
            plain = unquote(urlsplit(plain).path or plain)
        except ValueError:  # an address with a damaged host
            plain = plain.partition("://")[2]
    path = PurePosixPath(plain.partition("?")[0].strip())
    return str(path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path).lstrip("/")
