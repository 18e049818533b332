"""A workspace: the folder that holds recipes, models, reports and the catalog; and what a stage gets to run with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from segdata.catalog.limited_queries import QueryLimits
from segdata.catalog.tables import Catalog
from segdata.errors import StorageError, UsageError
from segdata.records import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class Workspace:
    """A workspace on disk.

    Attributes:
        root: its folder, absolute.
        catalog: its tables and rendered files.
    """

    root: Path
    catalog: Catalog

    @property
    def models(self) -> Path:
        """Where model specs lie and trained versions land."""
        return self.root / "models"

    @property
    def reports(self) -> Path:
        """Where reports are written, a folder each."""
        return self.root / "reports"

    def resolve(self, uri: str) -> Path:
        """The file that a URI of the catalog means: relative ones are relative to the workspace."""
        return self.root / uri

    def uri_of(self, path: Path) -> str:
        """How the catalog names a file: relative to the workspace where it lies inside, so that a copy works.

        >>> from segdata.catalog.tables import Catalog
        >>> Workspace(Path("/w"), Catalog(Path("/w/catalog"))).uri_of(Path("/w/models/m0"))
        'models/m0'
        """
        absolute = path if path.is_absolute() else self.root / path
        return absolute.relative_to(self.root).as_posix() if absolute.is_relative_to(self.root) else absolute.as_posix()


@dataclass(frozen=True)
class RunContext:
    """What every stage's `run` gets first.

    Attributes:
        workspace: where to read and write.
        run_id: names the command's run in every row it writes.
        seed: decides every draw.
        workers: threads or processes that decode, hash and render.
        limit: do at most so many samples; None for all.
        dry_run: plan and count, write nothing.
        progress: told how far the stage is.
    """

    workspace: Workspace
    run_id: str
    seed: int = 0
    workers: int = 2
    limit: int | None = None
    dry_run: bool = False
    progress: ProgressCallback = ignore_progress

    @property
    def catalog(self) -> Catalog:
        """The workspace's catalog."""
        return self.workspace.catalog

    def reading(self, catalog: Catalog) -> RunContext:
        """The same context with another view of the catalog."""
        return replace(self, workspace=replace(self.workspace, catalog=catalog))

    def limited(self, limit: int | None) -> RunContext:
        """The same context with another limit."""
        return replace(self, limit=limit)


def create_catalog_folder(workspace: Workspace) -> None:
    """Create the catalog's folder with mode 0700, whatever the umask is, if it is not there.

    A recipe may put it outside the workspace, whose own mode would not protect it.

    Raises:
        StorageError: It can't be created.
    """
    try:
        workspace.catalog.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{workspace.catalog.root}: can't be created ({error.strerror}); check catalog.uri, and who may write there"
        ) from error


def open_workspace(root: Path, catalog_uri: str = "catalog", limits: QueryLimits | None = None) -> Workspace:
    """The workspace at a folder that exists.

    Args:
        root: the folder.
        catalog_uri: where its catalog lies: a folder, relative to the workspace or absolute.
        limits: when SQL that a user typed is stopped.

    Raises:
        UsageError: No such folder.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such workspace; make one with: segdata init {root}")
    absolute = root.resolve()
    return Workspace(absolute, Catalog(absolute / catalog_uri, limits=limits or QueryLimits()))
