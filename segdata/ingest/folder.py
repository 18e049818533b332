"""Anybody's data: images and masks paired by name.

<root>/<images>/<any path>/<image_prefix><name><image_suffix>.jpg
<root>/<masks>/<the same path>/<mask_prefix><name><mask_suffix>.png       none for backgrounds

If the recipe names no prefix and no suffix, `segdata.ingest.naming` chooses a scheme. `images` and `masks` may be one
folder, or lie in one another. In one folder, with `alpha_channel` given, each photo holds its own mask; else what is
named as masks are is a mask, or without such names `1.png` is the mask of `1.jpg`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from segdata.ingest.naming import choose_naming, is_pattern, looks_like_mask, match_pattern, shared_name
from segdata.ingest.pairing import folded, pair_names
from segdata.ingest.reading import Found, Picture, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Filtered, Naming, NamingReport, Reject

_MASK_FORMATS = (".png", ".tif", ".tiff", ".bmp", ".gif")
"""Which of two files of one name in one folder is the mask: the one whose format loses nothing."""
_LABEL_STUDIO_MASK = re.compile(r"task-\d+-annotation-\d+")


class _Files(NamedTuple):
    """The photos or the masks of a source.

    Attributes:
        pictures: in order.
        stems: their paths below their folder, without suffixes.
        start: how many characters of their paths are their folder's.
        unread: the paths of those in formats that segdata does not read.
    """

    pictures: list[Picture]
    stems: list[str]
    start: int
    unread: frozenset[str]


class _Groups(NamedTuple):
    """Pictures by the name that photos and masks share.

    Attributes:
        by_name: the pictures of each name.
        names: of each picture; None if it does not fit the naming scheme.
        others: pictures whose names do not fit the naming scheme.
    """

    by_name: dict[str, list[Picture]]
    names: Sequence[str | None]
    others: list[Picture]


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks the folders that the recipe names.
    """
    paired = source.kind == "portrait"
    require_folders(root, source.name, *((source.images, source.masks) if paired else (source.images,)))
    tree = Tree(root, source.name, source.links)
    if not paired:
        for image in tree.pictures(source.images):
            yield tree.pair(image, None, kind="background", split="none")
    elif (
        _normal(source.images) == _normal(source.masks)
        and source.alpha_channel is not None
        and not source.naming_is_given
    ):
        for image in tree.pictures(source.images):
            yield tree.pair(image, image, **_columns(source))
    else:
        yield from _read_pairs(tree, source)
    yield from tree.refused


def _read_pairs(tree: Tree, source: SourceRecipe) -> Iterator[Found]:
    naming, photos, masks = _sort_files(tree, source)
    of_photos = _group(photos, naming, False, ())
    of_masks = _group(masks, naming, True, of_photos.by_name.keys())
    pairs = pair_names(of_photos.by_name.keys(), of_masks.by_name.keys())
    yield NamingReport(source.name, naming, len(pairs), not source.naming_is_given)
    explain = _Explanations(source, naming, of_masks.by_name, masks.start)
    columns = _columns(source)
    readable = {picture.stem for picture in photos.pictures if photos.unread and picture.path not in photos.unread}
    for image, name in zip(photos.pictures, of_photos.names, strict=True):
        mask_name = None if name is None else pairs.get(name)
        if mask_name is not None and image.path not in photos.unread:
            if len(of_masks.by_name[mask_name]) == 1 and not masks.unread:  # nearly all photos: no further calls
                yield tree.pair(image, of_masks.by_name[mask_name][0], **columns)
                continue
            yield _with_masks(tree, source, image, of_masks.by_name[mask_name], masks.unread)
        elif image.path in photos.unread:
            twice = image.stem in readable
            yield Filtered(source.name, image.path, "same_name") if twice else tree.reject_unread(image)
        elif name is None and source.naming_is_given:
            yield Filtered(source.name, image.path, "other_name")
        else:
            # in one folder the mask of a photo that is not there any more may count as a photo
            sample_id = f"{source.name}/{image.stem}" if looks_like_mask(image.stem) else None
            detail = explain.missing_mask(name)
            yield Reject(source.name, image.path, "missing_alpha", detail, sample_id=sample_id)
    yield from _unused_masks(source, naming, masks, of_masks.by_name, set(pairs.values()))
    for mask in sorted([*_loose_masks(of_masks.by_name, set(pairs.values())), *of_masks.others]):
        sample_id = _sample_of_mask(source, naming, mask.stem[masks.start :])
        yield Reject(source.name, mask.path, "missing_image", explain.missing_image(mask), sample_id=sample_id)


