"""PASCAL VOC 2012, the person of its segmentations.

    <root>/JPEGImages/2007_000027.jpg                 17,125 photos
    <root>/SegmentationClass/2007_000027.png          2,913 label maps: 15 is person, 255 is ignore
    <root>/ImageSets/Segmentation/train.txt  val.txt  the names of 1,464 and of 1,449

Photos without a label map are left out. Whether a map shows a person is known once it is decoded: without one the
photo is left out as no_person, or with kind = "background" it is taken as one, and those with a person are left out.
What happens to ignored pixels is told in `segdata.imaging.label_maps`. VOC's val is what papers report on, and so
test here; without the lists all is train.

Source:
    Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from segdata.errors import SourceError
from segdata.ingest.pairing import pair_names
from segdata.ingest.reading import Found, Picture, Tree, fault_of, read_list, require_folders
from segdata.ingest.recipe import SourceRecipe
from segdata.records import Filtered, PhotoSet, Reject, Split
from segdata.storage.text import decode_text

LICENCE = "PASCAL VOC: photos under Flickr's terms of use"
PERSON = 15
_IMAGES, _MAPS, _LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
_SPLITS: dict[str, Split] = {"train": "train", "val": "test"}


def read(root: Path, source: SourceRecipe) -> Iterator[Found]:
    """Find the segmented photos, by name alone.

    Raises:
        SourceError: The root is missing, lacks JPEGImages/ or SegmentationClass/, or a list can't be read.
    """
    require_folders(root, source.name, _IMAGES, _MAPS)
    tree = Tree(root, source.name, source.links)
    maps = tree.by_stem(tree.pictures(_MAPS), len(_MAPS) + 1, _photo_stem)
    photos: defaultdict[str, list[Picture]] = defaultdict(list)
    for photo in tree.pictures(_IMAGES):
        photos[photo.stem[len(_IMAGES) + 1 :]].append(photo)
    splits = _listed(root, source) or dict.fromkeys(maps, "train")
    of_maps, of_photos = pair_names(splits, maps), pair_names(splits, photos)
    yield PhotoSet(source.name, _MAPS, len(pair_names(photos, maps)))
    for name, split in sorted(splits.items()):
        label = maps.get(of_maps.get(name, ""))
        sample_id = f"{source.name}/{_photo_stem(name)}"
        if fault := fault_of(name):
            detail = f"a listed name {fault}"
            yield Reject(source.name, f"{_IMAGES}/{name}.jpg", "unsafe_path", detail, sample_id=sample_id)
        elif name not in of_photos:
            where = label.path if label else f"{_IMAGES}/{name}.jpg"
            yield Reject(source.name, where, "missing_image", f"no {name} in {_IMAGES}/", sample_id=sample_id)
        for image in photos[of_photos[name]] if name in of_photos and fault is None else ():
            if label is None:
                yield Reject(source.name, image.path, "missing_alpha", f"listed, and no {name} in {_MAPS}/")
                continue
            yield tree.pair(
                image,
                label,
                kind=source.kind,
                split=split if source.kind == "portrait" else "none",
                alpha_index=PERSON,
                licence=LICENCE,
            )
    unlisted = sorted(photos.keys() - of_photos.values())
    for photo in (photo for name in unlisted for photo in photos[name]):
        yield Filtered(source.name, photo.path, "not_segmented")
    unlisted_maps = sorted(maps.keys() - of_maps.values())
    with_photo = pair_names(unlisted_maps, photos)
    for name in unlisted_maps:
        if name not in with_photo:
            detail, sample_id = f"no {name} in {_IMAGES}/", f"{source.name}/{_photo_stem(name)}"
            yield Reject(source.name, maps[name].path, "missing_image", detail, sample_id=sample_id)
    yield from tree.refused


def _listed(root: Path, source: SourceRecipe) -> dict[str, Split]:
    """The split of every name that the lists hold. A name is looked up among the files that there are, never opened."""
    splits: dict[str, Split] = {}
    for name, split in _SPLITS.items():
        path = f"{_LISTS}/{name}.txt"
        try:
            lines = decode_text(read_list(root, path, source.name, source.links)).splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(
                f"source {source.name}: {root / path}: can't be read ({error}); unpack it again"
            ) from error
        splits |= {line.strip(): split for line in lines if line.strip()}
    return splits


def _photo_stem(name: str) -> str:
    return f"{_IMAGES}/{name}"
