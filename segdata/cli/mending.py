"""`segdata ingest --mended` and `--undo`: what corrected labels change, shown before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from segdata.cli.printing import say, say_table
from segdata.errors import SourceError

if TYPE_CHECKING:
    from segdata.ingest.mended import Mended
    from segdata.pipeline.session import Record, Session

_MOST_ROWS = 40
_MOST_ENTRIES = 5
"""Entries that are named for each reason."""


class MendingOptions(NamedTuple):
    """The options of `segdata ingest` that are about corrected labels.

    Attributes:
        mended: what a tool returned; None for nothing.
        of: the run of the export.
        trust: take very different labels too.
        strict: fail if anything is skipped or held back.
        undo: the run to undo; None for none.
    """

    mended: Path | None
    of: str | None
    trust: bool
    strict: bool
    undo: str | None


def check_options(options: MendingOptions, ingests_sources: bool) -> None:
    """See that the options go together.

    Args:
        options: those about corrected labels.
        ingests_sources: options about sources are given.

    Raises:
        typer.BadParameter: They don't.
    """
    if options.mended is not None and options.undo is not None:
        raise typer.BadParameter("give --mended or --undo, not both")
    if options.mended is None and (options.of is not None or options.trust):
        raise typer.BadParameter("--of and --trust go with --mended")
    if ingests_sources and (options.mended is not None or options.undo is not None):
        raise typer.BadParameter("--mended and --undo go without names of sources, --root and --verify")


def take_in(session: Session, path: Path, options: MendingOptions, as_json: bool) -> Record:
    """Take corrected labels in.

    Raises:
        SourceError: As `ingest_mended`; or --strict, and something was skipped or held back.
    """
    from segdata.ingest.mended import MendedOptions
    from segdata.pipeline import commands

    announce = None if as_json else _show_changes
    record = commands.ingest_mended(session, path, MendedOptions(options.of, options.trust, announce))
    mended = record.result["mended"]
    if options.strict and (mended["skipped"] or mended["held_back"]):
        raise SourceError(
            f"--strict: {len(mended['skipped'])} entries skipped and {len(mended['held_back'])} labels held back. "
            "The rest is in the catalog"
        )
    return record


def show_mending(result: Mapping[str, Any]) -> None:
    """What was taken in, or undone; nothing if the command did neither."""
    if (mended := result.get("mended")) is not None:
        say(f"{len(mended['changed'])} labels mended, {mended['same']} as they were.")
        if mended["changed"] and "test" in result:  # a dry run measures nothing anew, and has nothing to restore
            say(f"  To restore the old ones: segdata ingest --undo {result['run_id']}")
    if (undone := result.get("undone")) is not None:
        say(f"{len(undone['restored'])} labels are what they were before.")
        for one in undone["skipped"]:
            say(f"  {one['entry']}: {one['reason']}")
    for row in result.get("test", ()):
        if "before" in row:
            say(f"  {row['name']}: {row['before']:.4f} on the test labels before, {row['after']:.4f} on those of now")


def _show_changes(mended: Mended) -> None:
    """What will change, before it is written."""
    if mended.export is not None:
        guessed = " (the newest that most names fit; --of RUN chooses another)" if mended.is_guessed else ""
        say(f"labels of the export {mended.export}{guessed}")
    if mended.changed:
        rows = []
        for one in mended.changed[:_MOST_ROWS]:
            figures = one.foreground_before, one.foreground_after, one.iou_with_old
            rows.append((one.sample_id, *(f"{value:.3f}" for value in figures)))
        say_table(("label", "person before", "person after", "IoU with old"), rows)
        if len(mended.changed) > _MOST_ROWS:
            say(f"  and {len(mended.changed) - _MOST_ROWS} more; --json lists all")
    if mended.held_back:
        say(f"{len(mended.held_back)} held back, because they have little in common with the old label:")
        for change in mended.held_back[:_MOST_ROWS]:
            say(
                f"  {change.sample_id}: person {change.foreground_before:.3f} before, {change.foreground_after:.3f} "
                f"after, IoU {change.iou_with_old:.3f}"
            )
        say("  If they are right, pass --trust.")
    by_reason: dict[str, list[str]] = {}
    for skipped in mended.skipped:
        by_reason.setdefault(skipped.reason, []).append(skipped.entry)
    reasons = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, entries in reasons[:_MOST_ROWS]:
        say(f"{len(entries)} skipped: {reason}")
        for entry in entries[:_MOST_ENTRIES]:
            say(f"  {entry}")
        if len(entries) > _MOST_ENTRIES:
            say(f"  and {len(entries) - _MOST_ENTRIES} more; --json lists all")
    if others := sum(len(entries) for _, entries in reasons[_MOST_ROWS:]):
        say(f"{others} skipped for other reasons; --json lists all")
