"""Write the report: read the tables, draw the pictures, lay out the page. The stage's rim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.records import Progress
from segdata.report import plan, proofs, summaries, versions, vetoes
from segdata.report.page import Card, Galleries, PageFacts, render
from segdata.report.pictures import Picture, canvas_for, case_pictures, change_pictures, photo_only
from segdata.report.plan import Case, Key
from segdata.report.recipe import ReportRecipe

if TYPE_CHECKING:
    from segdata.catalog.tables import Catalog
    from segdata.catalog.workspace import RunContext

Row = dict[str, Any]

_SCORE_COLUMNS = (
    "scorer_id", "sample_id", "image_sha256", "alpha_sha256",
    "miou", "boundary_iou", "hole_recall", "confidence", "failure_mode",
)  # fmt: skip
_PREDICTION_COLUMNS = ("scorer_id", "sample_id", "image_sha256", "alpha_sha256", "mask", "height", "width")
_RUN_COLUMNS = ["run_id", "command", "status", "error", "started_at", "seconds", "result"]
_ASKED_AT_ONCE = 200
_SCORED_SQL = """
    SELECT model_id, scorer_id, split, count(*) AS images
    FROM scores JOIN samples USING (sample_id, image_sha256, alpha_sha256)
    WHERE scores.status = 'scored' AND samples.status = 'present' AND samples.kind = 'portrait'
    GROUP BY ALL
