"""May a quicker way of running a network stand in for the reference, PyTorch in fp32? Asked of the first images.

Compared are the masks at network size, and what mining does with them: the order in which mIoU puts the images. The
limits are `LIMITS`, for every runtime and precision. What came out is kept per model in `catalog/files/parity/`,
so that it is asked once; a way that failed is not taken again by `auto`, and `--precision` takes it all the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from segdata.catalog.pixels import read_pair
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.errors import PixelError, StorageError
from segdata.imaging.arrays import Image, Mask
from segdata.imaging.frame import alpha_into_frame
from segdata.inference.model_folder import ModelSpec
from segdata.inference.predict import network_probabilities, prepare
from segdata.inference.runtimes import Runtime
from segdata.metrics.confusion import Confusion, confusion, iou_foreground, miou
from segdata.metrics.image_scores import PREDICTION_CUT
from segdata.records import LABEL_CUT
from segdata.storage.files import atomic_write

REFERENCE = ("torch", "fp32")
"""What all other ways are held against."""

Row = dict[str, Any]
Way = tuple[str, str]
Opener = Callable[[Path, str, str], Runtime]

_log = logging.getLogger("segdata.inference")


@dataclass(frozen=True)
class Limits:
    """When a way passes.

    Attributes:
        images: how many are compared, of the first that can be read.
        iou: of the two masks, the pixels of all images pooled: at least.
        changed: share of an image's pixels that change sides, in the worst image: at most.
        order: share of the pairs of images which both ways put in the same order, of those pairs that the reference
            tells apart: at least.
        apart: the mIoU from which a pair is told apart.
    """

    images: int = 16
    iou: float = 0.99
    changed: float = 0.02
    order: float = 0.98
    apart: float = 0.01


LIMITS = Limits()


@dataclass(frozen=True)
class Parity:
    """A way of running a network, against the reference; see `Limits`.

    Attributes:
        runtime, precision: the way.
        images: how many were compared.
        iou, changed, order: what was measured.
        passed: whether all limits hold.
    """

    runtime: str
    precision: str
    images: int
    iou: float
    changed: float
    order: float
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """As kept, and as printed with `--json`."""
        return asdict(self)


def settle(
    ways: Sequence[Way], catalog: Catalog, model_id: str, check: Callable[[Way], Parity | None] | None = None
) -> tuple[Way, Parity | None]:
    """The first way that passes; the reference always does.

    Args:
        ways: the quickest first.
        catalog: keeps what came out.
        model_id: the model's.
        check: measures a way of which nothing is kept, None where there is no image to do it by. Without it such a
            way is taken for good.

    Returns:
        The way, and what is known of it.
    """
    for way in ways:
        known = None if way == REFERENCE else recall(catalog, model_id, way)
        if known is None and way != REFERENCE and check is not None:
            known = check(way)
            if known is not None:
                atomic_write(_path(catalog, model_id, way), json.dumps(known.to_json()).encode())
        if known is None or known.passed:
            return way, known
        if way != ways[-1]:
            _log.warning("%s", in_words(known))
    return REFERENCE, None


def recall(catalog: Catalog, model_id: str, way: Way) -> Parity | None:
    """What is kept of a way; None where nothing is, or where it can't be read."""
    try:
        return Parity(**json.loads(_path(catalog, model_id, way).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def check_way(
    workspace: Workspace, samples: Iterable[Row], model: tuple[Path, ModelSpec], way: Way, opener: Opener
) -> Parity | None:
    """Run the first images both ways; None if no portrait can be read.

    Args:
        workspace: to read from.
        samples: rows of `samples`; backgrounds are passed over, since a mask of nobody says nothing.
        model: the version's folder and spec.
        way: runtime and precision.
        opener: opens the network.

    Raises:
        CheckpointError: The model can't be used.
    """
    folder, spec = model
    readable = (_read(workspace, row, spec) for row in samples if row["kind"] == "portrait")
    pairs = list(islice((pair for pair in readable if pair is not None), LIMITS.images))
    if not pairs:
        return None
    images, labels = np.stack([image for image, _ in pairs]), [label for _, label in pairs]
    reference = _masks(opener(folder, *REFERENCE), spec, images)
    return compare(way, labels, reference, _masks(opener(folder, *way), spec, images))


def compare(way: Way, labels: Sequence[Mask], reference: Sequence[Mask], candidate: Sequence[Mask]) -> Parity:
    """Measure a way.

    Args:
        way: its name.
        labels: (H, W) bool each, at network size.
        reference, candidate: the masks of the two ways, as large.

    >>> ring = np.eye(4, dtype=bool)
    >>> compare(("torch", "bf16"), [ring], [ring], [ring]).passed
    True
    """
    counts = [confusion(one, other) for one, other in zip(reference, candidate, strict=True)]
    iou = iou_foreground(Confusion(*(sum(column) for column in zip(*counts, strict=True))))
    changed = max((one.fp + one.fn) / sum(one) for one in counts)
    pairs = list(zip(labels, reference, candidate, strict=True))
    order = same_order(
        [miou(confusion(label, one)) for label, one, _ in pairs],
        [miou(confusion(label, other)) for label, _, other in pairs],
    )
    passed = iou >= LIMITS.iou and changed <= LIMITS.changed and order >= LIMITS.order
    return Parity(*way, len(labels), iou, changed, order, passed)


def same_order(reference: Sequence[float], candidate: Sequence[float]) -> float:
    """The share of pairs in the same order, of those that the reference tells apart; 1 where it tells none apart.

    >>> same_order([0.5, 0.7, 0.9], [0.5, 0.95, 0.9])
    0.6666666666666666
    """
    ours, theirs = (np.subtract.outer(values, values) for values in (np.array(reference), np.array(candidate)))
    apart = np.triu(np.abs(ours) > LIMITS.apart)
    return float(np.mean(ours[apart] * theirs[apart] > 0)) if apart.any() else 1.0


def in_words(parity: Parity) -> str:
    """Why a way is not taken."""
    return (
        f"{parity.runtime} in {parity.precision} is not close enough to fp32 with this model: on {parity.images} "
        f"images the masks agree to an IoU of {parity.iou:.4f} (limit {LIMITS.iou:g}), up to {parity.changed:.2%} of "
        f"an image's pixels change sides ({LIMITS.changed:.0%}), {parity.order:.1%} of the pairs keep their order "
        f"({LIMITS.order:.0%}); a slower way is taken"
    )


def _path(catalog: Catalog, model_id: str, way: Way) -> Path:
    return catalog.root / "files" / "parity" / f"{model_id}-{way[0]}-{way[1]}.json"


def _read(workspace: Workspace, row: Row, spec: ModelSpec) -> tuple[Image, Mask] | None:
    """A photo and its label at network size: sixteen of the largest photos need not lie in memory at once."""
    try:
        image, alpha = read_pair(workspace, row)
    except (StorageError, PixelError):
        return None
    label: Mask = np.greater_equal(alpha_into_frame(alpha, spec.input_hw, spec.resize), LABEL_CUT)
    return prepare(image, spec), label


def _masks(runtime: Runtime, spec: ModelSpec, images: Image) -> list[Mask]:
    parts = [network_probabilities(runtime, spec, images[start : start + 8]) for start in range(0, len(images), 8)]
    return list(np.concatenate(parts) >= PREDICTION_CUT)
