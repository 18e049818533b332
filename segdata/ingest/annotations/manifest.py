"""segdata.json, which `segdata export repair` wrote and somebody may have edited: which sample each label is of.

Its lines count only where the catalog has no record of any export, because an older segdata wrote them; otherwise its
run says which export this is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from segdata.records import REPAIR_FORMAT, REPAIR_MANIFEST, is_text, printable
from segdata.storage.strict_json import parse_json

AnnotationFormat = Literal["folder", "coco", "cvat"]


@dataclass(frozen=True, slots=True)
class Line:
    """A sample in the manifest.

    Attributes:
        sample_id: of the catalog.
        image: its photo's path in the folder.
        mask: its label's path in the folder; None where a list holds the shapes.
        image_sha256, alpha_sha256: of the photo and of the label when they were exported.
    """

    sample_id: str
    image: str
    mask: str | None
    image_sha256: str | None
    alpha_sha256: str | None


@dataclass(frozen=True)
class Manifest:
    """What segdata.json says.

    Attributes:
        format: where the labels are.
        lines: the samples.
        skipped: entries that can't be used, with the reason.
        run: the run that wrote it; None in one of an older segdata.
    """

    format: AnnotationFormat
    lines: tuple[Line, ...]
    skipped: tuple[tuple[str, str], ...]
    run: str | None = None


def parse_manifest(data: bytes) -> Manifest:
    """Parse segdata.json.

    Raises:
        ValueError: It is no such file; an entry that is wrong is skipped.
    """
    document = parse_json(data)
    if not isinstance(document, dict) or document.get("format") != REPAIR_FORMAT:
        raise ValueError(f'its "format" is not "{REPAIR_FORMAT}"')
    kind = next((known for known in get_args(AnnotationFormat) if known == document.get("as")), None)
    if kind is None:
        raise ValueError(f'its "as" is none of {", ".join(get_args(AnnotationFormat))}')
    entries = document.get("samples")
    if not isinstance(entries, list):
        raise ValueError('its "samples" is not a list')
    lines: list[Line] = []
    skipped: list[tuple[str, str]] = []
    for number, entry in enumerate(entries, 1):
        line = _line_of(entry, kind)
        if isinstance(line, Line):
            lines.append(line)
        else:
            name = entry.get("sample_id") if isinstance(entry, dict) else None
            skipped.append((printable(name) if isinstance(name, str) else f"entry {number} of {REPAIR_MANIFEST}", line))
    often = Counter(line.sample_id for line in lines)
    skipped += [(name, f"{REPAIR_MANIFEST} names it more than once") for name, times in often.items() if times > 1]
    run = document.get("run")
    kept = tuple(line for line in lines if often[line.sample_id] == 1)
    return Manifest(kind, kept, tuple(skipped), run if isinstance(run, str) and is_text(run) else None)


def _line_of(entry: object, kind: AnnotationFormat) -> Line | str:
    """An entry as a line, or what is wrong with it."""
    if not isinstance(entry, dict):
        return "it is not an object"
    needed = ("sample_id", "image", "mask") if kind == "folder" else ("sample_id", "image")
    for name in needed:
        value = entry.get(name)
        if not isinstance(value, str) or not value or "\0" in value or not is_text(value):
            return f"its {name} is not a text"
    hashes = entry.get("image_sha256"), entry.get("alpha_sha256")
    if not all(value is None or isinstance(value, str) for value in hashes):
        return "a hash of it is not a text"
    mask = entry["mask"] if kind == "folder" else None
    return Line(entry["sample_id"], entry["image"], mask, *hashes)
