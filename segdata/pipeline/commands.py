"""The single commands, each one run in the journal: ingest, fuse, train, mine, report, predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.catalog import models, splits
from segdata.catalog.training_sets import ever_trained_on, minable, training_set
from segdata.catalog.workspace import RunContext
from segdata.errors import SourceError, TooFewSamplesError, UsageError
from segdata.ingest.recipe import SourceRecipe
from segdata.pipeline.backgrounds import has_backgrounds, usable_backgrounds
from segdata.pipeline.gaps import warn_of_gaps
from segdata.pipeline.jobs import Plan, refuse_leaks
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import Trained, train_version
from segdata.records import is_text, printable
from segdata.storage.expansion import ExpansionError, expand_path

if TYPE_CHECKING:
    import pyarrow as pa

    from segdata.ingest.mended import MendedOptions
    from segdata.mine.run import MineResult
    from segdata.predict.pictures import PictureOptions


def ingest_mended(session: Session, path: Path, options: MendedOptions | None = None) -> Record:
    """Take mended labels in, and measure all versions anew on the test split if that has some of them.

    Args:
        session: the workspace and recipe.
        path: the folder, the ZIP archive or the file that an annotation tool returned.
        options: how they are taken in.

    Raises:
        SourceError: There are no labels in it; or a source of these samples is missing.
        UsageError: The recipe has no source of that name any more, or there is no such export.
    """
    from segdata.ingest.mended import take_in_mended

    with session.record("ingest") as record:
        mended = take_in_mended(record.context, path, options)
        record.result = {"mended": mended.to_json()}
        record.journalled = {"mended": mended.without_file_names()}
        _ingest_again(record, session, list(mended.samples))
    return record


def undo_mended(session: Session, run_id: str) -> Record:
    """Let the labels count again that were there before a run took mended ones in.

    Args:
        session: the workspace and recipe.
        run_id: the run of `segdata ingest --mended`.

    Raises:
        UsageError: That run took no labels in, or the recipe has no source of that name any more.
    """
    from segdata.ingest.mended_undo import undo_mended_run

    with session.record("ingest") as record:
        undone = undo_mended_run(record.context, run_id)
        record.result = {"undone": undone.to_json()}
        record.journalled = dict(record.result)
        _ingest_again(record, session, list(undone.datasets))
    return record


def _ingest_again(record: Record, session: Session, names: Sequence[str]) -> None:
    """Ingest the sources whose labels were changed beside them, and measure versions anew; nothing in a dry run."""
    from segdata.ingest.run import run as run_ingest
    from segdata.pipeline.repinning import pin_test_anew

    result = run_ingest(
        record.context, choose_sources(session.recipe, names, None) if names and not session.dry_run else []
    )
    record.result |= result.to_json()
    record.journalled = {**(record.journalled or {}), **result.without_file_names().to_json()}
    if not session.dry_run:
        record.result["test"] = record.journalled["test"] = pin_test_anew(record.context, session.recipe)


def ingest(session: Session, names: Sequence[str] = (), root: str | None = None, verify: bool = False) -> Record:
    """Bring the catalog up to date with the sources.

    Args:
        session: the workspace and recipe.
        names: the sources wanted; all of the recipe by default. A name that the recipe lacks is a reader's, and
            needs `root`.
        root: another root for the one source named.
        verify: read every file again instead of trusting size and modification time.

    Raises:
        UsageError: An unknown source, or a root for several.
        SourceError: A root is missing, or holds another layout.
    """
    from segdata.ingest.run import IngestOptions
    from segdata.ingest.run import run as run_ingest
    from segdata.pipeline.repinning import pin_test_anew

    sources = choose_sources(session.recipe, names, root)
    with session.record("ingest") as record:
        result = run_ingest(record.context, sources, IngestOptions(verify=verify))
        record.result = result.to_json()
        record.journalled = result.without_file_names().to_json()
        if not session.dry_run and (test := pin_test_anew(record.context, session.recipe)):
            record.result["test"] = record.journalled["test"] = (
                test  # a command that took mended labels in was killed before it measured on them
            )
    return record


def choose_sources(recipe: Recipe, names: Sequence[str], root: str | None) -> list[SourceRecipe]:
    """The sources to ingest.

    Raises:
        UsageError: An unknown source, a root for several, or no sources at all.
    """
    known = {source.name: source for source in recipe.sources}
    if root is not None and len(names) != 1:
        raise UsageError("ingest: --root goes with the name of one source: segdata ingest coco --root data/coco")
    if root is not None:
        if not is_text(root):
            raise UsageError(f"ingest: --root {printable(root)}: the path is not UTF-8; rename the folder")
        return [known[names[0]].model_copy(update={"root": root}) if names[0] in known else _new(names[0], root)]
    if unknown := [name for name in names if name not in known]:
        listed = ", ".join(known) or "none"
        raise UsageError(f"ingest: no source {unknown[0]!r}; the recipe has {listed}. A new one needs --root")
    if not known:
        raise UsageError("ingest: the recipe has no [[sources]]; add one, or name one with --root")
    return [known[name] for name in names] if names else list(known.values())


def fuse(session: Session, preview: int | None = None) -> Record:
    """Render composites for a share of the training portraits, over backgrounds that the promoted version lets pass.

    Args:
        session: the workspace and recipe.
        preview: draw so many of the plan on one sheet instead, and render nothing into the catalog.

    Raises:
        TooFewSamplesError: No portraits, or no backgrounds.
        SourceError: Some composites could not be made, since a parent vanished or changed; the others are there.
        UsageError: A preview in a dry run.
    """
    if preview is not None and session.dry_run:
        raise UsageError("fuse: --preview draws a sheet and --dry-run writes nothing; give one of them")
    with session.record("fuse") as record:
        model = models.promoted_model(record.context.catalog)
        record.result = fuse_into(record.context, session.recipe, model, preview)
        if failed := record.result["failed"]:
            raise SourceError(
                f"fuse: {len(failed)} composites could not be made, the others are there: {failed[0]['reason']}"
            )
    return record


def fuse_into(
    context: RunContext, recipe: Recipe, model: dict[str, Any] | None, preview: int | None = None
) -> dict[str, Any]:
    """Render composites, as part of a run.

    Args:
        context: of the run.
        recipe: `[fuse]`.
        model: the version that vetoes backgrounds with people; None for no veto.
        preview: composites on a sheet, instead of rendering.
    """
    from segdata.fuse.preview import preview as draw_preview
    from segdata.fuse.run import run as run_fuse

    context = with_val_cut(context, recipe)
    where = "kind = 'portrait' AND split = 'train' AND status = 'present'"
    portraits = context.catalog.read("samples", where=where)
    backgrounds, veto = usable_backgrounds(context, recipe, model)
    if preview is not None:
        result = draw_preview(context, recipe.fuse, portraits, backgrounds, preview).to_json()
    else:
        result = run_fuse(context, recipe.fuse, portraits, backgrounds).to_json()
    return result if veto is None else {**result, "veto": veto}


def train(session: Session, as_of: str | None = None) -> Record:
    """Train on the training split from the spec's pretrained weights.

    Args:
        session: the workspace and recipe.
        as_of: train on the samples of a moment (a version, a time, or a run's id; see `versions.as_of`).
    """
    with session.record("train", session.moment(as_of)) as record:
        record.result = train_first(record.context, session.recipe)[1]
    return record


def train_first(context: RunContext, recipe: Recipe, arm: str = "") -> tuple[Trained | None, dict[str, Any]]:
    """Train the first version, as part of a run; nothing is trained in a dry run.

    Args:
        context: of the run.
        recipe: the whole of it.
        arm: of an experiment, where it is one: such a version is never promoted.

    Raises:
        TooFewSamplesError: Nothing to train on.
        GateRefusedError: `guard.strict_leaks`, and there are some.
    """
    context = with_val_cut(context, recipe)
    samples = training_set(context.workspace, (), recipe.train.fusion == "rendered", recipe.train.licences)
    rendered = recipe.train.fusion == "rendered" and has_backgrounds(context)  # without any, there is nothing to fuse
    if rendered and "composite" not in samples.rows["kind"].to_pylist():
        raise TooFewSamplesError(
            'train: train.fusion = "rendered" needs composites and the catalog has none; run: segdata fuse'
        )
    refuse_leaks(samples, recipe)
    if context.dry_run:
        warn_of_gaps(context.catalog, "train", ("backgrounds", "test"))
        return None, samples.counts()
    trained = train_version(context, recipe, Plan(samples, arm=arm))
    return trained, trained.to_json(samples)


def mine(session: Session, model: str | None = None, as_of: str | None = None) -> Record:
    """Score the pool with a version and select its hard cases.

    Args:
        session: the workspace and recipe.
        model: a model's id (or its beginning), name or folder; the promoted one by default.
        as_of: mine the pool of a moment, with the version that was promoted then.
    """
    moment = session.moment(as_of)
    with session.record("mine", moment) as record:
        context = record.context
        if moment is not None and model is None:
            context = context.reading(context.catalog.at({"models": moment.versions["models"]}))
        folder = model_folder(context, model)
        warn_of_gaps(context.catalog, "mine", ("test", "pool"))
        record.result = mine_with(record.context, session.recipe, folder).to_json()
    return record


def mine_with(context: RunContext, recipe: Recipe, folder: Path) -> MineResult:
    """Mine with one version, as part of a run.

    Args:
        context: of the run.
        recipe: `[mine]`, and `[train]` for folds.
        folder: of the version, in this workspace or not.

    Raises:
        UsageError: A second opinion is no version and no ONNX file.
    """
    from segdata.mine.run import Further
    from segdata.mine.run import run as run_mine
    from segdata.pipeline.folds import fold_versions

    opinions = [opinion_of(context, wanted) for wanted in recipe.mine.second_opinions]
    eligible, skipped = minable(context.workspace, folder)
    folds = fold_versions(context, recipe, folder) if recipe.mine.folds else ()
    return run_mine(context, recipe.mine, folder, eligible, skipped, Further(opinions, folds))


def opinion_of(context: RunContext, wanted: str) -> Path:
    """The model that a second opinion names: an ONNX file, or a version by id, name or folder.

    Raises:
        UsageError: There is none.
    """
    if not wanted.endswith(".onnx"):
        return model_folder(context, wanted)
    found = next((path for path in _places_of(context, wanted) if path.is_file()), None)
    if found is None:
        raise UsageError(f"mine: second opinion {wanted}: no such file; give an ONNX file, or a version's id or name")
    return found


def find_model(context: RunContext, wanted: str | None) -> dict[str, Any]:
    """A version's row: the promoted one, or that of an id, a beginning of one, a name, or a folder.

    Raises:
        TooFewSamplesError: Nothing is trained yet.
        UsageError: No such version, or several.
    """
    if wanted is None:
        return models.require_promoted(context.catalog)
    known = models.all_models(context.catalog)
    uri = context.workspace.uri_of(Path(wanted).absolute())
    found = [
        row
        for row in known
        if row["model_id"].startswith(wanted) or row["name"] == wanted or row["uri"] in (wanted, uri)
    ]
    if len(found) != 1:
        listed = ", ".join(row["name"] for row in known) or "none yet"
        raise UsageError(f"model {wanted!r}: {'several' if found else 'no'} such version; there are {listed}")
    return found[0]


def report(session: Session, selection: str | None = None) -> Record:
    """Write the report's page.

    Args:
        session: the workspace and recipe.
        selection: all of this one is shown, to be judged; None shows what the recipe says.

    Raises:
        UsageError: There is no such selection.
    """
    from segdata.report.run import run as run_report

    recipe = session.recipe.report if selection is None else session.recipe.report.for_review(selection)
    with session.record("report") as record:
        record.result = run_report(record.context, recipe).to_json()
    return record


def predict(
    session: Session, paths: Iterable[Path], model: str | None, out: Path, options: PictureOptions | None = None
) -> Record:
    """Write what a version makes of photos.

    Raises:
        UsageError: Options that don't go together, no such version, a path that is not there.
        DataError: No photo at all could be used.
    """
    from segdata.predict.run import check_any
    from segdata.predict.run import run as run_predict

    with session.record("predict") as record:
        folder = model_folder(record.context, model)
        result = run_predict(record.context, list(paths), folder, out, options)
        record.result = result.to_json()
        check_any(result)
    return record


def model_folder(context: RunContext, wanted: str | None) -> Path:
    """A version's folder: any that holds a trained version, of this workspace or not, else as `find_model` finds it.

    Raises:
        TooFewSamplesError: Nothing is trained yet.
        UsageError: No such version, or several.
    """
    places = _places_of(context, wanted) if wanted else ()
    if folder := next((place for place in places if (place / "model.toml").is_file()), None):
        return folder
    return context.workspace.resolve(find_model(context, wanted)["uri"])


def _places_of(context: RunContext, wanted: str) -> Iterator[Path]:
    """Where the path of a model may lie, as somebody wrote it: under the current folder, or under the workspace.

    Raises:
        UsageError: It names a variable that is not set, or a user without a home folder.
    """
    try:
        yield from (expand_path(wanted, folder) for folder in (Path(), context.workspace.root))
    except ExpansionError as error:
        raise UsageError(f"model {wanted}: {error}") from error


def with_val_cut(context: RunContext, recipe: Recipe) -> RunContext:
    """Cut val; in memory alone where nothing may be written, or where what is read is how things once were."""
    catalog, fraction, trained = context.catalog, recipe.train.val_fraction, ever_trained_on(context.workspace)

    def find_alike(portraits: pa.Table) -> Iterator[tuple[str, str]]:
        from segdata.catalog.near_duplicates import find_within

        found = find_within(context.workspace, portraits, context.workers)
        return ((pair.sample_id, pair.other_id) for pair in found)

    if not context.dry_run and "samples" not in catalog.held:
        splits.cut_val(catalog, fraction, trained, find_alike)
        return context
    samples = splits.with_val_cut(catalog.read("samples"), fraction, trained, find_alike)
    return context.reading(catalog.holding("samples", samples))


def _new(name: str, root: str) -> SourceRecipe:
    return SourceRecipe(name=name, root=root)
