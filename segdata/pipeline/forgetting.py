"""`segdata forget`: a person's picture out of everything the tool wrote, and word of what remains where.

The catalog's part is in catalog/forgetting.py; here are the pages that show it, the versions that were trained on it,
the frozen test split that loses it, and copies of it under other names.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segdata.catalog import models
from segdata.catalog.forgetting import Row, Traces, erase, table_of, traces_of
from segdata.catalog.near_duplicates import find_duplicates
from segdata.catalog.runs import is_going_on
from segdata.catalog.splits import test_pin
from segdata.catalog.training_sets import backgrounds_of, trained_on
from segdata.catalog.workspace import Workspace
from segdata.errors import DataError, UsageError
from segdata.pipeline.cards import write_card_anew
from segdata.pipeline.session import Record, Session

_NOT_OURS = (
    "files that were exported or predicted to places of your own; copies and backups of this workspace; the journal "
    "(table runs), trained versions and, until its next opening, the database of segdata review name it by id; weights "
    "can't unlearn"
)


def forget(session: Session, sample_ids: Sequence[str], yes: bool) -> Record:
    """Remove samples from every version of every table, and from every file that segdata wrote.

    Args:
        session: the workspace and recipe.
        sample_ids: of portraits, backgrounds or composites.
        yes: do it; without it, say what would be done, and refuse.

    Raises:
        UsageError: No such sample; or without `yes`; or another command is going on, whose files would be swept away.
    """
    acting = session if yes else replace(session, dry_run=True)  # the journal of both is the same list
    others = [] if acting.dry_run else _going_on(acting.workspace)
    if others:
        raise UsageError(f"forget: {', '.join(others)} is going on and may write meanwhile; wait for it, or stop it")
    with acting.record("forget") as record:
        workspace = acting.workspace
        traces = traces_of(workspace, sample_ids)
        pages = [*_pages_that_show(workspace, traces.ids), *_pictures_of_many(workspace, traces)]
        record.result = _told(workspace, traces, pages)
        if not acting.dry_run:
            _move_test_pin(workspace, traces)
            erase(workspace, traces, record.run_id)
            for page in pages:
                shutil.rmtree(page) if page.is_dir() else page.unlink(missing_ok=True)
        elif not session.dry_run:
            raise UsageError(f"forget: nothing was removed. {_summary(record.result)}. To do it, add --yes")
    return record


def _told(workspace: Workspace, traces: Traces, pages: Sequence[Path]) -> dict[str, Any]:
    """The keys of `forget --json`."""
    present = [row for row in traces.rows if row["status"] != "forgotten"]
    others = workspace.catalog.read("samples", where="status = 'present' AND kind <> 'composite'")
    copies = [pair for pair in find_duplicates(workspace, table_of(present), others) if pair.other_id not in traces.ids]
    return {
        "forgotten": sorted(row["sample_id"] for row in traces.rows),
        "removed": {
            **traces.counts,
            "composites": len(traces.composites),
            "foregrounds": traces.foregrounds,
            "mended": traces.mended,
            "reports": [workspace.uri_of(page) for page in pages],
        },
        "remains": {
            "sources": _files_of_others(workspace, present),
            "labels": sorted(row["sample_id"] for row in present if _is_ours(workspace, row["alpha_uri"])),
            "trained_on": _versions_trained_on(workspace, traces.ids),
            "elsewhere": _NOT_OURS,
        },
        "duplicates": sorted({pair.other_id for pair in copies}),
        "test_changes": any(row["split"] == "test" for row in present),
    }


def _files_of_others(workspace: Workspace, rows: Sequence[Row]) -> list[str]:
    """The files of samples that lie in a source still: not what segdata wrote, nor what was renamed or deleted."""
    named = {uri for row in rows for uri in (row["image_uri"], row["alpha_uri"]) if uri}
    return sorted(uri for uri in named if not _is_ours(workspace, uri) and workspace.resolve(uri).exists())


def _is_ours(workspace: Workspace, uri: str | None) -> bool:
    return uri is not None and workspace.resolve(uri).resolve().is_relative_to(workspace.catalog.files.resolve())


def _how_to_make_again(page: str) -> str:
    if page.endswith("index.html"):
        return "; segdata report writes a new one"
    if page.endswith("mined.png"):
        return "; segdata mine draws another"
    return "; segdata fuse --preview draws another" if page.endswith(".jpg") else ", which may show it"


def _summary(result: Mapping[str, Any]) -> str:
    removed = {name: count for name, count in result["removed"].items() if isinstance(count, int) and count}
    listed = ", ".join(f"{count} {name}" for name, count in removed.items()) or "no derived rows"
    pages = len(result["removed"]["reports"])
    return f"Would be removed with {len(result['forgotten'])} samples: {listed}, {pages} reports"


def _going_on(workspace: Workspace) -> list[str]:
    rows = workspace.catalog.read("runs", where="status = 'running'").to_pylist()
    return [f"segdata {row['command']} ({row['run_id']})" for row in rows if is_going_on(row)]


def _pages_that_show(workspace: Workspace, ids: set[str]) -> list[Path]:
    """The report pages with a picture of one of them: each picture's description names its sample."""
    from segdata.report.text import visible

    names = {visible(name) for name in ids}
    found = []
    for page in sorted(workspace.reports.glob("*/index.html")):
        text = html.unescape(page.read_text(encoding="utf-8", errors="replace"))
        if any(name in text for name in names):
            found.append(page)
    return found


