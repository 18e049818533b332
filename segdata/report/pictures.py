"""From a case to the pictures on the page: read, decode, draw, encode as data URIs. What can't be read says so."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from segdata.errors import SegdataError, StorageError
from segdata.imaging import figures
from segdata.report.plan import Case, Key
from segdata.report.text import finite

if TYPE_CHECKING:
    from segdata.catalog.workspace import Workspace
    from segdata.imaging.arrays import Alpha, Image, Mask

Drawing = Callable[[int], "Image"]
"""Draws a picture whose longer side has so many pixels."""

_QUALITIES = (84, 72, 58, 44)
_SMALLEST_PX = 64
_BASE64 = 4 / 3


@dataclass(frozen=True)
class Picture:
    """One picture of a card.

    Attributes:
        name: what it shows, such as `disagreement`.
        uri: a JPEG as data URI; None where there is nothing to show, and `note` says why.
        width_px, height_px: of the JPEG, or of the empty frame.
    """

    name: str
    uri: str | None
    note: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Canvas:
    """How large a picture may be.

    Attributes:
        thumbnail_px: its longer side.
        picture_bytes: its share of the page; a picture that needs more is encoded worse, then smaller.
    """

    thumbnail_px: int
    picture_bytes: int


@dataclass(frozen=True)
class _Pixels:
    """What is drawn from: a sample's image, alpha and mask, one height and width."""

    image: Image
    alpha: Alpha
    label: Mask


def canvas_for(thumbnail_px: int, page_bytes: float, pictures: int) -> Canvas:
    """Shares the page's bytes among its pictures.

    >>> canvas_for(320, 4_000_000, 100)
    Canvas(thumbnail_px=320, picture_bytes=30000)
    """
    return Canvas(thumbnail_px, int(page_bytes / _BASE64 / max(1, pictures)))


def case_pictures(workspace: Workspace, case: Case, predictions: Mapping[Key, Any], canvas: Canvas) -> list[Picture]:
    """Photo, label, prediction, disagreement. One frame with a note where the sample can't be read."""
    pixels = _read(workspace, case)
    if isinstance(pixels, str):
        return [_empty(case, "photo", pixels, canvas)]
    pictures = [
        _encode("photo", lambda px: figures.shrink(pixels.image, px), canvas),
        _encode("label", lambda px: figures.over_tint(pixels.image, pixels.alpha, figures.LABEL_RGB, px), canvas),
    ]
    mask = _mask(predictions, case.keys[0], pixels)
    if isinstance(mask, str):
        return [*pictures, _empty(case, "prediction", mask, canvas)]
    predicted = mask.astype("uint8") * 255
    return [
        *pictures,
        _encode(
            "prediction", lambda px: figures.over_tint(pixels.image, predicted, figures.PREDICTION_RGB, px), canvas
        ),
        _encode("disagreement", lambda px: figures.disagreement(pixels.image, pixels.label, mask, px), canvas),
    ]


def change_pictures(workspace: Workspace, case: Case, predictions: Mapping[Key, Any], canvas: Canvas) -> list[Picture]:
    """Photo, and the disagreement of the first version and of the latest one."""
    pixels = _read(workspace, case)
    if isinstance(pixels, str):
        return [_empty(case, "photo", pixels, canvas)]
    pictures = [_encode("photo", lambda px: figures.shrink(pixels.image, px), canvas)]
    for name, key in zip(("before", "after"), case.keys, strict=True):
        mask = _mask(predictions, key, pixels)
        pictures.append(
            _empty(case, name, mask, canvas)
            if isinstance(mask, str)
            else _encode(name, _disagreement(pixels, mask), canvas)
        )
    return pictures


def photo_only(workspace: Workspace, case: Case, canvas: Canvas) -> list[Picture]:
    """The photo of a case alone, such as a composite's."""
    pixels = _read(workspace, case)
    if isinstance(pixels, str):
        return [_empty(case, "photo", pixels, canvas)]
    return [_encode("photo", lambda px: figures.shrink(pixels.image, px), canvas)]


def twin_pictures(workspace: Workspace, case: Case, canvas: Canvas) -> list[Picture]:
    """The photo of a case, and of the held-out sample that it shows."""
    twin = Case(case.sample_id, case.twin)
    pictures = [photo_only(workspace, one, canvas)[0] for one in (case, twin)]
    return [replace(picture, name=name) for picture, name in zip(pictures, ("photo", "held out"), strict=True)]


def _disagreement(pixels: _Pixels, mask: Mask) -> Drawing:
    return lambda px: figures.disagreement(pixels.image, pixels.label, mask, px)


def _read(workspace: Workspace, case: Case) -> _Pixels | str:
    """The pixels of a case, or why there are none."""
    if case.sample is None:
        return "not in the catalog any more"
    if case.sample.get("status") != "present":
        return f"the sample is {case.sample.get('status')}"
    from segdata.catalog.pixels import read_pair

    try:
        image, alpha = read_pair(workspace, case.sample)
    except (StorageError, OSError):
        return "a file is gone or can't be read"  # not the error's words: they hold a path, and the page gets mailed
    except SegdataError:
        return "the files can't be decoded, or differ in size"
    return _Pixels(image, alpha, figures.label_mask(alpha))


def _mask(predictions: Mapping[Key, Any], key: Key, pixels: _Pixels) -> Mask | str:
    """The predicted mask at the label's size, or why there is none."""
    row = predictions.get(key)
    if row is None:
        return "no prediction is kept for these files"
    from segdata.catalog.packing import unpack_mask

    try:
        mask: Mask = unpack_mask(row["mask"], row["height"], row["width"])
    except (SegdataError, TypeError):
        return "the prediction is damaged"
    if mask.shape != pixels.label.shape:
        return f"the prediction is {mask.shape[1]}×{mask.shape[0]}, the label is another size"
    return mask


def _empty(case: Case, name: str, note: str, canvas: Canvas) -> Picture:
    sample = case.sample or {}
    width, height = finite(sample.get("width")) or 3.0, finite(sample.get("height")) or 4.0
    scale = canvas.thumbnail_px / max(width, height, 1.0)
    return Picture(name, None, note, max(1, round(width * scale)), max(1, round(height * scale)))


def _encode(name: str, draw: Drawing, canvas: Canvas) -> Picture:
    """A JPEG within the picture's share of the page: worse first, smaller then."""
    from segdata.imaging.encode import encode_jpeg

    px = canvas.thumbnail_px
    while True:
        drawn = draw(px)
        for quality in _QUALITIES:
            data = encode_jpeg(drawn, quality=quality)
            if len(data) <= canvas.picture_bytes:
                break
        if len(data) <= canvas.picture_bytes or px <= _SMALLEST_PX:
            break
        px = max(_SMALLEST_PX, px * 3 // 4)
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
    return Picture(name, uri, "", drawn.shape[1], drawn.shape[0])
