"""What is done with trained versions: list them, show one, compare two, promote one, time one."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog import models
from segdata.catalog.splits import check_test_pin
from segdata.catalog.workspace import RunContext
from segdata.errors import CatalogError, CheckpointError, TooFewSamplesError, UsageError
from segdata.inference.model_folder import CARD, TRAINING, model_id_of
from segdata.pipeline.guard import Comparison, judge_differences
from segdata.pipeline.session import Record, Session

Row = dict[str, Any]

_METRICS = ("miou_image", "miou_dataset", "boundary_iou", "hole_recall", "images", "failed")
_SPLITS = ("val", "test")


def list_models(session: Session) -> list[Row]:
    """Every version, oldest first: name, id, spec, folder, when, on how many samples, metrics, and whether promoted."""
    return [_summary(row) for row in models.all_models(session.workspace.catalog)]


def show_model(session: Session, wanted: str | None = None) -> Row:
    """All about a version: its summary, lineage, what the guard said, its training data by dataset, its card.

    Args:
        session: the workspace.
        wanted: its id (or the beginning), name or folder; the promoted one by default.

    Returns:
        The summary's keys and `parent`, `selection`, `run_id`, `test_pin`, `best_epoch`, `guard`, `training` (samples
        by dataset; null if its training.parquet is gone), `weights` (`as recorded`, `changed` or `missing`) and `card`.

    Raises:
        TooFewSamplesError: Nothing is trained yet.
        UsageError: No such version, or several.
    """
    context = _looking(session)
    row = _find(context, wanted)
    folder, metrics = session.workspace.resolve(row["uri"]), row["metrics"]
    names = {known["model_id"]: known["name"] for known in models.all_models(context.catalog)}
    parent = row["parent_model_id"]
    return {
        **_summary(row),
        "parent": names.get(parent, parent),
        "selection": row["selection"],
        "run_id": row["run_id"],
        "test_pin": row["test_pin"],
        "best_epoch": metrics.get("best_epoch"),
        "guard": metrics.get("guard"),
        "training": _training_by_dataset(folder / TRAINING),
        "weights": _weights(row, folder),
        "card": _text(folder / CARD),
    }


def compare_models(session: Session, first: str, second: str) -> Row:
    """Compare two versions image by image on val and on test, overall and per slice as the guard does.

    Images that either has not scored on this machine's runtime are scored now and kept; in a dry run they are only
    counted.

    Args:
        session: the workspace; `[mine]` says how images are scored, `[guard]` what counts as worse.
        first: a version's id, name or folder: the old one of each difference.
        second: the new one.

    Returns:
        `first` and `second` (summaries), `scored` (images scored now), `missing` (in a dry run: that would be), and
        `splits: {split: {images, slices: [{slice, images, mean, low, high, worse}]}}`: second minus first mIoU.

    Raises:
        UsageError: No such version, or twice the same.
        TooFewSamplesError: Neither val nor test has an image.
        CatalogError: They were measured on different test splits, or the test split has changed since.
    """
    rows = [_find(_looking(session), wanted) for wanted in (first, second)]
    if rows[0]["model_id"] == rows[1]["model_id"]:
        raise UsageError(f"models compare: {first} and {second} are the same version, {rows[0]['name']}")
    catalog = session.workspace.catalog
    held = {
        split: catalog.read("samples", where=f"kind = 'portrait' AND status = 'present' AND split = '{split}'")
        for split in _SPLITS
    }
    for row in rows:
        check_test_pin(row["test_pin"], held["test"])
    samples = pa.concat_tables(held.values())
    if samples.num_rows == 0:
        raise TooFewSamplesError("models compare: no portraits with split val or test; run: segdata ingest, train")
    folders = [session.workspace.resolve(row["uri"]) for row in rows]
    missing = sum(_unscored(session, folder, samples) for folder in folders)
    if missing and not session.dry_run:
        with session.record("models compare") as record:
            record.result = {"scored": sum(_score(record.context, session, folder, samples) for folder in folders)}
    found = {split: _paired(session, folders, held[split]) for split in _SPLITS}
    return {
        "first": _summary(rows[0]),
        "second": _summary(rows[1]),
        "scored": 0 if session.dry_run else missing,
        "missing": missing if session.dry_run else 0,
        "splits": {
            split: {
                "images": sum(one.images for one in slices if one.slice == "overall"),
                "slices": [asdict(one) for one in slices],
            }
            for split, slices in found.items()
        },
    }


def promote_model(session: Session, wanted: str) -> Record:
    """Make a version the promoted one, whatever the guard said of it: what it said is told.

    Raises:
        UsageError: No such version, the arm of an experiment, or one that was trained on held-out samples.
        CheckpointError: The folder is gone, or holds other weights than were recorded.
        CatalogError: Somebody else promoted another one meanwhile.
    """
    with session.record("models promote") as record:
        context = record.context
        row = _find(context, wanted)
        if row["metrics"].get("arm"):
            raise UsageError(f"models promote: {row['name']} is the arm {row['metrics']['arm']!r} of an experiment")
        if row["metrics"].get("final"):
            raise UsageError(
                f"models promote: {row['name']} was trained on held-out samples, so nothing that follows could be "
                f"compared with it; use it as it is: segdata predict --model {row['name']}, segdata export model"
            )
        folder = session.workspace.resolve(row["uri"])
        if (now := model_id_of(folder)) != row["model_id"]:
            raise CheckpointError(
                f"{folder}: its weights or model.toml are not those that were recorded ({now}, not {row['model_id']}); "
                "restore the folder, or train again"
            )
        before = models.promoted_model(context.catalog)
        record.result = {
            "model_id": row["model_id"],
            "name": row["name"],
            "instead_of": before["name"] if before and before["model_id"] != row["model_id"] else None,
            "promoted": True,
            "guard": row["metrics"].get("guard"),
        }
        if not context.dry_run and not models.promote(
            context.catalog, row["model_id"], before["model_id"] if before else None
        ):
            raise CatalogError("models promote: another version was promoted meanwhile; look at segdata models list")
    return record


def benchmark_model(session: Session, wanted: str | None, images: int, size_hw: tuple[int, int]) -> Row:
    """Images a second of a version, one by one, for every runtime and precision that this machine has.

    Args:
        session: the workspace.
        wanted: a version's id, name, or any folder that holds one; the promoted one by default.
        images: how many are timed.
        size_hw: of the photos.
    """
    from segdata.inference.benchmark import benchmark
    from segdata.pipeline.commands import model_folder

    folder = model_folder(_looking(session), wanted)
    return benchmark(folder, images, size_hw, session.recipe.seed, session.progress).to_json()


def _looking(session: Session) -> RunContext:
    """A context for what writes nothing."""
    return session.context("")


def _find(context: RunContext, wanted: str | None) -> Row:
    from segdata.pipeline.commands import find_model  # which loads the stages: the list of versions needs none

    return find_model(context, wanted)


def _summary(row: Row) -> Row:
    metrics = row["metrics"]
    return {
        "name": row["name"],
        "model_id": row["model_id"],
        "spec": row["spec"],
        "path": row["uri"],
        "created_at": row["created_at"],
        "training_samples": metrics.get("training_samples"),
        "hard": metrics.get("selected"),
        "metrics": {split: {key: metrics.get(split, {}).get(key) for key in _METRICS} for split in _SPLITS},
        "promoted": bool(row["promoted"]),
        "arm": metrics.get("arm") or metrics.get("final") or "",
    }


def _training_by_dataset(path: Path) -> dict[str, int] | None:
    """Counts by the first part of the sample ids, which is the dataset's name."""
    import pyarrow.parquet as pq

    try:
        ids = pq.read_table(path, columns=["sample_id"])["sample_id"].to_pylist()
    except (OSError, pa.ArrowInvalid):
        return None
    return dict(sorted(Counter(sample_id.partition("/")[0] for sample_id in ids).items()))


