"""The Python API: the same stages and tables as the commands.

    import segdata

    ws = segdata.open("demo")
    ws.ingest()
    ws.run(rounds=1)
    ws.samples(where="split = 'pool'").to_pandas()

Each stage returns what its command prints with `--json`, as a dictionary.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segdata.current_folder import distrust_current_folder
from segdata.privacy import keep_quiet
from segdata.records import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    import pyarrow as pa

    from segdata.pipeline.session import Session


class OpenWorkspace:
    """A workspace, opened: its stages as methods, its tables as Arrow.

    Args:
        session: the workspace with its recipe; `segdata.open` makes it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def root(self) -> Path:
        """The workspace's folder."""
        return self._session.workspace.root

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, as plain values."""
        return self._session.recipe.to_json()

    def ingest(self, *names: str, root: str | None = None, verify: bool = False) -> dict[str, Any]:
        """Bring the catalog up to date with the sources; see `segdata ingest`."""
        from segdata.pipeline import commands

        return commands.ingest(self._session, names, root, verify).to_json()

    def fuse(self) -> dict[str, Any]:
        """Render composites; see `segdata fuse`."""
        from segdata.pipeline import commands

        return commands.fuse(self._session).to_json()

    def train(self) -> dict[str, Any]:
        """Train on the training split; see `segdata train`."""
        from segdata.pipeline import commands

        return commands.train(self._session).to_json()

    def mine(self, model: str | None = None) -> dict[str, Any]:
        """Score the pool and select its hard cases; see `segdata mine`."""
        from segdata.pipeline import commands

        return commands.mine(self._session, model).to_json()

    def retrain(
        self,
        selection: str | None = None,
        model: str | None = None,
        control: bool = False,
        seeds: int | None = None,
        final: Literal["", "all_data", "include_test"] = "",
    ) -> dict[str, Any]:
        """Retrain with the hard cases; see `segdata retrain`.

        Args:
            selection: its name; the newest by default.
            model: the version to follow; the promoted one by default.
            control: also train with random images instead.
            seeds: trainings of each arm of that comparison; what the recipe says by default.
            final: train the last of the line, as `--all-data` or `--include-test`.
        """
        from segdata.pipeline import retrain

        session = self._with("retrain.seeds", seeds)
        return retrain.retrain(session, selection, model, control, final).to_json()

    def run(self, rounds: int | None = None, review: bool = False) -> dict[str, Any]:
        """The whole loop; see `segdata run`."""
        from segdata.pipeline import loop

        return loop.run_loop(self._with("loop.rounds", rounds), review).to_json()

    def _with(self, key: str, value: int | None) -> Session:
        """The session, with one key of its recipe set anew where a value is given."""
        from segdata.pipeline.recipe import with_settings

        if value is None:
            return self._session
        return self._session.with_recipe(with_settings(self._session.recipe, {key: value}, key))

    def report(self) -> dict[str, Any]:
        """Write the report's page; see `segdata report`."""
        from segdata.pipeline import commands

        return commands.report(self._session).to_json()

    def predict(
        self,
        paths: Iterable[str | os.PathLike[str]],
        out: str | os.PathLike[str],
        model: str | None = None,
        kind: Literal["alpha", "mask", "cutout", "background", "id_photo", "group"] = "alpha",
        **options: Any,
    ) -> dict[str, Any]:
        """Write predictions for photos; see `segdata predict`.

        Args:
            paths: photos, or folders of photos.
            out: where the files go.
            model: a version's id, name or folder; the promoted one by default.
            kind: what is made of each photo.
            options: `background`, `id_photo`, `head_mm` and `jpeg`, as the command's options.
        """
        from segdata.pipeline import commands
        from segdata.predict.pictures import PictureOptions

        wanted = PictureOptions(kind, **options)
        return commands.predict(self._session, [Path(path) for path in paths], model, Path(out), wanted).to_json()

    def status(self) -> dict[str, Any]:
        """What is in the catalog, what ran, what to do next; see `segdata status`."""
        from segdata.pipeline import status

        return status.status(self._session)

    def table(self, name: str, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        """The rows of any table of the catalog.

        Args:
            name: samples, rejects, filtered, scores, predictions, selections, verdicts, models or runs.
            columns: the columns wanted; all by default.
            where: one boolean SQL expression over its columns.
        """
        catalog = self._session.workspace.catalog
        return catalog.read(name, columns) if where is None else catalog.read_where(name, where, columns)

    def samples(self, where: str | None = None) -> pa.Table:
        """The samples; `.to_pandas()` makes a data frame."""
        return self.table("samples", where=where)

    def scores(self, where: str | None = None) -> pa.Table:
        """The scores, one row a scorer and sample."""
        return self.table("scores", where=where)

    def selections(self, where: str | None = None) -> pa.Table:
        """The selections, one row a sample."""
        return self.table("selections", where=where)

    def query(self, sql: str) -> pa.Table:
        """The answer to one SELECT over all tables."""
        return self._session.workspace.catalog.query_limited(sql)


def open(
    root: str | os.PathLike[str] = ".",
    *,
    recipe: str | None = None,
    settings: dict[str, Any] | None = None,
    workers: int | None = None,
    progress: ProgressCallback = ignore_progress,
) -> OpenWorkspace:
    """Open a workspace that `segdata init` made.

    Args:
        root: its folder.
        recipe: the recipe's path; None is `pipelines/portrait.toml`.
        settings: dotted key -> value laid over the recipe, such as {"train.epochs": 20}.
        workers: threads or processes; None is the number of cores.
        progress: called with a `segdata.records.Progress` as stages go on.

    Raises:
        UsageError: No such workspace.
        RecipeError: The recipe is missing or wrong.
    """
    keep_quiet()
    distrust_current_folder()
    from segdata.pipeline.session import open_session

    count = workers or os.cpu_count() or 1
    return OpenWorkspace(open_session(Path(root), recipe, (), settings, workers=count, progress=progress))
