"""`segdata export model`: a trained version for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from segdata.cli.execute import execute
from segdata.cli.options import Common
from segdata.cli.printing import say


def model(
    common: Common,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="A version's id, name or folder. The promoted one by default."),
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="onnx or openvino.")] = "onnx",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to.")] = Path("exported"),
    fp16: Annotated[bool, typer.Option("--fp16", help="Weights of half the size; openvino only.")] = False,
    photos: Annotated[
        list[Path] | None,
        typer.Option(help="Photos or folders to compare on; images of test and val by default."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="How many to compare on at most.")] = 16,
) -> None:
    """Write a version's network as ONNX or OpenVINO IR, and compare what it says with what PyTorch says.

    Pixels go in as they are, uint8 RGB at the network's size; probabilities come out: normalisation, sigmoid and
    mirroring are inside. Exits 3 if the two don't agree.
    """
    from segdata.pipeline.portable import export_model

    execute(
        common,
        "export model",
        lambda session: export_model(session, version, (format_, fp16), out, (photos or (), images)),
        show_exported,
    )


def show_exported(result: Mapping[str, Any]) -> None:
    """Where the files are, and how well they agree."""
    say(f"{result['path']}: {', '.join(result['files'])}")
    parity = result["parity"]
    if parity is not None:
        say(
            f"  against PyTorch fp32 on {parity['images']} images, by {parity['runtime']}: probabilities differ by "
            f"{parity['max_difference']:.2g} at most, {parity['mean_difference']:.2g} on average; mask IoU "
            f"{parity['iou_min']:.5f} at least"
        )
