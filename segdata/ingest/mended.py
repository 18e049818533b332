"""Labels come back from annotation tools: find their samples, compare them with the old labels, and keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segdata.catalog.mends import Mend, keep_mends, mends_of
from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.purging import quoted_in
from segdata.catalog.repairs import ExportedSample, RepairExport
from segdata.catalog.verdicts import of_reviewers
from segdata.catalog.workspace import RunContext
from segdata.errors import DataError
from segdata.imaging.arrays import Alpha
from segdata.imaging.encode import encode_png
from segdata.ingest.annotations.answering import Remarks
from segdata.ingest.annotations.decoding import MendedFolder, NamedLabel
from segdata.ingest.annotations.matching import match_labels
from segdata.ingest.annotations.shapes import ShapeError
from segdata.ingest.mended_changes import LabelChange, compare_labels, is_held_back, is_same_label, last_verdicts
from segdata.ingest.mended_exports import choose_export
from segdata.records import Progress
from segdata.storage.files import sha256_of

Row = dict[str, Any]
_STALE = "its photo or label has changed since it was exported; export it again, and annotate that"
_UNKNOWN = "the catalog has no such sample, or its files are gone; run segdata ingest first"
_NOTHING = "no annotation of a person came back for it, and its label stays; if nobody is in it, mark it"
_MARKS = 'tag it no_person (CVAT), set "no_person": true on the image (COCO), or return a black mask'


@dataclass(frozen=True)
class Skipped:
    """Something that came back and is not used, or did not come back.

    Attributes:
        entry: the file, and what in it.
        reason: why, and what to do about it.
        sample_id: of the sample, where it is known.
    """

    entry: str
    reason: str
    sample_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A row of `skipped` in `segdata ingest --mended --json`."""
        return {"entry": self.entry, "reason": f"{self.entry}: {self.reason}", "sample_id": self.sample_id}


@dataclass(frozen=True)
class Mended:
    """What the returned labels change.

    Attributes:
        samples: sample ids whose labels changed, by dataset.
        changed: what changes, by sample_id.
        held_back: labels that are too different from the old ones; `--trust` takes them.
        same: how many are as they were, or came in before.
        skipped: what is not used, with the reason.
        export: the run of the export that the labels were matched with; None for none.
        is_guessed: whether that export was chosen by the names of the labels.
    """

    samples: Mapping[str, tuple[str, ...]]
    changed: tuple[LabelChange, ...]
    held_back: tuple[LabelChange, ...]
    same: int
    skipped: tuple[Skipped, ...]
    export: str | None = None
    is_guessed: bool = False

    def to_json(self) -> dict[str, Any]:
        """The key `mended` of `segdata ingest --json`."""
        return {
            "changed": [change.to_json() for change in self.changed],
            "held_back": [change.to_json() for change in self.held_back],
            "same": self.same,
            "skipped": [one.to_json() for one in self.skipped],
            "export": self.export,
        }

    def without_file_names(self) -> dict[str, Any]:
        """The same for the journal: a file's name may contain a person's, which `forget` could not find."""
        return {**self.to_json(), "skipped": [{"sample_id": one.sample_id} for one in self.skipped]}


@dataclass(frozen=True)
class MendedOptions:
    """How labels are taken in.

    Attributes:
        of: the run of the export that they belong to; None finds it by their names.
        trust: take labels too that are very different from the old ones.
        announce: is called with what will change before anything is written.
    """

    of: str | None = None
    trust: bool = False
    announce: Callable[[Mended], None] | None = None


@dataclass
class _Sorting:
    """What was found so far.

    Attributes:
        mended: PNG of each new label, by sample_id.
        changed, held_back: what labels change.
        same: how many are as they were.
        skipped: what is not used.
        returned: sample ids of which something came back.
    """

    mended: dict[str, bytes] = field(default_factory=dict)
    changed: list[LabelChange] = field(default_factory=list)
    held_back: list[LabelChange] = field(default_factory=list)
    same: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)


class _Known:
    """What the catalog says of the samples that came back.

    Attributes:
        rows: of `samples`, by sample_id.
        mends: by sample_id.
        verdicts: the last one on each sample's bytes.
    """

    def __init__(self, context: RunContext, names: set[str]) -> None:
        catalog, wanted = context.catalog, quoted_in("sample_id", names)
        self.rows: dict[str, Row] = {row["sample_id"]: row for row in catalog.read("samples", where=wanted).to_pylist()}
        self.mends: dict[str, Mend] = mends_of(catalog)
        self.verdicts = last_verdicts(of_reviewers(catalog.read("verdicts", where=wanted).to_pylist()))

    def is_judged_wrong(self, row: Row) -> bool:
        """Whether the last verdict on the label as it is calls it a label error."""
        return self.verdicts.get((row["sample_id"], row["image_sha256"], row["alpha_sha256"])) == "label_error"


