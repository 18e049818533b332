"""`segdata export model`: the version's network in another format, and the report that it says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from segdata.errors import CheckpointError, TooFewSamplesError
from segdata.imaging.arrays import Image
from segdata.imaging.decode import DecodeError, read_image
from segdata.inference.model_folder import ModelSpec, model_id_of, read_spec
from segdata.pipeline.commands import model_folder
from segdata.pipeline.session import Record, Session
from segdata.records import Progress
from segdata.storage.files import atomic_write

PARITY, README = "parity.json", "README.md"


def export_model(
    session: Session,
    wanted: str | None,
    target: tuple[str, bool],
    out: Path,
    compared: tuple[Sequence[Path], int] = ((), 16),
) -> Record:
    """Write a version's network for other programs, compare it with PyTorch, and write what came out beside it.

    Args:
        session: the workspace.
        wanted: the version's id, name or folder; the promoted one by default.
        target: `onnx` or `openvino`, and whether the weights are halved to fp16.
        out: the folder; relative to the current one.
        compared: photos (or folders) to compare on, or none for those of test and then val; and how many at most.

    Raises:
        UsageError: No such version, format or photo.
        TooFewSamplesError: There is no image to compare on.
        CheckpointError: The version can't be used, or the two disagree: the files stay, and parity.json says by how
            much.
    """
    from segdata.export.network import check_parity, export_network
    from segdata.predict.photos import find_photos

    file_format, fp16 = target
    paths, limit = compared
    with session.record("export model") as record:
        folder = model_folder(record.context, wanted)
        spec, model_id = read_spec(folder), model_id_of(folder)
        files = [photo.path for photo in find_photos(paths, out)] if paths else _held_out(session)
        images = list(islice(_decoded(files), limit))
        if not images:
            raise TooFewSamplesError("export model: no image of test or val to compare on; name some: --photos FOLDER")
        record.result = {"model_id": model_id, "format": file_format, "path": str(out), "files": [], "parity": None}
        if record.context.dry_run:
            return record
        session.progress(Progress("export", file_format, 0, 2, "steps", "converting"))
        written = export_network(folder, file_format, fp16, out)
        session.progress(Progress("export", file_format, 1, 2, "steps", "comparing"))
        parity = check_parity(folder, written[0], images, fp16)
        atomic_write(out / PARITY, json.dumps({"model_id": model_id, **parity.to_json()}, indent=1).encode())
        atomic_write(out / README, _readme(written[0].name, spec, model_id, parity.to_json()).encode())
        session.progress(Progress("export", file_format, 2, 2, "steps"))
        names = [file.name for file in written]
        record.result |= {"files": [*names, PARITY, README], "parity": parity.to_json()}
        if not parity.passed:
            raise CheckpointError(
                f"{written[0]}: differs from PyTorch by up to {parity.max_difference:.2g} (mask IoU "
                f"{parity.iou_min:.4f} at least), and {parity.tolerance.difference:g} ({parity.tolerance.iou:g}) is "
                "allowed; don't use it"
            )
    return record


def _held_out(session: Session) -> list[Path]:
    """The images of test, then those of val, in the order of their ids."""
    where = "kind = 'portrait' AND status = 'present' AND split IN ('test', 'val')"
    rows = session.workspace.catalog.read("samples", ["sample_id", "split", "image_uri"], where).to_pylist()
    rows.sort(key=lambda row: (row["split"], row["sample_id"]))
    return [session.workspace.resolve(row["image_uri"]) for row in rows]


def _decoded(files: Sequence[Path]) -> Iterator[Image]:
    for file in files:
        try:
            yield read_image(file)
        except (DecodeError, OSError):
            continue  # one that can't be read proves nothing about the network


def _readme(name: str, spec: ModelSpec, model_id: str, parity: dict[str, Any]) -> str:
    height, width = spec.input_hw
    allowed = parity["tolerance"]
    enlarged = "by linear interpolation"
    if spec.upsample == "guided":
        enlarged = (
            "along the photo's edges, as `segdata.imaging.guided.enlarge_along` does, or less exactly " + enlarged
        )
    inside = "normalisation, sigmoid" + (", the mean with the mirrored image" if spec.flip else "")
    return f"""# {spec.name}, exported

`{name}` is the network of version {model_id}.

- Input `image`: (N, {height}, {width}, 3) uint8, RGB, any N: upright photos resized to {width}x{height} (stretched;
  averaged over areas where they shrink, as by OpenCV's INTER_AREA), not normalised.
- Output `alpha`: (N, {height}, {width}) float32 in [0, 1], the probability of a person. Bring it to the photo's
  size {enlarged}; for a mask, cut it at 0.5 after that.

Inside: {inside}. `model.toml` is the version's own.

## Parity with PyTorch

On {parity["images"]} images, {parity["runtime"]} against PyTorch in fp32, both at the network's size:

| | measured | allowed |
|---|---|---|
| largest difference of a probability | {parity["max_difference"]:.2e} | {allowed["difference"]:g} |
| mean difference | {parity["mean_difference"]:.2e} | |
| mask IoU, least of an image | {parity["iou_min"]:.5f} | {allowed["iou"]:g} |
| mask IoU, mean | {parity["iou_mean"]:.5f} | |
"""
