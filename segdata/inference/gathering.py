"""The pictures from which people in backgrounds are learned, each looked at once by the network of `embedding`.

People are learned from photos that are annotated with some, as far as the catalog knows any, and from as many
portraits, laid over the backgrounds at all sizes: whoever is told two pictures that differ by a person learns the
person. Where there are hardly any such photos, as with a folder of backgrounds, the portraits do alone. What can't be
read is left out.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.catalog.embeddings import Embedding, Shown, embeddings_of, keep_embeddings
from segdata.catalog.forgotten import read_forgotten
from segdata.catalog.pixels import read_image_of, read_pair
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.local import map_threads
from segdata.errors import PixelError, StorageError
from segdata.imaging.arrays import Image
from segdata.imaging.composite import composite_over
from segdata.imaging.decode import DecodeError, decode_image
from segdata.imaging.fusion import unit_draw
from segdata.imaging.placement import Standing, place
from segdata.inference.embedding import NETWORK, Embedder, fit_frame
from segdata.inference.presence import LEAST, MOST, Pictures, fitted_with
from segdata.records import Progress
from segdata.storage.files import read_bytes, sha256_of

Row = Mapping[str, Any]
_SHARD = 64
"""Pictures a commit."""
_SMALLEST = 0.25  # of the background's height: smaller ones are hardly seen any more

Look = Callable[[Image], Embedding]


@dataclass(frozen=True)
class Gathered:
    """Pictures with their embeddings.

    Attributes:
        pictures: for `judge_presence`.
        looked: how many were shown to the network now; in a dry run, how many would be.
    """

    pictures: Pictures
    looked: int


def gather_pictures(
    context: RunContext,
    backgrounds: pa.Table,
    people: Sequence[Path],
    portraits: pa.Table,
    opener: Callable[[], Look] = Embedder,
) -> Gathered | None:
    """Look at backgrounds and at pictures with people that the catalog has no embedding of; appends to `embeddings`.

    Args:
        context: in a dry run nothing is looked at.
        backgrounds: rows of `samples`.
        people: files of photos that are annotated with people.
        portraits: rows of `samples`, which are laid over backgrounds.
        opener: opens the network; only called if there is something to look at.

    Returns:
        None where there are too few backgrounds or people to learn from; then nothing was looked at.

    Raises:
        CheckpointError: The network's weights are not installed.
    """
    rows = {row["image_sha256"]: row for row in backgrounds.to_pylist()}
    if len(rows) < LEAST:
        return None
    with_people = _with_people(context.workspace, people, portraits.to_pylist(), rows)
    if len(with_people) < LEAST:
        return None
    readers = {(name, None): _reader(context.workspace, row) for name, row in rows.items()} | with_people
    known = embeddings_of(context.catalog, NETWORK, readers)
    missing = [shown for shown in readers if shown not in known]
    if missing and not context.dry_run:
        known |= _looked_at(context, [(shown, readers[shown]) for shown in missing], opener())
    names = zip(backgrounds["sample_id"].to_pylist(), backgrounds["image_sha256"].to_pylist(), strict=True)
    pictures = Pictures(
        people={shown: known[shown] for shown in with_people if shown in known},
        backgrounds={name: known[name, None] for name in rows if (name, None) in known},
        names=[(name, image) for name, image in names if (image, None) in known],
    )
    return Gathered(pictures, len(missing))


def lay_over(background: Image, portrait: Image, alpha: np.ndarray, draw: Callable[[str], float]) -> Image:
    """A portrait over a background, on its bottom edge, anywhere and of any size.

    Args:
        background: (H, W, 3) uint8 RGB.
        portrait: (h, w, 3) uint8 RGB.
        alpha: (h, w) uint8.
        draw: a number in [0, 1) for each word.

    Returns:
        (H, W, 3) uint8 RGB: a new array. The portrait is a quarter of its height and more.
    """
    height, width = background.shape[:2]
    high = math.exp(math.log(_SMALLEST) * draw("size"))
    wide = high * portrait.shape[1] / portrait.shape[0] * height / width
    standing = Standing(high, wide, 0.1 + 0.8 * draw("place"))
    foreground, placed = place(portrait, alpha, standing, (height, width))
    return composite_over(foreground, background, placed)


def _with_people(
    workspace: Workspace, people: Sequence[Path], portraits: Sequence[Row], backgrounds: Mapping[str, Row]
) -> dict[Shown, Callable[[], Image]]:
    """How pictures with people are read: photos first, and as many portraits over backgrounds, or those alone."""
    forgotten = read_forgotten(workspace)
    photos: dict[Shown, Callable[[], Image]] = {}
    for path in people:
        try:
            name = sha256_of(read_bytes(path))
        except StorageError:
            continue
        if name not in backgrounds and not forgotten.has_image(name):
            photos[name, None] = partial(_decoded, path)
    photos = dict(sorted(photos.items())[:MOST])
    if len(photos) < LEAST:
        photos = {}
    if len(portraits) < LEAST:
        return photos
    ring = {row["image_sha256"]: row for row in portraits}
    order = sorted(ring)
    laid: dict[Shown, Callable[[], Image]] = {}
    for over in fitted_with(backgrounds)[: len(photos) or MOST]:
        # The next one on the ring of hashes: where portraits are added, most pairs stay as they are.
        image = order[bisect(order, over) % len(order)]
        laid[image, over] = _layer(workspace, ring[image], backgrounds[over])
    return photos | laid


def _decoded(path: Path) -> Image:
    return decode_image(read_bytes(path))


def _reader(workspace: Workspace, row: Row) -> Callable[[], Image]:
    def read() -> Image:
        path = workspace.resolve(row["image_uri"])
        if sha256_of(read_bytes(path)) != row["image_sha256"]:
            raise StorageError(f"{path}: changed since it was ingested; run: segdata ingest")
        return read_image_of(workspace, row)

    return read


def _layer(workspace: Workspace, portrait: Row, background: Row) -> Callable[[], Image]:
    def read() -> Image:
        image, alpha = read_pair(workspace, portrait)
        names = portrait["image_sha256"], background["image_sha256"]
        below = fit_frame(read_image_of(workspace, background))
        return lay_over(below, image, alpha, lambda word: unit_draw(0, word, *names))

    return read


def _looked_at(
    context: RunContext, pictures: Sequence[tuple[Shown, Callable[[], Image]]], look: Look
) -> dict[Shown, Embedding]:
    """Show pictures to the network, several at a time, and commit a shard after the other."""

    def embed(picture: tuple[Shown, Callable[[], Image]]) -> tuple[Shown, Embedding | None]:
        shown, read = picture
        try:
            return shown, look(read())
        except (StorageError, PixelError, DecodeError):
            return shown, None

    found: dict[Shown, Embedding] = {}
    done = 0
    results: Iterator[tuple[Shown, Embedding | None]] = map_threads(embed, pictures, context.workers)
    while shard := list(islice(results, _SHARD)):
        new = {shown: embedding for shown, embedding in shard if embedding is not None}
        keep_embeddings(context.catalog, NETWORK, new, context.run_id)
        found |= new
        done += len(shard)
        context.progress(Progress("look", "people in backgrounds", done, len(pictures)))
    return found
