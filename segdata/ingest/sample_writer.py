"""Writes what an ingest measured into the catalog: samples, renames, rejects, and what was forgotten and comes back."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from segdata.catalog.annotated import drop_labels
from segdata.catalog.forgetting import concealed, remember
from segdata.catalog.forgotten import make_pseudonyms
from segdata.catalog.renames import carry_over
from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.workspace import RunContext
from segdata.ingest.known import Known
from segdata.ingest.mended_labels import MendedLabels
from segdata.ingest.plan import Row


class SampleWriter:
    """Writes the rows of one source.

    Args:
        context: of the run.
        dataset: the source's name.
        samples: what the catalog knew of the source, by sample_id.
        labels: mended labels, which follow their photos to new names.
    """

    def __init__(self, context: RunContext, dataset: str, samples: Mapping[str, Known], labels: MendedLabels) -> None:
        self._context, self._dataset, self._samples, self._labels = context, dataset, samples, labels

    def commit(self, rows: list[Row], old: Mapping[str, str]) -> None:
        """Write one shard, and mark what its samples were called before: scores first, so that a kill loses none."""
        catalog = self._context.catalog
        self._labels.keep(rows)
        table = rows_to_table("samples", rows)
        if old:
            hashes = {name: self._samples[name].hashes for name in old}
            carry_over(catalog, old, hashes)
            table = pa.concat_tables([table, self._changed_rows({name: {"status": "gone"} for name in old})])
        catalog.merge("samples", table)

    def leave_out(self, rows: list[Row]) -> int:
        """Forget what was forgotten and comes back under another name; how many samples are gone for it.

        Where it has taken the place of another sample's files, that sample is gone, as if they had been deleted: its
        name, scores and verdicts are of another picture.
        """
        if not rows:
            return 0
        context = self._context
        new = [row for row in rows if row["sample_id"] not in self._samples]
        if new:
            pseudonyms = make_pseudonyms(context.workspace)
            remember(context.workspace, pseudonyms, new, context.run_id)
            marks = [{**concealed(row, pseudonyms), "run_id": context.run_id} for row in new]
            context.catalog.merge("samples", rows_to_table("samples", marks))
        replaced = {row["sample_id"] for row in rows} & {
            known.sample_id for known in self._samples.values() if known.status == "present"
        }
        context.catalog.merge("samples", self._changed_rows({name: {"status": "gone"} for name in replaced}))
        drop_labels(context.catalog, [row["sample_id"] for row in rows])
        return len(replaced)

    def write_refused(self, table: str, rows: Mapping[str, Row], before: Mapping[str, Row], complete: bool) -> None:
        """Make the source's rejects, or what is filtered, those of this ingest; what has not changed is not written.

        Args:
            table: its name.
            rows: of this ingest, by path.
            before: of the catalog, by path.
            complete: whether all files were looked at; else the others' rows stay.
        """

        def without_run(some: Mapping[str, Row]) -> dict[str, Row]:
            return {path: {**row, "run_id": None} for path, row in some.items()}

        wanted = rows if complete else {**before, **rows}
        if without_run(wanted) != without_run(before):
            new = [{"run_id": self._context.run_id, **row} for row in wanted.values()]
            where = f"target.dataset = '{self._dataset}'"
            self._context.catalog.replace(table, rows_to_table(table, new), where)

    def change(self, changes: Mapping[str, Row]) -> None:
        """Change some columns of samples that are in the catalog, by sample_id."""
        self._context.catalog.merge("samples", self._changed_rows(changes))

    def _changed_rows(self, changes: Mapping[str, Row]) -> pa.Table:
        """Rows of `samples` as they are, but for some columns."""
        if not changes:
            return SCHEMAS["samples"].empty_table()
        rows = self._context.catalog.read("samples", where=f"dataset = '{self._dataset}'")
        rows = rows.filter(pc.is_in(rows["sample_id"], pa.array(list(changes), pa.string())))
        run = {"run_id": self._context.run_id}
        return rows_to_table("samples", [{**row, **changes[row["sample_id"]], **run} for row in rows.to_pylist()])
