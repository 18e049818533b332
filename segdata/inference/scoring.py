"""Score samples with a model: decode, network and metrics side by side, a commit a shard, nothing scored twice.

A scorer is a model, run in one way: its id is the hash of all that can change a score. Rows that the catalog has for
a scorer and a sample's bytes are reused, so a killed run goes on where its last commit was. A sample that can't be
scored becomes a row with status failed and the reason; it is tried again by the next run, and written again only if
it can be scored by then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.catalog.packing import pack_mask, pack_probability
from segdata.catalog.pixels import read_pair
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.local import map_threads
from segdata.errors import PixelError, StorageError
from segdata.imaging.arrays import Alpha, Image, Probability
from segdata.inference.features import pack_features
from segdata.inference.model_folder import ModelSpec, model_id_of, read_spec
from segdata.inference.onnx_file import WAY, is_onnx, onnx_id, onnx_spec
from segdata.inference.parity import Opener, Parity, Way, check_way, settle
from segdata.inference.predict import network_description, prepare, restore
from segdata.inference.runtimes import Runtime, open_runtime, ways_for
from segdata.metrics.confusion import Confusion, miou_dataset, miou_image
from segdata.metrics.image_scores import METRIC_VERSION, PREDICTION_CUT, score_image
from segdata.records import Progress
from segdata.storage.files import read_bytes, sha256_of

SHARD = 64
"""Samples a commit."""

Row = dict[str, Any]
Key = tuple[str, str | None, str | None]
_Predicted = tuple[Probability, bytes]


@dataclass(frozen=True)
class ScoringOptions:
    """How the network is run.

    Attributes:
        runtime: a runtime's name, or auto.
        precision: fp32, bf16, or auto.
        batch: images a network call.
        perceptual: measure gradient and connectivity as well; such scores are a scorer's of their own.
    """

    runtime: str = "auto"
    precision: str = "auto"
    batch: int = 8
    perceptual: bool = False


@dataclass(frozen=True)
class ScoringResult:
    """What was scored.

    Attributes:
        scorer_id: names the scores in the catalog.
        model_id: the model's.
        runtime, precision: what the network ran on.
        scored: samples scored now; in a dry run, those that would be.
        reused: samples whose scores the catalog had.
        failed: samples that could not be scored.
        parity: how near the way is to PyTorch in fp32, where `auto` chose it by a check; see `parity.Parity`.
    """

    scorer_id: str
    model_id: str
    runtime: str
    precision: str
    scored: int
    reused: int
    failed: int
    parity: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Loaded:
    """A sample ready for the network, or the reason why it is not."""

    row: Row
    image: Image | None = None
    alpha: Alpha | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Scored:
    """A sample's rows of `scores` and of `predictions`; no prediction where it failed."""

    score: Row
    prediction: Row | None


def score_samples(
    context: RunContext,
    model_folder: Path,
    samples: pa.Table,
    options: ScoringOptions | None = None,
    opener: Opener = open_runtime,
) -> ScoringResult:
    """Score samples that this scorer has not scored yet; appends to `scores` and `predictions`.

    Args:
        context: `workers` threads decode, and as many compute scores; `limit` takes the first samples only.
        model_folder: a trained version's folder, or an ONNX file.
        samples: rows of the `samples` table.
        options: how the network is run.
        opener: opens the network, by folder, runtime and precision; only called if there is something to score.

    Raises:
        CheckpointError: The model can't be used.
        CatalogError: A table can't be read or written.
        UsageError: No such runtime or precision.
    """
    options = options or ScoringOptions()
    rows: list[Row] = samples.slice(0, context.limit).to_pylist()
    scorer = _settled(context, model_folder, options, rows, opener)
    known = _statuses(context.catalog, scorer.scorer_id)
    # What failed before comes last, so that drivers which began at other times cut what is new into the same shards.
    waiting = [row for row in rows if key_of(row) not in known]
    waiting += [row for row in rows if known.get(key_of(row)) == "failed"]
    result = replace(scorer, reused=len(rows) - len(waiting))
    if context.dry_run or not waiting:
        return replace(result, scored=len(waiting))
    spec = spec_of(model_folder)
    done, failed = result.reused, 0
    context.progress(Progress("score", spec.name, done, len(rows)))
    runtime = opener(model_folder, scorer.runtime, scorer.precision)
    work = _Work(context, spec, runtime, scorer, options.perceptual)
    for shard in _shards(work.results(waiting, options.batch)):
        failed += sum(one.prediction is None for one in shard)
        done += len(shard)
        new = [one for one in shard if one.prediction is not None or key_of(one.score) not in known]
        _commit(context.catalog, scorer.scorer_id, new)
        context.progress(Progress("score", spec.name, done, len(rows), note=f"{failed} failed" if failed else ""))
    return replace(result, scored=len(waiting) - failed, failed=failed)