def take_in_mended(context: RunContext, path: Path, options: MendedOptions | None = None) -> Mended:
    """Keep the labels that came back; a sample whose photo or label has changed since it was exported is left alone.

    Args:
        context: whose catalog; in a dry run nothing is kept.
        path: the folder, the ZIP archive or the file that a tool returned.
        options: how they are taken in.

    Raises:
        SourceError: There are no labels in it, or their list can't be read.
        UsageError: There is no export of that run, or segdata.json does not say which one it is.
    """
    asked = options or MendedOptions()
    with MendedFolder(path) as folder:
        names = [label.names for label in folder.labels]
        chosen = choose_export(context.catalog, folder.manifest, asked.of, names)
        matches = match_labels(names, [chosen.export] if chosen.export is not None else [])
        samples = [match.sample for match in matches if match.sample is not None]
        known = _Known(context, {sample.sample_id for sample in samples})
        result = _Sorting(skipped=[Skipped(entry, reason) for entry, reason in folder.skipped])
        if folder.manifest is not None and not chosen.is_recorded:
            result.skipped += (Skipped(entry, reason) for entry, reason in folder.manifest.skipped)
        for number, (label, match) in enumerate(zip(folder.labels, matches, strict=True), 1):
            if match.sample is None:
                result.skipped.append(Skipped(label.entry, match.reason))
                continue
            result.returned.add(match.sample.sample_id)
            _sort(context, (folder, label, match.sample), known, asked.trust, result)
            context.progress(Progress("ingest", "mended", number, len(matches), "labels"))
    result.skipped += _not_returned(chosen.export, result.returned)
    run_id = chosen.export.run_id if chosen.export is not None and result.returned else None
    mended = replace(_mended_of(result, known.rows), export=run_id or None, is_guessed=chosen.is_guessed)
    if asked.announce is not None:
        asked.announce(mended)
    if result.mended and not context.dry_run:
        before = {name: (known.rows[name]["image_sha256"], known.rows[name]["alpha_sha256"]) for name in result.mended}
        keep_mends(context.catalog, result.mended, before, context.run_id)
    return mended


def _sort(
    context: RunContext,
    returned: tuple[MendedFolder, NamedLabel, ExportedSample],
    known: _Known,
    trust: bool,
    result: _Sorting,
) -> None:
    """Decode one label, and put it where it belongs in the result."""
    folder, label, sample = returned
    name = sample.sample_id
    row, mend = known.rows.get(name), known.mends.get(name)
    result.skipped += _unused_shapes(label, name)
    stale = _unusable(row, sample)
    came_before = row is not None and _may_have_come(row, sample, mend)
    if row is None or (stale is not None and not came_before):
        result.skipped.append(Skipped(label.entry, stale or _UNKNOWN, name))
        return
    try:
        new, remarks = folder.decode(label, (row["height"], row["width"]))
        old = read_alpha_of(context.workspace, row)
    except (ShapeError, DataError) as error:
        result.skipped.append(Skipped(label.entry, stale or f"{error}; correct it there, and export again", name))
        return
    result.skipped += (Skipped(label.entry, f"left out: {reason}; remove it", name) for reason in remarks.left_out)
    data = encode_png(new)
    if came_before and mend is not None and f"{sha256_of(data)}.png" == mend.file:
        result.same += 1
    elif stale is not None:
        result.skipped.append(Skipped(label.entry, stale, name))
    elif is_same_label(new, old):
        result.same += 1
    elif not new.any() and not remarks.marked_empty:
        result.skipped.append(Skipped(label.entry, f"{_why_empty(remarks)}: {_MARKS}", name))
    else:
        _add_change(name, (old, new, data), trust or known.is_judged_wrong(row), result)


def _add_change(name: str, labels: tuple[Alpha, Alpha, bytes], trusted: bool, result: _Sorting) -> None:
    old, new, data = labels
    change = compare_labels(name, old, new)
    if is_held_back(change, trusted):
        result.held_back.append(change)
    else:
        result.changed.append(change)
        result.mended[name] = data


def _why_empty(remarks: Remarks) -> str:
    covered = "its shapes cover no pixel that is left, and its label stays; if nobody is in it, mark it"
    return covered if remarks.shapes else _NOTHING


def _unused_shapes(label: NamedLabel, name: str) -> list[Skipped]:
    """The shapes of an entry that are not drawn, by their labels and kinds."""
    skipped = []
    if label.other_labels:
        listed = ", ".join(repr(other) for other in label.other_labels[:10])
        skipped.append(Skipped(label.entry, f"shapes of {listed} are no person's, and are not used", name))
    if label.unsupported:
        listed = ", ".join(label.unsupported[:10])
        reason = f"shapes of the kind {listed} are not supported; draw a polygon, a mask, an ellipse or a rectangle"
        skipped.append(Skipped(label.entry, reason, name))
    return skipped


def _not_returned(export: RepairExport | None, returned: Set[str]) -> Iterable[Skipped]:
    """The samples of the export of which nothing came back, where something of it came back."""
    if export is None or not returned:
        return
    for sample in export.samples:
        if sample.sample_id not in returned:
            yield Skipped(sample.image, "no annotation came back for it, and its label stays", sample.sample_id)


def _mended_of(result: _Sorting, rows: Mapping[str, Row]) -> Mended:
    by_dataset: dict[str, list[str]] = {}
    for name in sorted(result.mended):
        by_dataset.setdefault(rows[name]["dataset"], []).append(name)
    samples = {dataset: tuple(names) for dataset, names in by_dataset.items()}
    changed = tuple(sorted(result.changed, key=lambda change: change.sample_id))
    held_back = tuple(sorted(result.held_back, key=lambda change: change.sample_id))
    return Mended(samples, changed, held_back, result.same, tuple(result.skipped))


def _unusable(row: Row | None, sample: ExportedSample) -> str | None:
    """Why a label can't be taken in whatever it is; None if it can."""
    if row is None or row["status"] != "present":
        return _UNKNOWN
    if (row["image_sha256"], row["alpha_sha256"]) != (sample.image_sha256, sample.alpha_sha256):
        return _STALE
    return None


def _may_have_come(row: Row, sample: ExportedSample, mend: Mend | None) -> bool:
    """Whether the catalog's label is a mended one that replaced the exported one: a folder may be taken in twice."""
    return mend is not None and mend.alpha == row["alpha_sha256"] and mend.replaces == sample.alpha_sha256
