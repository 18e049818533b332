"""Small drawn sources for the tests of masks: photos with a person, and masks as somebody stored them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.ingest.counts import IngestResult, SourceCounts
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run as run_ingest

WIDTH, HEIGHT = 60, 80


def draw(seed: int, width: int = WIDTH, height: int = HEIGHT) -> tuple[np.ndarray, np.ndarray]:
    """A bright person, off centre, before a dark background: (H, W, 3) uint8 and (H, W) bool."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    middle = width * (0.3 + 0.1 * rng.random())
    person = ((x - middle) / (width * 0.15)) ** 2 + ((y - height * 0.3) / (height * 0.14)) ** 2 < 1
    person |= (np.abs(x - middle) < width * 0.25) & (y > height * 0.55)
    photo = rng.normal(60, 4, (height, width, 3))
    photo[person] = rng.normal(190, 4, (int(person.sum()), 3))
    return photo.clip(0, 255).astype(np.uint8), person


def save(path: Path, pixels: np.ndarray | Pillow.Image, **options: object) -> None:
    """Write a picture, by the suffix of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Pillow.Image) else Pillow.fromarray(pixels)).save(path, **options)


def source(root: Path, **keys: object) -> SourceRecipe:
    """A folder source named own."""
    return SourceRecipe(name="own", reader="folder", root=str(root), **keys)


def context_of(workspace: Path, run_id: str = "run") -> RunContext:
    """A run in a workspace."""
    return RunContext(Workspace(workspace, Catalog(workspace / "catalog")), run_id)


def ingest(workspace: Path, root: Path, **keys: object) -> SourceCounts:
    """Ingest the source."""
    return ingest_result(workspace, root, **keys).sources["own"]


def ingest_result(workspace: Path, root: Path, **keys: object) -> IngestResult:
    """Ingest the source, and everything that the command is told."""
    return run_ingest(context_of(workspace), [source(root, **keys)])
