"""Commands that need no workspace: init, draw, doctor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from segdata.cli.execute import Outcome
from segdata.cli.printing import print_json, say, say_table
from segdata.cli.progress import progress_display
from segdata.current_folder import refuse_code_in_current_folder
from segdata.shell import shell_word

_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Becomes the workspace.")],
    portrait2000: Annotated[str | None, typer.Option(metavar="ROOT", help="Holds training/ and testing/.")] = None,
    aisegment: Annotated[str | None, typer.Option(metavar="ROOT", help="Holds clip_img/ and matting/.")] = None,
    coco: Annotated[str | None, typer.Option(metavar="ROOT", help="Holds annotations/ and the images.")] = None,
    images: Annotated[str | None, typer.Option(metavar="DIR", help="Your portraits; with --masks.")] = None,
    masks: Annotated[str | None, typer.Option(metavar="DIR", help="Their masks, paired by name.")] = None,
    backgrounds: Annotated[str | None, typer.Option(metavar="DIR", help="Your photos without a person.")] = None,
    template: Annotated[
        str, typer.Option(help="The recipe to begin with: portrait, demo, accurate or ablation.")
    ] = "portrait",
    json_: _Json = False,
) -> None:
    """Make a workspace: a folder with recipes, model specs and room for the catalog.

    Files that are there already are left alone. Example: segdata init work --images photos --masks masks
    """
    from segdata.pipeline.init import OwnFolders
    from segdata.pipeline.init import init as make

    with Outcome(json_, "init"):
        roots = {"portrait2000": portrait2000, "aisegment": aisegment, "coco": coco}
        result = make(folder, roots, template, OwnFolders(images, masks, backgrounds))
        if json_:
            print_json({"command": "init", "status": "done", **result.to_json()})
            return
        say(f"{result.path}: {len(result.written)} files written, {len(result.kept)} kept.")
        if result.shared:
            say(
                f"  Other users can enter this folder; its mode was left as it is. To keep them out: chmod 700 "
                f"{shell_word(str(folder))}"
            )
        say(f"Next: look over {folder / 'pipelines' / 'portrait.toml'}, then")
        say(f"  cd {shell_word(str(folder))}" if folder != Path() else "  # you are there")
        say("  segdata run          # the whole loop; or: segdata ingest, train, mine, retrain, report")


def draw(
    dest: Annotated[Path, typer.Argument(help="Gets portrait2000/, aisegment/ and coco/.")],
    portraits: Annotated[int, typer.Option(min=0, help="Well-labelled portraits, a fifth of them for test.")] = 200,
    pool: Annotated[int, typer.Option(min=0, help="Roughly labelled portraits to mine, harder on average.")] = 300,
    backgrounds: Annotated[int, typer.Option(min=0, help="Person-free scenes.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Decides every picture.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads.", show_default="cores")] = None,
    json_: _Json = False,
) -> None:
    """Draw portraits with known alpha, laid out on disk exactly as the three public datasets are.

    For trying segdata without any data, and for tests. Example: segdata draw data --portraits 100 --pool 100
    """
    import os

    from segdata.draw.run import DrawCounts
    from segdata.draw.run import run as run_draw

    with Outcome(json_, "draw"), progress_display() as progress:
        counts = DrawCounts(portraits=portraits, pool=pool, backgrounds=backgrounds)
        refuse_code_in_current_folder()
        result = run_draw(dest, counts, seed, workers or os.cpu_count() or 1, progress)
    if json_:
        print_json({"command": "draw", "status": "done", **result.to_json()})
        return

    def place(name: str) -> str:
        return shell_word(str(dest / name))

    say(f"{dest}: {portraits} portraits, {pool} for the pool, {backgrounds} backgrounds; truth.json says what is true.")
    say(
        f"Next: segdata init work --portrait2000 {place('portrait2000')} --aisegment {place('aisegment')} "
        f"--coco {place('coco')} --template demo"
    )


def doctor(
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", help="Checked for disk space and write access.")
    ] = Path(),
    json_: _Json = False,
) -> None:
    """Say what is installed, what is missing, and how to mend it; exits 3 if segdata can't work as it is."""
    from segdata.cli.doctor import examine

    with Outcome(json_, "doctor"):
        refuse_code_in_current_folder()
        checks = examine(workspace)
    missing = [check for check in checks if check.status == "missing"]
    if json_:
        rows = [asdict(check) for check in checks]
        print_json({"command": "doctor", "status": "failed" if missing else "done", "checks": rows})
    else:
        say_table(("", "what", "found"), [(check.status, check.name, check.detail) for check in checks])
        for check in checks:
            if check.status != "ok" and check.remedy:
                say(f"{check.name}: {check.remedy}")
    raise typer.Exit(3 if missing else 0)
