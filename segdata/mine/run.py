"""Mine: score what the model was not trained on, select the hard cases, and say which labels are suspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.catalog.packing import unpack_probability
from segdata.catalog.pixels import read_pair
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.local import map_threads
from segdata.errors import PixelError, StorageError, TooFewSamplesError
from segdata.inference.features import KEPT, unpack_features
from segdata.inference.runtimes import Runtime, open_runtime
from segdata.inference.scoring import ScoringOptions, ScoringResult, key_of, score_samples, scores_of
from segdata.mine.diversity import spread
from segdata.mine.recipe import MineRecipe, TriageRecipe
from segdata.mine.selection import check_recipe, predicate_of, select_cases, selection_name
from segdata.mine.triage import Triaged, triage_case
from segdata.records import Progress

Row = dict[str, Any]

_AT_ONCE = 512  # predictions held in memory while cases are triaged
_MAP = ("probability", "network_height", "network_width")
_BINS = 20


@dataclass(frozen=True)
class MineResult:
    """What was mined.

    Attributes:
        model_id: the model that scored.
        scorer_id: the model as it was run.
        runtime, precision: what it ran on.
        scored: samples scored now.
        reused: samples whose scores the catalog had.
        failed: samples that could not be scored.
        skipped: samples that were not eligible.
        selection: its name.
        selected: how many cases it has.
        hard, suspect_label: how many of them each.
        failure_modes: selected cases by failure mode.
        histogram: how many of the scored have an mIoU in each twentieth of [0, 1], the lowest first.
        parity: how near the way of running the network is to PyTorch in fp32, where `auto` chose it by a check.
    """

    model_id: str
    scorer_id: str
    runtime: str
    precision: str
    scored: int
    reused: int
    failed: int
    skipped: int
    selection: str
    selected: int
    hard: int
    suspect_label: int
    failure_modes: dict[str, int]
    histogram: list[int]
    parity: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As printed with `--json`."""
        return asdict(self)


def scoring_options(recipe: MineRecipe) -> ScoringOptions:
    """How the recipe runs a network: the same for mining and for evaluation."""
    return ScoringOptions(recipe.runtime, recipe.precision, recipe.batch, recipe.perceptual)


def run(
    context: RunContext,
    recipe: MineRecipe,
    model_folder: Path,
    eligible: pa.Table,
    skipped: int,
    opener: Callable[[Path, str, str], Runtime] = open_runtime,
) -> MineResult:
    """Score, select and triage; the selection replaces the one of the same name.

    Args:
        context: workspace, threads, limit.
        recipe: the predicate, how the network is run, the thresholds of triage.
        model_folder: the version that scores.
        eligible: rows of `samples` that it was not trained on.
        skipped: how many others were left out; only reported.
        opener: opens the network, by folder, runtime and precision.

    Raises:
        TooFewSamplesError: Nothing is eligible.
        RecipeError: The predicate is wrong.
        CheckpointError: The model can't be used.
    """
    check_recipe(recipe)
    if eligible.num_rows == 0:
        left_out = f" ({skipped} were left out: trained on, leaks, or judged)" if skipped else ""
        raise TooFewSamplesError(
            f"mine: no samples to score{left_out}; "
            "add a source whose split is pool to the recipe and run: segdata ingest"
        )
    scoring = score_samples(context, model_folder, eligible, scoring_options(recipe), opener)
    pairs = scores_of(context.catalog, scoring.scorer_id, eligible)
    cases = _within_budget(context.catalog, recipe, scoring.scorer_id, select_cases(pairs, recipe))
    name = selection_name(scoring.scorer_id, recipe, context.catalog.versions.get("samples"))
    triaged = list(_triage_all(context, recipe.triage, scoring.scorer_id, cases))
    if not context.dry_run:
        common = {"selection": name, "predicate": predicate_of(recipe), "run_id": context.run_id, "weight": 1.0}
        rows = [_row(common, rank, case, found) for rank, (case, found) in enumerate(zip(cases, triaged, strict=True))]
        context.catalog.replace("selections", rows_to_table("selections", rows), f"target.selection = '{name}'")
    return _result(scoring, skipped, name, (cases, triaged), [score["miou"] for _, score in pairs])


