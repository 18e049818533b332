"""The nouns that every floor shares: closed vocabularies, candidates, rejects, and progress.

Arrows of the data path: a *reader* yields `Candidate`s, a worker turns each into a row of `samples` or a `Reject`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["portrait", "background", "composite"]
Split = Literal["train", "val", "test", "pool", "none"]
Status = Literal["present", "gone", "forgotten"]
AlphaKind = Literal["soft", "hard", "none"]
Verdict = Literal["hard", "label_error", "drop", "fine"]
Triage = Literal["hard", "suspect_label"]
RejectReason = Literal[
    "missing_alpha",
    "missing_image",
    "unreadable_image",
    "unreadable_alpha",
    "size_mismatch",
    "empty_file",
    "unsafe_path",
    "too_large",
    "unsupported_format",
    "implausible_alpha",
]

AlphaFit = Literal["reject", "resize"]
ExifRule = Literal["apply", "ignore"]
"""Whether a mask without EXIF fits its photo upright, or as it is stored, and is turned as EXIF turns the photo."""
Stamps = tuple[int | None, int | None, int | None, int | None]
"""Size in bytes and modification time in ns of a sample's image, and of its alpha; None where there is no file."""

VERDICTS: tuple[Verdict, ...] = ("hard", "label_error", "drop", "fine")
HAS_PERSON = "has_person"
"""Why a photo is no background: somebody annotated a person in it."""
MAX_PIXELS = 120_000_000
"""More than the largest cameras in common use make (102 and 108 million); a square of 12,000 is a bomb."""
MAX_FILE_BYTES = 2**29
"""Larger files are not read as pictures: an unpacked TIFF of `MAX_PIXELS` is smaller."""
LABEL_CUT = 128
"""A pixel of a label is foreground from this alpha on (of 255)."""
ANY_CLASS = -1
"""The class of a person in label maps whose classes are all the person, except 0, the background, and 255."""
REPAIR_MANIFEST = "segdata.json"
"""The file in a folder for repair that names the sample of each label: `export repair` writes it, `ingest` reads it."""
REPAIR_FORMAT = "segdata repair 1"
"""The value of "format" in that file."""


class Candidate(NamedTuple):
    """A pair that a reader found by name alone: nothing has been opened yet. A tuple, which is made in a quarter of the
    time of a frozen dataclass: a tree of a million pairs has a million of them.

    Attributes:
        dataset: the source's name in the recipe.
        sample_id: `<dataset>/<path within the source, without suffix>`.
        path: the image's path under the source's root, posix; the alpha's where there is no image.
        kind: portrait or background.
        split: train, test, pool or none; val is cut later, by group.
        image: the image's file, absolute, None if there is none. As text: making 68,000 Paths of an unchanged tree
            takes longer than asking the file system about them.
        alpha: the alpha's file likewise, None for backgrounds or if there is none.
        alpha_channel: the channel that holds alpha (3 in RGBA); None for a grey or three-equal-channel matte.
        alpha_index: the alpha's file is a label map, and this class is the person; None where it holds alpha itself.
        group_id: the subject or shoot, where known.
        licence: the source's licence.
        root: the source's folder, its links resolved: files below it are read without leaving it. None reads them as
            they are named.
        drawing: draws the alpha from annotations; None where it is a file of the source.
        more_alphas: further alpha files, which are merged with `alpha`; a pixel is person if one of them says so.
        mended: the alpha's file is a mended label, which segdata wrote: nothing that the recipe says about the masks of
            the source applies to it.
        merged: the alpha's file is merged from several masks, whose values were read as the recipe says.
    """

    dataset: str
    sample_id: str
    path: str
    kind: Kind
    split: Split
    image: str | Path | None
    alpha: str | Path | None = None
    alpha_channel: int | None = None
    alpha_index: int | None = None
    group_id: str | None = None
    licence: str = ""
    root: str | None = None
    drawing: Drawing | None = None
    more_alphas: tuple[str, ...] = ()
    mended: bool = False
    merged: bool = False

    @property
    def holds_mask_of_source(self) -> bool:
        """Whether the alpha's file is one of the source, so that its values mean what its masks mean."""
        return self.alpha is not None and not (self.alpha_is_written or self.merged)

    @property
    def alpha_is_written(self) -> bool:
        """Whether segdata wrote the alpha: what the recipe says about masks does not apply to it."""
        return self.mended or self.drawing is not None


