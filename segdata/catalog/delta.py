"""Delta tables on a local disk: open one, commit to it, make that durable; what goes wrong, in words of ours.

Only this package imports deltalake. What it raises is caught here and becomes a `CatalogError` that says where, what
and what to do.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from segdata.catalog import damage
from segdata.errors import CatalogError
from segdata.records import is_text, printable
from segdata.storage.files import make_folder, remedy_for, sync_file, sync_folder

if TYPE_CHECKING:
    from deltalake import DeltaTable, PostCommitHookProperties

_ATTEMPTS = 30
_NO_NAME = re.compile(r"%[0-9A-Fa-f]{2}|[][^|\\\x00-\x1f\x7f]")
# How delta-rs holds memory: by itself it keeps much of what each commit took, and a long run grows by 0.5 MB a commit.
# Giving back at once would double the time of a large merge; 0.2 s later does not.
_MEMORY = {"_RJEM_MALLOC_CONF": "narenas:1,tcache:false,dirty_decay_ms:200,muzzy_decay_ms:0"}
_ELSE = "restore the folder from a copy, or move it away and run the commands that filled it"


def check_place(path: Path) -> None:
    """See that tables can lie under a folder of that name.

    Raises:
        CatalogError: delta-rs would look elsewhere (what looks like an escaped letter, it unescapes once too often), or
            would open a table and then neither append nor delete (it makes a URL of the name, which then is none).
    """
    if not is_text(str(path.resolve())):
        raise CatalogError(
            f"{printable(str(path))}: no catalog can lie under a name that is not UTF-8; rename that folder"
        )
    if found := _NO_NAME.search(str(path.resolve())):
        raise CatalogError(f"{path}: no catalog can lie under a name with {found[0]!r} in it; rename that folder")


def open_table(path: Path, version: int | None = None) -> DeltaTable | None:
    """The Delta table in a folder; None if nobody wrote it yet.

    Args:
        version: the version wanted; the newest by default.

    Raises:
        CatalogError: It is damaged; the message names the file and the way back.
    """
    if not path.is_dir():
        return None
    place = _located(path)
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        with _failures_named(path, "can't be opened", TableNotFoundError):
            table = DeltaTable(place, version=version)
            newest = int(table.version())
    except TableNotFoundError:
        if damaged := damage.log_damage(path):
            raise CatalogError(_told(damaged)) from None
        return None  # killed between making the folder and its first commit
    if version is None and (broken := damage.newest_commit_damage(path, newest)):
        raise CatalogError(str(broken))
    return table


def create_table(path: Path, schema: pa.Schema) -> DeltaTable:
    """Make an empty table, or open the one that somebody else made meanwhile.

    Raises:
        CatalogError: It can't be written.
    """
    place = _located(path)
    from deltalake import DeltaTable

    with _failures_named(path, "can't be made"):
        make_folder(path)
        table = DeltaTable.create(place, schema=schema, mode="ignore")
        _make_durable(path, -1, 0)
    return table


def commit(path: Path, open_or_create: Callable[[], DeltaTable], attempt: Callable[[DeltaTable], Any]) -> None:
    """Try a commit until no other writer comes between, and make it durable.

    Raises:
        CatalogError: It can't be written, or other writers win the race again and again.
    """
    _located(path)
    from deltalake.exceptions import CommitFailedError

    for number in range(_ATTEMPTS):
        table = open_or_create()
        before = int(table.version())
        try:
            with _failures_named(path, "can't be written", CommitFailedError):
                attempt(table)
                _make_durable(path, before, int(table.version()))
        except CommitFailedError:
            time.sleep(random.uniform(0, 0.05 * 2 ** min(number, 5)))  # not part of any result: only who waits
            continue
        return
    raise CatalogError(f"{path}: {_ATTEMPTS} commits in a row lost to other writers; run it again")


def keep_log() -> PostCommitHookProperties:
    """After a commit, a checkpoint where one is due; but no commit is ever deleted, as delta-rs would after 30 days:
    each is a version that a run may name, and without them a broken checkpoint is the end of the table.
    """
    from deltalake import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def data_files(path: Path, table: DeltaTable) -> list[tuple[Path, int, int]]:
    """The live data files of a table in a folder, with the bytes and the rows that the log gives each."""
    return _files(path, pa.table(table.get_add_actions()))


def data_files_meeting(
    path: Path, table: DeltaTable, column: str, least: str, most: str
) -> list[tuple[Path, int, int]]:
    """Those of them that may hold a text from `least` to `most` in a column, by the bounds that the log gives each."""
    added = pa.table(table.get_add_actions(flatten=True))
    if not {f"min.{column}", f"max.{column}"} <= set(added.column_names):
        return _files(path, added)
    # What has no bounds may hold anything. Long texts come cut, the upper one rounded up: bounds still.
    below, above = pc.greater(added[f"min.{column}"], most), pc.less(added[f"max.{column}"], least)
    return _files(path, added.filter(pc.invert(pc.fill_null(pc.or_kleene(below, above), False))))


def _files(path: Path, added: pa.Table) -> list[tuple[Path, int, int]]:
    columns = (added[name].to_pylist() for name in ("path", "size_bytes", "num_records"))
    return [(path / unquote(name), size_bytes, rows) for name, size_bytes, rows in zip(*columns, strict=True)]


def reason_of(error: BaseException) -> str:
    """An error of deltalake on one line, without the stack of its Rust library.

    >>> reason_of(ValueError("Kernel error\\n ↳ No space left (os error 28)\\n   0: <unknown>\\n  at ./x.c:4"))
    'Kernel error: No space left (os error 28)'
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # some come in colours
    lines = [line for line in text.splitlines() if not re.match(r"\s*(\d+: |at \S*:\d+|Stack backtrace)", line)]
    return re.sub(r"\s*↳\s*", ": ", " ".join(" ".join(lines).split()))[:400]