def _within_budget(catalog: Catalog, recipe: MineRecipe, scorer_id: str, cases: list[Row]) -> list[Row]:
    """As many cases as the budget allows: the worst, or spread over what they are like."""
    if recipe.budget is None or recipe.budget >= len(cases):
        return cases
    if not recipe.diverse:
        return cases[: recipe.budget]
    kept: dict[Any, bytes] = {}
    for start in range(0, len(cases), _AT_ONCE):
        rows = _predictions(catalog, scorer_id, cases[start : start + _AT_ONCE], ["features"])
        kept |= {key: row["features"] for key, row in rows.items() if row["features"] is not None}
    features = np.zeros((len(cases), KEPT), np.float32)
    for index, case in enumerate(cases):
        if key_of(case) in kept:
            features[index] = unpack_features(kept[key_of(case)])
    return [cases[index] for index in spread(cases, features, recipe.budget)]


def _result(
    scoring: ScoringResult,
    skipped: int,
    name: str,
    found: tuple[Sequence[Row], Sequence[Triaged]],
    mious: Sequence[float],
) -> MineResult:
    cases, triaged = found
    hard = sum(found.triage == "hard" for found in triaged)
    modes = sorted(case["failure_mode"] for case in cases)
    return MineResult(
        **asdict(scoring),
        skipped=skipped,
        selection=name,
        selected=len(cases),
        hard=hard,
        suspect_label=len(cases) - hard,
        failure_modes={mode: modes.count(mode) for mode in dict.fromkeys(modes)},
        histogram=[int(count) for count in np.histogram(mious, _BINS, (0, 1))[0]],
    )


def _row(common: Row, rank: int, case: Row, found: Triaged) -> Row:
    keys = ("sample_id", "image_sha256", "alpha_sha256", "scorer_id")
    return {**common, **{key: case[key] for key in keys}, "rank": rank, **asdict(found)}


def _triage_all(context: RunContext, recipe: TriageRecipe, scorer_id: str, cases: Sequence[Row]) -> Iterator[Triaged]:
    """Each case's triage, in order; the predictions are read a part at a time."""
    todo = iter(cases)
    done = 0
    while part := list(islice(todo, _AT_ONCE)):
        predictions = _predictions(context.catalog, scorer_id, part, _MAP)
        pairs = [(case, predictions.get(key_of(case))) for case in part]
        for found in map_threads(partial(_triage_one, context.workspace, recipe), pairs, context.workers):
            yield found
            done += 1
            if done % 16 == 0 or done == len(cases):
                context.progress(Progress("mine", "triage", done, len(cases)))


def _triage_one(workspace: Workspace, recipe: TriageRecipe, pair: tuple[Row, Row | None]) -> Triaged:
    case, prediction = pair
    if prediction is None:
        return Triaged("hard", 0.0, "the prediction is gone from the catalog: nothing to judge the label by")
    try:
        image, alpha = read_pair(workspace, case)
    except (StorageError, PixelError) as error:
        return Triaged("hard", 0.0, f"can't be read any more: {error}")
    probability = unpack_probability(
        prediction["probability"], prediction["network_height"], prediction["network_width"]
    )
    return triage_case(image, alpha, probability, recipe)


def _predictions(catalog: Catalog, scorer_id: str, cases: Sequence[Row], wanted: Sequence[str]) -> dict[Any, Row]:
    columns = ["sample_id", "image_sha256", "alpha_sha256", *wanted]
    ids = ", ".join("'" + case["sample_id"].replace("'", "''") + "'" for case in cases)
    rows = catalog.read("predictions", columns, f"scorer_id = '{scorer_id}' AND sample_id IN ({ids})").to_pylist()
    return {key_of(row): row for row in rows}