def _loose_masks(by_name: Mapping[str, list[Picture]], paired: Set[str]) -> list[Picture]:
    """The masks whose shared names no photo has."""
    names = by_name.keys() - paired if len(paired) < len(by_name) else ()
    return [mask for name in names for mask in by_name[name]]


def _unused_masks(
    source: SourceRecipe, naming: Naming, masks: _Files, by_name: Mapping[str, list[Picture]], paired: Set[str]
) -> Iterator[Reject]:
    """The masks of photos that have another mask, unless they are merged."""
    if source.masks_of_one == "union" or is_pattern(naming.mask_suffix) or len(masks.pictures) == len(by_name):
        return
    for name in sorted(name for name in paired if len(by_name[name]) > 1):
        first, *others = _usable(by_name[name], masks.unread)
        for other in others:
            detail = f'a second label beside {first.path}; keep one of them, or write masks_of_one = "union"'
            sample_id = _sample_of_mask(source, naming, other.stem[masks.start :])
            yield Reject(source.name, other.path, "unsafe_path", detail, sample_id=sample_id)


def _sort_files(tree: Tree, source: SourceRecipe) -> tuple[Naming, _Files, _Files]:
    """The naming scheme, the photos and the masks."""
    images, masks = _normal(source.images), _normal(source.masks)
    if images != masks:
        photos, labels = _walk(tree, images, (masks,)), _walk(tree, masks, (images,))
        naming = source.naming or choose_naming(photos.stems, labels.stems)[0]
        return naming, photos, labels
    every = _walk(tree, images, ())
    if source.naming is not None:
        return source.naming, *_split_by_name(every, source.naming)
    by_format = _split_by_format(every)
    likely = [looks_like_mask(picture.stem) for picture in every.pictures]
    by_words = _choose(every, likely)
    choices = [choose_naming(*(part.stems for part in parts)) for parts in (by_format, by_words)]
    naming, pairs = choices[1]
    if pairs > choices[0][1] and (naming.mask_prefix or naming.mask_suffix):
        return naming, *_split_by_name(every, naming)
    return Naming(), *by_format


def _walk(tree: Tree, folder: str, without: Sequence[str]) -> _Files:
    """The pictures below a folder but for those in other folders; the folder itself is never left out."""
    pictures = list(tree.pictures(folder, without=without))
    unread = tree.take_unread()
    if unread:
        pictures = sorted([*pictures, *unread])
    start = 0 if folder == "." else len(folder) + 1
    stems = [picture.stem[start:] for picture in pictures]
    return _Files(pictures, stems, start, frozenset(picture.path for picture in unread))


def _choose(files: _Files, are_masks: Sequence[bool]) -> tuple[_Files, _Files]:
    """The photos and the masks among files."""
    parts = []
    for wanted in (False, True):
        chosen = [at for at, is_mask in enumerate(are_masks) if is_mask == wanted]
        pictures, stems = [files.pictures[at] for at in chosen], [files.stems[at] for at in chosen]
        parts.append(files._replace(pictures=pictures, stems=stems))
    return parts[0], parts[1]


def _split_by_format(files: _Files) -> tuple[_Files, _Files]:
    """Photos and masks of one folder: the mask of a name is the PNG, or another lossless file, beside a lossy photo."""
    lossless = [picture.path.lower().endswith(_MASK_FORMATS) for picture in files.pictures]
    names = [folded(picture.stem) for picture in files.pictures]
    lossy = {name for name, is_lossless in zip(names, lossless, strict=True) if not is_lossless}
    return _choose(files, [is_lossless and name in lossy for name, is_lossless in zip(names, lossless, strict=True)])


def _split_by_name(files: _Files, naming: Naming) -> tuple[_Files, _Files]:
    """Photos and masks of one folder: what is named as the scheme names masks is one."""
    if not (naming.mask_prefix or naming.mask_suffix):
        return _split_by_format(files)
    return _choose(files, [_name_of_mask(stem, naming, ()) is not None for stem in files.stems])


def _name_of_mask(stem: str, naming: Naming, photos: Collection[str]) -> str | None:
    if is_pattern(naming.mask_suffix):
        return match_pattern(stem, naming, photos)
    return shared_name(stem, naming.mask_prefix, naming.mask_suffix)


