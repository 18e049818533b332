"""`[[sources]]`: which dataset trees are read, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from segdata.errors import SourceError
from segdata.imaging.alpha_reading import COLOUR_PATTERN
from segdata.records import MAX_PIXELS, AlphaFit, ExifRule
from segdata.storage.expansion import ExpansionError, expand_path

READER_NAMES = ("portrait2000", "aisegment", "coco", "p3m10k", "voc", "folder")

Colour = Annotated[str, StringConstraints(pattern=COLOUR_PATTERN, to_lower=True)]


class SourceRecipe(BaseModel):
    """One dataset tree.

    Attributes:
        name: begins the sample ids; the reader's name too, unless `reader` says otherwise.
        reader: one of `READER_NAMES`.
        root: the tree's folder, relative to the workspace or absolute; `~` and `$VAR` are expanded.
        split: put all samples here, instead of where the reader puts them.
        licence: kept with each sample; the reader's own by default.
        alpha_fit: what is done with an alpha of another size than its photo: reject it, or, if it has the same aspect,
            resize it.
        max_pixels: a picture whose header says more is rejected as a bomb.
        sets: coco: the sets to read, such as val2017; all whose photos are there if not given.
        supercategories: coco: photos with an object of one of these; empty is any.
        person_categories: coco: the names of the categories that are people; recognised by supercategory and by common
            names if not given.
        images: folder: where the images lie, below the root.
        masks: folder: where their masks lie; empty for backgrounds, which have none.
        mask_suffix: folder: what a mask's name has after the image's, as in `_matte`.
        alpha_channel: folder: the channel of the mask that holds alpha; found out by itself if not given.
        alpha_index: folder: the masks are label maps, and this class is the person; 255 is ignored.
        alpha_colour: the masks are colour masks, and this colour is the person, or these are: "#fa3253".
        alpha_invert: black is the person in the masks, and white is the background.
        exif: of photos that EXIF turns and whose masks have no EXIF: apply if the masks fit the upright photo, ignore
            if they fit the pixels as stored; found out by the edges of the photos if not given.
        kind: folder, voc: portrait or background; of voc, photos without a person are backgrounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    root: str = Field(min_length=1)
    reader: Literal["portrait2000", "aisegment", "coco", "p3m10k", "voc", "folder"] | None = None
    split: Literal["train", "test", "pool", "none"] | None = None
    licence: str | None = None
    alpha_fit: AlphaFit = "reject"
    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    sets: tuple[str, ...] | None = Field(default=None, min_length=1)
    supercategories: tuple[str, ...] = ("outdoor", "indoor")
    person_categories: tuple[str, ...] | None = None
    images: str = "images"
    masks: str = "masks"
    mask_suffix: str = ""
    alpha_channel: int | None = Field(default=None, ge=0, le=3)
    alpha_index: int | None = Field(default=None, ge=0, le=254)
    alpha_colour: tuple[Colour, ...] = ()
    alpha_invert: bool = False
    exif: ExifRule | None = None
    kind: Literal["portrait", "background"] = "portrait"

    @field_validator("alpha_colour", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_one_meaning(self) -> SourceRecipe:
        if self.alpha_colour and (self.alpha_index is not None or self.alpha_channel is not None):
            raise ValueError("alpha_colour says which colours are the person; leave out alpha_index and alpha_channel")
        return self

    @model_validator(mode="after")
    def _has_a_reader(self) -> SourceRecipe:
        if self.reader is None and self.name not in READER_NAMES:
            raise ValueError(
                f"no reader is called {self.name!r}; say reader = one of {', '.join(READER_NAMES)} "
                '(reader = "folder" takes images and masks paired by name)'
            )
        return self

    def folder(self, workspace: Path) -> Path:
        """The tree's folder: `root` expanded, and relative to the workspace.

        Raises:
            SourceError: `root` names a variable that is not set, or a user without a home folder.
        """
        try:
            return expand_path(self.root, workspace)
        except ExpansionError as error:
            raise SourceError(f"source {self.name}: root {self.root}: {error}") from error

    @property
    def reader_name(self) -> str:
        """The reader's name."""
        return self.reader or self.name
