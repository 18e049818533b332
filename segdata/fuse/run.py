"""Fuse: new backgrounds for a share of the training portraits, rendered once and kept while the plan holds.

The catalog says what is true afterwards: planned composites are `present`; those no longer planned (another seed or
ratio, a portrait that moved to val) and those whose parents can't be read any more become `gone`, and their files go.
With a limit nothing becomes gone.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from segdata.catalog.forgotten import read_forgotten
from segdata.fuse.plan import CompositePlan, FramingOf, PlannedComposite, Row, plan_composites
from segdata.fuse.recipe import FuseRecipe
from segdata.fuse.sweep import sweep
from segdata.records import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from segdata.catalog.workspace import RunContext, Workspace
    from segdata.fuse.render import Failure
    from segdata.imaging.placement import Framing

_SHARD = 512
"""Composites a commit: after a kill, at most so many are rendered again, which takes seconds: what is slow, the
foregrounds, is kept one by one. Each commit leaves some memory with the table's library: many small ones show."""


@dataclass(frozen=True)
class FuseResult:
    """What a fuse did.

    Attributes:
        portraits: how many portraits have composites of their own, or would have in a dry run.
        composites: how many composites are planned, up to the limit.
        written: how many were rendered now; 0 in a dry run.
        reused: how many were there already.
        gone: how many are no longer planned, or can't be made any more.
        people: how many composites show 1, 2, … portraits; fewer than asked where nobody fits beside somebody.
        backgrounds: how many different backgrounds they use.
        failed: those that a parent prevented, and why.
        planned: sample_ids of the parents of each composite of a dry run; empty otherwise.
    """

    portraits: int
    composites: int
    written: int
    reused: int
    gone: int = 0
    people: Mapping[int, int] = field(default_factory=dict)
    backgrounds: int = 0
    failed: tuple[Failure, ...] = ()
    planned: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        result: dict[str, Any] = {
            "portraits": self.portraits,
            "composites": self.composites,
            "written": self.written,
            "reused": self.reused,
            "gone": self.gone,
            "people": {str(number): count for number, count in sorted(self.people.items())},
            "backgrounds": self.backgrounds,
            "failed": [{"sample_id": one.sample_id, "reason": one.reason} for one in self.failed],
        }
        return {**result, "planned": [dict(one) for one in self.planned]} if self.planned else result


@dataclass
class _Work:
    """The plan beside what is there, by index: sorted out once, filled in while rendering."""

    plan: CompositePlan
    planned: list[int]
    todo: list[int]
    before: dict[str, Mapping[str, Any]]
    written: int = 0
    failed: list[Failure] = field(default_factory=list)


def run(context: RunContext, recipe: FuseRecipe, portraits: pa.Table, backgrounds: pa.Table) -> FuseResult:
    """Render the composites that the recipe asks for, and that are not there yet.

    Args:
        context: `workers` threads render; `limit` stops after so many composites of the plan.
        recipe: `[fuse]`.
        portraits: rows of `samples`; only present training portraits are fused.
        backgrounds: rows of `samples`.

    Raises:
        TooFewSamplesError: There are no portraits, or no backgrounds.
        StorageError: A composite can't be written; those committed so far are kept and reused.
    """
    everything = planned_composites(context, recipe, portraits, backgrounds)
    before = context.catalog.read("samples", where="kind = 'composite'").to_pylist()
    work = _sort_out(context, everything, {row["sample_id"]: row for row in before})
    if context.dry_run:
        return _result(work, gone=len(_no_longer(everything, work)) if context.limit is None else 0, dry=True)
    _render(context, recipe, work)
    gone = _bury(context, everything, work) if context.limit is None else 0
    sweep(context.workspace)
    return _result(work, gone, dry=False)


def planned_composites(
    context: RunContext, recipe: FuseRecipe, portraits: pa.Table, backgrounds: pa.Table
) -> CompositePlan:
    """All composites that the recipe asks for; labels are read only for scenes of several people.

    Raises:
        TooFewSamplesError: There are no portraits, fewer than a scene needs, or no backgrounds.
    """
    framing = _framing_reader(context.workspace)
    return plan_composites(recipe, portraits.to_pylist(), backgrounds.to_pylist(), context.seed, framing)


def _framing_reader(workspace: Workspace) -> FramingOf:
    """What a portrait's frame cuts, by its label, read once each; None where that can't be read."""
    from segdata.catalog.pixels import read_alpha_of
    from segdata.errors import DataError
    from segdata.imaging.placement import framing_of

    known: dict[str, Framing | None] = {}

    def framing(row: Row) -> Framing | None:
        sample_id = str(row["sample_id"])
        if sample_id not in known:
            try:
                known[sample_id] = framing_of(read_alpha_of(workspace, row))
            except DataError:  # the renderer says so where it is the portrait that a composite is made for
                known[sample_id] = None
        return known[sample_id]

    return framing