def _sample_of_mask(source: SourceRecipe, naming: Naming, stem: str) -> str:
    """The id that the sample of a mask would have.

    Args:
        source: its section of the recipe.
        naming: the scheme that was used.
        stem: of the mask, below the folder of masks.
    """
    folder, slash, name = (_name_of_mask(stem, naming, ()) or stem).rpartition("/")
    start = "" if _normal(source.images) == "." else f"{_normal(source.images)}/"
    return f"{source.name}/{start}{folder}{slash}{naming.image_prefix}{name}{naming.image_suffix}"


def _group(files: _Files, naming: Naming, are_masks: bool, photos: Collection[str]) -> _Groups:
    """Pictures by their shared names.

    Args:
        files: the photos, or the masks.
        naming: the scheme.
        are_masks: which of the two they are.
        photos: the shared names of the photos, where the files are masks.
    """
    affixes = naming[2:] if are_masks else naming[:2]
    names: Sequence[str | None]
    if not any(affixes):
        names = files.stems
    elif are_masks:
        names = [_name_of_mask(stem, naming, photos) for stem in files.stems]
    else:
        names = [shared_name(stem, *naming[:2]) for stem in files.stems]
    by_name: dict[str, list[Picture]] = {}
    others = []
    for picture, name in zip(files.pictures, names, strict=True):
        if name is None:
            others.append(picture)
        elif name in by_name:
            by_name[name].append(picture)
        else:
            by_name[name] = [picture]
    return _Groups(by_name, names, others)


def _usable(masks: Sequence[Picture], unread: Collection[str]) -> Sequence[Picture]:
    """The masks of a photo that segdata reads, or all of them if it reads none."""
    return [mask for mask in masks if mask.path not in unread] or masks


def _with_masks(
    tree: Tree, source: SourceRecipe, image: Picture, masks: Sequence[Picture], unread: Collection[str]
) -> Found:
    """A photo with the masks of its name; the first of them, unless they are merged."""
    usable = _usable(masks, unread) if unread else masks
    first = usable[0]
    if first.path in unread:
        detail = f"its mask {first.path} is {tree.reject_unread(first).detail}"
        return Reject(source.name, image.path, "unsupported_format", detail)
    merges = len(usable) > 1 and (source.masks_of_one == "union" or is_pattern(source.mask_suffix or ""))
    return tree.merge(image, usable if merges else usable[:1], **_columns(source))


def _columns(source: SourceRecipe) -> dict[str, Any]:
    """What all candidates of portraits have in common."""
    channel, index = source.alpha_channel, source.alpha_index
    return {"kind": "portrait", "split": "train", "alpha_channel": channel, "alpha_index": index}


class _Explanations:
    """Why a photo or a mask has no partner, and what to do about it.

    Args:
        source: its section of the recipe.
        naming: the scheme that was used.
        masks: by their shared names.
        start: how many characters of the paths of masks are their folder's.
    """

    def __init__(self, source: SourceRecipe, naming: Naming, masks: Collection[str], start: int) -> None:
        self._source, self._naming, self._masks, self._start = source, naming, masks, start
        self._last_parts: set[str] | None = None

    def missing_mask(self, name: str | None) -> str:
        """Why a photo has no mask.

        Args:
            name: what it shares with its mask; None if it is not named as the scheme says.
        """
        naming = self._naming
        if name is None:
            return f"not named as the other photos are: {naming.image_prefix}*{naming.image_suffix}; rename it"
        if self._last_parts is None:
            self._last_parts = {folded(mask.rpartition("/")[2]) for mask in self._masks}
        folder, slash, last = name.rpartition("/")
        expected = f"{folder}{slash}{naming.mask_prefix}{last}{naming.mask_suffix}"
        if folded(last) in self._last_parts:
            return f"no mask named {expected}, and which one of another folder or case is meant is not clear; rename it"
        return f"no mask named {expected} in {self._source.masks}/"

    def missing_image(self, mask: Picture) -> str:
        """Why a mask has no photo."""
        if _LABEL_STUDIO_MASK.search(mask.stem):
            return 'named by Label Studio after a task, not after a photo: export JSON and use reader = "labelstudio"'
        naming = self._naming
        name = _name_of_mask(mask.stem[self._start :], naming, ())
        if name is None:
            return f"not named as masks are: {naming.mask_prefix}*{naming.mask_suffix}; set mask_prefix or mask_suffix"
        return f"no image named {name} in {self._source.images}/"


def _normal(folder: str) -> str:
    return os.path.normpath(folder) if folder else "."
