"""Which trained versions, and which exported copies of them, hold something of forgotten samples in their weights."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segdata.catalog import models
from segdata.catalog.workspace import Workspace
from segdata.errors import CheckpointError, DataError
from segdata.inference.model_folder import model_id_of
from segdata.pipeline.forgotten_files import files_under, samples_in
from segdata.pipeline.portable import PARITY
from segdata.storage.files import read_bytes
from segdata.storage.strict_json import parse_json


@dataclass(frozen=True)
class VersionsThatSaw:
    """The trained versions whose weights may hold something of a sample.

    Attributes:
        trained: names of those that were trained on it, also of those that the catalog does not list.
        descended: names of those that were trained from the weights of one of these.
        exported: folders in the workspace with a network that `segdata export model` wrote from one of all these.
    """

    trained: tuple[str, ...]
    descended: tuple[str, ...]
    exported: tuple[Path, ...]


def versions_that_saw(workspace: Workspace, ids: Set[str]) -> VersionsThatSaw:
    """Find the trained versions that saw one of the samples, themselves or by the version that they started from.

    A version whose folder is gone saw none.
    """
    rows = models.all_models(workspace.catalog)
    listed = {workspace.resolve(row["uri"]) for row in rows}
    folders = [path for path in sorted(workspace.models.glob("[!.]*")) if path.is_dir() and path not in listed]
    trained = [row for row in rows if (samples_in(workspace.resolve(row["uri"])) or set()) & ids]
    unlisted = [path for path in folders if (samples_in(path) or set()) & ids]
    model_ids = {row["model_id"] for row in trained}
    for path in unlisted:
        with suppress(CheckpointError):  # no weights: nothing was exported from it
            model_ids.add(model_id_of(path))
    descended = _descendants(workspace, rows, model_ids)
    names = (*(str(row["name"]) for row in trained), *map(workspace.uri_of, unlisted))
    exported = _exported_from(workspace, model_ids | {row["model_id"] for row in descended})
    return VersionsThatSaw(names, tuple(str(row["name"]) for row in descended), exported)


def _descendants(workspace: Workspace, rows: Sequence[models.Row], model_ids: Set[str]) -> list[models.Row]:
    """The versions that started from the weights of one of these, or of one that did."""
    fresh = _runs_from_pretrained_weights(workspace)
    known, descended = set(model_ids), []
    for row in rows:  # the oldest first: a parent comes before its children
        if row["model_id"] not in known and row["parent_model_id"] in known and row["run_id"] not in fresh:
            known.add(row["model_id"])
            descended.append(row)
    return descended


def _runs_from_pretrained_weights(workspace: Workspace) -> set[str]:
    """The retrainings that began again from their spec's pretrained weights: their parent gave them no weights."""
    runs = workspace.catalog.read("runs", ["run_id", "recipe"]).to_pylist()
    recipes = ((row["run_id"], json.loads(row["recipe"] or "{}")) for row in runs)
    return {run_id for run_id, recipe in recipes if recipe.get("retrain", {}).get("start") == "pretrained"}


def _exported_from(workspace: Workspace, model_ids: Set[str]) -> tuple[Path, ...]:
    """The folders outside `models/` that `segdata export model` wrote from one of these versions."""
    folders = []
    for file in files_under(workspace.root, {workspace.catalog.root.resolve(), workspace.models.resolve()}):
        if file.name == PARITY:
            with suppress(DataError, ValueError):
                report = parse_json(read_bytes(file))
                if isinstance(report, dict) and report.get("model_id") in model_ids:
                    folders.append(file.parent)
    return tuple(folders)
