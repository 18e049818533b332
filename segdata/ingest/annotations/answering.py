"""The process that reads a folder of mended labels, and draws one label whenever it is asked for one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path

from segdata.imaging.arrays import Alpha
from segdata.imaging.decode import DecodeError, decode_alpha
from segdata.ingest.annotations.coco import read_coco
from segdata.ingest.annotations.cvat import read_cvat
from segdata.ingest.annotations.images import AnnotatedImage, check_size, draw_label
from segdata.ingest.annotations.manifest import Line, parse_manifest
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.ingest.reading import fault_of
from segdata.records import REPAIR_MANIFEST
from segdata.storage.root import LeavesRootError, Root

LONGEST_MANIFEST = 1 << 28
_LONGEST_LIST, _LONGEST_MASK = 1 << 30, 1 << 29
_LISTS: Mapping[str, tuple[str, Callable[[bytes], dict[str, AnnotatedImage]]]] = {
    "coco": ("annotations.json", read_coco),
    "cvat": ("annotations.xml", read_cvat),
}


def open_folder(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Read the lists of a folder.

    Args:
        setup: the folder's path, its own links resolved.

    Returns:
        JSON of the manifest, and the function that answers a request (JSON of a line and of a size) with the label's
        (H, W) uint8 pixels.

    Raises:
        ValueError: A list can't be read.
    """
    root = Root(os.fsdecode(setup))
    manifest = parse_manifest(_read(root, REPAIR_MANIFEST, LONGEST_MANIFEST))
    images: dict[str, AnnotatedImage] = {}
    if manifest.format in _LISTS:
        name, read = _LISTS[manifest.format]
        try:
            images = read(_read(root, name, _LONGEST_LIST))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    greeting = {"lines": [astuple(line) for line in manifest.lines], "skipped": manifest.skipped}

    def answer(request: bytes) -> bytes:
        line, size_hw = decode_request(request)
        if line.mask is not None:
            return _decode_mask(root, line.mask, size_hw).tobytes()
        name = line.image.removeprefix("images/")
        try:
            return _draw(images, name, size_hw).tobytes()
        except ShapeError as error:
            raise ShapeError(f"{_LISTS[manifest.format][0]}: image {name[:100]!r}: {error}") from error

    return json.dumps(greeting).encode(), answer


def encode_request(line: Line, size_hw: SizeHW) -> bytes:
    """A line and the size of its photo, as the process expects them."""
    return json.dumps([astuple(line), size_hw]).encode()


def decode_request(request: bytes) -> tuple[Line, SizeHW]:
    """The reverse of `encode_request`."""
    line, (height, width) = json.loads(request)
    return Line(*line), (height, width)


def _draw(images: Mapping[str, AnnotatedImage], name: str, size_hw: SizeHW) -> Alpha:
    image = images.get(name)
    if image is None:
        raise ShapeError("the annotations have no such image")
    return draw_label(image, size_hw)


def _decode_mask(root: Root, path: str, size_hw: SizeHW) -> Alpha:
    if fault := fault_of(path):
        raise ShapeError(f"mask {path[:100]!r} {fault}")
    data = _read(root, path, _LONGEST_MASK)
    try:
        alpha = decode_alpha(data, None, size_hw[0] * size_hw[1])  # a larger one is refused before it is decoded
    except DecodeError as error:
        raise ShapeError(f"its mask can't be used: {error.detail}") from error
    check_size((alpha.shape[0], alpha.shape[1]), size_hw)
    return alpha


def _read(root: Root, path: str, most: int) -> bytes:
    try:
        return root.read(path, most)[0]
    except LeavesRootError as error:
        raise ShapeError(f"{Path(path).name} leaves its folder") from error
    except OSError as error:
        raise ValueError(f"{path}: can't be read ({error.strerror})") from error
