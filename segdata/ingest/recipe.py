"""`[[sources]]`: which dataset trees are read, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    field_validator,
    model_validator,
)

from segdata.errors import SourceError
from segdata.imaging.alpha_reading import COLOUR_PATTERN
from segdata.ingest.groups import check_group
from segdata.ingest.links import Links
from segdata.records import ANY_CLASS, MAX_PIXELS, AlphaFit, ExifRule, Naming, Split
from segdata.storage.expansion import ExpansionError, expand_path

SplitName = Literal["train", "test", "pool", "none", "lists"]
ReaderName = Literal[
    "portrait2000", "aisegment", "coco", "p3m10k", "voc", "supervisely", "labelstudio", "labelme", "folder"
]
READER_NAMES: tuple[ReaderName, ...] = get_args(ReaderName)


class SplitFractions(BaseModel):
    """How the samples of one source are dealt into splits, by group.

    Attributes:
        train, test, pool: the share of the samples; they add up to 1. val is cut from train by `train.val_fraction`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    train: float = Field(default=0.0, ge=0, le=1)
    test: float = Field(default=0.0, ge=0, le=1)
    pool: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _add_up(self) -> SplitFractions:
        total = self.train + self.test + self.pool
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares add up to {total:g}; make them add up to 1")
        return self


Colour = Annotated[str, StringConstraints(pattern=COLOUR_PATTERN, to_lower=True)]


class SourceRecipe(BaseModel):
    """One dataset tree.

    Attributes:
        name: begins the sample ids; the reader's name too, unless `reader` says otherwise.
        reader: one of `READER_NAMES`.
        root: the tree's folder, relative to the workspace or absolute; `~` and `$VAR` are expanded.
        split: put all samples here, instead of where the reader puts them; or the share of each split, as in
            `{ train = 0.8, test = 0.1, pool = 0.1 }`; or `lists`: as train.txt, test.txt and pool.txt in the root say.
        group: samples of one group are always in one split: `folder`, or a regular expression with one group that is
            searched for in the path, as in `(.+)_[0-9]+`; RE2 matches it.
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
        image_prefix: folder: what an image's name has before the name that it shares with its mask, as in `image_`.
        image_suffix: folder: what it has after that name, as in `_image`.
        mask_prefix: folder: what a mask's name has before the shared name, as in `mask_`.
        mask_suffix: folder: what a mask's name has after the shared name, as in `_matte`, or a pattern such as
            `-person-*`. If neither of these four is given, the usual naming schemes are tried.
        masks_of_one: folder: what is done with several masks of one image: `union` merges them, as a pattern does; if
            not given, the first one counts and the others are rejected.
        alpha_channel: folder: the channel of the mask that holds alpha; found out by itself if not given.
        alpha_index: folder: the masks are label maps, and this class is the person; with "all", every class but 0 is.
            255 is ignored.
        alpha_colour: the masks are colour masks, and this colour is the person, or these are: "#fa3253".
        alpha_invert: black is the person in the masks, and white is the background.
        exif: of photos that EXIF turns and whose masks have no EXIF: apply if the masks fit the upright photo, ignore
            if they fit the pixels as stored; found out by the edges of the photos if not given.
        links: `inside` follows links that stay inside the root or lead into the cache of DVC, git-annex or the Hugging
            Face hub that belongs to it; `follow` follows all links.
        kind: coco, folder, voc: portrait or background; if not given, background of coco, and portrait otherwise. Of
            coco, portraits are the photos with people; of voc, photos without a person are backgrounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    root: str = Field(min_length=1)
    reader: ReaderName | None = None
    split: Annotated[SplitName | SplitFractions | None, Field(union_mode="left_to_right")] = None
    group: str | None = Field(default=None, min_length=1)
    licence: str | None = None
    alpha_fit: AlphaFit = "reject"
    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    sets: tuple[str, ...] | None = Field(default=None, min_length=1)
    supercategories: tuple[str, ...] = ("outdoor", "indoor")
    person_categories: tuple[str, ...] | None = None
    person_labels: tuple[str, ...] | None = Field(default=None, min_length=1)
    images: str = "images"
    masks: str = "masks"
    image_prefix: str | None = None
    image_suffix: str | None = None
    mask_prefix: str | None = None
    mask_suffix: str | None = None
    masks_of_one: Literal["union"] | None = None
    links: Links = "inside"
    alpha_channel: int | None = Field(default=None, ge=0, le=3)
    alpha_index: int | None = Field(default=None, ge=ANY_CLASS, le=254)
    alpha_colour: tuple[Colour, ...] = ()
    alpha_invert: bool = False
    exif: ExifRule | None = None
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

    @field_validator("split", mode="before")
    @classmethod
    def _is_name_or_shares(cls, split: Any) -> Any:
        if isinstance(split, dict):
            if unknown := [name for name in split if name not in SplitFractions.model_fields]:
                hint = "; val is cut from train by train.val_fraction" if "val" in unknown else ""
                raise ValueError(f"no split {unknown[0]!r} to deal samples to; write train, test and pool{hint}")
            return SplitFractions.model_validate(split)
        if not (split is None or isinstance(split, SplitFractions) or split in get_args(SplitName)):
            raise ValueError(
                f"write one of {', '.join(get_args(SplitName))}, or shares such as {{ train = 0.8, test = 0.2 }}"
            )
        return split

    @field_validator("group")
    @classmethod
    def _can_be_matched(cls, group: str | None) -> str | None:
        if group is not None:
            check_group(group)
        return group

    @field_validator("mask_suffix")
    @classmethod
    def _begins_with_text(cls, suffix: str | None) -> str | None:
        if suffix is not None and suffix[:1] in ("*", "?"):
            raise ValueError(f'begin with what separates it from the name of the photo, such as "-{suffix}"')
        return suffix

    _naming_is_chosen: bool = PrivateAttr(False)

    def with_naming(self, naming: Naming) -> SourceRecipe:
        """The same section with a naming scheme that was not given, but chosen."""
        section = self.model_copy(update=naming._asdict())
        section._naming_is_chosen = True
        return section

    @property
    def naming_is_given(self) -> bool:
        """Whether the recipe names a naming scheme, and not an ingest chose it."""
        return self.naming is not None and not self._naming_is_chosen

    @property
    def one_split(self) -> Split | None:
        """The split of all samples; None if the recipe names none, or several."""
        return self.split if self.split in ("train", "test", "pool", "none") else None

    @property
    def naming(self) -> Naming | None:
        """The naming scheme that the recipe names; None if it names none."""
        parts = (self.image_prefix, self.image_suffix, self.mask_prefix, self.mask_suffix)
        return None if all(part is None for part in parts) else Naming(*(part or "" for part in parts))

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
