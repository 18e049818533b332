"""`segdata catalog …`: what the tables hold and held, whether that is whole, and keeping it in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from segdata.cli.execute import Outcome, execute
from segdata.cli.options import Common
from segdata.cli.printing import print_json, say, say_table
from segdata.cli.progress import progress_display

_Tables = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="The tables wanted; all by default.")]


def tables(common: Common) -> None:
    """Each table: rows, files, bytes, version, and when it was written last."""
    with Outcome(common.json, "catalog tables"):
        from segdata.catalog.history import table_states

        states = [state.to_json() for state in table_states(common.open().workspace.catalog)]
    if common.json:
        print_json({"command": "catalog tables", "tables": states})
        return
    header = ("table", "rows", "files", "bytes", "version", "written_at")
    say_table(header, [tuple(state[key] for key in header) for state in states])


def history(common: Common, names: _Tables = None) -> None:
    """The versions of the tables, newest first: when, what made each, by which run, how many rows."""
    with Outcome(common.json, "catalog history"):
        from segdata.catalog.history import table_history
        from segdata.catalog.tables import known_table

        wanted = [known_table(name) for name in names or ()]
        versions = [version.to_json() for version in table_history(common.open().workspace.catalog, wanted)]
    if common.json:
        print_json({"command": "catalog history", "versions": versions})
        return
    header = ("table", "version", "at", "operation", "run_id", "rows", "deleted", "readable")
    say_table(header, [tuple(version[key] for key in header) for version in versions])


def verify(
    common: Common,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Leave out the files of samples and models.")
    ] = False,
) -> None:
    """Read everything to its end, and compare each file's hash with the catalog; exits 3 if anything is broken.

    Looked at: the tables' logs, checkpoints and data files, the photos and alphas of all samples, rendered composites,
    and the trained versions. Each finding says what to do. Nothing is written.
    """
    with Outcome(common.json, "catalog verify"), progress_display() as progress:
        from segdata.pipeline.upkeep import verify as look

        found = look(common.open(progress=progress), tables_only).to_json()
    if common.json:
        print_json({"command": "catalog verify", "status": "failed" if found["damage"] else "done", **found})
    else:
        say(f"{found['tables']} tables, {found['files']} files of samples and {found['models']} versions looked at.")
        for one in found["damage"]:
            say(f"{one['path']}: {one['what']}\n  {one['remedy']}")
        say(f"{len(found['damage'])} broken." if found["damage"] else "All as it was written.")
    raise typer.Exit(3 if found["damage"] else 0)


def maintain(
    common: Common,
    keep_days: Annotated[
        float,
        typer.Option(min=0, help="Versions of so many days stay readable; 0 only while no other command runs."),
    ] = 30,
) -> None:
    """Join small files, write checkpoints, delete what only old versions hold, and sweep what killed runs left.

    What the tables hold stays as it is. The versions that the trainings of models read stay readable for ever.
    """
    from segdata.pipeline import upkeep

    execute(common, "maintain", lambda session: upkeep.maintain(session, keep_days), show_maintained)


def show_maintained(result: Mapping[str, Any]) -> None:
    """Table by table what was done."""
    header = ("table", "files_before", "files_after", "vacuumed", "vacuumed_bytes")
    say_table(
        (*header, "pinned versions"),
        [(*(table[key] for key in header), len(table["pinned"])) for table in result["tables"]],
    )
    say(f"{len(result['swept'])} temporary files of killed runs swept away.")
