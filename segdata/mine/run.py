"""Mine: score what the model was not trained on, select the hard cases, and say which labels are suspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog.packing import unpack_probability
from segdata.catalog.pixels import read_pair
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.engines.local import map_threads
from segdata.errors import PixelError, StorageError, TooFewSamplesError
from segdata.inference.runtimes import Runtime, open_runtime
from segdata.inference.scoring import ScoringOptions, ScoringResult, key_of, score_samples, scores_of
from segdata.mine.recipe import MineRecipe, TriageRecipe
from segdata.mine.selection import check_where, select_cases, selection_name
from segdata.mine.triage import Triaged, triage_case
from segdata.records import Progress

Row = dict[str, Any]

_AT_ONCE = 512  # predictions held in memory while cases are triaged


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

    def to_json(self) -> dict[str, Any]:
        """As printed with `--json`."""
        return asdict(self)


def scoring_options(recipe: MineRecipe) -> ScoringOptions:
    """How the recipe runs a network: the same for mining and for evaluation."""
    return ScoringOptions(recipe.runtime, recipe.precision, recipe.batch)


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
    check_where(recipe.where)
    if eligible.num_rows == 0:
        left_out = f" ({skipped} were left out: trained on, leaks, or judged)" if skipped else ""
        raise TooFewSamplesError(
            f"mine: no samples to score{left_out}; "
            "add a source whose split is pool to the recipe and run: segdata ingest"
        )
    scoring = score_samples(context, model_folder, eligible, scoring_options(recipe), opener)
    cases = select_cases(scores_of(context.catalog, scoring.scorer_id, eligible), recipe.where)
    name = selection_name(scoring.scorer_id, recipe.where, context.catalog.versions.get("samples"))
    triaged = list(_triage_all(context, recipe.triage, scoring.scorer_id, cases))
    if not context.dry_run:
        common = {"selection": name, "predicate": recipe.where, "run_id": context.run_id, "weight": 1.0}
        rows = [_row(common, rank, case, found) for rank, (case, found) in enumerate(zip(cases, triaged, strict=True))]
        context.catalog.replace("selections", rows_to_table("selections", rows), f"target.selection = '{name}'")
    return _result(scoring, skipped, name, cases, triaged)


def _result(
    scoring: ScoringResult, skipped: int, name: str, cases: Sequence[Row], triaged: Sequence[Triaged]
) -> MineResult:
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
    )


def _row(common: Row, rank: int, case: Row, found: Triaged) -> Row:
    keys = ("sample_id", "image_sha256", "alpha_sha256", "scorer_id")
    return {**common, **{key: case[key] for key in keys}, "rank": rank, **asdict(found)}


def _triage_all(context: RunContext, recipe: TriageRecipe, scorer_id: str, cases: Sequence[Row]) -> Iterator[Triaged]:
    """Each case's triage, in order; the predictions are read a part at a time."""
    todo = iter(cases)
    done = 0
    while part := list(islice(todo, _AT_ONCE)):
        predictions = _predictions(context.catalog, scorer_id, part)
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


def _predictions(catalog: Catalog, scorer_id: str, cases: Sequence[Row]) -> dict[Any, Row]:
    columns = ["sample_id", "image_sha256", "alpha_sha256", "probability", "network_height", "network_width"]
    ids = ", ".join("'" + case["sample_id"].replace("'", "''") + "'" for case in cases)
    rows = catalog.read("predictions", columns, f"scorer_id = '{scorer_id}' AND sample_id IN ({ids})").to_pylist()
    return {key_of(row): row for row in rows}
