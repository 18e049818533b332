"""`segdata catalog …`: what the tables hold and held, whether that is whole, and keeping it in order."""

from __future__ import annotations

from typing import Annotated

import typer

from segdata.cli.execute import Outcome
from segdata.cli.options import Common
from segdata.cli.printing import print_json, say_table

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

        versions = [version.to_json() for version in table_history(common.open().workspace.catalog, names)]
    if common.json:
        print_json({"command": "catalog history", "versions": versions})
        return
    header = ("table", "version", "at", "operation", "run_id", "rows", "deleted")
    say_table(header, [tuple(version[key] for key in header) for version in versions])
