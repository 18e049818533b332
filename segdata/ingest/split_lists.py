"""`split = "lists"`: the splits that `train.txt`, `test.txt` and `pool.txt` beside the data give their photos.

A line is the path of a photo under the root, or the end of one that no other photo has, with or without its suffix.
What follows the first space is ignored if the whole line names nothing, since many lists name the mask there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from segdata.errors import SourceError
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.ingest.links import Links
from segdata.ingest.reading import read_list
from segdata.records import Reject, Split
from segdata.storage.text import decode_text

_FILES: dict[str, Split] = {"train.txt": "train", "test.txt": "test", "pool.txt": "pool"}

_MOST_PARTS = 32  # of an end: the ends of one path of 2,000 folders would take megabytes


class SplitLists(NamedTuple):
    """The lines of the lists.

    Attributes:
        dataset: the source's name in the recipe.
        lines: the names in each list, by the list's file.
    """

    dataset: str
    lines: Mapping[str, tuple[str, ...]]


class ListedSplits(NamedTuple):
    """What the lists say of the photos of a source.

    Attributes:
        splits: by the photo's path; those in two lists are missing.
        in_two_lists: the paths of photos in two lists.
        rejects: lines that name no photo, or several.
    """

    splits: dict[str, Split]
    in_two_lists: frozenset[str]
    rejects: tuple[Reject, ...]


def read_split_lists(root: Path, dataset: str, links: Links) -> SplitLists:
    """Read the lists that are there.

    Args:
        root: of the source, its own links followed.
        dataset: the source's name in the recipe.
        links: which links are followed, as the recipe says.

    Raises:
        SourceError: None is there, or one can't be read.
    """
    lines: dict[str, tuple[str, ...]] = {}
    for name in _FILES:
        try:
            text = decode_text(read_list(root, name, dataset, links))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"source {dataset}: {root / name}: can't be read ({error}); write it again") from error
        lines[name] = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not lines:
        raise SourceError(
            f'source {dataset}: root {root}: split = "lists" needs train.txt, test.txt or pool.txt there, with the '
            "path of a photo in each line"
        )
    return SplitLists(dataset, lines)


def splits_of(lists: SplitLists, photos: Iterable[str], others: Iterable[str] = ()) -> ListedSplits:
    """The split of each photo that a list names.

    Args:
        lists: from `read_split_lists`.
        photos: the paths of all photos that can be samples.
        others: the paths of those that can't; a line that names one of them is no mistake.

    >>> lists = SplitLists("mine", {"train.txt": ("1", "2.jpg"), "test.txt": ("2", "b/9.jpg")})
    >>> found = splits_of(lists, ["images/1.jpg", "images/2.jpg"])
    >>> found.splits, sorted(found.in_two_lists), [(one.path, one.reason) for one in found.rejects]
    ({'images/1.jpg': 'train'}, ['images/2.jpg'], [('b/9.jpg', 'missing_image')])
    """
    known = _Ends([*photos], [*others])
    splits: dict[str, Split] = {}
    twice: set[str] = set()
    rejects = []
    for file, lines in lists.lines.items():
        for line in lines:
            named = known.named_by(line)
            if len(named) == 1:
                (path,) = named
                if splits.setdefault(path, _FILES[file]) != _FILES[file]:
                    twice.add(path)
            else:
                fault = "names several photos; write its whole path" if named else "names no photo"
                sample_id = None if named else f"{lists.dataset}/{_without_suffix(line)}"
                detail = f"a line of {file} that {fault}"
                rejects.append(Reject(lists.dataset, line, "missing_image", detail, sample_id=sample_id))
    photo_paths = set(known.photos)
    kept = {path: split for path, split in splits.items() if path in photo_paths and path not in twice}
    return ListedSplits(kept, frozenset(twice & photo_paths), tuple(rejects))


class _Ends:
    """Paths by their ends, of up to `_MOST_PARTS` parts or whole, without suffixes.

    Args:
        photos: paths of photos.
        others: paths of other files.
    """

    def __init__(self, photos: list[str], others: list[str]) -> None:
        self.photos = photos
        self._by_end: dict[str, set[str]] = {}
        for path in (*photos, *others):
            whole = _without_suffix(path)
            parts = whole.rsplit("/", _MOST_PARTS)[-_MOST_PARTS:]
            for end in {whole, *("/".join(parts[start:]) for start in range(len(parts)))}:
                self._by_end.setdefault(end, set()).add(path)

    def named_by(self, line: str) -> Collection[str]:
        """The paths that a line names: one, or none, or several if it is not clear which."""
        for text in dict.fromkeys((line, line.split(",", maxsplit=1)[0], line.split(maxsplit=1)[0])):
            name = text.strip().replace("\\", "/").removeprefix("./")
            named = self._by_end.get(_without_suffix(name)) or self._by_end.get(name) or set()
            if name in named:
                return (name,)
            if named:
                whole = {path for path in named if _without_suffix(path) == _without_suffix(name)}
                exact = {path for path in named if path.endswith(f"/{name}")}
                return next((some for some in (whole, exact) if len(some) == 1), named)
        return ()


def _without_suffix(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in IMAGE_SUFFIXES and stem else path
