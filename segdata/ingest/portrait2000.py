"""Portrait2000.

    <root>/training/00001.png  00001_matte.png      1,700 pairs
    <root>/testing/00001.png   00001_matte.png        300 pairs

The matte has three equal channels and is continuous. The numbers begin anew in testing/, so an id holds the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.ingest.reading import Found, image_files, leads_out, require_folders, sample_id
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Reject, Split

LICENCE = "research use only"
_SPLITS: dict[str, Split] = {"training": "train", "testing": "test"}
_MATTE = "_matte"


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks training/ or testing/.
    """
    require_folders(root, source.name, *_SPLITS)
    for folder, split in _SPLITS.items():
        files = {(path.stem, path.parent): path for path in image_files(root / folder)}
        for (stem, parent), path in files.items():
            where = path.relative_to(root).as_posix()
            if stem.endswith(_MATTE):
                if (stem.removesuffix(_MATTE), parent) not in files:
                    yield Reject(
                        source.name, where, "missing_image", f"no {stem.removesuffix(_MATTE)} beside the matte"
                    )
                continue
            matte = files.get((stem + _MATTE, parent))
            if matte is None:
                yield Reject(source.name, where, "missing_alpha", f"no {stem}{_MATTE} beside the image")
            elif leads_out(path, root) or leads_out(matte, root):
                yield Reject(source.name, where, "unsafe_path", "a link that leaves the root")
            else:
                yield Candidate(
                    dataset=source.name,
                    sample_id=sample_id(source.name, where),
                    path=where,
                    kind="portrait",
                    split=split,
                    image=path,
                    alpha=matte,
                    licence=LICENCE,
                )
