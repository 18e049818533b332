"""What is broken in a table's folder, and the way back: the log's commits and checkpoints, and the data files.

A Delta table is its log: `_delta_log/00000000000000000007.json` is the commit that made version 7, and names the data
files it added and removed. Checkpoints repeat what the log says so far; they only save time, and since segdata never
deletes commits, a table can always be read without them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_COMMIT = re.compile(r"\d{20}\.json")
_RESTORE = "restore it from a copy, or move the table's folder away and run the commands that filled it"
_RERUN = "Then run the command again that was cut off"
# How many files a commit says it added and removed, by the operations of delta-rs.
_COUNTS = {
    "add": ("num_target_files_added", "num_added_files", "numFilesAdded"),
    "remove": ("num_target_files_removed", "num_removed_files", "numFilesRemoved"),
}


@dataclass(frozen=True)
class Damage:
    """One thing that is broken.

    Attributes:
        path: the file or folder.
        what: what is wrong with it.
        remedy: what to do.
    """

    path: Path
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.remedy}"


def commits_of(table: Path) -> list[Path]:
    """The commit files of a table, the oldest first."""
    return sorted(path for path in (table / "_delta_log").glob("*.json") if _COMMIT.fullmatch(path.name))


def commit_problem(commit: Path) -> str | None:
    """What is wrong with a commit file; None if it is whole.

    A commit of no bytes, or cut between two lines, is read without complaint by Delta, which then silently lacks rows:
    so it has to say what made it, and to name as many files as it says.
    """
    data = commit.read_bytes()
    if not data.strip(b"\0 \n"):
        return "the commit is empty" if not data else "the commit holds nothing but zeros"
    try:
        actions = [json.loads(line) for line in data.splitlines() if line.strip()]
    except ValueError:
        return "the commit is cut off"
    told = next((action["commitInfo"] for action in actions if "commitInfo" in action), None)
    if told is None:
        return "the commit is cut off: it does not say what made it"
    metrics = told.get("operationMetrics") or {}
    for action, names in _COUNTS.items():
        said = next((int(metrics[name]) for name in names if name in metrics), 0)
        found = sum(action in line for line in actions)
        if found < said:
            return f"the commit is cut off: it names {found} of {said} files to {action}"
    return None


def newest_commit_damage(table: Path, version: int) -> Damage | None:
    """Whether the commit of the newest version is broken, without its table noticing."""
    commit = table / "_delta_log" / f"{version:020d}.json"
    if not commit.is_file() or _checkpoint(table, version).is_file():
        return None  # a checkpoint of that version holds it all
    problem = commit_problem(commit)
    return None if problem is None else _broken_commit(commit, problem, version)


def log_damage(table: Path) -> list[Damage]:
    """Everything that is broken in a table's log."""
    commits = commits_of(table)
    checkpoints = sorted((table / "_delta_log").glob("*.checkpoint*.parquet"))
    if not commits and not checkpoints:
        return [_lost_log(table)] if has_data(table) else []
    versions = [int(path.stem) for path in commits]
    whole = bool(versions) and versions == list(range(versions[-1] + 1))
    found = [
        Damage(table / "_delta_log" / f"{missing:020d}.json", "the commit is gone", _RESTORE)
        for missing in sorted(set(range(versions[0], versions[-1])) - set(versions))
    ]
    for commit in commits:
        if problem := commit_problem(commit):
            version = int(commit.stem)
            newest = version == versions[-1] and not _checkpoint(table, version).is_file()
            found.append(_broken_commit(commit, problem, version) if newest else Damage(commit, problem, _RESTORE))
    return [*found, *_checkpoint_damage(table, checkpoints, whole)]


