"""Anybody's data: images and masks paired by name.

<root>/<images>/<any path>/<stem>.jpg
<root>/<masks>/<the same path>/<stem><mask_suffix>.png       none for backgrounds
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.ingest.reading import Found, image_files, leads_out, require_folders, sample_id
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Filtered, Reject, Split


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks the folders that the recipe names.
    """
    paired = source.kind == "portrait"
    require_folders(root, source.name, *((source.images, source.masks) if paired else (source.images,)))
    masks = _masks(root, source) if paired else {}
    same_folder = paired and Path(source.images) == Path(source.masks)
    split: Split = "train" if paired else "none"
    seen: set[str] = set()
    for image in image_files(root / source.images):
        stem = image.relative_to(root / source.images).with_suffix("").as_posix()
        where = image.relative_to(root).as_posix()
        if same_folder and source.mask_suffix and stem.endswith(source.mask_suffix):
            continue
        if stem in seen:
            yield Filtered(source.name, where, "same_name")
            continue
        seen.add(stem)
        mask = masks.get(stem)
        if paired and mask is None:
            yield Reject(source.name, where, "missing_alpha", f"no mask named {stem}{source.mask_suffix}")
        elif leads_out(image, root) or (mask is not None and leads_out(mask, root)):
            yield Reject(source.name, where, "unsafe_path", "a link that leaves the root")
        else:
            yield Candidate(
                dataset=source.name,
                sample_id=sample_id(source.name, where),
                path=where,
                kind=source.kind,
                split=split,
                image=image,
                alpha=mask,
                alpha_channel=source.alpha_channel if paired else None,
            )
    for stem in sorted(set(masks) - seen):
        where = masks[stem].relative_to(root).as_posix()
        yield Reject(source.name, where, "missing_image", f"no image named {stem}")


def _masks(root: Path, source: SourceRecipe) -> dict[str, Path]:
    """Masks by the stem of the image that they belong to."""
    folder = root / source.masks
    stems = {path.relative_to(folder).with_suffix("").as_posix(): path for path in image_files(folder)}
    return {
        stem.removesuffix(source.mask_suffix): path for stem, path in stems.items() if stem.endswith(source.mask_suffix)
    }
