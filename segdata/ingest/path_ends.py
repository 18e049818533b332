"""Files by the ends of their paths: names in lists often have folders that the files don't have, or lack some."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

_ENOUGH = 2


class PathEnds:
    """Looks up the files whose paths agree with a name, part by part from the end, as far as both go.

    Paths are sorted by their parts in reverse order. So the paths that end as a name does lie side by side, and a
    lookup takes the same few comparisons however many files share their last part.

    Args:
        paths: with `/` between their parts.
        below: a folder that is left out where a path begins with it.
    """

    def __init__(self, paths: Iterable[str], below: str | None = None) -> None:
        start = "" if below is None else f"{below}/"
        keyed = sorted((_key_of(path.removeprefix(start).split("/")), path) for path in paths)
        self._keys = [key for key, _ in keyed]
        self._paths = [path for _, path in keyed]
        self._lengths = frozenset(key.count("/") for key in self._keys)
        self._longest = max(self._lengths, default=0)

    def find(self, parts: Sequence[str]) -> list[str]:
        """The paths that agree with a name; two of them where more do.

        >>> PathEnds(["a/1.jpg", "b/1.jpg", "2.jpg"]).find(["other", "a", "1.jpg"])
        ['a/1.jpg']
        """
        key = _key_of(parts[-self._longest :] if len(parts) > self._longest else parts)
        matches = self._from(key, whole=len(parts) > self._longest)
        end = 0
        for length in range(1, min(len(parts), self._longest + 1)):
            end = key.index("/", end) + 1
            if len(matches) >= _ENOUGH:
                break
            if length in self._lengths and end < len(key):
                matches += self._from(key[:end], whole=True)
        return matches[:_ENOUGH]

    def _from(self, key: str, whole: bool) -> list[str]:
        """At most two paths with these parts at their end, or with these alone."""
        start = bisect_left(self._keys, key)
        ends = range(start, min(start + _ENOUGH, len(self._keys)))
        return [self._paths[at] for at in ends if (self._keys[at] == key if whole else self._keys[at].startswith(key))]


def _key_of(parts: Sequence[str]) -> str:
    return "/".join(reversed(parts)) + "/"
