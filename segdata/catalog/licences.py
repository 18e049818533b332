"""Which licences a model may be trained under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from segdata.errors import TooFewSamplesError

NOT_STATED = "(not stated)"
"""How messages call an empty licence."""


def is_allowed(licence: str | None, allowed: Sequence[str]) -> bool:
    """Whether a licence is one of those allowed; with a filter, one that is not stated never is.

    Args:
        licence: of a sample.
        allowed: names or patterns, as in `CC BY*`, compared without regard to case; `*` is any text, `?` any character,
            `[ab]` either of the two. None given allows everything.

    >>> is_allowed("cc by 4.0", ["CC BY*"]), is_allowed("", ["*"]), is_allowed("", [])
    (True, False, True)
    """
    if not allowed:
        return True
    name = (licence or "").strip().lower()
    return bool(name) and any(fnmatchcase(name, pattern.strip().lower()) for pattern in allowed)


def parents_allowed(composite: Mapping[str, Any], licences: Mapping[str, str | None], allowed: Sequence[str]) -> bool:
    """Whether all parents of a composite are of an allowed licence.

    Args:
        composite: its row of `samples`.
        licences: by sample_id, of all that may be a parent.
        allowed: as in `is_allowed`.
    """
    return all(is_allowed(licences.get(parent["sample_id"]), allowed) for parent in composite["parents"] or ())


def require_some(left: Iterable[Any], before: Iterable[str | None], allowed: Sequence[str], what: str) -> None:
    """Refuse a filter that leaves nothing of what was there.

    Args:
        left: what the filter left.
        before: the licences of what was there before it.
        allowed: the filter.
        what: how the message calls the samples.

    Raises:
        TooFewSamplesError: It names the licences that there are.
    """
    names = sorted({(licence or "").strip() or NOT_STATED for licence in before})
    if names and not list(left):
        raise TooFewSamplesError(
            f"train.licences: {', '.join(allowed)} leaves no {what}; the catalog has {', '.join(names)}. Allow one of "
            "these, or say in [[sources]] which licence = … a source is under and run segdata ingest --verify"
        )
