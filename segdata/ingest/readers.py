"""The readers, by the name that a recipe gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from segdata.ingest import aisegment, coco, folder, portrait2000
from segdata.ingest.reading import Found
from segdata.ingest.recipe import SourceRecipe

Reader = Callable[[Path, SourceRecipe], Iterator[Found]]

READERS: dict[str, Reader] = {
    "portrait2000": portrait2000.read,
    "aisegment": aisegment.read,
    "coco": coco.read,
    "folder": folder.read,
}
