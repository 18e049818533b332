"""`[[sources]]`: which dataset trees are read, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from segdata.errors import SourceError
from segdata.records import ANY_CLASS, MAX_PIXELS, AlphaFit
from segdata.storage.expansion import ExpansionError, expand_path

ReaderName = Literal[
    "portrait2000", "aisegment", "coco", "p3m10k", "voc", "supervisely", "labelstudio", "labelme", "folder"
]
READER_NAMES: tuple[ReaderName, ...] = get_args(ReaderName)


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
        person_labels: supervisely, labelstudio, labelme: the labels that are people; those that begin with person,
            human, people or portrait if not given.
        images: folder: where the images lie, below the root.
        masks: folder: where their masks lie; empty for backgrounds, which have none.
        mask_suffix: folder: what a mask's name has after the image's, as in `_matte`.
        alpha_channel: folder: the channel of the mask that holds alpha; found out by itself if not given.
        alpha_index: folder: the masks are label maps, and this class is the person; with "all", every class but 0 is.
            255 is ignored.
        kind: coco, folder, voc: portrait or background; if not given, background of coco, and portrait otherwise. Of
            coco, portraits are the photos with people; of voc, photos without a person are backgrounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    root: str = Field(min_length=1)
    reader: ReaderName | None = None
    split: Literal["train", "test", "pool", "none"] | None = None
    licence: str | None = None
    alpha_fit: AlphaFit = "reject"
    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    sets: tuple[str, ...] | None = Field(default=None, min_length=1)
    supercategories: tuple[str, ...] = ("outdoor", "indoor")
    person_categories: tuple[str, ...] | None = None
    person_labels: tuple[str, ...] | None = Field(default=None, min_length=1)
    images: str = "images"
    masks: str = "masks"
    mask_suffix: str = ""
    alpha_channel: int | None = Field(default=None, ge=0, le=3)
    alpha_index: int | None = Field(default=None, ge=ANY_CLASS, le=254)
    kind: Literal["portrait", "background"] = "portrait"

    @field_validator("alpha_index", mode="before")
    @classmethod
    def _as_index(cls, value: object) -> object:
        return ANY_CLASS if value == "all" else value

    @model_validator(mode="before")
    @classmethod
    def _choose_kind(cls, values: object) -> object:
        """COCO is read for backgrounds, unless the recipe asks for its portraits."""
        if isinstance(values, dict) and "kind" not in values and (values.get("reader") or values.get("name")) == "coco":
            return {**values, "kind": "background"}
        return values

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
