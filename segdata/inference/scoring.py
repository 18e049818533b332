"""Score samples with a model: decode, network and metrics side by side, a commit a shard, nothing scored twice.

A scorer is a model, run in one way: its id is the hash of all that can change a score. Rows that the catalog has for
a scorer and a sample's bytes are reused, so a killed run goes on where its last commit was. A sample that can't be
scored becomes a row with status failed and the reason; it is tried again by the next run, and written again only if
it can be scored by then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.catalog.keys import COLUMNS, Key, key_of, keys_of, rows_in
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext
from segdata.inference.flow import Flow, Scored
from segdata.inference.model_folder import ModelSpec, model_id_of, read_spec
from segdata.inference.onnx_file import WAY, is_onnx, onnx_id, onnx_spec
from segdata.inference.parity import Opener, Parity, Way, check_way, settle
from segdata.inference.runtimes import open_for_many, ways_for
from segdata.metrics.confusion import Confusion, miou_dataset, miou_image
from segdata.metrics.image_scores import METRIC_VERSION
from segdata.records import Progress

SHARD = 64
"""Samples a commit."""


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


def score_samples(
    context: RunContext,
    model_folder: Path,
    samples: pa.Table,
    options: ScoringOptions | None = None,
    opener: Opener = open_for_many,
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
    samples = samples.slice(0, context.limit)
    scorer = _settled(context, model_folder, options, samples, opener)
    waiting, tried = _waiting(context.catalog, scorer.scorer_id, samples)
    result = replace(scorer, reused=samples.num_rows - waiting.num_rows)
    if context.dry_run or not waiting.num_rows:
        return replace(result, scored=waiting.num_rows)
    spec, total = spec_of(model_folder), samples.num_rows
    done, failed = result.reused, 0
    context.progress(Progress("score", spec.name, done, total))
    runtime = opener(model_folder, scorer.runtime, scorer.precision)
    whose = {name: getattr(scorer, name) for name in ("scorer_id", "model_id", "runtime", "precision")}
    flow = Flow(context, spec, runtime, whose, options.perceptual)
    for shard in _shards(flow.results(rows_in(waiting), options.batch)):
        failed += sum(one.prediction is None for one in shard)
        done += len(shard)
        new = [one for one in shard if one.prediction is not None or key_of(one.score) not in tried]
        _commit(context.catalog, scorer.scorer_id, new)
        context.progress(Progress("score", spec.name, done, total, note=f"{failed} failed" if failed else ""))
    return replace(result, scored=waiting.num_rows - failed, failed=failed)


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
    context: RunContext, model_folder: Path, options: ScoringOptions, samples: pa.Table, opener: Opener
) -> ScoringResult:
    """The scorer, once its way of running the network has passed the check; that of `identify` in a dry run."""
    if context.dry_run:
        return _identified(model_folder, options, context.catalog)
    model = model_folder, spec_of(model_folder)

    def check(way: Way) -> Parity | None:
        return check_way(context.workspace, rows_in(samples), model, way, opener)

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
    decides = [model_id, runtime, precision, list(spec.input_hw), spec.resize, spec.flip, spec.upsample, METRIC_VERSION]
    decides += ["perceptual"] if options.perceptual else []
    scorer_id = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]
    found = None if parity is None else parity.to_json()
    return ScoringResult(scorer_id, model_id, runtime, precision, scored=0, reused=0, failed=0, parity=found)


def scores_of(catalog: Catalog, scorer_id: str, samples: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of `scores` of those samples that the scorer scored in their present bytes, in the samples' order.

    Args:
        catalog: whose table is read.
        scorer_id: the scorer's.
        samples: rows of `samples`.
        columns: those wanted beside the key's; all by default.
    """
    wanted = None if columns is None else [*COLUMNS, *columns]
    rows = catalog.read("scores", wanted, where=f"scorer_id = '{scorer_id}' AND status = 'scored'")
    return rows.take(pc.index_in(keys_of(samples), value_set=keys_of(rows)).drop_null())


def evaluate(catalog: Catalog, scorer_id: str, samples: pa.Table) -> dict[str, Any]:
    """A scorer's metrics over samples, those that failed left out of every mean but counted.

    Returns:
        `miou_image`, `miou_dataset`, `boundary_iou` (means over images, or pooled pixels; null without an image),
        `hole_recall` (mean over the images that have a hole; null without one), `images` and `failed` (counts).
    """
    pixels = ("true_positive", "false_positive", "false_negative", "true_negative")
    scores = scores_of(catalog, scorer_id, samples, ["miou", "boundary_iou", "hole_recall", *pixels])
    counts = zip(*(scores[name].to_pylist() for name in pixels), strict=True)
    recalls = scores["hole_recall"].drop_null().to_pylist()
    some = scores.num_rows > 0
    return {
        "miou_image": miou_image(scores["miou"].to_pylist()) if some else None,
        "miou_dataset": miou_dataset(Confusion(*row) for row in counts) if some else None,
        "boundary_iou": float(np.mean(scores["boundary_iou"].to_pylist())) if some else None,
        "hole_recall": float(np.mean(recalls)) if recalls else None,
        "images": scores.num_rows,
        "failed": len(_waiting(catalog, scorer_id, samples)[1]),
    }


def _waiting(catalog: Catalog, scorer_id: str, samples: pa.Table) -> tuple[pa.Table, set[Key]]:
    """The samples that are not scored yet, and the keys of those that failed before.

    These come last, so that drivers which began at other times cut what is new into the same shards.
    """
    known = catalog.read("scores", [*COLUMNS, "status"], where=f"scorer_id = '{scorer_id}'")
    scored, failed = (keys_of(known.filter(pc.equal(known["status"], status))) for status in ("scored", "failed"))
    left = samples.filter(pc.invert(pc.is_in(keys_of(samples), value_set=scored)))
    again = pc.is_in(keys_of(left), value_set=failed)
    fresh, tried = left.filter(pc.invert(again)), left.filter(again)
    return pa.concat_tables([fresh, tried]), {key_of(row) for row in rows_in(tried)}


def _shards(results: Iterable[Scored]) -> Iterator[list[Scored]]:
    iterator = iter(results)
    while shard := list(islice(iterator, SHARD)):
        yield shard


def _commit(catalog: Catalog, scorer_id: str, shard: Sequence[Scored]) -> None:
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
