"""`segdata forget`: remove a person's picture from everything that segdata wrote, and report what remains.

catalog/forgetting.py does the catalog's part, forgotten_files.py that of files, review/forgetting.py that of FiftyOne's
database. This module calls them in an order that a kill can't spoil, moves the frozen test split that loses the
picture, and looks for copies of it under other names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from segdata.catalog import models
from segdata.catalog.annotated import is_annotated
from segdata.catalog.forgetting import Row, Traces, conceal, erase, table_of, traces_of
from segdata.catalog.forgotten import KEY_FILE, Pseudonyms, make_pseudonyms, read_forgotten
from segdata.catalog.near_duplicates import find_duplicates
from segdata.catalog.runs import is_going_on
from segdata.catalog.splits import test_pin
from segdata.catalog.workspace import Workspace
from segdata.errors import UsageError
from segdata.fuse.sweep import sweep
from segdata.pipeline.cards import write_card_anew
from segdata.pipeline.forgotten_files import (
    check_sample_files,
    conceal_in_models,
    files_that_name,
    interrupted_trainings,
    pages_that_show,
    pictures_of_many,
    remove,
    remove_unfinished_files,
)
from segdata.pipeline.forgotten_versions import versions_that_saw
from segdata.pipeline.session import Record, Session
from segdata.review.forgetting import forget_in_review, reviewed_samples
from segdata.shell import shell_word

_NOT_OURS = (
    "files that were exported or predicted to places outside this workspace; copies and backups of the workspace; "
    "weights can't unlearn"
)


def forget(session: Session, sample_ids: Sequence[str], yes: bool) -> Record:
    """Remove samples from every version of every table, and from every file that segdata wrote.

    Args:
        session: the workspace and recipe.
        sample_ids: of portraits, backgrounds or composites.
        yes: do it; without it, say what would be done, and refuse.

    Raises:
        UsageError: No such sample; or without `yes`; or another command is going on, whose files would be swept away.
        DataError: The review's database can't be opened, or a list of training samples can't be read.
        CatalogError: The key of the workspace is missing.
    """
    acting = session if yes else replace(session, dry_run=True)  # the journal of both is the same list
    others = [] if acting.dry_run else _going_on(acting.workspace)
    if others:
        raise UsageError(f"forget: {', '.join(others)} is going on and may write meanwhile; wait for it, or stop it")
    with acting.record("forget") as record:
        workspace = acting.workspace
        traces = traces_of(workspace, sample_ids)
        record.result, doomed = _plan_removal(workspace, traces)
        if not acting.dry_run:
            check_sample_files(workspace)
            sources = [source.folder(workspace.root) for source in acting.recipe.sources]  # may refuse: before deleting
            pseudonyms = make_pseudonyms(workspace)
            record.journalled = _concealed_result(record.result, traces, pseudonyms)
            remove_unfinished_files(workspace, sources)
            _forget(acting, traces, pseudonyms, record.run_id, doomed)
            named = files_that_name(workspace, traces, pseudonyms, sources)
            record.result["remains"]["files"] = [workspace.uri_of(file) for file in named]
            record.journalled = _concealed_result(record.result, traces, pseudonyms)
        elif not session.dry_run:
            raise UsageError(f"forget: nothing was removed. {_summary(record.result)}. To do it, add --yes")
    return record


def _forget(session: Session, traces: Traces, pseudonyms: Pseudonyms, run_id: str, doomed: Sequence[Path]) -> None:
    workspace = session.workspace
    _move_test_pin(workspace, traces)
    forget_in_review(workspace, traces.ids, traces.mentions(pseudonyms).replace_in)
    erase(workspace, traces, pseudonyms, run_id)
    sweep(workspace, old_seconds=0)  # of a fuse that was cut off: no row says of whom these composites are
    remove(doomed)
    conceal_in_models(workspace, traces, pseudonyms)
    conceal(workspace, traces, pseudonyms, run_id)


def _concealed_result(result: Mapping[str, Any], traces: Traces, pseudonyms: Pseudonyms) -> dict[str, Any]:
    """The result for the journal, which must not name who was forgotten."""
    return cast(dict[str, Any], traces.mentions(pseudonyms).replace_in(result))


def _plan_removal(workspace: Workspace, traces: Traces) -> tuple[dict[str, Any], list[Path]]:
    """The keys of `forget --json`, and the files and folders to remove."""
    present = [row for row in traces.rows if row["status"] != "forgotten"]
    others = workspace.catalog.read("samples", where="status <> 'forgotten' AND kind <> 'composite'")
    copies = [pair for pair in find_duplicates(workspace, table_of(present), others) if pair.other_id not in traces.ids]
    pages = pages_that_show(workspace, traces.ids)
    pages += pictures_of_many(workspace)
    trainings = interrupted_trainings(workspace, traces.ids)
    versions = versions_that_saw(workspace, traces.ids | _stand_ins_so_far(workspace, traces.ids))
    result = {
        "forgotten": sorted({row["sample_id"] for row in traces.rows} | set(traces.done)),
        "removed": {
            **traces.counts,
            "composites": len(traces.composites),
            "foregrounds": traces.foregrounds,
            "mended": traces.mended,
            "reviewed": reviewed_samples(workspace, traces.ids),
            "trainings": [workspace.uri_of(state) for state in trainings],
            "reports": [workspace.uri_of(page) for page in pages],
        },
        "remains": {
            "sources": _files_of_others(workspace, traces.rows),
            "labels": sorted(
                row["sample_id"]
                for row in traces.rows
                if row["kind"] != "composite"
                and _is_ours(workspace, row["alpha_uri"])
                and not is_annotated(workspace, row["alpha_uri"])
            ),
            "annotations": sorted(row["sample_id"] for row in traces.rows if is_annotated(workspace, row["alpha_uri"])),
            "trained_on": list(versions.trained),
            "descended": list(versions.descended),
            "exported_models": [workspace.uri_of(folder) for folder in versions.exported],
            "elsewhere": _NOT_OURS,
        },
        "duplicates": sorted({pair.other_id for pair in copies}),
        "test_changes": any(row["split"] == "test" for row in present),
    }
    return result, [*pages, *trainings]


def _stand_ins_so_far(workspace: Workspace, ids: Set[str]) -> set[str]:
    """What stands in for the ids where an earlier call has replaced them."""
    pseudonyms = read_forgotten(workspace).pseudonyms
    return set() if pseudonyms is None else {pseudonyms.of_sample(name) for name in ids}


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
    pages, trainings = (len(result["removed"][name]) for name in ("reports", "trainings"))
    rest = f"{pages} reports" + (f", {trainings} interrupted trainings" if trainings else "")
    return f"Would be removed with {len(result['forgotten'])} samples: {listed}, {rest}"


def _going_on(workspace: Workspace) -> list[str]:
    rows = workspace.catalog.read("runs", where="status = 'running'").to_pylist()
    return [f"segdata {row['command']} ({row['run_id']})" for row in rows if is_going_on(row)]


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
    lines += [f"  and {state}, an interrupted training that may have seen it" for state in removed["trainings"]]
    if removed["foregrounds"]:
        lines.append("  (the whole cache of foregrounds, whose files can't be told apart; it is made again)")
    lines.append("  older versions of these tables can't be read any more")
    lines.append("remains:")
    lines += [f"  {path}, which is yours: segdata never changes a source" for path in remains["sources"]]
    lines += [f"  the source's own label of {name}, which had been mended" for name in remains["labels"]]
    lines += [f"  the annotations of {name} in its source, which are yours" for name in remains.get("annotations", ())]
    lines += [f"  {name} was trained on it; train again to be rid of that" for name in remains["trained_on"]]
    lines += [f"  {name} goes on from the weights of such a version" for name in remains.get("descended", ())]
    lines += [f"  {folder}, which was exported from such a version" for folder in remains.get("exported_models", ())]
    files = remains.get("files", ())
    lines += [f"  {file}, which names or may show it; segdata leaves this file to you" for file in files]
    lines.append(f"  keyed values of its id and bytes, so that ingest leaves it out; their key is {KEY_FILE}: keep it")
    lines.append(f"  and what segdata can't know of: {remains['elsewhere']}")
    if result["duplicates"]:
        lines.append("the same picture, or one of its shoot, is also here; to forget it too:")
        lines.append(f"  segdata forget {' '.join(map(shell_word, result['duplicates']))} --yes")
    if result["test_changes"]:
        lines.append("the test split lost it: all versions' test metrics are now those of what is left")
    return lines
