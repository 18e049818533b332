"""Mended labels come back: read off what `segdata export repair` wrote, and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segdata.catalog.mends import Mend, keep_mends, mends_of
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.purging import quoted_in
from segdata.catalog.workspace import RunContext
from segdata.errors import SourceError
from segdata.imaging.arrays import Alpha
from segdata.imaging.decode import DecodeError, decode_alpha
from segdata.imaging.encode import encode_png
from segdata.ingest.reading import fault_of
from segdata.records import LABEL_CUT, MAX_PIXELS
from segdata.storage.files import read_bytes, sha256_of

Row = dict[str, Any]
_FORMAT = "segdata repair 1"


@dataclass(frozen=True)
class Mended:
    """What a folder of mended labels brought.

    Attributes:
        samples: sample ids whose labels changed, by dataset.
        same: how many are as they were, or came in before.
        skipped: sample ids that can't be used, with the reason.
    """

    samples: Mapping[str, tuple[str, ...]]
    same: int
    skipped: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The key `mended` of `segdata ingest --json`."""
        changed = sorted(name for names in self.samples.values() for name in names)
        skipped = [{"sample_id": name, "reason": reason} for name, reason in self.skipped]
        return {"changed": changed, "same": self.same, "skipped": skipped}


def take_in_mended(context: RunContext, folder: Path) -> Mended:
    """Keep the labels that somebody mended; a sample whose photograph or label has changed since is left alone.

    Args:
        context: whose catalog; in a dry run nothing is kept.
        folder: what `segdata export repair` wrote.

    Raises:
        SourceError: It is no such folder, or its lists can't be read.
    """
    lines, labels = _read(folder)
    wanted = quoted_in("sample_id", {name for name in lines if "\0" not in name})
    rows = {row["sample_id"]: row for row in context.catalog.read("samples", where=wanted).to_pylist()}
    mends = mends_of(context.catalog)
    mended: dict[str, bytes] = {}
    skipped = []
    same = 0
    for name, line in lines.items():
        row = rows.get(name)
        if row is not None and _is_in(row, line, mends.get(name), labels):
            same += 1
            continue
        reason = _unusable(row, line)
        if reason is not None or row is None:
            skipped.append((name, reason or "the catalog has no such sample"))
            continue
        try:
            label = labels(line)
        except (DecodeError, ValueError, KeyError, TypeError) as error:
            skipped.append((name, str(error)))
            continue
        if label.shape != (row["height"], row["width"]):
            skipped.append(
                (name, f"the mended label is {label.shape[1]}x{label.shape[0]}, the photograph another size")
            )
        elif np.array_equal(label, _as_exported(context, row, line)):
            same += 1
        else:
            mended[name] = encode_png(label)
    if mended and not context.dry_run:
        keep_mends(context.catalog, mended, {name: _hashes_in(rows[name]) for name in mended})
    by_dataset: dict[str, list[str]] = {}
    for name in sorted(mended):
        by_dataset.setdefault(rows[name]["dataset"], []).append(name)
    return Mended({dataset: tuple(names) for dataset, names in by_dataset.items()}, same, tuple(skipped))


def _read(folder: Path) -> tuple[dict[str, Row], Any]:
    """The manifest's lines by sample_id, and a function from a line to its label."""
    try:
        manifest = json.loads(read_bytes(folder / "segdata.json"))
        if manifest["format"] != _FORMAT:
            raise ValueError("it is of another kind")
        lines = {str(line["sample_id"]): dict(line) for line in manifest["samples"]}
        kind = manifest["as"]
        if kind == "folder":
            return lines, lambda line: _of_file(folder, line)
        if kind == "coco":
            return lines, _of_coco(json.loads(read_bytes(folder / "annotations.json")))
        return lines, _of_cvat(read_bytes(folder / "annotations.xml"))
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise SourceError(
            f"{folder}: no folder that segdata export repair wrote, or a damaged one ({error})"
        ) from error


