"""The readers, by the name that a recipe gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from segdata.ingest import aisegment, coco, folder, labelme, labelstudio, p3m10k, portrait2000, supervisely, voc
from segdata.ingest.reading import Found
from segdata.ingest.recipe import SourceRecipe

Reader = Callable[[Path, SourceRecipe], Iterator[Found]]

READERS: dict[str, Reader] = {
    "portrait2000": portrait2000.read,
    "aisegment": aisegment.read,
    "coco": coco.read,
    "p3m10k": p3m10k.read,
    "voc": voc.read,
    "supervisely": supervisely.read,
    "labelstudio": labelstudio.read,
    "labelme": labelme.read,
    "folder": folder.read,
}