def identify(model_folder: Path, options: ScoringOptions, catalog: Catalog) -> ScoringResult:
    """The scorer that a model and options make on this machine, without opening it: all counts are 0.

    Its id is the hash of all that can change a score, 16 hexadecimal digits. What `auto` means follows from the checks
    that the catalog keeps; where it keeps none, the quickest way is assumed.

    Raises:
        CheckpointError: The model can't be used.
        UsageError: No such runtime or precision.
    """
    return _identified(model_folder, options, catalog)


def spec_of(model: Path) -> ModelSpec:
    """What the `model.toml` of a version's folder, or of an ONNX file, says.

    Raises:
        CheckpointError: It is missing or wrong.
    """
    return onnx_spec(model) if is_onnx(model) else read_spec(model)


def _settled(
    context: RunContext, model_folder: Path, options: ScoringOptions, rows: Sequence[Row], opener: Opener
) -> ScoringResult:
    """The scorer, once its way of running the network has passed the check; that of `identify` in a dry run."""
    if context.dry_run:
        return _identified(model_folder, options, context.catalog)
    model = model_folder, spec_of(model_folder)
    check = partial(check_way, context.workspace, rows, model, opener=opener)
    return _identified(model_folder, options, context.catalog, check)


def _identified(
    model_folder: Path,
    options: ScoringOptions,
    catalog: Catalog,
    check: Callable[[Way], Parity | None] | None = None,
) -> ScoringResult:
    spec = spec_of(model_folder)
    if is_onnx(model_folder):
        model_id, asked = onnx_id(model_folder), [WAY]
    else:
        model_id, asked = model_id_of(model_folder), ways_for(options.runtime, options.precision)
    (runtime, precision), parity = settle(asked, catalog, model_id, check) if len(asked) > 1 else (asked[0], None)
    decides = [model_id, runtime, precision, list(spec.input_hw), spec.resize, spec.flip, METRIC_VERSION]
    decides += ["perceptual"] if options.perceptual else []
    scorer_id = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]
    found = None if parity is None else parity.to_json()
    return ScoringResult(scorer_id, model_id, runtime, precision, scored=0, reused=0, failed=0, parity=found)


def key_of(row: Mapping[str, Any]) -> Key:
    """A sample as it is now: its id and the hashes of its bytes."""
    return row["sample_id"], row["image_sha256"], row["alpha_sha256"]


def scores_of(catalog: Catalog, scorer_id: str, samples: pa.Table) -> list[tuple[Row, Row]]:
    """Pairs of a samples row and its scores row, for those that the scorer scored in their present bytes.

    The order is that of `samples`; failed ones are left out.
    """
    rows = catalog.read("scores", where=f"scorer_id = '{scorer_id}' AND status = 'scored'").to_pylist()
    by_key = {key_of(row): row for row in rows}
    return [(sample, by_key[key_of(sample)]) for sample in samples.to_pylist() if key_of(sample) in by_key]


def evaluate(catalog: Catalog, scorer_id: str, samples: pa.Table) -> dict[str, Any]:
    """A scorer's metrics over samples, those that failed left out of every mean but counted.

    Returns:
        `miou_image`, `miou_dataset`, `boundary_iou` (means over images, or pooled pixels; null without an image),
        `hole_recall` (mean over the images that have a hole; null without one), `images` and `failed` (counts).
    """
    scores = [score for _, score in scores_of(catalog, scorer_id, samples)]
    statuses = _statuses(catalog, scorer_id)
    failed = sum(statuses.get(key_of(row)) == "failed" for row in samples.to_pylist())
    pixels = ("true_positive", "false_positive", "false_negative", "true_negative")
    recalls = [score["hole_recall"] for score in scores if score["hole_recall"] is not None]
    return {
        "miou_image": miou_image(score["miou"] for score in scores) if scores else None,
        "miou_dataset": miou_dataset(Confusion(*(score[name] for name in pixels)) for score in scores)
        if scores
        else None,
        "boundary_iou": float(np.mean([score["boundary_iou"] for score in scores])) if scores else None,
        "hole_recall": float(np.mean(recalls)) if recalls else None,
        "images": len(scores),
        "failed": failed,
    }


