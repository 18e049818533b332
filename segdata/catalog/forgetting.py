"""Forget samples: what the catalog holds of a person's picture, and its removal from every version of every table.

What is kept is the row's id, place and hash, so that an ingest does not take the picture in again, under whatever name.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from segdata.catalog.known_leaks import leaks_file
from segdata.catalog.mends import drop_mends, mends_of_samples
from segdata.catalog.purging import quoted_in
from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.workspace import Workspace
from segdata.errors import UsageError

Row = dict[str, Any]

KEPT_COLUMNS = ("sample_id", "dataset", "kind", "split", "path", "image_sha256")
"""What is left of a forgotten sample in `samples`, beside its status and the run."""
_OF_SAMPLES = ("scores", "predictions", "selections", "verdicts")
_ERASED = ("samples", "appearances", "embeddings", "rejects", *_OF_SAMPLES)


@dataclass(frozen=True)
class Traces:
    """What the catalog holds of some samples.

    Attributes:
        rows: their rows of `samples`.
        composites: rows of `samples` that were made of them.
        counts: rows of the other tables, by table.
        foregrounds: files of the cache of foregrounds: these can't be told apart, so that all of them go.
        mended: their labels that somebody mended.
    """

    rows: tuple[Row, ...]
    composites: tuple[Row, ...]
    counts: Mapping[str, int]
    foregrounds: int
    mended: int

    @property
    def ids(self) -> set[str]:
        """Of the samples and their composites."""
        return {row["sample_id"] for row in (*self.rows, *self.composites)}


def traces_of(workspace: Workspace, sample_ids: Sequence[str]) -> Traces:
    """Find what there is of samples; those that were forgotten already count, so that a cut-off call can be finished.

    Raises:
        UsageError: The catalog has no such sample.
    """
    catalog = workspace.catalog
    wanted = set(sample_ids)
    rows = catalog.read("samples", where=quoted_in("sample_id", wanted)).to_pylist()
    if unknown := sorted(wanted - {row["sample_id"] for row in rows}):
        raise UsageError(
            f"forget: no sample {unknown[0]!r}; find its id with: segdata query "
            "\"SELECT sample_id FROM samples WHERE sample_id LIKE '%name%'\""
        )
    rows += _earlier_names(workspace, rows)
    wanted = {row["sample_id"] for row in rows}
    composites = [
        row
        for row in catalog.read("samples", where="kind = 'composite'").to_pylist()
        if any(parent["sample_id"] in wanted for parent in row["parents"] or ())
    ]
    ids = wanted | {row["sample_id"] for row in composites}
    where = {name: quoted_in("sample_id", ids) for name in _OF_SAMPLES}
    where |= {"appearances": quoted_in("image_sha256", _hashes(rows)), "rejects": _their_rejects(rows)}
    where["embeddings"] = _their_embeddings(rows)
    counts = {
        name: catalog.query(f"SELECT count(*)::BIGINT AS n FROM {name} WHERE {predicate}")["n"][0].as_py()
        for name, predicate in where.items()
    }
    foregrounds = sum(path.is_file() for path in (catalog.files / "foregrounds").rglob("*"))
    mended = len(mends_of_samples(catalog, ids, _hashes(rows), _holders(workspace, rows, ids)))
    return Traces(tuple(rows), tuple(composites), counts, foregrounds, mended)


def erase(workspace: Workspace, traces: Traces, run_id: str) -> None:
    """Remove it all, from every version: first the marks, which keep it from coming back, then files, then rows.

    Killed anywhere, the same call again finishes it. Nobody else may write to the catalog meanwhile.
    """
    catalog = workspace.catalog
    marked = [
        {**{column: row[column] for column in KEPT_COLUMNS}, "status": "forgotten", "run_id": run_id}
        for row in traces.rows
    ]
    catalog.merge("samples", rows_to_table("samples", marked))
    ours = (catalog.files / "composites").resolve()
    for uri in (row[name] for row in (*traces.composites, *traces.rows) for name in ("image_uri", "alpha_uri")):
        path = workspace.resolve(uri) if uri else None
        if path is not None and path.resolve().is_relative_to(ours):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    shutil.rmtree(catalog.files / "foregrounds", ignore_errors=True)
    drop_mends(catalog, traces.ids, _hashes(traces.rows), _holders(workspace, traces.rows, traces.ids))
    leaks_file(catalog).unlink(missing_ok=True)
    for folder in ("overlays", "pictures"):  # of a review: made again by the next one, which leaves these samples out
        shutil.rmtree(workspace.root / "review" / folder, ignore_errors=True)
    catalog.delete("samples", quoted_in("sample_id", {row["sample_id"] for row in traces.composites}))
    catalog.delete("appearances", quoted_in("image_sha256", _hashes(traces.rows)))
    catalog.delete("embeddings", _their_embeddings(traces.rows))
    catalog.delete("rejects", _their_rejects(traces.rows))
    for name in _OF_SAMPLES:
        catalog.delete(name, quoted_in("sample_id", traces.ids))
    for name in _ERASED:
        catalog.purge(name)


def forgotten_hashes(workspace: Workspace) -> set[str]:
    """The hashes of pictures that are not to be taken in again."""
    rows = workspace.catalog.read("samples", ["image_sha256"], "status = 'forgotten'")
    return {name for name in rows["image_sha256"].to_pylist() if name}


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows as a table of `samples`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS["samples"])


def _earlier_names(workspace: Workspace, rows: Sequence[Row]) -> list[Row]:
    """What the same bytes were called before their file was renamed: its scores are kept under that name too."""
    gone = f"status = 'gone' AND {quoted_in('image_sha256', _hashes(rows))}"
    known = {row["sample_id"] for row in rows}
    return [row for row in workspace.catalog.read("samples", where=gone).to_pylist() if row["sample_id"] not in known]


def _holders(workspace: Workspace, rows: Sequence[Row], ids: set[str]) -> set[str]:
    """Samples with the same bytes that are not forgotten: their labels stay."""
    same = f"status = 'present' AND {quoted_in('image_sha256', _hashes(rows))}"
    return set(workspace.catalog.read("samples", ["sample_id"], same)["sample_id"].to_pylist()) - ids


def _hashes(rows: Sequence[Row]) -> set[str]:
    return {row["image_sha256"] for row in rows if row["image_sha256"]}


def _their_embeddings(rows: Sequence[Row]) -> str:
    """Of the pictures as they are, and of composites in which they are one or the other parent."""
    hashes = _hashes(rows)
    return f"({quoted_in('image_sha256', hashes)} OR {quoted_in('over_sha256', hashes)})"


def _their_rejects(rows: Sequence[Row]) -> str:
    places: dict[str, set[str]] = {}
    for row in rows:
        if row["path"]:
            places.setdefault(row["dataset"], set()).add(row["path"])
    each = (f"({quoted_in('dataset', {name})} AND {quoted_in('path', places[name])})" for name in sorted(places))
    return " OR ".join(each) or "1 = 0"
