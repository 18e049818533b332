"""Open a review, pull what was said in it, or read it from a file: the stage's rim."""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.catalog.forgotten import conceal_forgotten
from segdata.catalog.purging import quoted_in
from segdata.catalog.verdicts import Taken, last_remarks, take_in
from segdata.errors import DataError
from segdata.records import Progress
from segdata.review.cases import Chosen, case_rows, chosen_by, newest_selection
from segdata.review.ending import Ending, ended_politely
from segdata.review.environment import (
    ADDRESS,
    create_review_folder,
    place_of,
    require_fiftyone,
    require_free_port,
    set_environment,
)
from segdata.review.files import read_verdicts
from segdata.review.mongod import is_alive, open_database
from segdata.review.reading import newest_scorer, read_predictions, read_scores
from segdata.review.recipe import ReviewRecipe

if TYPE_CHECKING:
    from segdata.catalog.verdicts import Judgement
    from segdata.catalog.workspace import RunContext, Workspace
    from segdata.review.dataset import Synced
    from segdata.review.overlays import Overlays

Row = dict[str, Any]

_NOTHING = Taken({}, 0, 0, (), ())


@dataclass(frozen=True)
class Asked:
    """What a review is asked to show.

    Attributes:
        selection: its name; None for the newest.
        where: a predicate instead; None for none.
        browser: whether to open one.
    """

    selection: str | None = None
    where: str | None = None
    browser: bool = True


