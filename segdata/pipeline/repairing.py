"""Labels that are corrected outside: give them out, take them in, and undo what was taken in."""

from __future__ import annotations

from pathlib import Path

from segdata.pipeline.session import Record, Session


def export_repair(session: Session, out: Path, file_format: str, selection: str | None, where: str | None) -> Record:
    """Write samples for repair, and record what was given out.

    Args:
        session: the workspace and recipe.
        out: the folder.
        file_format: folder, coco or cvat.
        selection: its name; None for none.
        where: a predicate over the columns of `samples`; None for none.

    Raises:
        UsageError: No such format, selection or predicate.
        TooFewSamplesError: There is nothing to repair.
        StorageError: The folder can't be written.
    """
    from segdata.export.repair import run as run_export

    with session.record("export repair") as record:
        record.result = run_export(record.context, out, file_format, selection, where).to_json()
    return record
