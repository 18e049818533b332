"""The rows that the page is made from, read off the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segdata.report import plan
from segdata.report.plan import Key

if TYPE_CHECKING:
    from segdata.catalog.tables import Catalog

Row = dict[str, Any]

_SCORE_COLUMNS = (
    "scorer_id", "sample_id", "image_sha256", "alpha_sha256",
    "miou", "boundary_iou", "hole_recall", "confidence", "failure_mode",
)  # fmt: skip
_PREDICTION_COLUMNS = ("scorer_id", "sample_id", "image_sha256", "alpha_sha256", "mask", "height", "width")
_RUN_COLUMNS = ["run_id", "command", "status", "error", "started_at", "seconds", "result"]
_ASKED_AT_ONCE = 200
_SCORED_SQL = """
    SELECT model_id, scorer_id, split, count(*) AS images
    FROM scores JOIN samples USING (sample_id, image_sha256, alpha_sha256)
    WHERE scores.status = 'scored' AND samples.status = 'present' AND samples.kind = 'portrait'
    GROUP BY ALL
"""


@dataclass(frozen=True)
class Tables:
    """The rows that the page is made from."""

    samples: list[Row]
    rejects: list[Row]
    models: list[Row]
    selections: list[Row]
    verdicts: list[Row]
    runs: list[Row]
    scored: list[plan.Scored]

    def present(self, split: str, kind: str = "portrait") -> list[Row]:
        """The samples of a split that can be used."""
        return [
            row for row in self.samples if row["status"] == "present" and row["split"] == split and row["kind"] == kind
        ]

    def by_id(self) -> dict[str, Row]:
        """All samples, by id."""
        return {str(row["sample_id"]): row for row in self.samples}


def read_tables(catalog: Catalog) -> Tables:
    """Everything but scores and predictions, of which only some are needed."""
    return Tables(
        samples=catalog.read("samples").to_pylist(),
        rejects=catalog.read("rejects", columns=["dataset", "path", "reason", "detail"]).to_pylist(),
        models=catalog.read("models").to_pylist(),
        selections=catalog.read("selections").to_pylist(),
        verdicts=catalog.read("verdicts").to_pylist(),
        runs=catalog.read("runs", columns=_RUN_COLUMNS).to_pylist(),
        scored=[plan.Scored(**row) for row in catalog.query(_SCORED_SQL).to_pylist()],
    )


def read_scores(catalog: Catalog, scorer_ids: set[str]) -> dict[Key, Row]:
    """The scores of some scorers, by key."""
    if not scorer_ids:
        return {}
    wanted = ", ".join(sorted(_sql_text(scorer_id) for scorer_id in scorer_ids))
    rows = catalog.query(
        f"SELECT {', '.join(_SCORE_COLUMNS)} FROM scores WHERE status = 'scored' AND scorer_id IN ({wanted})"
    )
    return {plan.key_of(row): row for row in rows.to_pylist()}


def read_predictions(catalog: Catalog, keys: set[Key]) -> Mapping[Key, Row]:
    """The kept masks of some samples, by key; asked for by id, since all of them would fill the memory."""
    found: dict[Key, Row] = {}
    # A NUL can't be written in SQL: a sample with one in its name has its predictions shown as missing.
    ids = sorted({key[1] for key in keys if "\0" not in key[1]})
    for start in range(0, len(ids), _ASKED_AT_ONCE):
        wanted = ", ".join(_sql_text(sample_id) for sample_id in ids[start : start + _ASKED_AT_ONCE])
        rows = catalog.query(f"SELECT {', '.join(_PREDICTION_COLUMNS)} FROM predictions WHERE sample_id IN ({wanted})")
        found.update((plan.key_of(row), row) for row in rows.to_pylist() if plan.key_of(row) in keys)
    return found


def sizes_of(selections: list[Row]) -> dict[str, int]:
    """Samples per selection."""
    sizes: dict[str, int] = {}
    for row in selections:
        sizes[row["selection"]] = sizes.get(row["selection"], 0) + 1
    return sizes


def _sql_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
