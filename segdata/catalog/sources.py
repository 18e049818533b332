"""What ingest decided about each source: the meaning of its mask values, and whether EXIF turns its masks.

It is the fact `masks` of each source in the table `sources`. Nothing in it comes from a single sample, so forgetting
leaves it alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from segdata.catalog.label_statistics import LabelStatistics, label_remarks, label_statistics
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog

_FACT = "masks"


@dataclass(frozen=True)
class SourceRow:
    """What is decided about the masks of a source.

    Attributes:
        dataset: the source's name in the recipe.
        recipe_key: SHA-256 of the recipe's keys that the decision depends on: another value makes it void.
        alpha_meaning: what the mask values mean, in words.
        alpha_reading: how masks are turned into alpha, as JSON; None for plain masks.
        alpha_open: nobody can say which values are the person, so all masks are rejected.
        alpha_warnings: what a person should look at.
        masks_sampled: how many masks were looked at.
        exif: apply or ignore; None where no mask was in question.
        exif_meaning: why, in words.
        run_id: of the ingest that decided.
    """

    dataset: str
    recipe_key: str
    alpha_meaning: str = ""
    alpha_reading: str | None = None
    alpha_open: bool = False
    alpha_warnings: tuple[str, ...] = ()
    masks_sampled: int = 0
    exif: str | None = None
    exif_meaning: str = ""
    run_id: str = ""


def read_sources(catalog: Catalog) -> dict[str, SourceRow]:
    """All rows, by dataset."""
    rows = catalog.read("sources", where=f"fact = '{_FACT}'").to_pylist()
    return {row["dataset"]: _parse_row(row) for row in rows}


def _parse_row(row: Mapping[str, str]) -> SourceRow:
    value = json.loads(row["value"])
    warnings = tuple(value.pop("alpha_warnings"))
    return SourceRow(row["dataset"], row["recipe"], **value, alpha_warnings=warnings, run_id=row["run_id"])


def write_source(catalog: Catalog, row: SourceRow) -> None:
    """Insert or replace the row of a source."""
    value = asdict(row)
    keys = {"dataset": value.pop("dataset"), "recipe": value.pop("recipe_key"), "run_id": value.pop("run_id")}
    catalog.merge(
        "sources", rows_to_table("sources", [{**keys, "fact": _FACT, "value": json.dumps(value, sort_keys=True)}])
    )


@dataclass(frozen=True)
class MaskState:
    """What is known about the masks of a dataset.

    Attributes:
        dataset: its name.
        alpha: what their values mean, in words; empty if nothing is recorded.
        alpha_open: whether that is open, so that all masks are rejected.
        exif: whether photos that EXIF turns turn their masks, in words.
        warnings: what a person should look at.
        labels: how many labels are empty, full, inverted, trimaps or shared.
        trimap_files: the first few trimaps.
    """

    dataset: str
    alpha: str
    alpha_open: bool
    exif: str
    warnings: tuple[str, ...]
    labels: LabelStatistics
    trimap_files: tuple[str, ...]

    def lines(self, with_files: bool = True) -> list[str]:
        """What to say to people.

        Args:
            with_files: name the files of a few trimaps; not in a page that is kept, where forgetting would have to
                find them.
        """
        remarks = label_remarks(self.labels.to_json(), self.trimap_files if with_files else (), self.alpha)
        return [line for line in (self.alpha, self.exif, *self.warnings, *remarks) if line]

    def to_json(self) -> dict[str, object]:
        """For `status --json`."""
        return {**asdict(self), "remarks": label_remarks(self.labels.to_json(), self.trimap_files, self.alpha)}


def mask_states(catalog: Catalog) -> list[MaskState]:
    """The state of each dataset that is in `sources` or has labels."""
    sources, statistics = read_sources(catalog), label_statistics(catalog)
    states = []
    for dataset in sorted(sources.keys() | statistics.keys()):
        row = sources.get(dataset, SourceRow(dataset, ""))
        counts, files = statistics.get(dataset, (LabelStatistics(), ()))
        states.append(
            MaskState(dataset, row.alpha_meaning, row.alpha_open, row.exif_meaning, row.alpha_warnings, counts, files)
        )
    return states
