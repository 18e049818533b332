"""What a version was trained on can't be judged by it: it is scored out of fold, by versions trained without it.

The version's training samples are dealt into folds, whole groups at a time. For each fold a version of the same recipe
is trained on the others, from the spec's pretrained weights, with what shows a photograph of the fold again left out.
Such a version is the arm `fold-<k>-of-<K>` of an experiment and never promoted. It carries the hash of all that decides
it, as every version does: folds that are trained are found again, and a call that was killed goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog.near_duplicates import find_duplicates, leaked_ids
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.splits import unit_hash
from segdata.catalog.training_sets import TrainingSet, trained_on
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.pipeline.jobs import Plan
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.training import train_version
from segdata.records import Progress

Row = dict[str, Any]


def fold_versions(context: RunContext, recipe: Recipe, folder: Path) -> list[tuple[Path, pa.Table]]:
    """A version for each fold, and the samples that it may be asked about; none of them in a dry run.

    Args:
        context: in a dry run nothing is trained.
        recipe: `mine.folds` says how many, `[train]` how; the seed deals.
        folder: of the version whose training samples are dealt.

    Raises:
        TooFewSamplesError: There are fewer groups than folds.
    """
    count = recipe.mine.folds or 2
    rows = still_as_trained(context, folder)
    portraits = [row for row in rows if row["kind"] == "portrait"]
    folds = dealt(portraits, count, recipe.seed)
    if not all(folds):
        groups = len({group_of(row) for row in portraits})
        raise TooFewSamplesError(
            f"mine: --folds {count}: the {len(portraits)} portraits that {folder.name} was trained on are {groups} "
            "groups, and some fold would be empty; give fewer folds, or train on more"
        )
    if context.dry_run:
        return []
    found = []
    for number, fold in enumerate(folds, 1):
        context.progress(Progress("mine", "folds", number - 1, count, "folds"))
        held = _table(fold)
        training = TrainingSet(without_fold(context, rows, held), hard=0, leaks=())
        version = train_version(context, recipe, Plan(training, arm=f"fold-{number}-of-{count}"))
        found.append((context.workspace.resolve(version.model["uri"]), held))
    context.progress(Progress("mine", "folds", count, count, "folds"))
    return found


def still_as_trained(context: RunContext, folder: Path) -> list[Row]:
    """The rows of `samples` that a version was trained on and whose bytes have not changed since."""
    keys = ("sample_id", "image_sha256", "alpha_sha256")
    trained = {tuple(row[key] for key in keys) for row in trained_on(folder).to_pylist()}
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    return [row for row in rows if tuple(row[key] for key in keys) in trained]


def dealt(rows: Sequence[Row], count: int, seed: int) -> list[list[Row]]:
    """The rows in folds: a group is in one fold, which depends on its own name and the seed alone.

    >>> rows = [{"sample_id": name, "group_id": group} for name, group in (("a", "g"), ("b", "g"), ("c", None))]
    >>> sorted(len(fold) for fold in dealt(rows, 2, seed=2))
    [1, 2]
    """
    folds: list[list[Row]] = [[] for _ in range(count)]
    for row in rows:
        folds[int(unit_hash("fold", seed, group_of(row)) * count)].append(row)
    return folds


def group_of(row: Row) -> str:
    """What stays together: the group, or the sample alone."""
    return str(row["group_id"] or row["sample_id"])


def without_fold(context: RunContext, rows: Sequence[Row], held: pa.Table) -> pa.Table:
    """What the fold's version is trained on: the other samples, without near-duplicates and composites of it."""
    inside = set(held["sample_id"].to_pylist())
    rest = [row for row in rows if row["sample_id"] not in inside]
    portraits = _table([row for row in rest if row["kind"] == "portrait"])
    away = inside | leaked_ids(find_duplicates(context.workspace, portraits, held))
    kept = [
        row
        for row in rest
        if row["sample_id"] not in away and not away & {parent["sample_id"] for parent in row["parents"] or ()}
    ]
    table = _table(sorted(kept, key=lambda row: str(row["sample_id"])))
    return table.append_column("weight", pa.array([1.0] * table.num_rows, pa.float32()))


def _table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS["samples"])
