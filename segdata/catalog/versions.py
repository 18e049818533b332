"""Time travel: from what people call a moment to the version of each table, and the catalog as it was then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from segdata.catalog import delta, queries
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog
from segdata.errors import CatalogError, UsageError

_FORMS = "a version of the table samples, a time such as 2026-03-01T12:00:00+01:00, or a run's id"
_INPUTS = ("samples", "verdicts")  # what stages work on, besides a model
_BEFORE = -1  # the version of a table that was not made yet


@dataclass(frozen=True)
class AsOf:
    """A moment of the catalog.

    Attributes:
        asked: how it was called.
        versions: table -> its version then; -1 where it was not made yet.
    """

    asked: str
    versions: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As results and the journal have it."""
        return {"asked": self.asked, "versions": dict(self.versions)}


def as_of(catalog: Catalog, asked: str) -> AsOf:
    """The moment that is meant.

    Args:
        catalog: as it is now.
        asked: an integer is a version of `samples`, and the other tables as they were when that was committed; a time
            in ISO 8601 (in UTC where it says nothing else); or a run_id, and the tables as that run read them.

    Raises:
        UsageError: It is none of these, there is no such version or run, or the time lies before the first commit.
        CatalogError: A table's log is damaged.
    """
    text = asked.strip()
    if text.lstrip("-").isdigit():
        versions = _at_version(catalog, int(text))
    elif (moment := _moment(text)) is not None:
        versions = _at_time(catalog, int(moment.timestamp() * 1000))
        if set(versions.values()) == {_BEFORE}:
            raise UsageError(f"--as-of {asked}: the catalog did not exist then; it begins {_beginning(catalog)}")
    else:
        versions = _of_run(catalog, text)
    return AsOf(asked, versions)


def as_it_was(catalog: Catalog, moment: AsOf) -> tuple[Catalog, int]:
    """The catalog for a stage that works on an older moment: samples and verdicts of then, everything else of now.

    Tables can be read as they were; files can't. A sample whose files have changed or gone since, or that was
    forgotten on request, is left out.

    Returns:
        The catalog, in which `samples` can only be read, and how many samples were left out.

    Raises:
        CatalogError: That version's files were swept away; the message says which can still be read.
    """
    then = catalog.at({name: moment.versions[name] for name in _INPUTS})
    then.check("verdicts")
    present = then.read("samples", where="status = 'present'")
    now = catalog.read("samples", ["sample_id", "image_sha256", "alpha_sha256"], "status = 'present'")
    same = " AND ".join(f"earlier.{column} IS NOT DISTINCT FROM today.{column}" for column in now.column_names)
    sql = f"SELECT earlier.* FROM earlier SEMI JOIN today ON {same} ORDER BY earlier.sample_id"
    rows = queries.select(sql, {"earlier": present, "today": now}).cast(present.schema)
    return then.holding("samples", rows), present.num_rows - rows.num_rows


def _at_version(catalog: Catalog, version: int) -> dict[str, int]:
    newest = catalog.version("samples")
    if not 0 <= version <= newest:
        there = f"versions 0 to {newest}" if newest >= 0 else "no versions yet"
        raise UsageError(
            f"--as-of {version}: the table samples has {there}; segdata catalog history samples lists them"
        )
    moment = next((at for number, at in _commits(catalog, "samples") if number == version), None)
    if moment is None:
        raise CatalogError(f"--as-of {version}: the log of samples no longer says when that was; give a time instead")
    return {**_at_time(catalog, moment), "samples": version}


def _at_time(catalog: Catalog, milliseconds: int) -> dict[str, int]:
    return {
        name: max((number for number, at in _commits(catalog, name) if at <= milliseconds), default=_BEFORE)
        for name in SCHEMAS
    }


def _of_run(catalog: Catalog, run_id: str) -> dict[str, int]:
    quoted = run_id.replace("'", "''")
    found = catalog.read("runs", ["table_versions"], f"run_id = '{quoted}'").to_pylist()
    if not found:
        newest = catalog.read("runs", ["run_id"])["run_id"].to_pylist()[-3:]
        listed = f"; the newest runs are {', '.join(newest)}" if newest else ""
        raise UsageError(f"--as-of {run_id}: it is none of these: {_FORMS}{listed}")
    read = json.loads(found[0]["table_versions"])
    return {name: int(read.get(name, _BEFORE)) for name in SCHEMAS}


def _commits(catalog: Catalog, name: str) -> list[tuple[int, int]]:
    """Version and time in milliseconds of each commit that the log knows."""
    table = catalog.open(name)
    return (
        []
        if table is None
        else [(int(told["version"]), int(told["timestamp"])) for told in delta.history_of(catalog.path(name), table)]
    )


def _beginning(catalog: Catalog) -> str:
    first = [at for name in SCHEMAS for _, at in _commits(catalog, name)]
    return datetime.fromtimestamp(min(first) / 1000, UTC).isoformat() if first else "with the first segdata ingest"


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
