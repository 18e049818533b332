"""`segdata predict`: what people do with a trained version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from segdata.cli.execute import execute
from segdata.cli.options import Common
from segdata.cli.printing import say

_PANEL = "What is made of each photo"
_SHOWN = 10


def predict(  # noqa: PLR0913, PLR0917  # each argument is an option
    common: Common,
    paths: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    model: Annotated[
        str | None, typer.Option(help="A model's id, name or folder.", show_default="the promoted one", metavar="MODEL")
    ] = None,
    alpha: Annotated[
        bool, typer.Option("--alpha", help="The soft alpha in grey: the default.", rich_help_panel=_PANEL)
    ] = False,
    mask: Annotated[bool, typer.Option("--mask", help="Black and white.", rich_help_panel=_PANEL)] = False,
    cutout: Annotated[
        bool, typer.Option("--cutout", help="The person on transparent ground.", rich_help_panel=_PANEL)
    ] = False,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR|IMAGE",
            help="The person before another background: white, #336699, or a picture's path.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    id_photo: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="An identity photo, such as 35x45mm@300 or 2x2in.", rich_help_panel=_PANEL),
    ] = None,
    head_mm: Annotated[
        float | None, typer.Option(help="Another head height for --id-photo, chin to crown.", rich_help_panel=_PANEL)
    ] = None,
    group: Annotated[
        bool, typer.Option("--group", help="All people before one background.", rich_help_panel=_PANEL)
    ] = False,
    jpeg: Annotated[
        bool, typer.Option("--jpeg", help="JPEG instead of PNG, where nothing is transparent.", rich_help_panel=_PANEL)
    ] = False,
) -> None:
    """Write one picture a photo, named after it: alpha, mask, cut-out, another background, identity photo.

    A folder's own folders are kept. Example: segdata predict photos --out cards --id-photo 35x45mm@300
    """

    def work(session: Any) -> Any:
        from segdata.errors import UsageError
        from segdata.pipeline import commands
        from segdata.predict.pictures import PictureOptions

        asked = {"alpha": alpha, "mask": mask, "cutout": cutout, "id_photo": id_photo is not None, "group": group}
        kinds = [kind for kind, wanted in asked.items() if wanted]
        if len(kinds) > 1:
            raise UsageError("predict: one of --alpha, --mask, --cutout, --id-photo and --group, please")
        kind: Any = kinds[0] if kinds else "background" if background is not None else "alpha"
        options = PictureOptions(kind, background, id_photo, head_mm, jpeg)
        return commands.predict(session, paths, model, out, options)

    execute(common, "predict", work, show_predicted)


def show_predicted(result: Mapping[str, Any]) -> None:
    """How many were written, which could not be, and which to look over."""
    say(f"{result['written']} written to {result['out']}.")
    for failed in result["failed"]:
        say(f"  {failed['path']}: {failed['reason']}")
    for title, rows, key in (("look over", result["notes"], "note"), ("renamed", result["renamed"], "file")):
        for row in rows[:_SHOWN]:
            say(f"  {title}: {row['path']}: {row[key]}")
        if len(rows) > _SHOWN:
            say(f"  and {len(rows) - _SHOWN} more; --json has all")
