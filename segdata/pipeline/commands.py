"""The single commands, each one run in the journal: ingest, fuse, train, mine, report, predict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segdata.catalog import models, splits
from segdata.catalog.training_sets import minable, training_set
from segdata.catalog.workspace import RunContext
from segdata.errors import SourceError, TooFewSamplesError, UsageError
from segdata.ingest.recipe import SourceRecipe
from segdata.pipeline.backgrounds import usable_backgrounds
from segdata.pipeline.recipe import Recipe
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import Plan, Trained, train_version


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

    sources = choose_sources(session.recipe, names, root)
    with session.record("ingest") as record:
        result = run_ingest(record.context, sources, IngestOptions(verify=verify))
        record.result = result.to_json()
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

    _cut_val(context, recipe)
    where = "kind = 'portrait' AND split = 'train' AND status = 'present'"
    portraits = context.catalog.read("samples", where=where)
    backgrounds, veto = usable_backgrounds(context, recipe, model)
    if preview is not None:
        result = draw_preview(context, recipe.fuse, portraits, backgrounds, preview).to_json()
    else:
        result = run_fuse(context, recipe.fuse, portraits, backgrounds).to_json()
    return result if veto is None else {**result, "veto": veto}


def train(session: Session) -> Record:
    """Train on the training split from the spec's pretrained weights."""
    with session.record("train") as record:
        record.result = train_first(record.context, session.recipe)[1]
    return record


def train_first(context: RunContext, recipe: Recipe) -> tuple[Trained | None, dict[str, Any]]:
    """Train the first version, as part of a run; nothing is trained in a dry run."""
    _cut_val(context, recipe)
    samples = training_set(context.workspace, (), recipe.train.fusion == "rendered")
    if recipe.train.fusion == "rendered" and "composite" not in samples.rows["kind"].to_pylist():
        raise TooFewSamplesError(
            'train: train.fusion = "rendered" needs composites and the catalog has none; run: segdata fuse'
        )
    if context.dry_run:
        return None, {"training_samples": samples.rows.num_rows, "leaks_removed": len(samples.leaks)}
    trained = train_version(context, recipe, Plan(samples))
    return trained, trained.to_json(len(samples.leaks))


def mine(session: Session, model: str | None = None) -> Record:
    """Score the pool with a version and select its hard cases.

    Args:
        session: the workspace and recipe.
        model: a model's id (or its beginning), name or folder; the promoted one by default.
    """
    with session.record("mine") as record:
        row = find_model(record.context, model)
        record.result = mine_with(record.context, session.recipe, row)
    return record


def mine_with(context: RunContext, recipe: Recipe, model: dict[str, Any]) -> dict[str, Any]:
    """Mine with one version, as part of a run."""
    from segdata.mine.run import run as run_mine

    folder = context.workspace.resolve(model["uri"])
    eligible, skipped = minable(context.workspace, folder)
    return run_mine(context, recipe.mine, folder, eligible, skipped).to_json()


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


def report(session: Session) -> Record:
    """Write the report's page."""
    from segdata.report.run import run as run_report

    with session.record("report") as record:
        record.result = run_report(record.context, session.recipe.report).to_json()
    return record


def predict(session: Session, paths: Iterable[Path], model: str | None, out: Path, kind: str) -> Record:
    """Write a version's prediction for photos."""
    from segdata.predict.run import run as run_predict

    with session.record("predict") as record:
        # A folder that is no version of this workspace is fine too: anybody's trained version predicts.
        folder = Path(model) if model and (Path(model) / "model.toml").is_file() else None
        if folder is None:
            folder = session.workspace.resolve(find_model(record.context, model)["uri"])
        record.result = run_predict(record.context, list(paths), folder, out, kind).to_json()
    return record


def _cut_val(context: RunContext, recipe: Recipe) -> None:
    if not context.dry_run:
        splits.cut_val(context.catalog, recipe.train.val_fraction, recipe.seed)


def _new(name: str, root: str) -> SourceRecipe:
    return SourceRecipe(name=name, root=root)
