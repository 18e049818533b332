"""Commands that only look: status, query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segdata.cli.execute import Outcome
from segdata.cli.options import AsOfOption, Common
from segdata.cli.printing import print_json, print_json_rows, say, say_table
from segdata.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def status(common: Common) -> None:
    """What is in the catalog, what ran, and what to do next."""
    with Outcome(common.json, "status"):
        from segdata.pipeline.status import status as state_of

        found = state_of(common.open())
    if common.json:
        print_json({"command": "status", **found})
        return
    say(f"{found['workspace']} ({found['recipe']})")
    if found["samples"]:
        say_table(
            ("dataset", "kind", "split", "samples"),
            [(row["dataset"], row["kind"], row["split"], row["samples"]) for row in found["samples"]],
        )
    for source in found["masks"]:
        for line in (source["alpha"], source["exif"], *source["warnings"], *source["remarks"]):
            if line:
                say(f"  {source['dataset']}: {line}")
    if found["rejects"]:
        say("rejected:")
        say_table(("dataset", "reason", "files"), [tuple(row.values()) for row in found["rejects"]])
    if found["models"]:
        say("models:")
        say_table(
            ("name", "round", "test mIoU", ""),
            [
                (row["name"], row["round"], row["miou_image"], "promoted" if row["promoted"] else row["arm"])
                for row in found["models"]
            ],
        )
    for training in found["unfinished_trainings"]:
        say(f"a training was begun and is kept up to epoch {training['epoch']}: {training['training_key'][:8]}")
    if found["selections"]:
        say("selections:")
        say_table(
            ("selection", "predicate", "hard", "suspect labels"),
            [(row["selection"], row["predicate"], row["hard"], row["suspect_label"]) for row in found["selections"]],
        )
    if loop := found["loop"]:
        rounds = f"{loop['rounds']} round{'' if loop['rounds'] == 1 else 's'}"
        say(f"last loop: {rounds} of mining; {loop['stopped_because'].removesuffix('.')}.")
    if found["runs"]:
        say("newest runs:")
        say_table(
            ("run", "status", "seconds", "error"),
            [
                (
                    row["run_id"],
                    "cut off" if row["status"] == "running" and row["going_on"] is False else row["status"],
                    row["seconds"],
                    row["error"] or "",
                )
                for row in found["runs"]
            ],
        )
    for gap in found["missing"]:
        say(f"no {gap['what'].replace('test', 'test split')}: {gap['consequence']}. {gap['remedy']}")
    say("next:")
    for command in found["next"]:
        say(f"  {command}")


def query(
    common: Common,
    sql: Annotated[str, typer.Argument(help="One SELECT over samples, rejects, scores, predictions, …")],
    rows: Annotated[int, typer.Option(min=1, help="Rows shown; --json prints all.")] = 50,
    as_of: AsOfOption = None,
) -> None:
    """Ask the catalog anything, in SQL.

    Example: segdata query "SELECT sample_id, miou FROM scores ORDER BY miou LIMIT 10"
    """
    with Outcome(common.json, "query"):
        session = common.open()
        moment = session.moment(as_of)
        catalog = session.workspace.catalog if moment is None else session.workspace.catalog.at(moment.versions)
        answer = catalog.query_limited(sql)
        with memory_for_printing(catalog.limits.memory):
            if common.json:
                told = {} if moment is None else {"as_of": moment.to_json()}
                print_json_rows({"command": "query", **told}, "rows", slices_of(answer))
                return
            say_table(answer.column_names, [tuple(row.values()) for row in _python_rows(answer.slice(0, rows))])
    more = answer.num_rows - rows
    say(f"{answer.num_rows} rows" + (f"; {more} more with --rows or --json" if more > 0 else ""))


@contextmanager
def memory_for_printing(most: int) -> Iterator[None]:
    """Turn an answer into text with at most `most` bytes of memory.

    Raises:
        UsageError: It needs more.
    """
    from segdata.storage.memory import limited_memory

    try:
        with limited_memory(most):
            yield
    except MemoryError as error:
        raise UsageError(
            f"query: stopped: printing the answer needs more than half of the machine's memory, {most / 2**30:.1f} "
            "GiB; ask for fewer rows or columns"
        ) from error


def slices_of(answer: pa.Table, size: int = 2**22) -> Iterator[list[dict[str, Any]]]:
    """An answer's rows as Python objects, about `size` bytes of Arrow data at a time: objects take many times more."""
    rows = max(1, size * answer.num_rows // max(answer.nbytes, 1))
    for start in range(0, answer.num_rows, rows):
        yield _python_rows(answer.slice(start, rows))


def _python_rows(answer: pa.Table) -> list[dict[str, Any]]:
    """Rows as Python objects; a column with a value that Python does not have, such as the year 99999, as text."""
    import pyarrow as pa

    try:
        rows: list[dict[str, Any]] = answer.to_pylist()
        return rows
    except (ValueError, OverflowError, pa.ArrowException):  # ArrowInvalid is a ValueError, but not all are
        columns = [_python_values(column) for column in answer.columns]
    return [dict(zip(answer.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    values: list[Any]
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        try:
            values = column.cast(pa.string()).to_pylist()
        except pa.ArrowException:
            values = [f"a value of type {column.type}, which can't be shown; cast it to VARCHAR"] * len(column)
    return values
