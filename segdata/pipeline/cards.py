"""CARD.md of a version: written when it was measured, and again when its test split was."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segdata.catalog.workspace import Workspace
from segdata.inference.model_folder import CARD
from segdata.storage.files import atomic_write
from segdata.train.card import model_card, told_anew

if TYPE_CHECKING:
    from segdata.train.job import TrainResult

METRICS = ("miou_image", "miou_dataset", "boundary_iou")
"""What a summary says of a split."""
_SHOWN = (*METRICS, "hole_recall", "images")


def write_card(result: TrainResult, model: Mapping[str, Any], run_id: str) -> None:
    """The card that the training began, with the metrics in it: the model's id does not depend on it.

    Args:
        result: of the training.
        model: its row of `models`, `metrics` parsed.
        run_id: which run made it.
    """
    named = f"Model id: {model['model_id']}; test split: {_short(model)}; run: {run_id}"
    card = model_card(replace(result.card, metrics=_shown(model), lineage=(*result.card.lineage, named)))
    atomic_write(result.folder / CARD, card.encode())


def write_card_anew(workspace: Workspace, model: Mapping[str, Any]) -> None:
    """Put what a version's row says now into its card; a version without a folder or a card has none to put it in.

    Args:
        workspace: where its folder is.
        model: its row of `models`, `metrics` parsed.
    """
    path = workspace.resolve(model["uri"]) / CARD
    with suppress(FileNotFoundError, NotADirectoryError):
        card = path.read_text(encoding="utf-8")
        atomic_write(path, told_anew(card, _shown(model), _short(model)).encode())


def _shown(model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    measured = [split for split in ("test", "val") if model["metrics"].get(split)]
    return {split: {key: model["metrics"][split].get(key) for key in _SHOWN} for split in measured}


def _short(model: Mapping[str, Any]) -> str:
    return str(model["test_pin"])[:16]