def _hashes_in(row: Row) -> tuple[str | None, str | None]:
    return row["image_sha256"], row["alpha_sha256"]


def _unusable(row: Row | None, line: Row) -> str | None:
    if row is None or row["status"] != "present":
        return "the catalog has no such sample, or its files are gone"
    if (row["image_sha256"], row["alpha_sha256"]) != (line.get("image_sha256"), line.get("alpha_sha256")):
        return "its photograph or label has changed since it was exported; export it again"
    return None


def _is_in(row: Row, line: Row, mend: Mend | None, labels: Any) -> bool:
    """Whether the catalog has this very mended label already: whoever takes a folder in twice took it in once."""
    if mend is None or f"{row['alpha_sha256']}.png" != mend.file or mend.replaces != line.get("alpha_sha256"):
        return False
    try:
        return bool(f"{sha256_of(encode_png(labels(line)))}.png" == mend.file)
    except (DecodeError, ValueError, KeyError, TypeError):
        return False


def _as_exported(context: RunContext, row: Row, line: Row) -> Alpha:
    """The label as it was given out: soft in a folder, cut in COCO and CVAT."""
    alpha = read_alpha_of(context.workspace, row)
    return alpha if "mask" in line else np.where(alpha >= LABEL_CUT, 255, 0).astype(np.uint8)


def _of_file(folder: Path, line: Row) -> Alpha:
    if fault := fault_of(str(line["mask"])):
        raise ValueError(f"mask {line['mask']!r} {fault}")
    return decode_alpha(read_bytes(folder / line["mask"]), None)


def _of_coco(document: Row) -> Any:
    """Labels by file name; RLE, compressed or not, and polygons, joined where an image has several."""
    from pycocotools import mask as coco

    images = {image["id"]: image for image in document["images"]}
    found: dict[str, Alpha] = {image["file_name"]: _empty(image["height"], image["width"]) for image in images.values()}
    for annotation in document["annotations"]:
        image, shape = images[annotation["image_id"]], annotation["segmentation"]
        size = image["height"], image["width"]
        if isinstance(shape, list):
            shape = coco.merge(coco.frPyObjects(shape, *size))
        elif isinstance(shape["counts"], list):
            shape = coco.frPyObjects(shape, *size)
        if tuple(shape["size"]) != size:
            raise ValueError(f"the mask of {image['file_name']} is of another size than the image")
        found[image["file_name"]][coco.decode(shape) > 0] = 255
    return lambda line: found[line["image"].removeprefix("images/")]


def _of_cvat(data: bytes) -> Any:
    """Labels by file name: masks, and polygons, which CVAT makes of them at times."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("XML with a document type of its own is not read")
    from xml.etree import ElementTree as Xml

    found: dict[str, Alpha] = {}
    for image in Xml.fromstring(data).iter("image"):
        label = _empty(int(image.attrib["height"]), int(image.attrib["width"]))
        for shape in image:
            if shape.tag == "mask":
                _draw_runs(label, shape.attrib)
            elif shape.tag == "polygon":
                points = [[float(part) for part in pair.split(",")] for pair in shape.attrib["points"].split(";")]
                cv2.fillPoly(label, [np.rint(points).astype(np.int32)], 255)
        found[image.attrib["name"]] = label
    return lambda line: found[line["image"].removeprefix("images/")]


def _draw_runs(label: Alpha, told: Mapping[str, str]) -> None:
    left, top, width, height = (int(told[name]) for name in ("left", "top", "width", "height"))
    if min(left, top, width, height) < 0 or left + width > label.shape[1] or top + height > label.shape[0]:
        raise ValueError("a mask's box leaves the image")
    runs = np.array([int(run) for run in told["rle"].split(",")])
    if runs.min() < 0 or runs.sum() != width * height:
        raise ValueError("a mask's runs don't fill its box")
    box = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width).astype(bool)
    label[top : top + height, left : left + width][box] = 255


def _empty(height: int, width: int) -> Alpha:
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(f"an image of {width}x{height}")
    return np.zeros((height, width), np.uint8)
