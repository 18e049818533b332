"""`segdata catalog verify` and `maintain`: is everything as it was written, and keeping it small."""

from __future__ import annotations

from typing import Any

from segdata.catalog import upkeep
from segdata.catalog.damage import Damage
from segdata.catalog.models import all_models
from segdata.catalog.verify import Verified, verify_files, verify_tables
from segdata.catalog.workspace import RunContext
from segdata.errors import CatalogError, CheckpointError
from segdata.pipeline.session import Record, Session


def verify(session: Session, tables_only: bool = False) -> Verified:
    """Read everything, and say what is broken. Writes nothing, the journal included.

    Args:
        session: its `limit` hashes the first so many files only.
        tables_only: leave out the files of samples and models.
    """
    context = session.context("verify")
    tables, found = verify_tables(context)
    if tables_only:
        return Verified(tables, 0, 0, tuple(found))
    files, models = 0, 0
    try:
        files, broken = verify_files(context)
        found += broken
        models, broken = _verify_models(context)
        found += broken
    except CatalogError as error:  # told already, unless it is news
        if not found:
            found.append(Damage(context.catalog.root, "a table can't be read", str(error)))
    return Verified(tables, files, models, tuple(found))


def maintain(session: Session, keep_days: float) -> Record:
    """Compact, checkpoint, vacuum and sweep, as a run of the journal.

    Args:
        session: a dry run only counts.
        keep_days: versions of so many days stay readable.
    """
    with session.record("maintain") as record:
        record.result = upkeep.maintain(record.context, keep_days).to_json()
    return record


def _verify_models(context: RunContext) -> tuple[int, list[Damage]]:
    from segdata.catalog.training_sets import trained_on
    from segdata.inference.model_folder import model_id_of

    found, rows = [], all_models(context.catalog)
    for row in rows:
        folder = context.workspace.resolve(row["uri"])
        again = "restore it from a copy, or delete the folder and run the command again that trained it"
        try:
            if (found_id := model_id_of(folder)) != row["model_id"]:
                what = f"weights and model.toml hash to {found_id} instead of {row['model_id']}"
                found.append(Damage(folder, what, again))
            trained_on(folder)
        except CheckpointError as error:
            found.append(Damage(folder, str(error).removeprefix(f"{folder}").partition(";")[0].strip("/: "), again))
        except (OSError, ValueError) as error:
            found.append(Damage(folder / "training.parquet", _reason(error), again))
    return len(rows), found


def _reason(error: Any) -> str:
    return f"can't be read ({error.strerror or error})" if isinstance(error, OSError) else f"can't be read ({error})"
