"""Write samples whose labels are wrong to a folder that other programs open, so that somebody can mend them.

<out>/images/<sample_id>-<id>.<suffix>  the photos, as they are
<out>/masks/<sample_id>-<id>.png      the labels, grey, 255 is person: mend these, or
<out>/annotations/instances_default.json   COCO with RLE, since polygons can't have holes; or
<out>/annotations.xml                 CVAT for images 1.1, with its own RLE masks
<out>/segdata.json                    which sample each file is, for people: the catalog has its own record

`segdata ingest --mended <out>` takes the mended labels in, from this folder or from what a tool made of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from segdata.catalog.pixels import read_unchanged_alpha, read_unchanged_image
from segdata.catalog.purging import quoted_in
from segdata.catalog.repairs import ExportedSample, RepairExport, file_name_of, record_export
from segdata.catalog.verdicts import of_reviewers
from segdata.catalog.workspace import RunContext
from segdata.errors import DataError, TooFewSamplesError, UsageError
from segdata.export.repair_lists import COCO_FILE, CVAT_FILE, ExportedLabel, encode_coco, encode_cvat
from segdata.imaging.encode import encode_png
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.records import LABEL_CUT, REPAIR_FORMAT, REPAIR_MANIFEST, Progress
from segdata.storage.files import atomic_write, checked_target

Row = dict[str, Any]
RepairFormat = Literal["folder", "coco", "cvat"]
"""Names that a picture keeps; another name, such as `.html`, could make a program run it."""


@dataclass(frozen=True)
class RepairResult:
    """What was written.

    Attributes:
        uri: the folder, as the catalog would name it.
        format: folder, coco or cvat.
        samples: written.
        failed: sample ids that could not be read, with the reason.
    """

    uri: str
    format: RepairFormat
    samples: int
    failed: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `segdata export repair --json`."""
        failed = [{"sample_id": name, "reason": reason} for name, reason in self.failed]
        return {"path": self.uri, "format": self.format, "samples": self.samples, "failed": failed}


def run(context: RunContext, out: Path, file_format: str, selection: str | None, where: str | None) -> RepairResult:
    """Write samples for repair: those judged `label_error`, or a selection, or what a predicate chooses.

    Args:
        context: its `limit` takes the first so many.
        out: the folder; made if need be. What is in it already is replaced where the names are the same.
        file_format: folder, coco or cvat.
        selection: its name; None for none.
        where: a predicate over the columns of `samples`; None for none.

    Raises:
        UsageError: No such format, selection or predicate.
        TooFewSamplesError: There is nothing to repair.
        StorageError: The folder can't be written.
    """
    if file_format not in get_args(RepairFormat):
        raise UsageError(f"export repair: no format {file_format!r}; there are {', '.join(get_args(RepairFormat))}")
    rows = _choose(context, selection, where)[: context.limit]
    if not rows:
        raise TooFewSamplesError(
            "export repair: nothing to repair: no sample is judged label_error; name a --selection, or say --where"
        )
    written, failed = [], []
    for name in ("images", "masks", "annotations"):
        checked_target(out, f"{name}/any")
    if not context.dry_run:
        for count, row in enumerate(rows, 1):
            try:
                written.append(_write_sample(context, row, out, file_format))
            except DataError as error:
                failed.append((str(row["sample_id"]), str(error)))
            context.progress(Progress("export", "repair", count, len(rows), "samples"))
        _write_lists(context, out, file_format, written)
    samples = len(rows) if context.dry_run else len(written)
    uri = context.workspace.uri_of(out)
    return RepairResult(uri, _known(file_format), samples, tuple(failed))


def _choose(context: RunContext, selection: str | None, where: str | None) -> list[Row]:
    catalog = context.catalog
    present = "status = 'present' AND kind = 'portrait'"
    if where is not None:
        chosen = catalog.read_where("samples", where).to_pylist()
        return [row for row in chosen if row["status"] == "present" and row["kind"] == "portrait"]
    samples = catalog.read("samples", where=present).to_pylist()
    if selection is not None:
        chosen = catalog.read("selections", ["sample_id"], quoted_in("selection", {selection}))
        names = set(chosen["sample_id"].to_pylist())
        if not names:
            raise UsageError(f"export repair: no selection {selection!r}; segdata status names them")
        return [row for row in samples if row["sample_id"] in names]
    judged = of_reviewers(catalog.read("verdicts").to_pylist())
    last = {key: list(words.values())[-1]["verdict"] for key, words in judged.items()}
    keys = ((row["sample_id"], row["image_sha256"], row["alpha_sha256"]) for row in samples)
    return [row for row, key in zip(samples, keys, strict=True) if last.get(key) == "label_error"]


def _write_sample(context: RunContext, row: Row, out: Path, file_format: str) -> tuple[Row, ExportedLabel]:
    """The photo, and in a folder the mask; the sample's line of the manifest, and its label.

    The folder goes to other people: nothing is copied but what was ingested and is a picture.
    """
    data, kind = read_unchanged_image(context.workspace, row)
    alpha = read_unchanged_alpha(context.workspace, row)
    name, suffix = file_name_of(row["sample_id"]), Path(row["image_uri"]).suffix.lower()
    photo = f"{name}{suffix if suffix in IMAGE_SUFFIXES else f'.{kind.lower()}'}"
    atomic_write(checked_target(out, f"images/{photo}"), data)
    line = {
        "sample_id": row["sample_id"],
        "image": f"images/{photo}",
        **{key: row[key] for key in ("image_sha256", "alpha_sha256", "width", "height")},
    }
    if file_format == "folder":
        line["mask"] = f"masks/{name}.png"
        atomic_write(checked_target(out, line["mask"]), encode_png(alpha))
    return line, ExportedLabel(photo, alpha >= LABEL_CUT)


def _write_lists(
    context: RunContext, out: Path, file_format: str, written: Sequence[tuple[Row, ExportedLabel]]
) -> None:
    """The record first: whatever can be returned is known."""
    samples = (
        ExportedSample(*(line[key] for key in ("sample_id", "image", "image_sha256", "alpha_sha256")))
        for line, _ in written
    )
    record_export(context.catalog, RepairExport(context.run_id, file_format, datetime.now(UTC), tuple(samples)))
    labels = [label for _, label in written]
    if file_format == "coco":
        atomic_write(checked_target(out, COCO_FILE), encode_coco(labels))
    if file_format == "cvat":
        atomic_write(checked_target(out, CVAT_FILE), encode_cvat(labels))
    lines = [line for line, _ in written]
    manifest = {"format": REPAIR_FORMAT, "as": file_format, "run": context.run_id, "samples": lines}
    atomic_write(checked_target(out, REPAIR_MANIFEST), json.dumps(manifest, indent=1).encode())


def _known(file_format: str) -> RepairFormat:
    return next(known for known in get_args(RepairFormat) if known == file_format)
