"""Which samples belong together: those of one folder, or those whose paths agree in the part that a pattern captures.

Patterns are matched by RE2, whose time grows with the length of the path alone: a recipe may come from a stranger. It
knows no look-around and no back-references.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_CHARACTERS = 500
"""The longest pattern."""


def check_group(group: str) -> None:
    """See that a recipe's `group` can be used.

    Raises:
        ValueError: It is neither "folder" nor a pattern with one group that RE2 takes.
    """
    if group == "folder":
        return
    if len(group) > MOST_CHARACTERS:
        raise ValueError(f"a pattern of more than {MOST_CHARACTERS} characters; write a shorter one")
    try:
        groups = re.compile(group).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f'neither "folder" nor a regular expression ({error})') from error
    if groups != 1:
        raise ValueError(f'a regular expression needs one group, and this has {groups}; such as "(.+)_[0-9]+"')
    import pyarrow as pa

    try:
        _captured(["a"], group)
    except pa.ArrowInvalid as error:
        raise ValueError(f"not a regular expression that RE2 takes: {str(error).splitlines()[0]}") from error


def group_ids(dataset: str, paths: Sequence[str], group: str) -> list[str | None]:
    """The group of each sample; None for one whose path the pattern does not match.

    Args:
        dataset: the source's name in the recipe; groups of two sources are different.
        paths: under the source's root.
        group: from the recipe.

    >>> group_ids("mine", ["images/anna_1.jpg", "images/logo.jpg"], "([a-z]+)_[0-9]")
    ['mine/anna', None]
    """
    if group == "folder":
        return [f"{dataset}/{path.rpartition('/')[0]}" for path in paths]
    return [None if not name else f"{dataset}/{name}" for name in _captured(paths, group)]


def _captured(paths: Sequence[str], pattern: str) -> list[str | None]:
    """What the pattern's group captures where the pattern first matches; None if it does not match."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(paths, pa.string())
    matches = pc.match_substring_regex(texts, pattern=pattern)
    whole = rf"^(?s:.*?)(?:{pattern})(?s:.*)$"
    names = pc.replace_substring_regex(texts, pattern=whole, replacement=r"\1", max_replacements=1)
    return [name if fits else None for name, fits in zip(names.to_pylist(), matches.to_pylist(), strict=True)]
