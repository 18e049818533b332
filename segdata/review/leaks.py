"""Which samples show a held-out photograph: looked for once, and again when samples come or change."""

from __future__ import annotations

from segdata.catalog.known_leaks import known_leaks
from segdata.catalog.workspace import RunContext


def leaks_among(context: RunContext) -> dict[str, str]:
    """The held-out sample that each leak shows, by the leak's sample_id."""
    return {leak.pair.sample_id: leak.pair.other_id for leak in known_leaks(context.workspace, context.workers)}