def history_of(path: Path, table: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
    """What the log says of each commit, the newest first: version, timestamp in ms, operation and its metrics.

    Raises:
        CatalogError: An older commit is broken.
    """
    with _failures_named(path, "can't tell its history"):
        return list(table.history(limit))


@contextmanager
def _failures_named(path: Path, what: str, *but: type[Exception]) -> Iterator[None]:
    """Whatever deltalake raises becomes a CatalogError; but for what the caller knows better."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except but:
        raise
    except BaseException as error:
        # a panic of the Rust library is no Exception, and it has no public name
        if not isinstance(error, DeltaError | OSError | ValueError) and type(error).__module__ != "pyo3_runtime":
            raise
        reason = reason_of(error)
        told = remedy_for(reason)
        if told is None and (broken := damage.log_damage(path)):
            raise CatalogError(_told(broken)) from error
        raise CatalogError(f"{path}: the table {what} ({reason}); {told or _ELSE}") from error


def _told(found: list[damage.Damage]) -> str:
    more = f" ({len(found) - 1} more: segdata catalog verify)" if len(found) > 1 else ""
    return f"{found[0]}{more}"


def _located(path: Path) -> str:
    """How delta-rs is told a folder; to be asked before it is loaded, since it reads then what to do with memory."""
    check_place(path)
    for name, value in _MEMORY.items():
        os.environ.setdefault(name, value)
    return str(path.absolute())


def _make_durable(path: Path, before: int, after: int) -> None:
    """Fsync what the commits since `before` brought: delta-rs writes files whole, but does not sync them."""
    for version in range(before + 1, after + 1):
        log = path / "_delta_log" / f"{version:020d}.json"
        try:
            actions = [json.loads(line) for line in log.read_text().splitlines()]
        except FileNotFoundError:
            continue  # compacted away by another writer meanwhile: it is in a checkpoint
        for added in (action["add"]["path"] for action in actions if "add" in action):
            file = path / unquote(added)
            if file.exists():  # another writer may have replaced it, and a third one have swept it away
                sync_file(file)
        sync_file(log)
        sync_folder(log.parent)
        sync_folder(path)
