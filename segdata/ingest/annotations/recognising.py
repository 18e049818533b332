"""Which labels a folder, an archive or a file holds, whatever tool returned it; the files tell, and no option.

What is found first counts:

1. pictures of classes in `SegmentationClass/` (VOC, and CVAT's segmentation masks), unless there is an annotations.xml
2. `annotations.xml`, or the one XML file if it is CVAT's
3. JSON: `instances_*.json` (COCO), or else every JSON file by its content (COCO, Label Studio, LabelMe, Supervisely)
4. masks: pictures in a folder `masks`, or else all pictures that are not in a folder of photos
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from segdata.imaging.formats import IMAGE_SUFFIXES
from segdata.ingest.annotations.class_maps import ClassMap, parse_labelmap, voc_classes
from segdata.ingest.annotations.coco import parse_coco
from segdata.ingest.annotations.cvat import read_cvat
from segdata.ingest.annotations.files import Files
from segdata.ingest.annotations.images import AnnotatedImage
from segdata.ingest.annotations.labelled import LabelledImage
from segdata.ingest.annotations.labelme import read_labelme
from segdata.ingest.annotations.labelstudio import read_labelstudio
from segdata.ingest.annotations.manifest import Manifest, parse_manifest
from segdata.ingest.annotations.supervisely import read_supervisely
from segdata.ingest.people import is_person_label, is_person_name
from segdata.records import REPAIR_MANIFEST
from segdata.storage.strict_json import parse_json
from segdata.storage.text import decode_text

LONGEST_LIST = 1 << 30
_CLASS_FOLDER, _LABELMAP = "SegmentationClass", "labelmap.txt"
_MASK_FOLDERS = frozenset({"mask", "masks", "label", "labels", "gt", "alpha", "matte", "mattes"})
_PHOTO_FOLDERS = frozenset({"image", "images", "img", "jpegimages", "photo", "photos"})
_NO_CVAT = "it has no <image>, as CVAT for images 1.1 has; export in that format"
_OF_PROJECTS = frozenset({"meta.json", "notes.json", "dataset_meta.json", "obj_class_to_machine_color.json"})
"""Files of tools that hold no labels."""

Skipped = tuple[str, str]
"""An entry that is not used, and why."""


@dataclass(frozen=True)
class ReturnedLabel:
    """A label that came back.

    Attributes:
        file: where it is, under the folder or in the archive.
        names: what the file calls the image, the likeliest first.
        shapes: what makes the label; None where the file itself is a picture.
        is_annotated: whether somebody annotated the image.
        has_size: whether the file says the size of the image.
    """

    file: str
    names: tuple[str, ...]
    shapes: AnnotatedImage | None = None
    is_annotated: bool = True
    has_size: bool = True


@dataclass
class Returned:
    """All that came back.

    Attributes:
        labels: those that were found.
        skipped: files and entries that are not used, with the reason.
        classes: what the colours of pictures mean; None for masks.
        manifest: segdata.json; None where there is none, or a damaged one.
    """

    labels: list[ReturnedLabel] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    classes: ClassMap | None = None
    manifest: Manifest | None = None


def recognise(files: Files) -> Returned:
    """Find the labels.

    Raises:
        ValueError: There are none, or the one file that may hold some can't be read.
    """
    returned = Returned(skipped=list(files.refused))
    _read_manifest(files, returned)
    names = [name for name in files.names if PurePosixPath(name).name != REPAIR_MANIFEST]
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    xmls, jsons = (_with_suffix(names, suffix) for suffix in (".xml", ".json"))
    cvat = _shallowest(name for name in xmls if PurePosixPath(name).name.lower() == "annotations.xml")
    class_maps = [name for name in pictures if _CLASS_FOLDER in PurePosixPath(name).parts]
    if class_maps and cvat is None:
        _add_pictures(returned, class_maps, _CLASS_FOLDER)
        returned.classes = _read_classes(files, names)
        return returned
    if cvat is not None:
        _read_cvat_file(files, cvat, returned)
        return returned
    if _read_unnamed_xml(files, xmls, returned):
        return returned
    _read_json_files(files, jsons, returned)
    if not returned.labels:
        masks = _masks_among(pictures)
        if not masks:
            raise ValueError(_why_nothing(returned.skipped))
        _add_pictures(returned, masks, None)
    return returned


def _read_manifest(files: Files, returned: Returned) -> None:
    name = _shallowest(name for name in files.names if PurePosixPath(name).name == REPAIR_MANIFEST)
    if name is None:
        return
    try:
        returned.manifest = parse_manifest(files.read(name, LONGEST_LIST))
    except ValueError as error:
        returned.skipped.append((name, f"it is not used: {error}"))


def _read_cvat_file(files: Files, name: str, returned: Returned) -> None:
    try:
        images = read_cvat(files.read(name, LONGEST_LIST))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not images:
        raise ValueError(f"{name}: {_NO_CVAT}")
    returned.labels += (ReturnedLabel(name, (image,), shapes) for image, shapes in images.items())


def _read_unnamed_xml(files: Files, names: Sequence[str], returned: Returned) -> bool:
    """Whether the one XML file is CVAT's under another name; XML files of anything else are reported."""
    for name in names:
        reason = _NO_CVAT
        try:
            data = files.read(name, LONGEST_LIST)
            if b"<annotation>" in data and b"<polygon" in data:
                reason = "LabelMe's old XML, which is not read; open it in LabelMe and save it as JSON"
            elif len(names) == 1 and (images := read_cvat(data)):
                returned.labels += (ReturnedLabel(name, (image,), shapes) for image, shapes in images.items())
                return True
        except ValueError as error:
            reason = str(error)
        returned.skipped.append((name, reason))
    return False