def _pictures_of_many(workspace: Workspace, traces: Traces) -> list[Path]:
    """What shows many samples and does not say which: sheets of composites and mined cases, TensorBoard's pictures."""
    splits = {row["split"] for row in traces.rows}
    sheets = sorted(workspace.reports.glob("*/composites.jpg")) if splits & {"train", "none"} else []
    sheets += sorted(workspace.reports.glob("*/mined.png")) if splits & {"train", "pool"} else []
    return [*sheets, *(sorted(workspace.reports.glob("tensorboard/*")) if splits & {"train", "val"} else [])]


def _versions_trained_on(workspace: Workspace, ids: set[str]) -> list[str]:
    found = []
    for model in models.all_models(workspace.catalog):
        folder = workspace.resolve(model["uri"])
        try:
            tables = trained_on(folder), backgrounds_of(folder)
            known = ids & {name for table in tables for name in table["sample_id"].to_pylist()}
        except (DataError, OSError):
            known = set()  # the folder was removed: nothing is trained on it any more
        found += [str(model["name"])] if known else []
    return found


def _move_test_pin(workspace: Workspace, traces: Traces) -> None:
    """Measure all versions on the test split that is left, so that they stay comparable; their scores are there.

    Done before anything is removed: whoever is killed in between finds the models as they will have to be.
    """
    from segdata.inference.scoring import evaluate

    catalog = workspace.catalog
    test = catalog.read("samples", where="kind = 'portrait' AND split = 'test' AND status = 'present'")
    left: list[Row] = [row for row in test.to_pylist() if row["sample_id"] not in traces.ids]
    if len(left) == test.num_rows:
        return
    before, remaining = test_pin(test), table_of(left)
    for model in models.all_models(catalog):
        if model["test_pin"] != before:
            continue
        old = model["metrics"].get("test") or {}
        metrics = {**old, **evaluate(catalog, old["scorer_id"], remaining)} if old.get("scorer_id") else old
        changed = {**model, "test_pin": test_pin(remaining), "metrics": {**model["metrics"], "test": metrics}}
        write_card_anew(workspace, changed)
        models.record_model(catalog, changed)


def shown(result: Mapping[str, Any]) -> list[str]:
    """The result, as lines for people."""
    removed, remains = result["removed"], result["remains"]
    counts = ", ".join(f"{count} {name}" for name, count in removed.items() if isinstance(count, int) and count)
    lines = [f"forgotten: {', '.join(result['forgotten'])}", f"removed: {counts or 'nothing else'}"]
    lines += [f"  and {page}{_how_to_make_again(page)}" for page in removed["reports"]]
    if removed["foregrounds"]:
        lines.append("  (the whole cache of foregrounds, whose files can't be told apart; it is made again)")
    lines.append("  older versions of these tables can't be read any more")
    lines.append("remains:")
    lines += [f"  {path}, which is yours: segdata never changes a source" for path in remains["sources"]]
    lines += [f"  the source's own label of {name}, which had been mended" for name in remains["labels"]]
    lines += [f"  {name} was trained on it; train again to be rid of that" for name in remains["trained_on"]]
    lines.append("  its id and hash in samples, so that ingest leaves it out; and what nobody here knows of:")
    lines.append(f"  {remains['elsewhere']}")
    if result["duplicates"]:
        lines.append("the same picture, or one of its shoot, is also here; to forget it too:")
        lines.append(f"  segdata forget {' '.join(json.dumps(name) for name in result['duplicates'])} --yes")
    if result["test_changes"]:
        lines.append("the test split lost it: all versions' test metrics are now those of what is left")
    return lines
