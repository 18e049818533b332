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

from segdata.ingest.reading import Found, image_files, leads_out, require_folders, sample_id
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Candidate, Reject

LICENCE = "AISegment.com matting human datasets: research use"
_CLIPS, _MATTES = "clip_img", "matting"
_Key = tuple[str, str, str]


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the pairs, by name alone.

    Raises:
        SourceError: The root is missing, or lacks clip_img/ or matting/.
    """
    require_folders(root, source.name, _CLIPS, _MATTES)
    mattes = {_key(path, root / _MATTES): path for path in image_files(root / _MATTES)}
    paired = set()
    for clip in image_files(root / _CLIPS):
        key, where = _key(clip, root / _CLIPS), clip.relative_to(root).as_posix()
        matte = mattes.get(key)
        paired.add(key)
        if matte is None:
            yield Reject(source.name, where, "missing_alpha", "no matte of this batch, folder and name")
        elif leads_out(clip, root) or leads_out(matte, root):
            yield Reject(source.name, where, "unsafe_path", "a link that leaves the root")
        else:
            yield Candidate(
                dataset=source.name,
                sample_id=sample_id(source.name, where),
                path=where,
                kind="portrait",
                split="pool",
                image=clip,
                alpha=matte,
                alpha_channel=3,
                licence=LICENCE,
            )
    for key, matte in mattes.items():
        if key not in paired:
            where = matte.relative_to(root).as_posix()
            yield Reject(source.name, where, "missing_image", "no image of this batch, folder and name")


def _key(path: Path, folder: Path) -> _Key:
    """Batch, number of the folder, stem: what an image and its matte have in common."""
    *batch, numbered, name = (
        path.relative_to(folder).parts if len(path.relative_to(folder).parts) > 1 else ("", path.name)
    )
    return "/".join(batch), numbered.rpartition("_")[2], Path(name).stem