"""


@dataclass(frozen=True)
class ReportResult:
    """What was written.

    Attributes:
        path: the page, absolute.
        uri: the same as the catalog would name it: relative to the workspace.
        page_bytes: its size; 0 for a dry run, which writes nothing.
        cards: cards on the page.
        unreadable: pictures that could not be drawn, and say why on the page.
    """

    path: Path
    uri: str
    page_bytes: int
    cards: int
    unreadable: int

    def to_json(self) -> dict[str, Any]:
        """The keys of `segdata report --json`."""
        return {"path": self.uri, "bytes": self.page_bytes, "cards": self.cards, "unreadable": self.unreadable}


@dataclass(frozen=True)
class _Tables:
    """The rows that the page is made from."""

    samples: list[Row]
    rejects: list[Row]
    models: list[Row]
    selections: list[Row]
    verdicts: list[Row]
    runs: list[Row]
    scored: list[plan.Scored]

    def present(self, split: str, kind: str = "portrait") -> list[Row]:
        """The samples of a split that can be used."""
        return [
            row for row in self.samples if row["status"] == "present" and row["split"] == split and row["kind"] == kind
        ]


@dataclass(frozen=True)
class _Cases:
    """The cards to draw, gallery by gallery."""

    hard: list[Case]
    suspects: list[Case]
    improved: list[Case]
    worsened: list[Case]
    composites: list[Case]
    vetoed: list[Case]

    def keys(self) -> set[Key]:
        """The predictions they need."""
        everyone = (*self.hard, *self.suspects, *self.improved, *self.worsened)
        return {key for case in everyone for key in case.keys}


def run(context: RunContext, recipe: ReportRecipe) -> ReportResult:
    """Write `reports/<run_id>/index.html`, one page that needs no server and no network.

    An empty catalog gives a page that says what to do first; a picture that can't be read gives a frame that says why.

    Raises:
        UsageError: `recipe.selection` names none.
        StorageError: The page can't be written.
        CatalogError: A table is damaged.
    """
    from segdata.storage.files import atomic_write

    recipe = recipe.limited(context.limit)
    tables = _read_tables(context.catalog)
    known = versions.read_versions(proofs.without_arms(tables.models), _sizes(tables.selections))
    comparison = versions.compare(known)
    selection = plan.choose_selection(tables.selections, tables.runs, recipe.selection)
    compared = _Compared.of(known, comparison, tables.scored)
    scores = _read_scores(context.catalog, compared.scorer_ids() | _scorer_ids(selection))
    cases = _choose_cases(tables, selection, scores, compared, recipe)
    galleries = _draw(context, recipe, cases)
    facts = PageFacts(
        title=context.workspace.root.name or "workspace",
        run_id=context.run_id,
        written_at=datetime.now(UTC),
        overview=summaries.overview(tables.samples, tables.rejects),
        versions=known,
        comparison=comparison,
        pool=_pool(tables, scores, compared, selection),
        selection=_summarise(selection, scores),
        galleries=galleries,
        veto=vetoes.newest_veto(tables.runs),
        proof=proofs.newest_proof(tables.models),
        runs=summaries.newest_runs(tables.runs, context.run_id, recipe.runs),
        histogram_scale=recipe.histogram,
    )
    page = render(facts).encode("utf-8", errors="replace")
    path = context.workspace.reports / context.run_id / "index.html"
    if not context.dry_run:
        atomic_write(path, page)
    cards = [card for gallery in vars(galleries).values() for card in gallery]
    return ReportResult(
        path=path,
        uri=context.workspace.uri_of(path),
        page_bytes=0 if context.dry_run else len(page),
        cards=len(cards),
        unreadable=sum(picture.uri is None for card in cards for picture in card.pictures),
    )


def _read_tables(catalog: Catalog) -> _Tables:
    return _Tables(
        samples=catalog.read("samples").to_pylist(),
        rejects=catalog.read("rejects", columns=["dataset", "path", "reason"]).to_pylist(),
        models=catalog.read("models").to_pylist(),
        selections=catalog.read("selections").to_pylist(),
        verdicts=catalog.read("verdicts").to_pylist(),
        runs=catalog.read("runs", columns=_RUN_COLUMNS).to_pylist(),
        scored=[plan.Scored(**row) for row in catalog.query(_SCORED_SQL).to_pylist()],
    )


def _sizes(selections: Sequence[Row]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for row in selections:
        sizes[row["selection"]] = sizes.get(row["selection"], 0) + 1
    return sizes


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

    def scorer_ids(self) -> set[str]:
        """All of them."""
        every = (self.first_on_test, self.latest_on_test, self.first_on_pool, self.latest_on_pool)
        return {scorer.scorer_id for scorer in every if scorer}


def _scorer_ids(selection: plan.Selection | None) -> set[str]:
    return {str(row["scorer_id"]) for row in selection.rows} if selection else set()


def _read_scores(catalog: Catalog, scorer_ids: set[str]) -> dict[Key, Row]:
    """The scores of some scorers, by key."""
    if not scorer_ids:
        return {}
    wanted = ", ".join(sorted(_sql_text(scorer_id) for scorer_id in scorer_ids))
    rows = catalog.query(
        f"SELECT {', '.join(_SCORE_COLUMNS)} FROM scores WHERE status = 'scored' AND scorer_id IN ({wanted})"
    )
    return {plan.key_of(row): row for row in rows.to_pylist()}


def _read_predictions(catalog: Catalog, keys: set[Key]) -> dict[Key, Row]:
    """The kept masks of some samples, by key; asked for by id, since all of them would fill the memory."""
    found: dict[Key, Row] = {}
    # A NUL can't be written in SQL: a sample with one in its name has its predictions shown as missing.
    ids = sorted({key[1] for key in keys if "\0" not in key[1]})
    for start in range(0, len(ids), _ASKED_AT_ONCE):
        wanted = ", ".join(_sql_text(sample_id) for sample_id in ids[start : start + _ASKED_AT_ONCE])
        rows = catalog.query(f"SELECT {', '.join(_PREDICTION_COLUMNS)} FROM predictions WHERE sample_id IN ({wanted})")
        found.update((plan.key_of(row), row) for row in rows.to_pylist() if plan.key_of(row) in keys)
    return found


def _sql_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _choose_cases(
    tables: _Tables,
    selection: plan.Selection | None,
    scores: Mapping[Key, Row],
    compared: _Compared,
    recipe: ReportRecipe,
) -> _Cases:
    by_id = {str(row["sample_id"]): row for row in tables.samples}
    verdicts = plan.last_verdicts(tables.verdicts)
    mined = plan.selected_cases(selection.rows, by_id, scores, verdicts) if selection else []
    hard, suspects = plan.split_by_triage(mined, recipe.gallery, recipe.suspects)
    improved: list[Case] = []
    worsened: list[Case] = []
    if compared.first_on_test and compared.latest_on_test:
        scorers = (compared.first_on_test.scorer_id, compared.latest_on_test.scorer_id)
        improved, worsened = plan.changed_cases(tables.present("test"), scores, scorers, recipe.changes)
    composites = plan.composite_cases(tables.present("train", "composite"), recipe.composites)
    vetoed = vetoes.vetoed_cases(vetoes.newest_veto(tables.runs), by_id, recipe.vetoed)
    return _Cases(hard, suspects, improved, worsened, composites, vetoed)


def _draw(context: RunContext, recipe: ReportRecipe, cases: _Cases) -> Galleries:
    """Draw all pictures, several at a time; they come back in the order of the cards."""
    from segdata.engines.local import map_threads

    predictions = _read_predictions(context.catalog, cases.keys())
    four, three = [*cases.hard, *cases.suspects], [*cases.improved, *cases.worsened]
    pictures = 4 * len(four) + 3 * len(three) + len(cases.composites) + len(cases.vetoed)
    canvas = canvas_for(recipe.thumbnail_px, recipe.page_megabytes * 1e6, pictures)
    workspace = context.workspace

    def draw(job: tuple[Case, Callable[[Case], list[Picture]]]) -> Card:
        case, function = job
        return Card(case, function(case))

    jobs: list[tuple[Case, Callable[[Case], list[Picture]]]] = [
        *((case, lambda one: case_pictures(workspace, one, predictions, canvas)) for case in four),
        *((case, lambda one: change_pictures(workspace, one, predictions, canvas)) for case in three),
        *((case, lambda one: photo_only(workspace, one, canvas)) for case in (*cases.composites, *cases.vetoed)),
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
    tables: _Tables, scores: Mapping[Key, Row], compared: _Compared, selection: plan.Selection | None
) -> summaries.Pool | None:
    latest, first = compared.latest_on_pool, compared.first_on_pool
    if latest is None:
        return None
    after, before = plan.shared_scores(tables.present("pool"), scores, first, latest)
    bins = summaries.histogram(after, before, summaries.cut_of(selection.predicate if selection else None))
    return summaries.Pool(bins, latest.label, first.label if first and before else None, len(after)) if bins else None


def _summarise(selection: plan.Selection | None, scores: Mapping[Key, Row]) -> summaries.SelectionSummary | None:
    if selection is None:
        return None
    modes = {str(row["sample_id"]): scores.get(plan.key_of(row), {}).get("failure_mode") for row in selection.rows}
    return summaries.selection_summary(selection.name, selection.predicate, selection.rows, modes)
