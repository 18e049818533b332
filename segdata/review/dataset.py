"""The cases as a FiftyOne dataset: made once, marked as ours, then only what is new is added to it.

Samples are never removed for not being asked for: they keep the user's own fields, and `under_review` says what the
saved views show. A dataset that does not bear our mark is never opened, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from segdata.errors import UsageError
from segdata.review import overlays
from segdata.review.cases import (
    FIELDS,
    SAMPLE_FIELDS,
    SCORE_FIELDS,
    SELECTION_FIELDS,
    VERDICT_FIELDS,
)
from segdata.review.judging import ACT_FIELDS
from segdata.review.overlays import Overlays

Row = dict[str, Any]

MARK = "segdata"
"""The key of a dataset's `info` that says it is ours, and which workspace's."""
BATCH = 500
WORST, UNREVIEWED = "worst first", "unreviewed"
_TEXTS = frozenset({
    *("sample_id", "dataset_name", "kind", "split", "image_sha256", "alpha_sha256", "alpha_kind", "scorer_id"),
    *("failure_mode", "triage", "why", "leak_of", "verdict", "reviewer", "note"),
})  # fmt: skip
_COUNTS = frozenset({"hole_count", "rank"})
_FIFTYONES = ("created_at", "last_modified_at")
_OVERLAYS = tuple(overlays.NAMES)
# What the App shows beside each picture from the start; the rest is a click away.
_SHOWN = (*_OVERLAYS, "verdict", "failure_mode", "miou")


@dataclass(frozen=True)
class Synced:
    """What an opening changed.

    Attributes:
        added, changed, unchanged: cases.
        gone: samples whose pictures the catalog no longer has; they were removed.
    """

    added: int
    changed: int
    unchanged: int
    gone: int

    def to_json(self) -> dict[str, int]:
        """Keys of `segdata review --json`."""
        return dict(vars(self))


def dataset_name(wanted: str | None, workspace_name: str) -> str:
    """What the dataset is called.

    >>> dataset_name(None, "Portraits & more"), dataset_name("mine", "x")
    ('segdata-portraits-more', 'mine')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", workspace_name.lower()).strip("-")
    return wanted or f"segdata-{plain or 'workspace'}"


def open_dataset(name: str, root: Path, own: bool) -> Any:
    """The dataset of a workspace, made if there is none.

    Args:
        name: what it is called.
        root: the workspace.
        own: whether the whole database is this workspace's, so that a workspace that was moved finds its dataset.

    Raises:
        UsageError: There is one of that name, and it is not ours or another workspace's.
    """
    import fiftyone as fo

    if fo.dataset_exists(name):
        dataset = fo.load_dataset(name)
        mark = dataset.info.get(MARK)
        if not isinstance(mark, dict):
            raise UsageError(
                f"FiftyOne has a dataset {name!r} that segdata did not make, and leaves alone; give ours another name: "
                f"segdata review --set review.dataset={name}-review"
            )
        if mark.get("workspace") != str(root) and not own:
            raise UsageError(
                f"FiftyOne's dataset {name!r} is of the workspace {mark.get('workspace')}; give this one another name: "
                f"segdata review --set review.dataset={name}-2"
            )
        return dataset
    dataset = fo.Dataset(name, persistent=True)
    dataset.info[MARK] = {"workspace": str(root)}
    _declare_fields(dataset)
    _set_looks(dataset)
    dataset.save()
    return dataset