class DrawnLabel(NamedTuple):
    """A label that was drawn from annotations.

    Attributes:
        png: (H, W) grey, 255 is person; empty where there is no label.
        unwanted: why there is none, such as no_person; None if there is one.
        other_labels: labels of shapes that are no person.
        unsupported: kinds of shapes of people that can't be drawn.
        outlines: whether a shape follows the outline of a person; boxes, lines and dots don't.
    """

    png: bytes
    unwanted: str | None = None
    other_labels: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    outlines: bool = True


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a label is drawn from annotations.

    Attributes:
        digest: of all that decides about the label, besides the size of its photo.
        draw: makes the label for a photo of a height and width. Raises OSError if the annotations can't be read, and
            ValueError if they can't be drawn.
    """

    digest: str
    draw: Callable[[tuple[int, int]], DrawnLabel] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """A candidate that can't become a sample, and why. One row per (dataset, path).

    Path and detail are made printable: a file's name may be any bytes, and tables, JSON and terminals take only text.

    Attributes:
        dataset: the source's name in the recipe.
        path: of the image where there is one, under the source's root.
        reason: of a closed list.
        detail: what exactly, and what to do about it.
        stamps: of the bytes that were judged, so that they are not judged again; None where the name or the file
            system was at fault, which may be mended without a byte changing.
        sample_id: that the candidate would have had, where its photo is not there and somebody's name for it is left:
            that of a label, of annotations, or in a list. None where `path` is that of a photo.
    """

    dataset: str
    path: str
    reason: RejectReason
    detail: str
    stamps: Stamps | None = None
    sample_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", printable(self.path))
        object.__setattr__(self, "detail", printable(self.detail))


@dataclass(frozen=True, slots=True)
class Filtered:
    """A picture that is merely unwanted (has_person, no_annotations, other_supercategory): counted, not rejected.

    Its path is made printable, as that of a `Reject`.

    Attributes:
        dataset: the source's name in the recipe.
        path: of the image, under the source's root.
        reason: why nobody wants it.
        stamps: of the bytes that said so; None where the name alone did.
        there: whether its file was seen, in the source's root.
    """

    dataset: str
    path: str
    reason: str
    stamps: Stamps | None = None
    there: bool = False

    def __post_init__(self) -> None:
        if not self.path.isascii():  # a COCO tree has 100,000 of these
            object.__setattr__(self, "path", printable(self.path))


class PhotoSet(NamedTuple):
    """What a reader found of one set of a source, such as val2017 or training.

    Attributes:
        dataset: the source's name in the recipe.
        name: of the set.
        photos: how many of its photos are there.
        skipped: why the set is left out; None if it is not.
        remark: what a person should know about how it was read.
    """

    dataset: str
    name: str
    photos: int
    skipped: str | None = None
    remark: str | None = None


class Naming(NamedTuple):
    """How the files of a source are named: what surrounds the name that a photo and its mask share.

    Attributes:
        image_prefix: what a photo's name has before the shared name.
        image_suffix: what a photo's name has after it, before the file's own suffix.
        mask_prefix: what a mask's name has before it.
        mask_suffix: what a mask's name has after it; `*` and `?` stand for any characters.
    """

    image_prefix: str = ""
    image_suffix: str = ""
    mask_prefix: str = ""
    mask_suffix: str = ""


class NamingReport(NamedTuple):
    """Which naming scheme a reader used.

    Attributes:
        dataset: the source's name in the recipe.
        naming: the scheme.
        pairs: how many photos it gives a mask.
        chosen: whether the reader chose it, since the recipe names none.
    """

    dataset: str
    naming: Naming
    pairs: int
    chosen: bool


class TreeReport(NamedTuple):
    """What a reader saw in a source besides photos and masks.

    Attributes:
        dataset: the source's name in the recipe.
        ignored: how many leftovers of file systems, such as `@eaDir` and `._*`, a folder counting once.
        other_files: how many files are no pictures by their names, by suffix in lower case.
    """

    dataset: str
    ignored: int
    other_files: dict[str, int]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: what the command line draws as a bar with rate and time left.

    Attributes:
        stage: the stage's name, such as `ingest`.
        task: what is being done, such as `aisegment`.
        done: units done so far, those reused included.
        total: units in all, None while unknown.
        unit: what is counted, such as `images`.
        note: a few words beside the bar, such as the loss.
    """

    stage: str
    task: str
    done: int
    total: int | None
    unit: str = "images"
    note: str = ""


ProgressCallback = Callable[[Progress], None]


def printable(text: str) -> str:
    """Text that every table, JSON file and terminal takes: bytes that are not UTF-8, and lone surrogates, are escaped.

    >>> printable("caf\\udce9.jpg")
    'caf\\\\xe9.jpg'
    """
    if is_text(text):
        return text
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate, as JSON can spell it
        return text.encode("utf-8", "backslashreplace").decode()


def is_text(path: str) -> bool:
    """Whether a path can be written as UTF-8: the name of a file may be any bytes."""
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def ignore_progress(progress: Progress) -> None:
    """The callback of those who do not watch."""