def _weights(row: Row, folder: Path) -> str:
    try:
        return "as recorded" if model_id_of(folder) == row["model_id"] else "changed"
    except CheckpointError:
        return "missing"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _unscored(session: Session, folder: Path, samples: pa.Table) -> int:
    from segdata.inference.scoring import identify, scores_of
    from segdata.mine.run import scoring_options

    scorer = identify(folder, scoring_options(session.recipe.mine), session.workspace.catalog)
    known = scores_of(session.workspace.catalog, scorer.scorer_id, samples, [])
    return int(samples.num_rows - known.num_rows)


def _score(context: RunContext, session: Session, folder: Path, samples: pa.Table) -> int:
    from segdata.inference.scoring import score_samples
    from segdata.mine.run import scoring_options

    return score_samples(context.limited(None), folder, samples, scoring_options(session.recipe.mine)).scored


def _paired(session: Session, folders: list[Path], samples: pa.Table) -> tuple[Comparison, ...]:
    from segdata.inference.scoring import identify, scores_of
    from segdata.mine.run import scoring_options

    options, catalog = scoring_options(session.recipe.mine), session.workspace.catalog
    old, new = (
        {row["sample_id"]: row["miou"] for row in scores_of(catalog, scorer_id, samples, ["miou"]).to_pylist()}
        for scorer_id in (identify(folder, options, catalog).scorer_id for folder in folders)
    )
    rows = [row for row in samples.to_pylist() if row["sample_id"] in old and row["sample_id"] in new]
    differences = {row["sample_id"]: new[row["sample_id"]] - old[row["sample_id"]] for row in rows}
    return judge_differences(rows, differences, session.recipe.guard, session.recipe.seed).comparisons