def sync(
    dataset: Any,
    cases: Sequence[Row],
    root: Path,
    prepare: Callable[[Sequence[Row]], Iterable[tuple[str, Overlays]]],
    told: Callable[[int], None],
    renew: bool = False,
) -> Synced:
    """Bring the dataset up to date with the cases, a batch at a time; only what is new or has changed is written.

    Args:
        dataset: ours.
        cases: rows with the columns of `cases.FIELDS` and `tags`; those that the dataset has besides are not under
            review any more.
        root: the workspace: where a file lies is written anew when it was moved.
        prepare: the photograph's path and the overlays of some cases, in their order.
        told: how many of the cases that are new or changed are done.
        renew: take all cases for changed, such as where the overlays' files are gone.
    """
    moved = renew or dataset.info[MARK].get("workspace") != str(root)
    there = _there(dataset)
    by_name = {row["sample_id"]: row for row in cases}
    new = [row for row in cases if row["sample_id"] not in there]
    changed = [row for name, row in by_name.items() if name in there and (moved or _differs(row, there[name]))]
    done = 0
    for batch in _batches(new):
        samples = [_sample(row, media, drawn) for row, (media, drawn) in zip(batch, prepare(batch), strict=True)]
        dataset.add_samples(samples, dynamic=False, progress=False)
        told(done := done + len(batch))
    for batch in _batches(changed):
        _update(dataset, batch, list(prepare(batch)), there)
        told(done := done + len(batch))
    _mark_reviewed(dataset, by_name, there)
    if moved:
        dataset.info[MARK] = {**dataset.info[MARK], "workspace": str(root)}
        dataset.save()
    return Synced(len(new), len(changed), len(cases) - len(new) - len(changed), 0)


def remove(dataset: Any, gone: Iterable[str]) -> int:
    """Take out samples whose pictures are gone or forgotten."""
    there = _there(dataset)
    ids = [there[name]["id"] for name in gone if name in there]
    if ids:
        dataset.delete_samples(ids)
    return len(ids)


def known_names(dataset: Any) -> list[str]:
    """The sample ids that the dataset has."""
    return [name for name in dataset.values("sample_id") if name]


def save_views(dataset: Any, title: str, failure_modes: Iterable[str]) -> None:
    """The saved views, worst first: what is to be reviewed, by what is wrong with it.

    Args:
        dataset: ours.
        title: what is under review, told in the views' descriptions.
        failure_modes: a view each.
    """
    from fiftyone import ViewField as F

    reviewed = dataset.match(F("under_review") == True)  # noqa: E712  # an expression, not a comparison
    by_rank = reviewed.sort_by("rank")
    views = {
        WORST: by_rank,
        UNREVIEWED: by_rank.match(F("verdict") == None),  # noqa: E711  # an expression of FiftyOne
        "holes": reviewed.match(F("hole_count") > 0).sort_by("hole_recall"),
        "suspects": reviewed.match(F("triage") == "suspect_label").sort_by("label_suspicion", reverse=True),
        "leaks": dataset.match(F("leak_of") != None).sort_by("sample_id"),  # noqa: E711  # likewise
        "reviewers disagree": reviewed.match(F("disagree") == True).sort_by("rank"),  # noqa: E712  # likewise
    }
    for mode in sorted(failure_modes):
        views[f"failure: {mode.replace('_', ' ')}"] = by_rank.match(F("failure_mode") == mode)
    ours = f"segdata: {title}"
    for name in dataset.list_saved_views():
        if name.startswith("failure: ") and name not in views:
            dataset.delete_saved_view(name)
    for name, view in views.items():
        dataset.save_view(name, view, description=ours, overwrite=True)


def _declare_fields(dataset: Any) -> None:
    """All fields at once, so that a column of nulls has its type too, and the App can sort and filter by it."""
    import fiftyone as fo

    for name in _OVERLAYS:
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=fo.Segmentation)
    for name in (*FIELDS, "overlay_note", "before", *ACT_FIELDS):
        if name in _TEXTS or name in ("overlay_note", "before", "acted_by"):
            dataset.add_sample_field(name, fo.StringField)
        elif name in _COUNTS:
            dataset.add_sample_field(name, fo.IntField)
        elif name in ("disagree", "under_review"):
            dataset.add_sample_field(name, fo.BooleanField)
        elif name == "verdicts":
            dataset.add_sample_field(name, fo.ListField, subfield=fo.StringField)
        elif name in ("reviewed_at", "acted_at"):
            dataset.add_sample_field(name, fo.DateTimeField)
        else:
            dataset.add_sample_field(name, fo.FloatField)
    dataset.create_index("sample_id", unique=True)
    for name in ("rank", "verdict", "under_review", "acted_at"):
        dataset.create_index(name)


