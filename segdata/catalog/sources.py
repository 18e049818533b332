"""What ingest decided about each source: the meaning of its mask values, and whether EXIF turns its masks.

The table `sources` has one row per source. Nothing in it comes from a single sample, so forgetting leaves it alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from segdata.catalog.label_statistics import LabelStatistics, label_remarks, label_statistics
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog


@dataclass(frozen=True)
class SourceRow:
    """A row of `sources`.

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
    names = [field.name for field in fields(SourceRow)]
    rows = catalog.read("sources", names).to_pylist()
    return {row["dataset"]: SourceRow(**{**row, "alpha_warnings": tuple(row["alpha_warnings"] or ())}) for row in rows}


def write_source(catalog: Catalog, row: SourceRow) -> None:
    """Insert or replace the row of a source."""
    catalog.merge("sources", rows_to_table("sources", [{**asdict(row), "alpha_warnings": list(row.alpha_warnings)}]))


def mask_states(catalog: Catalog) -> list[dict[str, Any]]:
    """By dataset: what its mask values mean, and what a person should look at, for `status` and the report.

    A dataset that is neither in `sources` nor has labels is left out.
    """
    sources, statistics = read_sources(catalog), label_statistics(catalog)
    states = []
    for dataset in sorted(sources.keys() | statistics.keys()):
        source = sources.get(dataset, SourceRow(dataset, ""))
        counts, files = statistics.get(dataset, (LabelStatistics(), ()))
        states.append(
            {
                "dataset": dataset,
                "alpha": source.alpha_meaning,
                "alpha_open": source.alpha_open,
                "exif": source.exif_meaning,
                "warnings": list(source.alpha_warnings),
                "labels": counts.to_json(),
                "remarks": label_remarks(counts.to_json(), files),
            }
        )
    return states
