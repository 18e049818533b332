"""Samples on their way through decoding, network and metrics, each at work beside the others.

    rows --threads--> photo at network size, label --streams--> probability --threads--> rows of two tables

Results come in the order of the rows, and so few are on their way that memory does not grow with the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from segdata.catalog.keys import COLUMNS, mask_file_sha256
from segdata.catalog.packing import pack_mask, pack_probability
from segdata.catalog.pixels import read_pair
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.local import keep_freed_memory, map_threads
from segdata.errors import PixelError, StorageError
from segdata.imaging.arrays import Alpha, Image, Probability
from segdata.inference.features import pack_features
from segdata.inference.model_folder import ModelSpec
from segdata.inference.predict import network_description, prepare, restore
from segdata.inference.runtimes import Runtime
from segdata.metrics.image_scores import PREDICTION_CUT, score_image
from segdata.storage.files import read_bytes, sha256_of

Row = dict[str, Any]
_Predicted = tuple[Probability, bytes]


@dataclass(frozen=True)
class Scored:
    """A sample's rows of `scores` and of `predictions`; no prediction where it failed."""

    score: Row
    prediction: Row | None


@dataclass(frozen=True)
class _Loaded:
    """A sample ready for the network, or the reason why it is not."""

    row: Row
    image: Image | None = None
    alpha: Alpha | None = None
    reason: str | None = None
    photo: Image | None = None  # at its own size, where that is needed once more


class Flow:
    """Scores samples with one network.

    Args:
        context: the workspace to read from, and the number of threads.
        spec: how images become network input.
        runtime: the network.
        scorer: whose scores these are: the columns `scorer_id`, `model_id`, `runtime` and `precision`.
        perceptual: whether gradient and connectivity are measured.
    """

    def __init__(
        self, context: RunContext, spec: ModelSpec, runtime: Runtime, scorer: Mapping[str, str], perceptual: bool
    ) -> None:
        self._workspace, self._threads = context.workspace, context.workers
        self._spec, self._runtime, self._perceptual = spec, runtime, perceptual
        self._scorer = {**scorer, "run_id": context.run_id}

    def results(self, rows: Iterable[Row], batch: int) -> Iterator[Scored]:
        """Each sample's rows, in order.

        Args:
            rows: of `samples`; read only as far as needed.
            batch: images a network call.
        """
        keep_freed_memory()
        loaded = map_threads(self._load, rows, self._threads, look_ahead=max(4, batch))
        # A batch more than the network computes at a time lies ready, so that it goes on while a shard is committed.
        predicted = map_threads(self._predict, _batches(loaded, batch), self._runtime.at_once, look_ahead=2)
        pairs = (pair for some in predicted for pair in some)
        yield from map_threads(self._score, pairs, self._threads)

    def _load(self, row: Row) -> _Loaded:
        try:
            if stale := _changed_file(self._workspace, row):
                return _Loaded(row, reason=f"{stale}: changed since it was ingested; run: segdata ingest")
            image, alpha = read_pair(self._workspace, row)
        except (StorageError, PixelError) as error:
            return _Loaded(row, reason=str(error))
        photo = image if self._spec.upsample == "guided" else None
        return _Loaded(row, prepare(image, self._spec), alpha, photo=photo)

    def _predict(self, taken: list[_Loaded]) -> list[tuple[_Loaded, _Predicted | None]]:
        images = [one.image for one in taken if one.image is not None]
        predicted = iter(self._described(np.stack(images)) if images else ())
        return [(one, None if one.image is None else next(predicted)) for one in taken]

    def _described(self, batch: Image) -> list[_Predicted]:
        probabilities, features = network_description(self._runtime, self._spec, batch)
        return list(zip(probabilities, pack_features(features), strict=True))

    def _score(self, pair: tuple[_Loaded, _Predicted | None]) -> Scored:
        loaded, predicted = pair
        keys = {name: loaded.row[name] for name in COLUMNS}
        score = {**self._scorer, **keys}
        if predicted is None or loaded.alpha is None:
            return Scored({**score, "status": "failed", "reason": loaded.reason}, None)
        probability, features = predicted
        if not np.isfinite(probability).all():
            return Scored({**score, "status": "failed", "reason": "the network's output is not finite"}, None)
        height, width = loaded.alpha.shape
        restored = restore(probability, (height, width), self._spec, loaded.photo)
        score |= score_image(loaded.alpha, restored, loaded.row["alpha_kind"], self._perceptual)
        prediction = {
            **{name: self._scorer[name] for name in ("scorer_id", "run_id")},
            **keys,
            "probability": pack_probability(probability),
            "network_height": probability.shape[0],
            "network_width": probability.shape[1],
            "mask": pack_mask(restored >= PREDICTION_CUT),
            "height": height,
            "width": width,
            "features": features,
        }
        return Scored({**score, "status": "scored"}, prediction)


def _batches(loaded: Iterator[_Loaded], batch: int) -> Iterator[list[_Loaded]]:
    while taken := list(islice(loaded, batch)):
        yield taken


def _changed_file(workspace: Workspace, row: Row) -> Path | None:
    """The first of a sample's files that is not what was ingested; a newer time alone, as in a copy, is no change."""
    mask = mask_file_sha256(row["alpha_sha256"], row.get("alpha_file_sha256"))
    for name, expected in (("image", row["image_sha256"]), ("alpha", mask)):
        if row[f"{name}_uri"] is None:
            continue
        path = workspace.resolve(row[f"{name}_uri"])
        try:
            found = path.stat()
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}; restore the file, or run: segdata ingest") from error
        same = (found.st_size, found.st_mtime_ns) == (row[f"{name}_size"], row[f"{name}_mtime_ns"])
        if not same and sha256_of(read_bytes(path)) != expected:
            return path
    return None
