"""The process that reads annotations of portraits and draws one label whenever it is asked for one.

Every message is a line of JSON, and what follows it as bytes:

    setup     Setup, then the list of annotations where one file has those of all photos
    greeting  a JSON list with a Listed for each image of that list
    request   Request, then the annotations of the photo where it has a file of its own
    answer    Answer, then the label as a PNG
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from segdata.imaging.encode import encode_png
from segdata.ingest.annotations.coco_people import CocoPeople, read_coco_people
from segdata.ingest.annotations.labelled import LabelledImage
from segdata.ingest.annotations.labelme import read_labelme
from segdata.ingest.annotations.labelstudio import read_labelstudio
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.ingest.annotations.supervisely import read_supervisely
from segdata.ingest.people import person_label_test

_Image = LabelledImage | CocoPeople
_SINGLE = {"labelme": read_labelme, "supervisely": read_supervisely}


@dataclass(frozen=True)
class Setup:
    """What to read.

    Attributes:
        format: coco, labelstudio, labelme or supervisely.
        person_labels: labels that count; None takes those with the usual names.
        person_categories: coco: ids of the categories that count.
        max_pixels: a label of more is not drawn.
    """

    format: str
    person_labels: tuple[str, ...] | None = None
    person_categories: tuple[int | str, ...] = ()
    max_pixels: int = 0


@dataclass(frozen=True)
class Listed:
    """An image of a list.

    Attributes:
        image: its id in coco, its number in any other list.
        names: what the list calls it.
        digest: of all that decides about its label.
        unwanted: why it has no label: no_person or no_annotations; None if it has one.
        other_labels: labels of shapes that are no person.
    """

    image: int | str
    names: tuple[str, ...]
    digest: str
    unwanted: str | None = None
    other_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """Which label to draw.

    Attributes:
        image: as in `Listed`; None where the annotations follow.
        size_hw: of the photo, for annotations that lack the size.
    """

    image: int | str | None
    size_hw: SizeHW


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes:
        unwanted: why there is no label: no_person, only_crowd or no_annotations; None if there is one.
        other_labels: labels of shapes that are no person.
        unsupported: kinds of shapes of people that were not drawn.
        outlines: whether a shape follows the outline of a person; boxes, lines and dots don't.
    """

    unwanted: str | None
    other_labels: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    outlines: bool = True


def open_drawing(setup: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Read the list of annotations, if there is one.

    Returns:
        The greeting, and the function that answers requests.

    Raises:
        ValueError: The list can't be read.
    """
    head, data = split_message(setup)
    what = Setup(**head)
    is_person = person_label_test(what.person_labels)
    images: dict[int | str, Any] = {}
    if what.format == "coco":
        images = dict(read_coco_people(data, frozenset(what.person_categories)))
    elif what.format == "labelstudio":
        images = dict(enumerate(read_labelstudio(data, is_person)))
    listed = [asdict(_listed(name, image)) for name, image in images.items()]

    def answer(request: bytes) -> bytes:
        head, data = split_message(request)
        name = head["image"]
        image = images[name] if name is not None else _SINGLE[what.format](data, is_person)
        return _answer(image, tuple(head["size_hw"]), what.max_pixels)

    return json.dumps(listed).encode(), answer


def join_message(head: object, data: bytes = b"") -> bytes:
    """One of the dataclasses of this module, and what follows it."""
    return json.dumps(asdict(head)).encode() + b"\n" + data  # type: ignore[call-overload]  # mypy sees no dataclass in a union of them


def split_message(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The reverse of `join_message`: the fields of the dataclass, and what follows."""
    head, _, data = message.partition(b"\n")
    fields: Mapping[str, Any] = json.loads(head)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}, data


def _listed(name: int | str, image: _Image) -> Listed:
    content = json.dumps(image.content(), sort_keys=True).encode()
    if isinstance(image, CocoPeople):
        return Listed(name, (), hashlib.sha256(content).hexdigest())
    others = tuple(sorted(image.other_labels))
    return Listed(name, image.names, hashlib.sha256(content).hexdigest(), image.unwanted, others)


def _answer(image: _Image, photo_hw: SizeHW, max_pixels: int) -> bytes:
    """Draw a label at the size that its annotations give; whether the photo has that size is seen later."""
    if isinstance(image, LabelledImage):
        notes = tuple(sorted(image.other_labels)), tuple(sorted(image.unsupported)), image.outlines
    else:
        notes = (), (), True
    if image.unwanted is not None:
        return join_message(Answer(image.unwanted, *notes))
    height, width = size_hw = image.size_hw or photo_hw
    if height * width > max_pixels:
        raise ShapeError(f"its annotations are of an image of {width}x{height} pixels; at most {max_pixels:,} are read")
    label = image.draw(size_hw)
    if not label.any():
        raise ShapeError("its shapes of people cover no pixel of the image")
    return join_message(Answer(None, *notes), encode_png(label))