@dataclass(frozen=True)
class ReviewResult:
    """What a review showed and brought back.

    Attributes:
        title: the selection or predicate that was reviewed; None for a pull or an import.
        cases: samples under review.
        synced: what the opening changed in FiftyOne's dataset; None for a pull or an import.
        taken: what the catalog learned, of this review and of one that was cut off before it.
        refused: rows of a file that can't be used: sample_id, or the empty string, and the reason.
    """

    title: str | None
    cases: int
    synced: Synced | None
    taken: Taken
    refused: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The keys of `segdata review --json`."""
        shown = {} if self.title is None else {"reviewed": self.title, "cases": self.cases}
        refused = [{"sample_id": name or None, "reason": reason} for name, reason in self.refused]
        synced = self.synced.to_json() if self.synced else {}
        return {**shown, **synced, **self.taken.to_json(), "refused": refused}


def open_review(context: RunContext, recipe: ReviewRecipe, asked: Asked, say: Callable[[str], None]) -> ReviewResult:
    """Open the App on some cases, and bring home what is said in it when it ends, by Ctrl-C or a polite kill.

    Args:
        context: its `limit` shows the first so many cases.
        recipe: port, reviewer, names, sizes.
        asked: which cases.
        say: told where the App is, and what to do there.

    Raises:
        DataError: FiftyOne or its database is not there, or does not start.
        UsageError: The port is taken, the database is open elsewhere, or holds a dataset of that name that is not ours;
            no such selection or predicate.
        TooFewSamplesError: There is nothing to review.
    """
    require_fiftyone()
    require_free_port(recipe.port)
    chosen = _choose(context, asked)
    if context.dry_run:
        return ReviewResult(chosen.title, len(chosen.samples), None, _NOTHING)
    with _dataset(context, recipe) as (dataset, reviewer):
        earlier = _pull(context.workspace, dataset, reviewer)
        synced = _synchronise(context, recipe, chosen, dataset)
        with ended_politely() as ending:
            _serve(context, recipe, asked.browser, (dataset, chosen), (say, ending))
            taken = _pull(context.workspace, dataset, reviewer)
    return ReviewResult(chosen.title, len(chosen.samples), synced, _sum(earlier, taken))


def pull(context: RunContext, recipe: ReviewRecipe) -> ReviewResult:
    """Bring home what was said in the App and is not in the catalog yet, also while it is open.

    Raises:
        DataError: FiftyOne or its database is not there, or does not start.
        UsageError: The dataset of that name is not ours.
    """
    require_fiftyone()
    with _dataset(context, recipe, join=True) as (dataset, reviewer):
        taken = _pull(context.workspace, dataset, reviewer, context.dry_run)
    return ReviewResult(None, 0, None, taken)


def import_verdicts(context: RunContext, recipe: ReviewRecipe, path: Path) -> ReviewResult:
    """Read the verdicts that the report's page saved to a file, JSON or CSV; needs no FiftyOne.

    A row that is wrong is refused, and costs no other.

    Raises:
        DataError: The file can't be read, or is something else; the message says where.
    """
    catalog = context.catalog
    names = set(catalog.read("samples", ["sample_id"])["sample_id"].to_pylist())
    file = read_verdicts(path, reviewer_of(recipe), names)
    known = {_without_time(row) for row in catalog.read("verdicts").to_pylist()} if file.undated else set()
    undated = {id(one) for one in file.undated}
    judgements, again = [], 0
    for written, judgement in zip(file.judgements, _concealed(context.workspace, file.judgements), strict=True):
        if id(written) in undated and _without_time(vars(judgement)) in known:
            again += 1  # the file was imported before
        else:
            judgements.append(judgement)
    taken = take_in(catalog, judgements, context.dry_run)
    return ReviewResult(None, 0, None, replace(taken, known=taken.known + again), file.refused)


def _without_time(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("sample_id", "image_sha256", "alpha_sha256", "verdict", "reviewer", "note"))


def reviewer_of(recipe: ReviewRecipe) -> str:
    """Who reviews: the recipe's, else the user's name on this machine."""
    if recipe.reviewer:
        return recipe.reviewer
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _choose(context: RunContext, asked: Asked) -> Chosen:
    """The samples to show, worst first."""
    catalog = context.catalog
    selections = catalog.read("selections").to_pylist()
    samples = catalog.read("samples", where="status = 'present' AND kind <> 'background'").to_pylist()
    if asked.where is None:
        rows = newest_selection(selections, asked.selection)
        by_id = {row["sample_id"]: row for row in samples}
        found = [by_id[row["sample_id"]] for row in rows if row["sample_id"] in by_id]
        title, scorer = str(rows[0]["selection"]), rows[0]["scorer_id"]
    else:
        rows = newest_selection(selections, asked.selection) if selections else []
        scorer = newest_scorer(catalog)
        of_selection = {row["sample_id"]: row for row in rows}
        found = chosen_by(asked.where, samples, read_scores(catalog, scorer), of_selection, catalog.limits)
        title = asked.where
    return Chosen(title, found[: context.limit], {row["sample_id"]: row for row in rows}, scorer)


@contextmanager
def _dataset(context: RunContext, recipe: ReviewRecipe, join: bool = False) -> Iterator[tuple[Any, str]]:
    """Our dataset in a database that is open, and who reviews."""
    from segdata.review.guest import close_connection, require_our_version

    place, reviewer = place_of(context.workspace), reviewer_of(recipe)
    create_review_folder(place)
    with open_database(place, join) as uri:
        require_our_version(uri, place)
        set_environment(place, uri, reviewer)
        from pymongo.errors import ConnectionFailure

        from segdata.review.dataset import dataset_name, open_dataset

        try:
            name = dataset_name(recipe.dataset, context.workspace.root.name)
            yield open_dataset(name, context.workspace.root, place.own), reviewer
        except ConnectionFailure as error:
            raise DataError(
                f"{place.database}: the review's database does not answer any more ({type(error).__name__}). Verdicts "
                "that it has stored are not lost: run segdata review --pull; if it does not start, its log says why: "
                f"{place.database / 'log' / 'mongo.log'}"
            ) from error
        finally:
            close_connection()


def _concealed(workspace: Workspace, judgements: Sequence[Judgement]) -> list[Judgement]:
    """The judgements without the ids of forgotten samples that reviewers wrote into them."""
    notes = conceal_forgotten(workspace, [one.note for one in judgements])
    reviewers = conceal_forgotten(workspace, [one.reviewer for one in judgements])
    tags = conceal_forgotten(workspace, [None if one.tags is None else list(one.tags) for one in judgements])
    return [
        replace(one, note=note, reviewer=reviewer, tags=None if listed is None else tuple(listed))
        for one, note, reviewer, listed in zip(judgements, notes, reviewers, tags, strict=True)
    ]


def _pull(workspace: Workspace, dataset: Any, reviewer: str, dry_run: bool = False) -> Taken:
    from segdata.review.pulling import judgements_of, remember_pull

    catalog = workspace.catalog
    known = {key: tuple(row["tags"]) for key, row in last_remarks(catalog.read("verdicts").to_pylist()).items()}
    judgements = _concealed(workspace, judgements_of(dataset, known, reviewer))
    taken = take_in(catalog, judgements, dry_run)
    if not dry_run:
        remember_pull(dataset, max((one.at for one in judgements), default=None))
    return taken


def _synchronise(context: RunContext, recipe: ReviewRecipe, chosen: Chosen, dataset: Any) -> Synced:
    from segdata.review.dataset import MARK, OVERLAY_PX, remove_others, sync
    from segdata.review.leaks import leaks_among
    from segdata.review.views import save_views

    catalog = context.catalog
    present = set(catalog.read("samples", ["sample_id"], "status = 'present'")["sample_id"].to_pylist())
    gone = remove_others(dataset, present)
    leaks = leaks_among(context)
    leaked = catalog.read("samples", where=f"status = 'present' AND {quoted_in('sample_id', set(leaks))}").to_pylist()
    chosen = replace(chosen, also=leaked)
    scores = read_scores(catalog, chosen.scorer_id)
    cases = case_rows(chosen, scores, leaks, catalog.read("verdicts").to_pylist())
    samples = {row["sample_id"]: row for row in chosen.all_samples}

    def prepare(batch: Sequence[Row]) -> Iterable[tuple[str, Overlays]]:
        return _prepare(context, recipe, [samples[row["sample_id"]] for row in batch], chosen.scorer_id)

    def told(done: int) -> None:
        context.progress(Progress("review", "cases", done, len(cases), "cases"))

    lost = not (place_of(context.workspace).folder / "overlays").is_dir()
    renew = lost or dataset.info[MARK].get(OVERLAY_PX) != recipe.overlay_px
    synced = sync(dataset, cases, context.workspace.root, prepare, told, renew=renew)
    if renew:
        dataset.info[MARK] = {**dataset.info[MARK], OVERLAY_PX: recipe.overlay_px}
        dataset.save()
    title = conceal_forgotten(context.workspace, chosen.title)
    save_views(dataset, title, {row["failure_mode"] for row in cases if row["failure_mode"]})
    return replace(synced, gone=gone)


def _prepare(
    context: RunContext, recipe: ReviewRecipe, samples: Sequence[Row], scorer_id: str | None
) -> Iterator[tuple[str, Overlays]]:
    """What FiftyOne shows of some samples: a picture that browsers know, and overlays; drawn by several threads."""
    from segdata.engines.local import map_threads
    from segdata.review.media import shown_picture
    from segdata.review.overlays import write_overlays

    workspace, place = context.workspace, place_of(context.workspace)
    predictions = read_predictions(context.catalog, scorer_id, samples)

    def one(sample: Row) -> tuple[str, Overlays]:
        key = (sample["sample_id"], sample["image_sha256"], sample["alpha_sha256"])
        media = shown_picture(workspace, sample, place.folder / "pictures")
        drawn = write_overlays(workspace, sample, predictions.get(key), place.folder / "overlays", recipe.overlay_px)
        return media, drawn

    yield from map_threads(one, list(samples), context.workers)


def _serve(
    context: RunContext,
    recipe: ReviewRecipe,
    browser: bool,
    shown: tuple[Any, Chosen],
    rim: tuple[Callable[[str], None], Ending],
) -> None:
    """Serve the App until Ctrl-C, or until its server ends by itself."""
    from segdata.review.guard import TOKEN, Access
    from segdata.review.launch import launch_page, open_browser
    from segdata.review.registered_media import registered_media
    from segdata.review.server import app_server
    from segdata.review.views import WORST

    (dataset, chosen), (say, ending) = shown, rim
    workspace, folder = context.workspace, place_of(context.workspace).folder
    token = secrets.token_urlsafe(32)

    def decide_access() -> Access:
        files = registered_media(workspace, folder, set(dataset.values("sample_id")), recipe.overlay_px)
        return Access(recipe.port, token, files)

    url = f"http://{ADDRESS}:{recipe.port}/datasets/{dataset.name}?view={WORST.replace(' ', '-')}&{TOKEN}={token}"
    with (
        app_server(recipe.port, folder / "server.log", decide_access) as server,
        launch_page(folder, url) if browser else nullcontext() as page,
    ):
        say(f"{len(chosen.samples)} cases of {chosen.title}, as {reviewer_of(recipe)}, at {url}")
        say("Alt+1 hard, Alt+2 label error, Alt+3 drop, Alt+4 fine; Alt+Z undoes, Alt+N goes on. Ctrl-C here ends it.")
        if page is not None:
            open_browser(page)
        while not ending.wait(0.5) and is_alive(server):
            continue
    with suppress(OSError):  # the terminal may be what was closed
        say("The App is closed; the verdicts come into the catalog.")


def _sum(one: Taken, other: Taken) -> Taken:
    verdicts = {
        word: one.verdicts.get(word, 0) + other.verdicts.get(word, 0) for word in {*one.verdicts, *other.verdicts}
    }
    return Taken(
        dict(sorted(verdicts.items())),
        one.remarks + other.remarks,
        other.known,
        tuple(sorted({*one.stale, *other.stale})),
        tuple(sorted({*one.unknown, *other.unknown})),
    )
