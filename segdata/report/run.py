"""Write the report: read the tables, draw the pictures, lay out the page. The stage's rim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.catalog.sources import mask_states
from segdata.records import Progress
from segdata.report import plan, proofs, rounds, summaries, versions, vetoes
from segdata.report.judged import Judged, judged
from segdata.report.origins import composites_by_parent, origin_of
from segdata.report.page import Card, Galleries, PageFacts, render
from segdata.report.pictures import Picture, canvas_for, case_pictures, change_pictures, photo_only, twin_pictures
from segdata.report.plan import Case, Key
from segdata.report.reading import Tables, read_predictions, read_scores, read_tables, sizes_of
from segdata.report.recipe import ReportRecipe
from segdata.report.text import finite

if TYPE_CHECKING:
    from segdata.catalog.verdicts import Bytes
    from segdata.catalog.workspace import RunContext

Row = dict[str, Any]


@dataclass(frozen=True)
class ReportResult:
    """What was written.

    Attributes:
        path: the page, absolute.
        uri: the same as the catalog would name it: relative to the workspace.
        page_bytes: its size; 0 for a dry run, which writes nothing.
        cards: cards on the page.
        unreadable: pictures that could not be drawn, and say why on the page.
        figures: the charts as PNG files, relative to the workspace.
    """

    path: Path
    uri: str
    page_bytes: int
    cards: int
    unreadable: int
    figures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The keys of `segdata report --json`."""
        return {
            "path": self.uri,
            "bytes": self.page_bytes,
            "cards": self.cards,
            "unreadable": self.unreadable,
            "figures": list(self.figures),
        }


@dataclass(frozen=True)
class _Cases:
    """The cards to draw, gallery by gallery."""

    hard: list[Case]
    suspects: list[Case]
    holes: list[Case]
    improved: list[Case]
    worsened: list[Case]
    composites: list[Case]
    vetoed: list[Case]
    leaks: list[Case]

    def keys(self) -> set[Key]:
        """The predictions they need."""
        everyone = (*self.hard, *self.suspects, *self.holes, *self.improved, *self.worsened)
        return {key for case in everyone for key in case.keys}

    def told(self, words: Callable[[Case], tuple[str, ...]], notes: Mapping[Bytes, Mapping[str, str]]) -> _Cases:
        """The same, each case with the words of where it comes from, and with what people noted."""

        def tell(case: Case) -> Case:
            row = case.sample or case.selected
            noted = notes.get((case.sample_id, row.get("image_sha256"), row.get("alpha_sha256")), {})
            return replace(case, origin=words(case), notes=tuple(noted.items()))

        return _Cases(
            **{
                name: [tell(case) for case in cases] if name != "vetoed" else cases
                for name, cases in vars(self).items()
            }
        )


def run(context: RunContext, recipe: ReportRecipe) -> ReportResult:
    """Write `reports/<run_id>/index.html`, one page that needs no server and no network, and its charts as PNG.

    An empty catalog gives a page that says what to do first; a picture that can't be read gives a frame that says why.

    Raises:
        UsageError: `recipe.selection` names none.
        StorageError: The page can't be written.
        CatalogError: A table is damaged.
    """
    from segdata.storage.files import atomic_write

    recipe = recipe.limited(context.limit)
    facts = _facts(context, recipe)
    page = render(facts).encode("utf-8", errors="replace")
    folder = context.workspace.reports / context.run_id
    figures: list[str] = []
    if not context.dry_run:
        from segdata.report.plots import plots_of

        atomic_write(folder / "index.html", page)
        for name, png in plots_of(facts):
            atomic_write(folder / "figures" / f"{name}.png", png)
            figures.append(context.workspace.uri_of(folder / "figures" / f"{name}.png"))
    cards = [card for gallery in vars(facts.galleries).values() for card in gallery]
    return ReportResult(
        path=folder / "index.html",
        uri=context.workspace.uri_of(folder / "index.html"),
        page_bytes=0 if context.dry_run else len(page),
        cards=len(cards),
        unreadable=sum(picture.uri is None for card in cards for picture in card.pictures),
        figures=tuple(figures),
    )


