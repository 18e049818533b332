"""`segdata review` as a run in the journal: open the App, pull, import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segdata.pipeline.session import Record, Session


def open_app(session: Session, asked: tuple[str | None, str | None, bool], say: Callable[[str], None]) -> Record:
    """Review in FiftyOne until Ctrl-C.

    Args:
        session: the workspace and recipe.
        asked: a selection's name or None, a predicate or None, and whether to open a browser.
        say: told where the App is.
    """
    from segdata.review.run import Asked, open_review

    with session.record("review") as record:
        result = open_review(record.context, session.recipe.review, Asked(*asked), say)
        record.result = result.to_json()
    return record


def pull(session: Session) -> Record:
    """Bring home what was said in the App."""
    from segdata.review.run import pull as pull_verdicts

    with session.record("review") as record:
        record.result = pull_verdicts(record.context, session.recipe.review).to_json()
    return record


def import_file(session: Session, path: Path) -> Record:
    """Read verdicts from a file.

    Args:
        session: the workspace and recipe.
        path: what the report's page saved.
    """
    from segdata.review.run import import_verdicts

    with session.record("review") as record:
        record.result = import_verdicts(record.context, session.recipe.review, path).to_json()
    return record
