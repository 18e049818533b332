"""Photos of one name and different suffixes, such as `1.jpg` and `1.heic`: one of them is the sample. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from segdata.records import Candidate

_FORMATS = ((".jpg", ".jpeg", ".jpe", ".jfif"), (".png",), (".webp",), (".avif",), (".heic", ".heif", ".hif"))


class Twins(NamedTuple):
    """What else there is of a photo that is to be read.

    Attributes:
        waiting: to be tried in this order if it does not decode.
        failed: rows of `rejects` by path, of those that are known not to decode.
    """

    waiting: tuple[Candidate, ...]
    failed: Mapping[str, Any]


def by_preference(alike: Iterable[Candidate], known_path: str | None) -> list[Candidate]:
    """In the order in which they are tried: the sample's own file, then JPEG, PNG, WebP, AVIF, HEIC, and others.

    Args:
        alike: candidates of one sample id.
        known_path: of the image that is the sample; None if there is none yet.
    """

    def rank(candidate: Candidate) -> tuple[bool, int, str]:
        suffix = f".{candidate.path.rpartition('.')[2].lower()}"
        place = next((number for number, suffixes in enumerate(_FORMATS) if suffix in suffixes), len(_FORMATS))
        return candidate.path != known_path, place, candidate.path

    return sorted(alike, key=rank)
