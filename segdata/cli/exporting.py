"""`segdata export …`: what the catalog holds, for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from segdata.cli.execute import Outcome, execute
from segdata.cli.options import AsOfOption, Common
from segdata.cli.printing import print_json, say
from segdata.shell import shell_word

if TYPE_CHECKING:
    from segdata.catalog.workspace import RunContext


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
    as_of: AsOfOption = None,
) -> None:
    """Write the live rows of one table to one file. The word `table` may be left out.

    The catalog's folders hold dead rows of older versions too: read them through this, `segdata query`, or Delta.
    """
    with Outcome(common.json, "export"):
        from segdata.export.run import run as run_export

        result = run_export(_context(common, as_of), name, out)
    if common.json:
        print_json({"command": "export", "status": "done", **result.to_json()})
    else:
        say(f"{out}: {result.rows} rows of {name}.")


def parquet(
    common: Common,
    out: Annotated[Path, typer.Argument(help="A folder; or for one table a file that ends in .parquet.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="The tables wanted; all by default.")
    ] = None,
    as_of: AsOfOption = None,
) -> None:
    """Write the live rows of tables as Parquet, a file each, for pandas, Polars, DuckDB, Spark and Ray."""
    with Outcome(common.json, "export parquet"):
        from segdata.export.run import run_parquet

        results = run_parquet(_context(common, as_of), names or (), out)
    if common.json:
        print_json({"command": "export parquet", "status": "done", "files": [result.to_json() for result in results]})
        return
    for result in results:
        say(f"{result.uri}: {result.rows} rows of {result.table}.")
    if not results:
        say("Nothing to write: the catalog is empty.")


def repair(
    common: Common,
    out: Annotated[Path, typer.Argument(help="A folder; made if need be.")],
    format_: Annotated[str, typer.Option("--format", help="folder, coco or cvat.")] = "folder",
    selection: Annotated[str | None, typer.Option(help="A selection's name.", metavar="NAME")] = None,
    where: Annotated[str | None, typer.Option(help="Which samples: one boolean expression over their columns.")] = None,
) -> None:
    """Write samples with wrong labels for repair: those judged label error, or a selection, or what --where chooses.

    A folder holds photos and grey masks; coco an annotations/instances_default.json with RLE, since polygons can't have
    holes; cvat the XML of CVAT for images 1.1. When they are corrected: segdata ingest --mended DIR
    """
    from segdata.pipeline.repairing import export_repair

    def show(result: Mapping[str, Any]) -> None:
        back = f"segdata ingest --mended {shell_word(str(out))}"
        say(f"{out}: {result['samples']} samples as {result['format']}. When they are mended: {back}")
        for failure in result["failed"]:
            say(f"  {failure['sample_id']}: {failure['reason']}")

    execute(
        common,
        "export repair",
        lambda session: export_repair(session, out.absolute(), format_, selection, where),
        show,
    )


def _context(common: Common, as_of: str | None) -> RunContext:
    session = common.open()
    context, moment = session.context("export"), session.moment(as_of)
    return context if moment is None else context.reading(context.catalog.at(moment.versions))
