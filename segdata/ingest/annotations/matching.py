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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from segdata.catalog.repairs import ExportedSample, RepairExport
from segdata.imaging.formats import IMAGE_SUFFIXES

_KEY = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8}(?![0-9A-Za-z])")
_EXPORTED_KEY = re.compile(r"-([0-9a-f]{8})$")
_WORD_ENDS = re.compile(r"(?<=[^0-9A-Za-z])(?=[0-9A-Za-z])")
_PHOTOS = "images/"
_MOST_ALIKE = 100


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
    by_path: dict[str, dict[str, ExportedSample]] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)  # numbers of parts that paths have


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
        by_path = _by_path(stem, index)
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


def _by_path(stem: str, index: _Index) -> Mapping[str, ExportedSample]:
    parts = stem.split("/")
    lengths = (length for length in index.lengths if length <= len(parts))
    return _join_some(index.by_path.get("/".join(parts[-length:]), {}) for length in lengths)


def _by_key(last: str, index: _Index) -> Mapping[str, ExportedSample]:
    return _join_some(index.by_key.get(key, {}) for key in _KEY.findall(last))


def _by_suffix(last: str, index: _Index) -> Mapping[str, ExportedSample]:
    starts = (match.start() for match in _WORD_ENDS.finditer(last))
    return _join_some(index.by_name.get(last[start:], {}) for start in starts)


def _join_some(samples: Iterable[Mapping[str, ExportedSample]]) -> Mapping[str, ExportedSample]:
    """All the samples by their ids, or enough of them to see that a name says nothing: a copy of all takes too long."""
    joined: Mapping[str, ExportedSample] = {}
    for others in samples:
        if not joined:
            joined = others
        elif others and len(joined) < _MOST_ALIKE:
            joined = {**joined, **dict(islice(others.items(), _MOST_ALIKE))}
    return joined


def _index_of(exports: Sequence[RepairExport]) -> _Index:
    index = _Index()
    for sample in (sample for export in exports for sample in export.samples):
        last = _exported_stem(sample).rpartition("/")[2]
        if index.by_name.setdefault(last, {}).setdefault(sample.sample_id, sample) is sample:
            stem = _exported_stem(sample)
            index.by_path.setdefault(stem, {})[sample.sample_id] = sample
            index.lengths.add(stem.count("/") + 1)
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
