"""The process that reads what came back from annotation tools, and draws one label whenever it is asked for one."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

import numpy as np

from segdata.imaging.arrays import Alpha
from segdata.imaging.decode import DecodeError, decode_alpha
from segdata.ingest.annotations.class_maps import ClassMap, decode_classes
from segdata.ingest.annotations.files import Files, open_files
from segdata.ingest.annotations.images import check_size, draw_shapes
from segdata.ingest.annotations.manifest import Manifest
from segdata.ingest.annotations.recognising import Returned, ReturnedLabel, recognise
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.records import is_text

_LONGEST_MASK = 1 << 29
_HEAD = struct.Struct(">I")
_MOST_REMARKS = 20
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Remarks:
    """What a label comes with.

    Attributes:
        marked_empty: the file says that nobody is in the image.
        shapes: shapes of people that were drawn; 0 if nothing came back.
        left_out: shapes that cover nothing, with the reason.
    """

    marked_empty: bool
    shapes: int
    left_out: tuple[str, ...] = ()


def open_folder(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Read the lists of what came back.

    Args:
        setup: the path of a folder, an archive or a file, its own links resolved.

    Returns:
        JSON of what there is, and the function that answers a request with a label: see `encode_reply`.

    Raises:
        ValueError: There are no labels, or their list can't be read.
    """
    files = open_files(Path(os.fsdecode(setup)))
    returned = recognise(files)

    def answer(request: bytes) -> bytes:
        number, size_hw = decode_request(request)
        return encode_reply(*_label_of(files, returned.labels[number], returned.classes, size_hw))

    return json.dumps(_greeting_of(returned)).encode(), answer


def encode_request(number: int, size_hw: SizeHW) -> bytes:
    """The number of a label and the size of its photo, as the process expects them."""
    return json.dumps([number, size_hw]).encode()


def decode_request(request: bytes) -> tuple[int, SizeHW]:
    """The reverse of `encode_request`."""
    number, (height, width) = json.loads(request)
    return number, (height, width)


def encode_reply(label: Alpha, remarks: Remarks) -> bytes:
    """The length of the remarks in 4 bytes, the remarks as JSON, and the (H, W) uint8 pixels."""
    text = json.dumps(astuple(remarks)).encode()
    return _HEAD.pack(len(text)) + text + label.tobytes()


def decode_reply(data: bytes) -> tuple[bytes, Remarks]:
    """The pixels and the remarks of a reply.

    Raises:
        ValueError: It is no such reply.
    """
    try:
        end = _HEAD.size + _HEAD.unpack_from(data)[0]
        marked_empty, shapes, left_out = json.loads(data[_HEAD.size : end])
    except (struct.error, ValueError, TypeError) as error:
        raise ValueError("the process that decodes gave no answer") from error
    return data[end:], Remarks(bool(marked_empty), int(shapes), tuple(str(reason) for reason in left_out))


def _greeting_of(returned: Returned) -> dict[str, object]:
    labels = [
        {
            "file": label.file,
            "names": [name for name in label.names if is_text(name) and len(name) <= _LONGEST_NAME],
            "other_labels": sorted(label.shapes.other_labels) if label.shapes else [],
            "unsupported": sorted(label.shapes.unsupported) if label.shapes else [],
            "is_picture": label.shapes is None,
        }
        for label in returned.labels
    ]
    manifest = None if returned.manifest is None else _plain(returned.manifest)
    return {"labels": labels, "skipped": returned.skipped, "manifest": manifest}


def _plain(manifest: Manifest) -> dict[str, object]:
    lines = [asdict(line) for line in manifest.lines]
    return {"format": manifest.format, "run": manifest.run, "lines": lines, "skipped": manifest.skipped}


def _label_of(files: Files, label: ReturnedLabel, classes: ClassMap | None, size_hw: SizeHW) -> tuple[Alpha, Remarks]:
    if label.shapes is None:
        data = files.read(label.file, _LONGEST_MASK)
        if classes is not None:
            alpha = decode_classes(data, classes, size_hw)
            return alpha, Remarks(False, int(alpha.any()))
        alpha = _decode_mask(data, size_hw)
        return alpha, Remarks(not alpha.any(), 1)
    image = label.shapes if label.has_size else replace(label.shapes, size_hw=size_hw)
    nothing: Alpha = np.zeros(size_hw, np.uint8)
    if image.no_person and image.raw:
        raise ShapeError("it has shapes of a person and says no_person; remove one of the two")
    if not label.is_annotated or not image.raw:
        if image.fault is not None:
            raise ShapeError(image.fault)
        check_size(image.size_hw, size_hw)
        return nothing, Remarks(image.no_person, 0)
    drawn = draw_shapes(image, size_hw)
    return drawn.label, Remarks(False, drawn.shapes, drawn.left_out[:_MOST_REMARKS])


def _decode_mask(data: bytes, size_hw: SizeHW) -> Alpha:
    try:
        alpha = decode_alpha(data, None, size_hw[0] * size_hw[1])  # a larger one is refused before it is decoded
    except DecodeError as error:
        raise ShapeError(f"its mask can't be used: {error.detail}") from error
    check_size((alpha.shape[0], alpha.shape[1]), size_hw)
    return alpha
