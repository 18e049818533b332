"""P3M-10k: 9,421 portraits with blurred faces to train on, 500 to test on, and 500 of celebrities as they are.

    <root>/train/blurred_image/<stem>.jpg                        train/mask/<stem>.png
    <root>/validation/P3M-500-P/blurred_image/<stem>.jpg         validation/P3M-500-P/mask/<stem>.png
    <root>/validation/P3M-500-NP/original_image/<stem>.jpg       validation/P3M-500-NP/mask/<stem>.png

The mattes are grey and continuous. Trimaps, face masks, and the foregrounds and backgrounds estimated beside them are
not read. What is called validation is what the paper reports on, and so test here. A part that was not downloaded may
be missing.

Source:
    Li, Ma, Zhang & Tao, "Privacy-Preserving Portrait Matting", ACM Multimedia 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.ingest.pairing import pair_names
from segdata.ingest.reading import Found, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import PhotoSet, Reject, Split

LICENCE = "P3M-10k release agreement: non-commercial research"
_PARTS: tuple[tuple[str, str, Split], ...] = (
    ("train/blurred_image", "train/mask", "train"),
    ("validation/P3M-500-P/blurred_image", "validation/P3M-500-P/mask", "test"),
    ("validation/P3M-500-NP/original_image", "validation/P3M-500-NP/mask", "test"),
)


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, holds none of the three parts, or one without its masks.
    """
    parts = [part for part in _PARTS if (root / part[0]).is_dir() or (root / part[1]).is_dir()]
    for images, masks, _ in parts or _PARTS[:1]:
        require_folders(root, source.name, images, masks)
    tree = Tree(root, source.name, source.links)
    for images, masks, split in parts:
        mattes = tree.by_stem(tree.pictures(masks), len(masks) + 1, f"{images}/{{}}".format)
        photos = [(image, image.stem[len(images) + 1 :]) for image in tree.pictures(images)]
        pairs = pair_names([stem for _, stem in photos], mattes)
        for image, stem in photos:
            if stem not in pairs:
                yield Reject(source.name, image.path, "missing_alpha", f"no {stem} in {masks}/")
            else:
                yield tree.pair(image, mattes[pairs[stem]], kind="portrait", split=split, licence=LICENCE)
        yield PhotoSet(source.name, images.rpartition("/")[0], len({stem for _, stem in photos}))
        for stem in sorted(mattes.keys() - pairs.values()):
            detail, sample_id = f"no {stem} in {images}/", f"{source.name}/{images}/{stem}"
            yield Reject(source.name, mattes[stem].path, "missing_image", detail, sample_id=sample_id)
    yield from tree.refused
