"""The one export for repair that returned labels belong to: no label changes a sample of another export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from segdata.catalog.repairs import ExportedSample, RepairExport, exports_of
from segdata.catalog.tables import Catalog
from segdata.errors import UsageError
from segdata.ingest.annotations.manifest import Manifest
from segdata.ingest.annotations.matching import match_labels
from segdata.records import REPAIR_MANIFEST, printable


class ChosenExport(NamedTuple):
    """The export that labels are matched with.

    Attributes:
        export: it; None where the catalog has no record and the folder no list.
        is_guessed: whether it was chosen by the names of the labels.
        is_recorded: whether the catalog has a record of it.
    """

    export: RepairExport | None
    is_guessed: bool = False
    is_recorded: bool = True


def choose_export(
    catalog: Catalog, manifest: Manifest | None, run_id: str | None, names: Sequence[Sequence[str]]
) -> ChosenExport:
    """Choose by the option, else by the run in segdata.json, else by the names.

    Args:
        catalog: with the records of exports.
        manifest: segdata.json of the returned folder; None for none.
        run_id: the option `--of`; None for none.
        names: of each label, the likeliest first.

    Raises:
        UsageError: There is no such export, or segdata.json names none and the catalog has records of some.
    """
    exports = exports_of(catalog)
    if run_id is not None:
        return ChosenExport(_export_of_run(exports, run_id, f"--of {run_id}"))
    if manifest is None:
        return ChosenExport(_best_fit(exports, names), is_guessed=True)
    if manifest.run is not None:
        return ChosenExport(_export_of_run(exports, manifest.run, f"{REPAIR_MANIFEST} names the run {manifest.run!r}"))
    if exports:
        raise UsageError(
            f"ingest: {REPAIR_MANIFEST} names no run, as in an export of an earlier segdata, and is not used because "
            f"the catalog has records of exports: {_listed(exports)}. Pass --of RUN if the labels belong to one of "
            "them; otherwise export the samples again, and return the labels under the new file names"
        )
    return ChosenExport(_export_in(manifest), is_recorded=False)


def _export_of_run(exports: Sequence[RepairExport], run_id: str, asked: str) -> RepairExport:
    for export in exports:
        if export.run_id == run_id:
            return export
    raise UsageError(
        f"ingest: {printable(asked[:200])}: no such export for repair; there are {_listed(exports)}. "
        "Choose one of them with --of"
    )


def _best_fit(exports: Sequence[RepairExport], names: Sequence[Sequence[str]]) -> RepairExport | None:
    """The export that most names fit; the newest of several."""

    def fitting(export: RepairExport) -> int:
        return sum(match.sample is not None for match in match_labels(names, [export]))

    return max(exports, key=fitting, default=None)


def _export_in(manifest: Manifest) -> RepairExport:
    lines = (ExportedSample(one.sample_id, one.image, one.image_sha256, one.alpha_sha256) for one in manifest.lines)
    return RepairExport("", manifest.format, datetime.now(UTC), tuple(lines))


def _listed(exports: Sequence[RepairExport]) -> str:
    return ", ".join(export.run_id for export in exports[:10]) or "none yet"