class _Work:
    """Samples on their way through decoding, network and metrics.

    Args:
        context: the workspace to read from, and the number of threads.
        spec: how images become network input.
        runtime: the network.
        scorer: says whose scores these are.
        perceptual: whether gradient and connectivity are measured.
    """

    def __init__(
        self, context: RunContext, spec: ModelSpec, runtime: Runtime, scorer: ScoringResult, perceptual: bool
    ) -> None:
        self._workspace, self._threads = context.workspace, context.workers
        self._spec, self._runtime, self._perceptual = spec, runtime, perceptual
        self._common = {"scorer_id": scorer.scorer_id, "run_id": context.run_id}
        self._scorer = {"model_id": scorer.model_id, "runtime": scorer.runtime, "precision": scorer.precision}

    def results(self, rows: Sequence[Row], batch: int) -> Iterator[_Scored]:
        """Each sample's rows, in order. The network runs in the caller's thread, beside those that decode and score."""
        loaded = map_threads(self._load, rows, self._threads, look_ahead=max(4, batch))
        yield from map_threads(self._score, self._predict(loaded, batch), self._threads, look_ahead=max(4, batch))

    def _load(self, row: Row) -> _Loaded:
        try:
            if stale := _changed_file(self._workspace, row):
                return _Loaded(row, reason=f"{stale}: changed since it was ingested; run: segdata ingest")
            image, alpha = read_pair(self._workspace, row)
        except (StorageError, PixelError) as error:
            return _Loaded(row, reason=str(error))
        return _Loaded(row, prepare(image, self._spec), alpha)

    def _predict(self, loaded: Iterator[_Loaded], batch: int) -> Iterator[tuple[_Loaded, _Predicted | None]]:
        while taken := list(islice(loaded, batch)):
            images = [one.image for one in taken if one.image is not None]
            predicted = iter(self._described(np.stack(images)) if images else ())
            yield from ((one, None if one.image is None else next(predicted)) for one in taken)

    def _described(self, batch: Image) -> list[_Predicted]:
        probabilities, features = network_description(self._runtime, self._spec, batch)
        return list(zip(probabilities, pack_features(features), strict=True))

    def _score(self, pair: tuple[_Loaded, _Predicted | None]) -> _Scored:
        loaded, predicted = pair
        keys = {name: loaded.row[name] for name in ("sample_id", "image_sha256", "alpha_sha256")}
        score = {**self._common, **keys, **self._scorer}
        if predicted is None or loaded.alpha is None:
            return _Scored({**score, "status": "failed", "reason": loaded.reason}, None)
        probability, features = predicted
        if not np.isfinite(probability).all():
            return _Scored({**score, "status": "failed", "reason": "the network's output is not finite"}, None)
        height, width = loaded.alpha.shape
        restored = restore(probability, (height, width), self._spec)
        score |= score_image(loaded.alpha, restored, loaded.row["alpha_kind"], self._perceptual)
        prediction = {
            **self._common,
            **keys,
            "probability": pack_probability(probability),
            "network_height": probability.shape[0],
            "network_width": probability.shape[1],
            "mask": pack_mask(restored >= PREDICTION_CUT),
            "height": height,
            "width": width,
            "features": features,
        }
        return _Scored({**score, "status": "scored"}, prediction)


def _statuses(catalog: Catalog, scorer_id: str) -> dict[Key, str]:
    """What the catalog knows of a scorer: scored wherever any row says so."""
    columns = ["sample_id", "image_sha256", "alpha_sha256", "status"]
    rows = catalog.read("scores", columns, where=f"scorer_id = '{scorer_id}'").to_pylist()
    failed = {key_of(row): "failed" for row in rows}
    return failed | {key_of(row): "scored" for row in rows if row["status"] == "scored"}


def _changed_file(workspace: Workspace, row: Row) -> Path | None:
    """The first of a sample's files that is not what was ingested; a newer time alone, as in a copy, is no change."""
    for name in ("image", "alpha"):
        if row[f"{name}_uri"] is None:
            continue
        path = workspace.resolve(row[f"{name}_uri"])
        try:
            found = path.stat()
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}; restore the file, or run: segdata ingest") from error
        same = (found.st_size, found.st_mtime_ns) == (row[f"{name}_size"], row[f"{name}_mtime_ns"])
        if not same and sha256_of(read_bytes(path)) != row[f"{name}_sha256"]:
            return path
    return None


def _shards(results: Iterable[_Scored]) -> Iterator[list[_Scored]]:
    iterator = iter(results)
    while shard := list(islice(iterator, SHARD)):
        yield shard


def _commit(catalog: Catalog, scorer_id: str, shard: Sequence[_Scored]) -> None:
    """Append a shard: predictions first, since it is the row of `scores` that says a sample is done.

    The transaction is named by what is written, so that of two drivers with the same shard only one writes it.
    """
    if not shard:
        return
    names = json.dumps([scorer_id, [[*key_of(one.score), one.score["status"]] for one in shard]])
    transaction = f"score/{hashlib.sha256(names.encode()).hexdigest()[:32]}"
    predictions = [one.prediction for one in shard if one.prediction is not None]
    if predictions:
        catalog.append("predictions", rows_to_table("predictions", predictions), transaction)
    catalog.append("scores", rows_to_table("scores", [one.score for one in shard]), transaction)
