"""`segdata models …`: which trained versions there are, how they compare, which one is promoted, how fast they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from segdata.cli.execute import Outcome, execute
from segdata.cli.options import Common
from segdata.cli.printing import print_json, say, say_table
from segdata.cli.progress import progress_display

_NAME = "A version's id, its beginning, name or folder."
_Name = Annotated[str, typer.Argument(metavar="MODEL", help=_NAME)]
_NameOrPromoted = Annotated[str | None, typer.Argument(metavar="[MODEL]", help=f"{_NAME} The promoted one by default.")]


def list_(common: Common) -> None:
    """Every trained version: spec, when, on how many samples, how good, and which one is promoted."""
    with Outcome(common.json, "models list"):
        from segdata.pipeline.versions import list_models

        found = list_models(common.open())
    if common.json:
        print_json({"command": "models list", "models": found})
        return
    if not found:
        say("Nothing is trained yet; run: segdata train")
        return
    header = ("name", "spec", "trained", "samples", "val mIoU", "test mIoU", "boundary IoU", "")
    say_table(
        header,
        [
            (
                row["name"],
                row["spec"],
                row["created_at"],
                row["training_samples"],
                row["metrics"]["val"]["miou_image"],
                row["metrics"]["test"]["miou_image"],
                row["metrics"]["test"]["boundary_iou"],
                "promoted" if row["promoted"] else row["arm"],
            )
            for row in found
        ],
    )


def show(common: Common, model: _NameOrPromoted = None) -> None:
    """All about a version: metrics, lineage, what the guard said, training data by dataset, and its card."""
    with Outcome(common.json, "models show"):
        from segdata.pipeline.versions import show_model

        found = show_model(common.open(), model)
    if common.json:
        print_json({"command": "models show", **found})
        return
    say(f"{found['name']} ({found['model_id']}){', promoted' if found['promoted'] else ''}")
    say(f"  {found['path']}: weights {found['weights']}")
    say(f"  trained {found['created_at']:%Y-%m-%d %H:%M} by {found['run_id']}")
    if found["parent"]:
        say(f"  from {found['parent']} with {found['hard']} hard cases of {found['selection'] or 'no selection'}")
    data = found["training"]
    say("  training data: " + (", ".join(f"{count} {name}" for name, count in data.items()) if data else "not known"))
    keys = ("miou_image", "miou_dataset", "boundary_iou", "hole_recall", "images")
    say_table(
        ("split", "mIoU (images)", "mIoU (pixels)", "boundary IoU", "hole recall", "images"),
        [(split, *(values[key] for key in keys)) for split, values in found["metrics"].items()],
    )
    if found["guard"]:
        say(f"  the guard {'refused' if found['guard']['refused'] else 'passed'} it against the version before:")
        _say_slices(found["guard"]["comparisons"])
    if found["card"]:
        say("")
        say(found["card"].rstrip())


def compare(
    common: Common,
    first: Annotated[str, typer.Argument(metavar="A", help=_NAME)],
    second: Annotated[str, typer.Argument(metavar="B", help=_NAME)],
) -> None:
    """Compare two versions image by image on val and test: B minus A in mIoU, with bootstrap intervals, by slice.

    Images that one of them has not scored yet are scored now.
    """
    with Outcome(common.json, "models compare") as told, progress_display() as progress:
        from segdata.pipeline.versions import compare_models

        told.session = common.open(progress=progress)
        found = compare_models(told.session, first, second)
    if common.json:
        print_json({"command": "models compare", **found})
        return
    say(f"{found['second']['name']} minus {found['first']['name']}, mIoU image by image; {found['scored']} scored now.")
    if found["missing"]:
        say(f"  {found['missing']} scores are missing; without --dry-run they are made.")
    for split, values in found["splits"].items():
        if values["slices"]:
            say(f"{split}:")
            _say_slices(values["slices"])
        else:
            say(f"{split}: too few images that both have scored")


def promote(common: Common, model: _Name) -> None:
    """Make a version the promoted one: what mine, predict and retrain use by default."""
    from segdata.pipeline.versions import promote_model

    execute(common, "models promote", lambda session: promote_model(session, model), show_promoted)


def show_promoted(result: Mapping[str, Any]) -> None:
    """Which one, instead of which, and whether the guard had refused it."""
    say(f"{result['name']} is promoted" + (f" instead of {result['instead_of']}." if result["instead_of"] else "."))
    if result["guard"] and result["guard"]["refused"]:
        say("  The guard had refused it:")
        _say_slices(result["guard"]["comparisons"])


def benchmark(
    common: Common,
    model: _NameOrPromoted = None,
    images: Annotated[int, typer.Option(min=1, help="Timed for each number.")] = 20,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Of the photos.")] = "600x800",
) -> None:
    """Images a second at batch 1, in every runtime and precision that this machine has, with and without resizing."""
    with Outcome(common.json, "models benchmark"), progress_display() as progress:
        from segdata.pipeline.versions import benchmark_model

        found = benchmark_model(common.open(progress=progress), model, images, _size_hw(size))
    if common.json:
        print_json({"command": "models benchmark", **found})
        return
    height, width = found["input_hw"]
    say(f"{found['spec']} ({found['model_id']}), input {width}x{height}, photos {size}, {found['images']} images each")
    say(f"{found['machine']}")
    reference = found["reference"]
    rows = [
        (f"{one['runtime']} {one['precision']}", one["device"], one["network"], one["whole"], one["spread"])
        for one in found["speeds"]
    ]
    rows.append((f"reference: {reference['model']}", reference["machine"], None, reference["images_per_second"], None))
    say_table(("images/s", "on", "network", "with pre- and postprocessing", "slowest tenth / median"), rows)


def _say_slices(slices: list[dict[str, Any]]) -> None:
    say_table(
        ("slice", "images", "mean", "low", "high", ""),
        [
            (*(one[key] for key in ("slice", "images", "mean", "low", "high")), "worse" if one["worse"] else "")
            for one in slices
        ],
    )


def _size_hw(text: str) -> tuple[int, int]:
    from segdata.errors import UsageError

    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 16 <= int(width) <= 16384 and 16 <= int(height) <= 16384):
        raise UsageError(f"--size {text}: WIDTHxHEIGHT in pixels expected, as in 600x800, each from 16 to 16384")
    return int(height), int(width)