def _set_looks(dataset: Any) -> None:
    """Overlays on, in colours for everybody; the sidebar in the order of a reviewer's questions."""
    import fiftyone as fo

    colours = {
        "label": [(1, overlays.LABEL_COLOUR)],
        "prediction": [(1, overlays.PREDICTION_COLOUR)],
        "disagreement": [(overlays.TAKEN, overlays.TAKEN_COLOUR), (overlays.MISSED, overlays.MISSED_COLOUR)],
    }
    dataset.mask_targets = {
        "label": {1: "outline of the label"},
        "prediction": {1: "outline of the prediction"},
        "disagreement": {overlays.TAKEN: "taken, but background", overlays.MISSED: "person, but missed"},
    }
    dataset.app_config.color_scheme = fo.ColorScheme(
        color_by="value",
        opacity=0.85,
        fields=[
            {
                "path": name,
                "fieldColor": targets[0][1],
                "maskTargetsColors": [{"intTarget": value, "color": colour} for value, colour in targets],
            }
            for name, targets in colours.items()
        ],
    )
    group = fo.SidebarGroupDocument
    dataset.app_config.sidebar_groups = [
        group(name="tags", paths=["tags"]),
        group(name="metadata", paths=["metadata.width", "metadata.height"], expanded=False),
        group(name="labels", paths=list(_OVERLAYS)),
        group(name="review", paths=list(VERDICT_FIELDS)),
        group(name="why it is here", paths=["failure_mode", *SELECTION_FIELDS, "leak_of"]),
        group(name="scores", paths=[*SCORE_FIELDS, "scorer_id"]),
        group(name="sample", paths=[*SAMPLE_FIELDS, "filepath"], expanded=False),
        group(
            name="other",
            paths=["id", "metadata", "overlay_note", "under_review", "before", *ACT_FIELDS, *_FIFTYONES],
            expanded=False,
        ),
    ]
    dataset.app_config.active_fields = fo.core.odm.ActiveFields(paths=list(_SHOWN))


def _sample(row: Row, media: str, drawn: Overlays) -> Any:
    import fiftyone as fo

    fields = {name: row[name] for name in FIELDS}
    return fo.Sample(
        filepath=media,
        tags=row["tags"],
        overlay_note=drawn.note or None,
        **fields,
        **_masks(drawn),
    )


def _masks(drawn: Overlays) -> dict[str, Any]:
    import fiftyone as fo

    paths = {name: getattr(drawn, name) for name in _OVERLAYS}
    return {name: fo.Segmentation(mask_path=str(path)) if path else None for name, path in paths.items()}


def _there(dataset: Any) -> dict[str, Row]:
    """What the dataset holds, by sample_id."""
    names = ["id", *FIELDS]
    columns = dataset.values(names)
    rows = (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    return {row["sample_id"]: row for row in rows if row["sample_id"]}


def _differs(row: Row, there: Row) -> bool:
    return any(not _same(row[name], there[name]) for name in FIELDS)


def _same(ours: Any, theirs: Any) -> bool:
    if hasattr(ours, "tzinfo") and hasattr(theirs, "tzinfo"):
        return bool(ours.replace(tzinfo=None) == theirs.replace(tzinfo=None))
    return bool(ours == theirs) or (not ours and not theirs and not isinstance(ours, int | float))


def _update(
    dataset: Any, batch: Sequence[Row], prepared: Sequence[tuple[str, Overlays]], there: Mapping[str, Row]
) -> None:
    ids = [there[row["sample_id"]]["id"] for row in batch]
    for name in FIELDS:
        values = {
            key: row[name]
            for key, row in zip(ids, batch, strict=True)
            if not _same(row[name], there[row["sample_id"]][name])
        }
        if values:
            dataset.set_values(name, values, key_field="id")
    dataset.set_values("filepath", {key: media for key, (media, _) in zip(ids, prepared, strict=True)}, key_field="id")
    masks = [_masks(drawn) for _, drawn in prepared]
    for name in _OVERLAYS:
        dataset.set_values(name, {key: mask[name] for key, mask in zip(ids, masks, strict=True)}, key_field="id")


def _mark_reviewed(dataset: Any, cases: Mapping[str, Row], there: Mapping[str, Row]) -> None:
    """Those that were there, and that nobody asked for this time, are not under review."""
    values = {row["id"]: False for name, row in there.items() if row["under_review"] and name not in cases}
    if values:
        dataset.set_values("under_review", values, key_field="id")


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
