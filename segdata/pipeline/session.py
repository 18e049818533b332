"""A workspace opened with a recipe and options: what every command begins with, and the journal of what it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segdata.catalog import runs
from segdata.catalog.forgotten import conceal_forgotten
from segdata.catalog.limited_queries import QueryLimits
from segdata.catalog.upkeep import tidy
from segdata.catalog.versions import AsOf, as_it_was, as_of
from segdata.catalog.workspace import RunContext, Workspace, create_catalog_folder, open_workspace
from segdata.current_folder import refuse_code_in_current_folder
from segdata.errors import CatalogError, GateRefusedError, RecipeError
from segdata.pipeline.recipe import Recipe, load_recipe
from segdata.records import ProgressCallback, ignore_progress
from segdata.storage.expansion import ExpansionError, expand_path

DEFAULT_RECIPE = "pipelines/portrait.toml"


@dataclass(frozen=True)
class Session:
    """What a command works with.

    Attributes:
        workspace: the folder and its catalog.
        recipe: resolved: options over `--set` over TOML over defaults.
        recipe_name: how messages call the recipe.
        workers: threads or processes.
        limit: do at most so many samples; None for all.
        dry_run: plan and count, write nothing.
        progress: told how far the stages are.
        journal: the runs of this session, the newest last; also those that failed.
    """

    workspace: Workspace
    recipe: Recipe
    recipe_name: str
    workers: int = 2
    limit: int | None = None
    dry_run: bool = False
    progress: ProgressCallback = ignore_progress
    journal: list[Record] = field(default_factory=list, compare=False)

    def context(self, run_id: str) -> RunContext:
        """What the stages of one run get."""
        catalog = self.workspace.catalog.for_run(run_id)
        return RunContext(
            workspace=replace(self.workspace, catalog=catalog),
            run_id=run_id,
            seed=self.recipe.seed,
            workers=self.workers,
            limit=self.limit,
            dry_run=self.dry_run,
            progress=self.progress,
        )

    def moment(self, asked: str | None) -> AsOf | None:
        """The moment that `--as-of` means; None where nothing is asked.

        Raises:
            UsageError: There is no such version, time or run.
        """
        return None if asked is None else as_of(self.workspace.catalog, asked)

    @contextmanager
    def record(self, command: str, moment: AsOf | None = None) -> Iterator[Record]:
        """Run a command with a row in the journal: begun, and then done, interrupted or failed.

        Whatever the body puts into `record.result` is kept, also where it raises: a gate that refuses has results.

        Args:
            command: its name.
            moment: the samples and verdicts of then are read; None reads those of now.
        """
        record = Record(command, self.context(runs.new_run_id(command)))
        told = {}
        if moment is not None:
            catalog, left_out = as_it_was(record.context.catalog, moment)
            record.context = record.context.reading(catalog)
            told = {"as_of": {**moment.to_json(), "left_out": left_out}}
        self.journal.append(record)
        if self.dry_run:
            yield record
            record.status = "done"
            record.result = {**record.result, **told}
            return
        create_catalog_folder(self.workspace)
        recipe = conceal_forgotten(self.workspace, self.recipe.to_json())
        opened = runs.begin(record.context.catalog, record.run_id, command, recipe, self.recipe.seed)
        error = None
        try:
            yield record
            record.status = "done"
            with suppress(CatalogError):  # the work is done, also where there was no room to tidy up after it
                tidy(record.context.catalog)
        except KeyboardInterrupt:
            record.status, error = "interrupted", "interrupted"
            raise
        except BaseException as raised:
            record.status, error = "failed", str(raised)
            if isinstance(raised, GateRefusedError):
                record.result = {**raised.result, **record.result}
            raise
        finally:
            record.result = {**record.result, **told}
            try:
                result = record.result if record.journalled is None else record.journalled
                kept, kept_error = conceal_forgotten(self.workspace, (result, error))
                record.seconds = runs.finish(record.context.catalog, opened, record.status, kept, kept_error)
            except CatalogError:
                # A full disk that stopped the work stops the journal too: what is told is what stopped the work.
                if error is None:
                    raise

    def with_recipe(self, recipe: Recipe) -> Session:
        """The same session with another recipe."""
        return replace(self, recipe=recipe)


@dataclass
class Record:
    """One command's run while it goes.

    Attributes:
        command: its name.
        context: what its stages get.
        result: the keys that `--json` prints.
        journalled: what the journal keeps in place of the result, where that must not be kept.
        status: running until it ends.
        seconds: wall time, once it ended.
    """

    command: str
    context: RunContext
    result: dict[str, Any] = field(default_factory=dict)
    journalled: dict[str, Any] | None = None
    status: str = "running"
    seconds: float = 0.0

    @property
    def run_id(self) -> str:
        """The run's name in the `runs` table."""
        return self.context.run_id

    def to_json(self) -> dict[str, Any]:
        """The one object of `--json`."""
        head = {"run_id": self.run_id, "command": self.command, "status": self.status, "seconds": self.seconds}
        return {**head, **self.result}


def open_session(
    root: Path,
    recipe: str | None = None,
    sets: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Session:
    """Open a workspace with a recipe.

    Args:
        root: the workspace's folder.
        recipe: the recipe's path, relative to the workspace or to the current folder; None is
            `pipelines/portrait.toml`.
        sets: `key=value` overrides.
        options: dotted key -> value of command-line options.
        settings: `workers`, `limit`, `dry_run`, `progress` of the session.

    Raises:
        UsageError: No such workspace, or something in the current folder would be run.
        RecipeError: The recipe is missing or wrong.
    """
    refuse_code_in_current_folder()
    workspace = open_workspace(root)
    path, name = _find_recipe(workspace.root, recipe)
    loaded = load_recipe(path, name, sets, options)
    if "://" in loaded.catalog.uri:
        raise RecipeError(f"{name}: catalog.uri: {loaded.catalog.uri}: only a folder is supported so far")
    limits = QueryLimits(loaded.query.timeout_s)
    try:
        catalog = expand_path(loaded.catalog.uri, workspace.root)
    except ExpansionError as error:
        raise RecipeError(f"{name}: catalog.uri: {loaded.catalog.uri}: {error}") from error
    return Session(open_workspace(root, str(catalog), limits), loaded, name, **settings)


def _find_recipe(root: Path, recipe: str | None) -> tuple[Path, str]:
    if recipe is None:
        return root / DEFAULT_RECIPE, DEFAULT_RECIPE
    inside = root / recipe
    return (inside, recipe) if inside.is_file() else (Path(recipe), recipe)
