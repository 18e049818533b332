"""Portrait2000.

    <root>/training/00001.png  00001_matte.png      1,700 pairs
    <root>/testing/00001.png   00001_matte.png        300 pairs

The matte has three equal channels and is continuous. The numbers begin anew in testing/, so an id holds the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.ingest.pairing import pair_names
from segdata.ingest.reading import Found, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import PhotoSet, Reject, Split

LICENCE = "research use only"
_SPLITS: dict[str, Split] = {"training": "train", "testing": "test"}
_MATTE = "_matte"


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks training/ or testing/.
    """
    require_folders(root, source.name, *_SPLITS)
    tree = Tree(root, source.name, source.links)
    for folder, split in _SPLITS.items():
        pictures = list(tree.pictures(folder))
        labels = tree.by_stem((one for one in pictures if one.stem.endswith(_MATTE)), photo_stem=_photo_stem)
        mattes = {_photo_stem(stem): matte for stem, matte in labels.items()}
        images = [one for one in pictures if not one.stem.endswith(_MATTE)]
        pairs = pair_names([image.stem for image in images], mattes)
        yield PhotoSet(source.name, folder, len(images))
        for image in images:
            if image.stem not in pairs:
                name = image.stem.rpartition("/")[2]
                yield Reject(source.name, image.path, "missing_alpha", f"no {name}{_MATTE} beside the image")
            else:
                yield tree.pair(image, mattes[pairs[image.stem]], kind="portrait", split=split, licence=LICENCE)
        for stem in sorted(mattes.keys() - pairs.values()):
            detail, sample_id = f"no {stem.rpartition('/')[2]} beside the matte", f"{source.name}/{stem}"
            yield Reject(source.name, mattes[stem].path, "missing_image", detail, sample_id=sample_id)
    yield from tree.refused


def _photo_stem(matte_stem: str) -> str:
    return matte_stem.removesuffix(_MATTE)