def readable_versions(table: Path) -> list[int] | None:
    """The versions of a table whose every data file is still there, by reading its log from the first commit on.

    Returns:
        None where that can't be known: other programs than segdata delete old commits.
    """
    commits = commits_of(table)
    if not commits or int(commits[0].stem) != 0:
        return None
    there = {path.name for path in table.glob("*.parquet")}
    missing: set[str] = set()
    found = []
    for version, commit in enumerate(commits):
        if int(commit.stem) != version or commit_problem(commit):
            break
        for action in map(json.loads, commit.read_bytes().splitlines()):
            if "add" in action and (name := unquote(action["add"]["path"])) not in there:
                missing.add(name)
            missing.discard(unquote(action.get("remove", {}).get("path", "")))
        if not missing:
            found.append(version)
    return found


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as people write them.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0 to 2, 5, 7 to 8'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts) or "none"


def has_data(table: Path) -> bool:
    """Whether a table's folder holds data files: one without them, and without commits, was only begun."""
    return any(table.glob("*.parquet"))


def file_damage(file: Path, size_bytes: int, rows: int, deep: bool = False) -> Damage | None:
    """Whether a data file differs from what the log says of it.

    Args:
        size_bytes, rows: as in the log.
        deep: decode all of it, not the footer alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if damaged := file_size_damage(file, size_bytes):
            return damaged
        with pq.ParquetFile(file) as parquet:
            if parquet.metadata.num_rows != rows:
                what = f"the data file has {parquet.metadata.num_rows} rows instead of {rows}"
                return Damage(file, what, _RESTORE)
        problem = unreadable(file) if deep else None
    except FileNotFoundError:
        return Damage(file, "the data file is gone", _RESTORE)
    except (OSError, pa.ArrowException) as error:
        problem = _one_line(error)
    return None if problem is None else Damage(file, f"the data file can't be read ({problem})", _RESTORE)


def file_size_damage(file: Path, size_bytes: int) -> Damage | None:
    """Whether a data file is shorter or longer than the log says: what a power cut leaves, and no decoding to find.

    Raises:
        FileNotFoundError: It is gone.
    """
    found = file.stat().st_size
    if found == size_bytes:
        return None
    return Damage(file, f"the data file has {found} bytes instead of {size_bytes}", _RESTORE)


def data_damage(files: Iterable[tuple[Path, int, int]], deep: bool = False) -> list[Damage]:
    """Every damaged one of some data files, each with the size and the rows that the log gives it."""
    found = (file_damage(path, size_bytes, rows, deep) for path, size_bytes, rows in files)
    return [damage for damage in found if damage is not None]


def unreadable(parquet: str | Path) -> str | None:
    """Why a Parquet file can't be read to its end; None if it can."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(parquet) as file:
            for batch in file.iter_batches():
                batch.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        return _one_line(error)
    return None


def _lost_log(table: Path) -> Damage:
    what = "the table's log holds no commit, and yet there are data files"
    return Damage(table / "_delta_log", what, _RESTORE)


def _broken_commit(commit: Path, problem: str, version: int) -> Damage:
    if version == 0:
        return Damage(commit, problem, f"delete this file: the table was only begun. {_RERUN}")
    return Damage(commit, problem, f"delete this file: the table is at version {version - 1} then. {_RERUN}")


def _checkpoint(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020d}.checkpoint.parquet"


def _checkpoint_damage(table: Path, checkpoints: list[Path], whole: bool) -> list[Damage]:
    hint = table / "_delta_log" / "_last_checkpoint"
    found = []
    for checkpoint in checkpoints:
        if problem := unreadable(checkpoint):
            remedy = f"delete it and {hint.name} beside it: the commits are all there" if whole else _RESTORE
            found.append(Damage(checkpoint, f"the checkpoint can't be read ({problem})", remedy))
    if not hint.is_file():
        return found
    try:
        told: Any = json.loads(hint.read_bytes())
        version = int(told["version"])
    except (ValueError, TypeError, KeyError):
        return [*found, Damage(hint, "the pointer to the checkpoint is no JSON", "delete it: it only saves time")]
    if not any(int(checkpoint.name[:20]) == version for checkpoint in checkpoints):
        remedy = "delete it: the commits are all there" if whole else _RESTORE
        found.append(Damage(hint, f"it names a checkpoint of version {version}, which is gone", remedy))
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
