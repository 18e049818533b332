"""The cases as a FiftyOne dataset: made once, marked as ours, then only what is new is added to it.

Samples are never removed for not being asked for: they keep the user's own fields, and `under_review` says what the
saved views show. A dataset that does not bear our mark is never opened, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from segdata.errors import UsageError
from segdata.review.cases import FIELDS, HASHES
from segdata.review.judging import begin_anew
from segdata.review.looks import OVERLAYS, declare_fields, set_looks
from segdata.review.overlays import Overlays

Row = dict[str, Any]

MARK = "segdata"
"""The key of a dataset's `info` that says it is ours, and which workspace's."""
OVERLAY_PX = "overlay_px"
"""The key of the mark that says of which size the overlays are: their file names depend on it."""
BATCH = 500


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
        declare_fields(dataset)
        return dataset
    dataset = fo.Dataset(name, persistent=True)
    dataset.info[MARK] = {"workspace": str(root)}
    dataset.save()  # at once: without its mark it would be somebody else's for ever
    declare_fields(dataset)
    set_looks(dataset)
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
        dataset.add_samples(samples, expand_schema=False, progress=False)  # every field is declared
        told(done := done + len(batch))
    for batch in _batches(changed):
        _update(dataset, batch, list(prepare(batch)), there)
        told(done := done + len(batch))
    _mark_reviewed(dataset, by_name, there)
    if moved:
        dataset.info[MARK] = {**dataset.info[MARK], "workspace": str(root)}
        dataset.save()
    return Synced(len(new), len(changed), len(cases) - len(new) - len(changed), 0)


def remove_others(dataset: Any, present: Set[str]) -> int:
    """Take out the samples that are gone or forgotten; how many these were.

    Args:
        dataset: ours.
        present: the sample ids that may stay.
    """
    names, ids = dataset.values(["sample_id", "id"])
    gone = [key for name, key in zip(names, ids, strict=True) if name and name not in present]
    if gone:
        dataset.delete_samples(gone)
    return len(gone)


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

    paths = {name: getattr(drawn, name) for name in OVERLAYS}
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
    pairs = [(row, there[row["sample_id"]]) for row in batch]
    begin_anew(dataset, [was["id"] for row, was in pairs if any(row[name] != was[name] for name in HASHES)])
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
    for name in OVERLAYS:
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