def _facts(context: RunContext, recipe: ReportRecipe) -> PageFacts:
    """All that the page says, its pictures drawn."""
    tables = read_tables(context.catalog)
    known = versions.read_versions(proofs.without_arms(tables.models), sizes_of(tables.selections))
    comparison = versions.compare(known)
    selection = plan.choose_selection(tables.selections, tables.runs, recipe.selection)
    compared = _Compared.of(known, comparison, tables.scored)
    scores = read_scores(context.catalog, compared.scorer_ids() | _scorer_ids(selection))
    said = judged(tables.verdicts, tables.samples)
    trained = _trained(context, known, tables.models)
    cases = _choose_cases(context, tables, (selection, said), (scores, compared), recipe)
    return PageFacts(
        title=context.workspace.root.name or "workspace",
        run_id=context.run_id,
        written_at=datetime.now(UTC),
        overview=summaries.overview(tables.samples, tables.rejects),
        versions=known,
        comparison=comparison,
        pool=_pool(tables, scores, compared, selection),
        selection=_summarise(selection, scores),
        galleries=_draw(context, recipe, cases.told(_origins(tables, compared, trained), said.notes)),
        proof=proofs.newest_proof(tables.models),
        runs=summaries.newest_runs(tables.runs, context.run_id, recipe.runs),
        histogram_scale=recipe.histogram,
        veto=vetoes.newest_veto(tables.runs),
        judged=said,
        change=rounds.last_change(tables.selections, tables.runs, selection.name if selection else None, trained),
        gains=rounds.last_gains(known),
        rejects=sorted(tables.rejects, key=lambda row: (row["dataset"], row["reason"], row["path"]))[: recipe.rejects],
        masks=[(state.dataset, state.lines(with_files=False)) for state in mask_states(context.catalog)],
    )


@dataclass(frozen=True)
class _Compared:
    """Whose scores stand side by side, on the test split and on the pool."""

    first_on_test: plan.Scorer | None
    latest_on_test: plan.Scorer | None
    first_on_pool: plan.Scorer | None
    latest_on_pool: plan.Scorer | None

    @staticmethod
    def of(
        known: Sequence[versions.Version], comparison: versions.Comparison | None, scored: Sequence[plan.Scored]
    ) -> _Compared:
        """Chosen from what each scorer scored."""
        first, latest = (comparison.first, comparison.latest) if comparison else (None, None)
        on_pool = plan.pool_scorers(known, scored)
        return _Compared(plan.scorer_of(first, scored, "test"), plan.scorer_of(latest, scored, "test"), *on_pool)

    def scorers(self) -> list[plan.Scorer]:
        """All of them."""
        every = (self.first_on_test, self.latest_on_test, self.first_on_pool, self.latest_on_pool)
        return [scorer for scorer in every if scorer]

    def scorer_ids(self) -> set[str]:
        """Their ids."""
        return {scorer.scorer_id for scorer in self.scorers()}


def _scorer_ids(selection: plan.Selection | None) -> set[str]:
    return {str(row["scorer_id"]) for row in selection.rows} if selection else set()


def _trained(context: RunContext, known: Sequence[versions.Version], models: Sequence[Row]) -> dict[str, set[str]]:
    """What each version was trained on, by its label; nothing of one whose folder is gone."""
    from segdata.catalog.training_sets import trained_on

    folders = {str(row["model_id"]): row.get("uri") for row in models}
    found = {}
    for version in known:
        uri = folders.get(version.model_id)
        path = context.workspace.resolve(uri) if uri else None
        if path is not None and (path / "training.parquet").is_file():
            try:
                found[version.label] = set(trained_on(path)["sample_id"].to_pylist())
            except (OSError, KeyError, ValueError):  # a damaged file of a version is no reason to have no page
                continue
    return found


def _origins(tables: Tables, compared: _Compared, trained: Mapping[str, set[str]]) -> Callable[[Case], tuple[str, ...]]:
    composites = composites_by_parent(tables.samples)
    labels = {scorer.scorer_id: scorer.label for scorer in compared.scorers()}
    return lambda case: origin_of(case, labels, trained, composites)


