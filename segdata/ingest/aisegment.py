"""AiSegment matting human: 34,427 images, half length, of many batches.

    <root>/clip_img/<batch>/clip_0000000K/<stem>.jpg
    <root>/matting/<batch>/matting_0000000K/<stem>.png      RGBA: the matte is channel 3

The published archive holds the whole tree a second time under matting_human_half/, which is not read, AppleDouble
leftovers, and images without a matte. A pair is joined by batch, number of the folder, and stem: replacing words in a
path would also replace them in the path of the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segdata.ingest.pairing import pair_names
from segdata.ingest.reading import Found, Picture, Tree, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import PhotoSet, Reject

LICENCE = "AISegment.com matting human datasets: research use"
_CLIPS, _MATTES = "clip_img", "matting"


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks clip_img/ or matting/.
    """
    require_folders(root, source.name, _CLIPS, _MATTES)
    tree = Tree(root, source.name, source.links)
    mattes = {_key(one): one for one in tree.by_stem(tree.pictures(_MATTES), photo_stem=_clip_stem).values()}
    clips = [(clip, _key(clip)) for clip in tree.pictures(_CLIPS)]
    pairs = pair_names([key for _, key in clips], mattes)
    for clip, key in clips:
        if key not in pairs:
            yield Reject(source.name, clip.path, "missing_alpha", "no matte of this batch, folder and name")
        else:
            matte = mattes[pairs[key]]
            yield tree.pair(clip, matte, kind="portrait", split="pool", alpha_channel=3, licence=LICENCE)
    yield PhotoSet(source.name, _CLIPS, len({key for _, key in clips}))
    paired = set(pairs.values())
    for key, matte in mattes.items():
        if key not in paired:
            detail, sample_id = "no image of this batch, folder and name", f"{source.name}/{_clip_stem(matte.stem)}"
            yield Reject(source.name, matte.path, "missing_image", detail, sample_id=sample_id)
    yield from tree.refused


def _key(picture: Picture) -> str:
    """Batch, number of the folder, stem: what an image and its matte have in common."""
    _, _, below = picture.stem.partition("/")
    folder, _, stem = below.rpartition("/")
    batch, _, numbered = folder.rpartition("/")
    return f"{batch}/{numbered.rpartition('_')[2]}/{stem}"


def _clip_stem(matte_stem: str) -> str:
    """The stem of the clip that belongs to a matte.

    >>> _clip_stem("matting/1803151818/matting_00000000/1803151818-00000003")
    'clip_img/1803151818/clip_00000000/1803151818-00000003'
    """
    folder, _, name = matte_stem.rpartition("/")
    batches, _, numbered = folder.rpartition("/")
    return f"{_CLIPS}{batches.removeprefix(_MATTES)}/clip_{numbered.rpartition('_')[2]}/{name}"
