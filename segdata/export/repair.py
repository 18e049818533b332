"""Write samples whose labels are wrong to a folder that other programs open, so that somebody can mend them.

<out>/images/<sample_id>.<suffix>     the photographs, as they are
<out>/masks/<sample_id>.png           the labels, grey, 255 is person: mend these, or
<out>/annotations.json                COCO with RLE, since polygons can't hold holes; or
<out>/annotations.xml                 CVAT for images 1.1, with its own RLE masks
<out>/segdata.json                    which sample each file is, and the hashes of what was wrong

`segdata ingest --mended <out>` takes the mended labels in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from segdata.catalog.pixels import read_unchanged_alpha, read_unchanged_image
from segdata.catalog.purging import quoted_in
from segdata.catalog.verdicts import of_reviewers
from segdata.catalog.workspace import RunContext
from segdata.errors import DataError, TooFewSamplesError, UsageError
from segdata.imaging.arrays import Mask
from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.records import LABEL_CUT, REPAIR_FORMAT, REPAIR_MANIFEST, Progress
from segdata.storage.files import checked_target

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
    for name in ("images", "masks"):
        checked_target(out, f"{name}/any")
    if not context.dry_run:
        for count, row in enumerate(rows, 1):
            try:
                written.append(_write_sample(context, row, out, file_format))
            except DataError as error:
                failed.append((str(row["sample_id"]), str(error)))
            context.progress(Progress("export", "repair", count, len(rows), "samples"))
        _write_lists(out, file_format, written)
    samples = len(rows) if context.dry_run else len(written)
    uri = context.workspace.uri_of(out)
    return RepairResult(uri, _known(file_format), samples, tuple(failed))


def encode_rle(mask: Mask) -> dict[str, Any]:
    """COCO's run-length encoding, compressed, as JSON has it.

    Args:
        mask: (H, W) bool.
    """
    from pycocotools import mask as coco

    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in found["size"]], "counts": found["counts"].decode("ascii")}


def cvat_rle(mask: Mask) -> dict[str, str]:
    """CVAT's mask: the box around it, and runs of it row by row, beginning with background.

    Args:
        mask: (H, W) bool, not empty.

    >>> cvat_rle(np.array([[False, True, True], [False, True, False]]))
    {'rle': '0, 3, 1', 'left': '1', 'top': '0', 'width': '2', 'height': '2'}
    """
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    top, left = int(rows[0]), int(columns[0])
    box = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    flat = box.ravel().astype(np.int8)
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes.tolist(), flat.size]).tolist()
    if flat[0]:
        runs.insert(0, 0)
    told = {"left": left, "top": top, "width": box.shape[1], "height": box.shape[0]}
    return {"rle": ", ".join(str(run) for run in runs), **{name: str(value) for name, value in told.items()}}


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


def _write_sample(context: RunContext, row: Row, out: Path, file_format: str) -> tuple[Row, Mask]:
    """The photograph, and in a folder the mask; the sample's line of the manifest, and its mask.

    The folder goes to other people: nothing is copied but what was ingested and is a picture.
    """
    from segdata.imaging.encode import encode_png
    from segdata.storage.files import atomic_write

    data, kind = read_unchanged_image(context.workspace, row)
    alpha = read_unchanged_alpha(context.workspace, row)
    name, suffix = file_name_of(row["sample_id"]), Path(row["image_uri"]).suffix.lower()
    image = f"images/{name}{suffix if suffix in IMAGE_SUFFIXES else f'.{kind.lower()}'}"
    atomic_write(checked_target(out, image), data)
    line = {
        "sample_id": row["sample_id"],
        "image": image,
        **{key: row[key] for key in ("image_sha256", "alpha_sha256", "width", "height")},
    }
    if file_format == "folder":
        line["mask"] = f"masks/{name}.png"
        atomic_write(checked_target(out, line["mask"]), encode_png(alpha))
    return line, alpha >= LABEL_CUT


def _write_lists(out: Path, file_format: str, written: Sequence[tuple[Row, Mask]]) -> None:
    from segdata.storage.files import atomic_write

    if file_format == "coco":
        atomic_write(out / "annotations.json", json.dumps(_coco(written)).encode())
    if file_format == "cvat":
        atomic_write(out / "annotations.xml", _cvat(written))
    manifest = {"format": REPAIR_FORMAT, "as": file_format, "samples": [line for line, _ in written]}
    atomic_write(out / REPAIR_MANIFEST, json.dumps(manifest, indent=1).encode())


def _coco(written: Iterable[tuple[Row, Mask]]) -> dict[str, Any]:
    images, annotations = [], []
    for number, (line, mask) in enumerate(written, 1):
        name = line["image"].removeprefix("images/")
        images.append({"id": number, "file_name": name, "width": line["width"], "height": line["height"]})
        rows, columns = np.nonzero(mask)
        box = (
            [
                int(columns.min()),
                int(rows.min()),
                int(columns.max() - columns.min() + 1),
                int(rows.max() - rows.min() + 1),
            ]
            if len(rows)
            else [0, 0, 0, 0]
        )
        annotations.append(
            {
                "id": number, "image_id": number, "category_id": 1, "iscrowd": 1, "segmentation": encode_rle(mask),
                "area": len(rows), "bbox": box,
            }
        )  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def _cvat(written: Iterable[tuple[Row, Mask]]) -> bytes:
    from xml.etree import ElementTree as Xml

    root = Xml.Element("annotations")
    Xml.SubElement(root, "version").text = "1.1"
    for number, (line, mask) in enumerate(written):
        told = {"id": number, "name": line["image"].removeprefix("images/")}
        told |= {"width": line["width"], "height": line["height"]}
        image = Xml.SubElement(root, "image", {key: str(value) for key, value in told.items()})
        if mask.any():
            common = {"label": "person", "source": "file", "occluded": "0", "z_order": "0"}
            Xml.SubElement(image, "mask", common | cvat_rle(mask))
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def file_name_of(sample_id: str) -> str:
    """A sample's id as a path that any file system and any program takes, told from others by a digest if changed.

    >>> file_name_of("p/training/00001")
    'p/training/00001'
    """
    import hashlib

    plain = "/".join(re.sub(r"[^A-Za-z0-9_.-]", "_", part).lstrip(".") or "_" for part in sample_id.split("/"))
    return plain if plain == sample_id else f"{plain}-{hashlib.sha256(sample_id.encode()).hexdigest()[:8]}"


def _known(file_format: str) -> RepairFormat:
    return next(known for known in get_args(RepairFormat) if known == file_format)
