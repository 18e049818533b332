"""The journal: one row of `runs` a command, written when it begins and again when it ends, however it ends."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.tables import Catalog
from segdata.records import printable

_PACKAGES = (
    "segdata",
    "torch",
    "timm",
    "numpy",
    "opencv-python-headless",
    "albumentations",
    "openvino",
    "deltalake",
)


@dataclass(frozen=True)
class OpenRun:
    """A run that has begun: give it to `finish` at the end."""

    run_id: str
    row: dict[str, Any]
    started_at: datetime


def new_run_id(command: str, now: datetime | None = None) -> str:
    """A name for a run: when, what, and four random digits, so that two commands of one second differ.

    >>> new_run_id("mine", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC))[:20]
    '20260301-120005-mine'
    """
    moment = now or datetime.now(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{command.replace(' ', '-')}-{secrets.token_hex(2)}"


def begin(catalog: Catalog, run_id: str, command: str, recipe: Mapping[str, Any], seed: int) -> OpenRun:
    """Write the run's row with status `running`: a kill leaves it so; `is_going_on` tells the two apart.

    Args:
        catalog: as the run reads it: the versions in its row are what it works on.
    """
    resolved = json.dumps(recipe, sort_keys=True, default=str)
    started = datetime.now(UTC)
    row = {
        "run_id": run_id,
        "command": command,
        "status": "running",
        "recipe": resolved,
        "recipe_sha256": hashlib.sha256(resolved.encode()).hexdigest(),
        "seed": seed,
        "git_commit": _git_commit(catalog.root),
        "versions": json.dumps(_versions()),
        "table_versions": json.dumps({name: catalog.version(name) for name in SCHEMAS}),
        "started_at": started,
        "host": platform.node(),
        "pid": os.getpid(),
    }
    catalog.merge("runs", rows_to_table("runs", [row]))
    return OpenRun(run_id, row, started)


def finish(catalog: Catalog, run: OpenRun, status: str, result: Mapping[str, Any], error: str | None = None) -> float:
    """Write how the run ended.

    Args:
        status: done, interrupted or failed.
        result: what `--json` prints.
        error: the message, where it failed.

    Returns:
        Its seconds.
    """
    finished = datetime.now(UTC)
    seconds = round((finished - run.started_at).total_seconds(), 3)
    row = {
        **run.row,
        "status": status,
        "result": json.dumps(result, default=str),
        "error": None if error is None else printable(error),  # it may name a file whose name is not UTF-8
        "finished_at": finished,
        "seconds": seconds,
    }
    catalog.merge("runs", rows_to_table("runs", [row]))
    return seconds


def is_going_on(run: Mapping[str, Any]) -> bool | None:
    """Whether the process of a run that has status `running` is still there; None where that can't be told from here.

    Args:
        run: its row, with `status`, `host` and `pid`.

    >>> is_going_on({"status": "running", "host": platform.node(), "pid": os.getpid()})
    True
    """
    if run["status"] != "running":
        return False
    if run["host"] != platform.node():
        return None
    try:
        os.kill(run["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, and alive
        return True
    return True


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_commit(folder: Path) -> str | None:
    """The commit of the repository that the workspace lies in: recipes are often kept in one."""
    place = next((parent for parent in (folder, *folder.parents) if parent.is_dir()), None)
    if place is None:
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(place), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
