"""The scores and predictions of the cases, read off the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segdata.catalog.purging import quoted_in
from segdata.catalog.tables import Catalog
from segdata.catalog.verdicts import Bytes

Row = dict[str, Any]

_ASKED_AT_ONCE = 1000


def newest_scorer(catalog: Catalog) -> str | None:
    """The scorer that scored last; None where nothing is scored."""
    rows = catalog.query(
        "SELECT scorer_id FROM scores WHERE status = 'scored' ORDER BY run_id DESC LIMIT 1"
    ).to_pylist()
    return str(rows[0]["scorer_id"]) if rows else None


def read_scores(catalog: Catalog, scorer_id: str | None) -> dict[str, Row]:
    """A scorer's scores of the samples as they are, by sample_id; those of earlier bytes are not asked for."""
    if scorer_id is None:
        return {}
    rows = catalog.query(
        "SELECT scores.* FROM scores SEMI JOIN samples USING (sample_id, image_sha256, alpha_sha256) "
        f"WHERE scores.status = 'scored' AND {quoted_in('scorer_id', {scorer_id})}"
    )
    return {row["sample_id"]: row for row in rows.to_pylist()}


def read_predictions(catalog: Catalog, scorer_id: str | None, samples: Sequence[Row]) -> Mapping[Bytes, Row]:
    """The kept masks of some samples, by id and hashes."""
    if scorer_id is None:
        return {}
    found = {}
    columns = "scorer_id, sample_id, image_sha256, alpha_sha256, mask, height, width"
    names = [row["sample_id"] for row in samples if "\0" not in row["sample_id"]]
    for start in range(0, len(names), _ASKED_AT_ONCE):
        where = quoted_in("sample_id", set(names[start : start + _ASKED_AT_ONCE]))
        sql = f"SELECT {columns} FROM predictions WHERE {quoted_in('scorer_id', {scorer_id})} AND {where}"
        for row in catalog.query(sql).to_pylist():
            found[row["sample_id"], row["image_sha256"], row["alpha_sha256"]] = row
    return found
