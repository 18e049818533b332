"""`segdata review`: look at cases, judge them, and bring the verdicts home."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from segdata.cli.execute import execute
from segdata.cli.options import Common
from segdata.cli.printing import say, warn


def review(
    common: Common,
    selection: Annotated[
        str | None, typer.Option(help="A selection's name.", show_default="the newest", metavar="NAME")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Which samples instead: one boolean expression over samples and scores.")
    ] = None,
    reviewer: Annotated[str | None, typer.Option(help="Who reviews.", show_default="your name here")] = None,
    port: Annotated[int | None, typer.Option(help="Of 127.0.0.1, for the App.", show_default="5151")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    pull: Annotated[
        bool, typer.Option("--pull", help="Only bring home what was said in the App; also while it is open.")
    ] = False,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Read verdicts that the report's page saved, JSON or CSV."),
    ] = None,
) -> None:
    """Look at cases in FiftyOne, worst first, and judge them: hard, label error, drop or fine.

    Alt+1 to Alt+4 give a verdict and go on to the next case; Alt+Z undoes. Ctrl-C here ends it, and the verdicts come
    into the catalog. From another machine: ssh -L 5151:127.0.0.1:5151 HOST, since it listens on this one alone.

    Without FiftyOne: segdata report --selection NAME, whose page saves verdicts to a file for --import.
    """
    from segdata.pipeline import reviewing

    if sum((pull, import_ is not None, selection is not None, where is not None)) > 1:
        raise typer.BadParameter("give one of --selection, --where, --pull and --import, not several")
    options = {"review.reviewer": reviewer, "review.port": port}
    if pull:
        execute(common, "review", reviewing.pull, show_review, options)
    elif import_ is not None:
        execute(common, "review", lambda session: reviewing.import_file(session, import_), show_review, options)
    else:
        line = warn if common.json else _say_at_once
        execute(
            common,
            "review",
            lambda session: reviewing.open_app(session, (selection, where, browser), line),
            show_review,
            options,
        )


def _say_at_once(line: str) -> None:
    """A line that is read while the command goes on, also through a pipe."""
    say(line)
    sys.stdout.flush()


def show_review(result: Mapping[str, Any]) -> None:
    """What the catalog learned."""
    if "reviewed" in result:
        say(f"{result['cases']} cases of {result['reviewed']}.")
    told = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in result["verdicts"].items())
    say(f"New: {told or 'no verdict'}; {result['remarks']} notes or tags; {result['known']} known before.")
    if result["stale"]:
        say(f"{result['stale']} are stale: the files have changed since they were looked at. They count for nothing:")
        for name in result["stale_samples"][:10]:
            say(f"  {name}")
    if result["unknown_samples"]:
        say(f"{len(result['unknown_samples'])} are of samples that the catalog does not have, and were left out:")
        for name in result["unknown_samples"][:10]:
            say(f"  {name}")
    if result["refused"]:
        say(f"{len(result['refused'])} rows of the file can't be used, and were left out:")
        for one in result["refused"][:10]:
            say(f"  {one['reason']}")
    if "label_error" in result["verdicts"]:
        say("Wrong labels can be repaired: segdata export repair --help")
