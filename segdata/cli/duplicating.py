"""Commands about copies and about people's pictures: `catalog duplicates`, `catalog leaks`, `forget`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from segdata.cli.execute import Outcome, execute
from segdata.cli.options import Common
from segdata.cli.printing import print_json, say, say_table


def duplicates(common: Common) -> None:
    """Samples that show one photograph or one shoot: identical bytes, copies however changed, further photos."""
    with Outcome(common.json, "catalog duplicates"):
        from segdata.catalog.duplicates import all_duplicates, grouped

        pairs = all_duplicates(common.open().workspace, common.workers)
        groups = grouped(pairs)
    if common.json:
        told = {"groups": [vars(group) for group in groups], "pairs": [vars(pair) for pair in pairs]}
        print_json({"command": "catalog duplicates", **told})
        return
    header = ("kind", "sample_id", "other_id", "distance", "similarity", "mirrored")
    say_table(header, [(*(getattr(pair, key) for key in header[:-1]), _yes(pair.mirrored)) for pair in pairs])
    say(f"{len(pairs)} pairs in {len(groups)} groups. Bits of pHash between them; how well their details agree.")


def leaks(common: Common) -> None:
    """What may be trained on and shows a photograph of test or val, or one of its shoot; composites by their parents.

    The training leaves them all out by itself; this names them.
    """
    with Outcome(common.json, "catalog leaks"):
        from segdata.catalog.duplicates import all_leaks

        found = [leak.to_json() for leak in all_leaks(common.open().workspace, common.workers)]
    if common.json:
        print_json({"command": "catalog leaks", "leaks": found})
        return
    header = ("kind", "sample_id", "split", "other_id", "other_split", "distance", "similarity", "mirrored", "via")
    say_table(header, [(*(leak[key] for key in header[:-2]), _yes(leak["mirrored"]), leak["via"]) for leak in found])
    say(f"{len(found)} leaks. Training leaves them out.")


def forget(
    common: Common,
    sample_ids: Annotated[list[str], typer.Argument(help="Their sample ids.", metavar="SAMPLE_ID...")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would be removed.")] = False,
) -> None:
    """Remove a person's picture from every version, cache, composite, prediction and report, and say what remains.

    Later ingests leave it out, under any name. It can't be undone.
    """
    from segdata.pipeline.forgetting import forget as remove
    from segdata.pipeline.forgetting import shown

    def show(result: Any) -> None:
        for line in shown(result):
            say(line)

    execute(common, "forget", lambda session: remove(session, sample_ids, yes), show)


def _yes(value: bool) -> str:
    return "yes" if value else ""
