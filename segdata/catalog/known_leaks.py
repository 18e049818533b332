"""The leaks as they were last found: looked for again only when `samples` has changed, since that takes seconds.

files/leaks.json               of which version of which table, and the pairs

This is for showing them. What keeps leaks out of training (`training_sets`) looks each time.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segdata.catalog.duplicates import Leak, all_leaks
from segdata.catalog.near_duplicates import Duplicate
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace

_SEARCH = 1  # raise it when the search itself comes to find others: what an older one found is then not shown


def leaks_file(catalog: Catalog) -> Path:
    """Where they are kept; it names samples, so that whoever forgets one removes it."""
    return catalog.files / "leaks.json"


def known_leaks(workspace: Workspace, threads: int | None = None, keep: bool = True) -> list[Leak]:
    """The same as `all_leaks`, without looking where nothing has changed since.

    Args:
        workspace: as in `all_leaks`.
        threads: all cores by default.
        keep: write down what was looked for.
    """
    catalog = workspace.catalog
    of = _looked_at(catalog)
    if of is not None and (kept := _kept(leaks_file(catalog), of)) is not None:
        return kept
    found = all_leaks(workspace, threads)
    # Those that are `alike` and no more are so since a file can't be read now: tomorrow it may be.
    if keep and of is not None and all(leak.pair.kind != "alike" for leak in found):
        from segdata.storage.files import atomic_write

        text = json.dumps({"of": of, "leaks": [asdict(leak) for leak in found]})
        atomic_write(leaks_file(catalog), text.encode())
    return found


def _looked_at(catalog: Catalog) -> str | None:
    """What they depend on: the search, and the table, which another of the same version number is not."""
    if "samples" in catalog.held:
        return None
    table = catalog.open("samples", catalog.versions.get("samples"))
    return None if table is None else f"{_SEARCH} {table.metadata().id} {table.version()}"


def _kept(path: Path, of: str) -> list[Leak] | None:
    """What the file says of this version; None if it says nothing, or can't be read: then it is written anew."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return [_leak(row) for row in told["leaks"]] if told["of"] == of else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _leak(row: dict[str, Any]) -> Leak:
    return Leak(**{**row, "pair": Duplicate(**row["pair"])})