def _read_json_files(files: Files, names: Sequence[str], returned: Returned) -> None:
    """Every file on its own: one that can't be read costs the labels in it, and no others."""
    instances = [name for name in names if PurePosixPath(name).name.startswith("instances_")]
    for name in instances or names:
        if PurePosixPath(name).name in _OF_PROJECTS:
            continue
        try:
            labels, skipped = _labels_in(name, files.read(name, LONGEST_LIST))
        except ValueError as error:
            returned.skipped.append((name, str(error)))
            continue
        returned.labels += labels
        returned.skipped += ((f"{name}: {entry}", reason) for entry, reason in skipped)


def _labels_in(name: str, data: bytes) -> tuple[list[ReturnedLabel], tuple[Skipped, ...]]:
    """The labels in a JSON file, by what it holds."""
    document = parse_json(data, non_finite=True)  # NaN is the fault of one shape
    if isinstance(document, list):
        return [_labelled(name, image) for image in read_labelstudio(data, is_person_label)], ()
    keys = document.keys() if isinstance(document, dict) else set()
    if {"images", "annotations"} <= keys:
        found = parse_coco(document, lambda label, parent: is_person_label(label) or is_person_name(parent))
        return [ReturnedLabel(name, (image,), shapes) for image, shapes in found.images.items()], found.left_out
    if "shapes" in keys:
        return [_labelled(name, read_labelme(data, is_person_label))], ()
    if {"objects", "size"} <= keys:
        return [_labelled(name, read_supervisely(data, is_person_label))], ()
    if {"data", "annotations"} <= keys:
        tasks = json.dumps([document]).encode()
        return [_labelled(name, image) for image in read_labelstudio(tasks, is_person_label)], ()
    raise ValueError("it is no COCO, Label Studio, LabelMe or Supervisely file; export in one of these formats")


def _labelled(name: str, image: LabelledImage) -> ReturnedLabel:
    """What the parsers of annotation tools found, as a label; a file without a name of its image is named after it."""
    of_file = str(PurePosixPath(name).with_suffix(""))  # 1.jpg.json, or 1.json
    shapes = replace(image.image, other_labels=image.other_labels, unsupported=image.unsupported)
    return ReturnedLabel(name, image.names or (of_file,), shapes, image.is_annotated, image.has_size)


def _add_pictures(returned: Returned, names: Sequence[str], folder: str | None) -> None:
    for name in names:
        parts = PurePosixPath(name).parts
        own = parts[parts.index(folder) + 1 :] if folder is not None else parts
        returned.labels.append(ReturnedLabel(name, ("/".join(own),)))


def _read_classes(files: Files, names: Sequence[str]) -> ClassMap:
    name = _shallowest(name for name in names if PurePosixPath(name).name == _LABELMAP)
    if name is None:
        return voc_classes()
    return parse_labelmap(decode_text(files.read(name, LONGEST_LIST), errors="replace"), is_person_label)


def _masks_among(pictures: Sequence[str]) -> list[str]:
    """The pictures that are masks: of two with the same name, such as 1.jpg and 1.png, the PNG."""
    below = [name for name in pictures if _role_of(name) == "mask"]
    found = below or [name for name in pictures if _role_of(name) != "photo"]
    by_stem: dict[str, str] = {}
    for name in sorted(found, key=lambda name: not name.lower().endswith(".png")):
        by_stem.setdefault(str(PurePosixPath(name).with_suffix("")), name)
    return sorted(by_stem.values())


def _role_of(name: str) -> Literal["mask", "photo"] | None:
    """What the upper two folders of a path say that it is; those below belong to the name of the sample."""
    for folder in PurePosixPath(name.lower()).parts[:-1][:2]:
        if folder in _MASK_FOLDERS or folder in _PHOTO_FOLDERS:
            return "mask" if folder in _MASK_FOLDERS else "photo"
    return None


def _with_suffix(names: Sequence[str], suffix: str) -> list[str]:
    return [name for name in names if name.lower().endswith(suffix)]


def _shallowest(names: Iterator[str]) -> str | None:
    return min(names, key=lambda name: (name.count("/"), name), default=None)


def _why_nothing(skipped: Sequence[Skipped]) -> str:
    if skipped:
        return "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
    return "it has no annotation file and no mask"
