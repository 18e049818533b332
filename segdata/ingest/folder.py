"""Anybody's data: images and masks paired by name.

<root>/<images>/<any path>/<stem>.jpg
<root>/<masks>/<the same path>/<stem><mask_suffix>.png       none for backgrounds
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from segdata.ingest.reading import Found, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Reject


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks the folders that the recipe names.
    """
    paired = source.kind == "portrait"
    require_folders(root, source.name, *((source.images, source.masks) if paired else (source.images,)))
    tree = Tree(root, source.name)
    suffix = source.mask_suffix
    masks = tree.by_stem(tree.pictures(source.masks), _length(source.masks)) if paired else {}
    masks = {stem.removesuffix(suffix): mask for stem, mask in masks.items() if stem.endswith(suffix)}
    same_folder = paired and Path(source.images) == Path(source.masks)
    stems, start = set(), _length(source.images)
    for image in tree.pictures(source.images):
        stem = image.stem[start:]
        if same_folder and suffix and stem.endswith(suffix):
            continue
        stems.add(stem)
        mask = masks.get(stem)
        if paired and mask is None:
            yield Reject(source.name, image.path, "missing_alpha", f"no mask named {stem}{suffix}")
        else:
            yield tree.pair(
                image,
                mask,
                kind=source.kind,
                split="train" if paired else "none",
                alpha_channel=source.alpha_channel if paired else None,
                alpha_index=source.alpha_index if paired else None,
            )
    for stem in sorted(masks.keys() - stems):
        yield Reject(source.name, masks[stem].path, "missing_image", f"no image named {stem}")
    yield from tree.refused


def _length(folder: str) -> int:
    """How many characters of a path under the root are the folder's."""
    start = os.path.normpath(folder)
    return 0 if start == "." else len(start) + 1
