"""`segdata export …`: what the catalog holds, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from segdata.cli.execute import Outcome
from segdata.cli.options import Common
from segdata.cli.printing import print_json, say


class TableFirst(TyperGroup):
    """A group whose first word may also be a table's name: `segdata export samples samples.csv`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What the word means: a command of the group, or else the command `table` and its arguments."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, ["table", *args] if args and args[0] not in known else args)


def table(
    common: Common,
    name: Annotated[str, typer.Argument(metavar="TABLE", help="samples, rejects, scores, selections, models, …")],
    out: Annotated[Path, typer.Argument(help="The file to write: .parquet or .csv.")],
) -> None:
    """Write the live rows of one table to one file. The word `table` may be left out.

    The catalog's folders hold dead rows of older versions too: read them through this, `segdata query`, or Delta.
    """
    with Outcome(common.json, "export"):
        from segdata.export.run import run as run_export

        result = run_export(common.open().context("export"), name, out)
    if common.json:
        print_json({"command": "export", "status": "done", **result.to_json()})
    else:
        say(f"{out}: {result.rows} rows of {name}.")