def _sort_out(context: RunContext, everything: CompositePlan, before: dict[str, Mapping[str, Any]]) -> _Work:
    sample_ids = list(everything.sample_ids())
    forgotten = read_forgotten(context.workspace)
    wanted = (i for i, sample_id in enumerate(sample_ids) if not (forgotten and forgotten.has_sample(sample_id)))
    planned = list(islice(wanted, context.limit))
    todo = [i for i in planned if not _is_there(context.workspace, everything, i, before.get(sample_ids[i]))]
    todo.sort(key=sample_ids.__getitem__)  # a commit then meets few files of the table: those of its own range
    return _Work(everything, planned, todo, before)


def _is_there(workspace: Workspace, plan: CompositePlan, index: int, row: Mapping[str, Any] | None) -> bool:
    """Whether the row is of this very plan, and its files are whole: their names are of their content."""
    from segdata.fuse.render import paths_of

    if row is None or row["status"] != "present":
        return False
    paths = paths_of(workspace, plan[index])
    if (row["image_uri"], row["alpha_uri"]) != tuple(workspace.uri_of(path) for path in paths):
        return False
    sizes = (row["image_size"], row["alpha_size"])
    return all(path.is_file() and path.stat().st_size == size for path, size in zip(paths, sizes, strict=True))


def _render(context: RunContext, recipe: FuseRecipe, work: _Work) -> None:
    from segdata.catalog.layers import LayerCache
    from segdata.engines.local import map_threads
    from segdata.fuse.render import Failure, Renderer

    renderer = Renderer(context.workspace, LayerCache(context.workspace, recipe.settings().layer), context.run_id)
    reused, total = len(work.planned) - len(work.todo), len(work.planned)
    context.progress(Progress("fuse", "composites", reused, total, "composites"))
    rows: list[dict[str, Any]] = []
    todo = (work.plan[index] for index in work.todo)
    for done, made in enumerate(map_threads(renderer.render, todo, context.workers), start=1):
        if isinstance(made, Failure):
            work.failed.append(made)
        else:
            rows.append(made)
        if len(rows) >= _SHARD or done == len(work.todo):
            _commit(context, work, rows)
            rows = []
        context.progress(Progress("fuse", "composites", reused + done, total, "composites"))


def _commit(context: RunContext, work: _Work, rows: list[dict[str, Any]]) -> None:
    """Rows first, and only then the files that they replace: a kill in between leaves no row without its files."""
    from segdata.catalog.schemas import rows_to_table

    context.catalog.merge("samples", rows_to_table("samples", rows))
    work.written += len(rows)
    replaced = [work.before[row["sample_id"]] for row in rows if row["sample_id"] in work.before]
    now = {row[name] for row in rows for name in ("image_uri", "alpha_uri")}
    _delete_files(context.workspace, replaced, keep=now)


def _no_longer(everything: CompositePlan, work: _Work) -> list[Mapping[str, Any]]:
    failed = {one.sample_id for one in work.failed}
    kept = set(everything.sample_ids()) - failed
    return [row for sample_id, row in work.before.items() if sample_id not in kept and row["status"] == "present"]


def _bury(context: RunContext, everything: CompositePlan, work: _Work) -> int:
    from segdata.catalog.schemas import rows_to_table

    lost = _no_longer(everything, work)
    rows = [{**row, "status": "gone", "run_id": context.run_id} for row in lost]
    context.catalog.merge("samples", rows_to_table("samples", rows))
    _delete_files(context.workspace, lost, keep=set())
    return len(lost)


def _delete_files(workspace: Workspace, rows: Iterable[Mapping[str, Any]], keep: set[str]) -> None:
    ours = workspace.catalog.files / "composites"
    for uri in (row[name] for row in rows for name in ("image_uri", "alpha_uri")):
        path = workspace.resolve(uri) if uri and uri not in keep else None
        if path is not None and path.is_relative_to(ours):
            with contextlib.suppress(OSError):  # gone already, or not ours to delete: nothing points to it any more
                path.unlink()


def _result(work: _Work, gone: int, dry: bool) -> FuseResult:
    portraits, backgrounds, people, told = set(), set(), Counter[int](), []
    for one in (work.plan[index] for index in work.planned):
        portraits.add(one.portraits[0]["sample_id"])
        backgrounds.add(one.background["sample_id"])
        people[len(one.portraits)] += 1
        if dry:
            told.append(_told(one))
    return FuseResult(
        portraits=len(portraits),
        composites=len(work.planned),
        written=work.written,
        reused=len(work.planned) - len(work.todo),
        gone=gone,
        people=people,
        backgrounds=len(backgrounds),
        failed=tuple(work.failed),
        planned=tuple(told),
    )


def _told(planned: PlannedComposite) -> dict[str, Any]:
    first, *others = (str(row["sample_id"]) for row in planned.portraits)
    told = {"sample_id": planned.sample_id, "portrait": first, "background": str(planned.background["sample_id"])}
    return {**told, "companions": others} if others else told