def _choose_cases(
    context: RunContext,
    tables: Tables,
    shown: tuple[plan.Selection | None, Judged],
    scored: tuple[Mapping[Key, Row], _Compared],
    recipe: ReportRecipe,
) -> _Cases:
    (selection, said), (scores, compared) = shown, scored
    by_id = tables.by_id()
    mined = plan.selected_cases(selection.rows, by_id, scores, said.words) if selection else []
    hard, suspects = plan.split_by_triage(mined, recipe.gallery, recipe.suspects)
    holes = plan.hole_cases(tables.present("pool"), scores, compared.latest_on_pool, said.words, recipe.holes)
    improved: list[Case] = []
    worsened: list[Case] = []
    if compared.first_on_test and compared.latest_on_test:
        scorers = (compared.first_on_test.scorer_id, compared.latest_on_test.scorer_id)
        improved, worsened = plan.changed_cases(tables.present("test"), scores, scorers, recipe.changes)
    composites = plan.composite_cases(tables.present("train", "composite"), recipe.composites)
    vetoed = vetoes.vetoed_cases(vetoes.newest_veto(tables.runs), by_id, recipe.vetoed)
    return _Cases(hard, suspects, holes, improved, worsened, composites, vetoed, _leaks(context, by_id, recipe))


def _leaks(context: RunContext, samples: Mapping[str, Row], recipe: ReportRecipe) -> list[Case]:
    if recipe.leaks == 0:
        return []
    from segdata.catalog.known_leaks import known_leaks

    leaks = known_leaks(context.workspace, context.workers, keep=not context.dry_run)
    return plan.leak_cases(leaks, samples, recipe.leaks)


def _draw(context: RunContext, recipe: ReportRecipe, cases: _Cases) -> Galleries:
    """Draw all pictures, several at a time; they come back in the order of the cards."""
    from segdata.engines.local import map_threads

    predictions = read_predictions(context.catalog, cases.keys())
    four, three = [*cases.hard, *cases.suspects, *cases.holes], [*cases.improved, *cases.worsened]
    one, two = [*cases.composites, *cases.vetoed], cases.leaks
    pictures = 4 * len(four) + 3 * len(three) + len(one) + 2 * len(two)
    canvas = canvas_for(recipe.thumbnail_px, recipe.page_megabytes * 1e6, pictures)
    workspace = context.workspace

    def draw(job: tuple[Case, Callable[[Case], list[Picture]]]) -> Card:
        case, function = job
        return Card(case, function(case))

    jobs: list[tuple[Case, Callable[[Case], list[Picture]]]] = [
        *((case, lambda each: case_pictures(workspace, each, predictions, canvas)) for case in four),
        *((case, lambda each: change_pictures(workspace, each, predictions, canvas)) for case in three),
        *((case, lambda each: photo_only(workspace, each, canvas)) for case in one),
        *((case, lambda each: twin_pictures(workspace, each, canvas)) for case in two),
    ]
    cards = []
    for card in map_threads(draw, jobs, context.workers):
        cards.append(card)
        context.progress(Progress("report", "pictures", len(cards), len(jobs), "cards"))
    shelves = iter(cards)
    return Galleries(*(_take(shelves, len(gallery)) for gallery in vars(cases).values()))


def _take(cards: Iterable[Card], number: int) -> list[Card]:
    return [card for _, card in zip(range(number), cards, strict=False)]


def _pool(
    tables: Tables, scores: Mapping[Key, Row], compared: _Compared, selection: plan.Selection | None
) -> summaries.Pool | None:
    latest, first = compared.latest_on_pool, compared.first_on_pool
    if latest is None:
        return None
    cut = summaries.cut_of(selection.predicate if selection else None)
    after, before = plan.shared_scores(tables.present("pool"), scores, first, latest)
    bins = summaries.histogram(after, before, cut)
    if bins is None:
        return None
    values: dict[str, list[float]] = {}
    for split, scorer in (("pool", latest), ("test", compared.latest_on_test)):
        for sample in tables.present(split) if scorer else ():
            score = scores.get(plan.key_of(sample, scorer.scorer_id), {}) if scorer else {}
            if (value := finite(score.get("miou"))) is not None:
                values.setdefault(f"{sample['dataset']}, {split}", []).append(value)
    by_dataset = summaries.histograms_by_dataset(values, cut)
    return summaries.Pool(bins, latest.label, first.label if first and before else None, len(after), by_dataset)


def _summarise(selection: plan.Selection | None, scores: Mapping[Key, Row]) -> summaries.SelectionSummary | None:
    if selection is None:
        return None
    modes = {str(row["sample_id"]): scores.get(plan.key_of(row), {}).get("failure_mode") for row in selection.rows}
    return summaries.selection_summary(selection.name, selection.predicate, selection.rows, modes)
