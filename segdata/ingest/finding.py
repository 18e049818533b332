"""What the reader of a source finds, up to a limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.errors import SourceError
from segdata.ingest.readers import READERS
from segdata.ingest.reading import Found, Reports
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Filtered


def find_candidates(source: SourceRecipe, root: Path) -> Iterator[Found]:
    """What the reader finds; its message names a root that holds a variable as it is written in the recipe.

    The value may be a secret that the recipe's author does not know, and messages are kept in the table `runs`.

    Raises:
        SourceError: As the reader says.
    """
    try:
        yield from READERS[source.reader_name](root, source)
    except SourceError as error:
        if "$" not in source.root:
            raise
        raise SourceError(str(error).replace(str(root), source.root)) from error


def take_first(found: Iterator[Found], limit: int | None) -> Iterator[Found]:
    """The first `limit` of what a reader found, not counting what is merely unwanted, and reports of sets."""
    if limit is None:
        yield from found
        return
    taken = 0
    for one in found:
        taken += not isinstance(one, Filtered | Reports)
        if taken > limit:
            return
        yield one
