"""`segdata ablate`: one training a row of `[[ablation]]`, and the table that says what each part is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segdata.errors import RecipeError
from segdata.pipeline.commands import fuse_into, mine_with, train_first
from segdata.pipeline.recipe import AblationRow, Recipe, with_settings
from segdata.pipeline.retrain import retrain_with
from segdata.pipeline.session import Record, Session
from segdata.storage.files import atomic_write

_METRICS = ("miou_image", "miou_dataset", "boundary_iou", "hole_recall")


def ablate(session: Session) -> Record:
    """Train every row; rows that were trained before are found again and cost nothing.

    Raises:
        RecipeError: The recipe has no `[[ablation]]`.
    """
    recipe = session.recipe
    if not recipe.ablation:
        raise RecipeError(
            f"{session.recipe_name}: ablation: missing; use --recipe pipelines/ablation.toml, or add [[ablation]] rows"
        )
    with session.record("ablate") as record:
        rows: list[dict[str, Any]] = []
        for number, row in enumerate(recipe.ablation):
            settings = with_settings(recipe, row.set, f"{session.recipe_name}: ablation.{number}")
            if not session.dry_run:
                rows.append({"name": row.name, **_train_row(record, settings, row)})
        path = session.workspace.reports / "ablation.md"
        record.result = {"rows": rows, "path": session.workspace.uri_of(path)}
        if rows:
            atomic_write(path, table_of(rows, session.recipe_name).encode())
    return record


def table_of(rows: list[dict[str, Any]], recipe_name: str) -> str:
    """The rows as Markdown, with the command that makes them."""
    head = ["training", "mIoU (mean of images)", "mIoU (pooled pixels)", "boundary IoU", "hole recall", "samples"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        values = ["-" if row["metrics"].get(key) is None else f"{row['metrics'][key]:.4f}" for key in _METRICS]
        lines.append(f"| {' | '.join([row['name'], *values, str(row['training_samples'])])} |")
    command = f"`segdata ablate --recipe {Path(recipe_name).as_posix()}`"
    return "\n".join(["# Ablation", "", f"On the test split; made by {command}.", "", *lines, ""])


def _train_row(record: Record, recipe: Recipe, row: AblationRow) -> dict[str, Any]:
    context = record.context
    if recipe.train.fusion == "rendered":
        fuse_into(context.limited(None), recipe, None)
    trained, _ = train_first(context, recipe)
    assert trained is not None
    if row.mined:
        mined = mine_with(context, recipe, trained.model)
        again, _ = retrain_with(context, recipe, trained.model, mined["selection"])
        trained = again or trained
    metrics = trained.model["metrics"]
    return {
        "model_id": trained.model["model_id"],
        "metrics": {key: metrics["test"].get(key) for key in _METRICS},
        "training_samples": metrics["training_samples"],
    }
