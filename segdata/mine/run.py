"""Mine: score what the model was not trained on, select the hard cases, and say which labels are suspect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.catalog.forgotten import conceal_forgotten
from segdata.catalog.keys import COLUMNS, keys_of, rows_in
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.inference.features import KEPT, unpack_features
from segdata.inference.parity import Opener
from segdata.inference.runtimes import open_for_many
from segdata.inference.scoring import ScoringOptions, ScoringResult, score_samples, scores_of, spec_of
from segdata.mine.contact_sheet import draw_contact_sheet
from segdata.mine.diversity import spread
from segdata.mine.judge import Judge
from segdata.mine.recipe import MineRecipe
from segdata.mine.selection import check_recipe, predicate_of, select_cases, selection_name
from segdata.mine.triage import Triaged
from segdata.mine.voices import Voice, ask

Row = dict[str, Any]

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
        folds: versions that scored what this one was trained on.
        second_opinions: of each, what it was asked; see `voices.ask`.
        sheet: the contact sheet's URI; null where none was drawn.
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
    folds: int = 0
    second_opinions: Sequence[dict[str, Any]] = ()
    sheet: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As printed with `--json`."""
        return asdict(self)


def scoring_options(recipe: MineRecipe) -> ScoringOptions:
    """How the recipe runs a network: the same for mining and for evaluation."""
    return ScoringOptions(recipe.runtime, recipe.precision, recipe.batch, recipe.perceptual)


@dataclass(frozen=True)
class Further:
    """Networks beside the one that is mined with.

    Attributes:
        opinions: versions' folders, or ONNX files, that are asked about the selected cases.
        folds: versions and the samples that each scores instead: those that it was not trained on, and the version
            that is mined with was.
    """

    opinions: Sequence[Path] = ()
    folds: Sequence[tuple[Path, pa.Table]] = ()


def run(
    context: RunContext,
    recipe: MineRecipe,
    model_folder: Path,
    eligible: pa.Table,
    skipped: int,
    further: Further = Further(),
    opener: Opener = open_for_many,
) -> MineResult:
    """Score, select and triage; the selection replaces the one of the same name.

    Args:
        context: workspace, threads, limit.
        recipe: the predicate, how the network is run, the thresholds of triage.
        model_folder: the version that scores.
        eligible: rows of `samples` that it was not trained on.
        skipped: how many others were left out; only reported.
        further: second opinions, and versions for the folds.
        opener: opens the networks, by folder, runtime and precision.

    Raises:
        TooFewSamplesError: Nothing is eligible.
        RecipeError: The predicate is wrong.
        CheckpointError: A model can't be used.
    """
    check_recipe(recipe, context.catalog.limits)
    parts = [(model_folder, eligible), *further.folds]
    if not any(rows.num_rows for _, rows in parts):
        left_out = f" ({skipped} were left out: trained on, leaks, or judged)" if skipped else ""
        raise TooFewSamplesError(
            f"mine: no samples to score{left_out}; "
            "add a source whose split is pool to the recipe and run: segdata ingest; or look at the training samples: "
            "segdata mine --folds 3"
        )
    options, catalog = scoring_options(recipe), context.catalog
    scorings = [score_samples(context, folder, rows, options, opener) for folder, rows in parts]
    scorers = {
        scoring.scorer_id: Voice(scoring.scorer_id, spec_of(folder).resize)
        for scoring, (folder, _) in zip(scorings, parts, strict=True)
    }
    scored = [scores_of(catalog, one.scorer_id, rows) for one, (_, rows) in zip(scorings, parts, strict=True)]
    scores, samples = pa.concat_tables(scored), pa.concat_tables([rows for _, rows in parts])
    cases = _within_budget(catalog, recipe, select_cases(samples, scores, recipe, catalog.limits))
    heard = [ask(context, model, cases, options, opener) for model in further.opinions]
    name = selection_name(scorings[0].scorer_id, recipe, catalog.versions.get("samples"))
    judge = Judge(context, recipe.triage, scorers, [voice for voice, _ in heard])
    triaged = list(judge.all(cases))
    sheet = None
    if not context.dry_run:
        predicate = conceal_forgotten(context.workspace, predicate_of(recipe))
        common = {"selection": name, "predicate": predicate, "run_id": context.run_id, "weight": 1.0}
        whose = rows_in(cases.select([*COLUMNS, "scorer_id"]))
        found = zip(whose, triaged, strict=True)
        rows = [{**common, **case, "rank": rank, **asdict(told)} for rank, (case, told) in enumerate(found)]
        catalog.replace("selections", rows_to_table("selections", rows), f"target.selection = '{name}'")
        sheet = draw_contact_sheet(context, cases.slice(0, recipe.sheet).to_pylist(), triaged)
    result = _result(scorings, skipped, name, (cases, triaged), scores["miou"])
    return replace(result, sheet=sheet, second_opinions=[told for _, told in heard])


def _within_budget(catalog: Catalog, recipe: MineRecipe, cases: pa.Table) -> pa.Table:
    """As many cases as the budget allows: the worst, or spread over what they are like."""
    if recipe.budget is None or recipe.budget >= cases.num_rows:
        return cases
    if not recipe.diverse:
        return cases.slice(0, recipe.budget)
    strata = cases.select(["failure_mode", "group_id", "path"]).to_pylist()
    return cases.take(pa.array(spread(strata, _features(catalog, cases), recipe.budget)))


def _features(catalog: Catalog, cases: pa.Table) -> NDArray[np.float32]:
    """(N, KEPT): what each image is like; zeros where that is not known.

    Features of different networks have nothing in common: what the versions of folds scored lies far from all else.
    """
    features = np.zeros((cases.num_rows, KEPT), np.float32)
    for scorer_id in cases["scorer_id"].unique().to_pylist():
        where = f"scorer_id = '{scorer_id}' AND features IS NOT NULL"
        known = catalog.read("predictions", [*COLUMNS, "features"], where)
        ours = pc.fill_null(pc.equal(cases["scorer_id"], scorer_id), False)
        place = pc.if_else(ours, pc.index_in(keys_of(cases), value_set=keys_of(known)), None)
        packed = known["features"].take(place.drop_null()).to_pylist()
        features[np.flatnonzero(place.is_valid().to_numpy())] = [unpack_features(one) for one in packed]
    return features


def _result(
    scorings: Sequence[ScoringResult],
    skipped: int,
    name: str,
    found: tuple[pa.Table, Sequence[Triaged]],
    mious: pa.ChunkedArray,
) -> MineResult:
    cases, triaged = found
    hard = sum(found.triage == "hard" for found in triaged)
    modes = sorted(cases["failure_mode"].to_pylist())
    counts = {key: sum(getattr(one, key) for one in scorings) for key in ("scored", "reused", "failed")}
    return MineResult(
        **{**asdict(scorings[0]), **counts},
        skipped=skipped,
        selection=name,
        selected=cases.num_rows,
        hard=hard,
        suspect_label=cases.num_rows - hard,
        failure_modes={mode: modes.count(mode) for mode in dict.fromkeys(modes)},
        histogram=[int(count) for count in np.histogram(mious.to_numpy().astype(np.float64), _BINS, (0, 1))[0]],
        folds=len(scorings) - 1,
    )
