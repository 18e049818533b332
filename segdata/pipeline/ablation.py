"""`segdata ablate`: a row of `[[ablation]]` is an arm, trained with several seeds; what is each part worth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segdata.catalog.workspace import RunContext
from segdata.errors import RecipeError
from segdata.pipeline.arms import HEADLINES, Arm, Measured, measure, seeded
from segdata.pipeline.commands import fuse_into, mine_with, train_first
from segdata.pipeline.control import control_set, eligible_for_control
from segdata.pipeline.evidence import ENOUGH_SEEDS, Comparison, Difference, compare_arms, conclude
from segdata.pipeline.recipe import AblationRow, Recipe, with_settings
from segdata.pipeline.retrain import plan_retraining
from segdata.pipeline.session import Record, Session
from segdata.pipeline.training import train_version
from segdata.report.ablation_curves import Line, ablation_picture
from segdata.storage.files import atomic_write

ARM = "ablation"
_TITLES = ("mIoU (mean of images)", "mIoU (pooled pixels)", "boundary IoU", "hole recall")


@dataclass(frozen=True)
class Table:
    """What an ablation came to.

    Attributes:
        arms: a row each, in the recipe's order.
        against: each row but the first compared with the one before it; None without test images.
        mining: the mined row against its control, where there are both.
        seeds: trainings a row.
    """

    arms: tuple[Arm, ...]
    against: tuple[Comparison | None, ...]
    mining: Comparison | None
    seeds: int

    def to_json(self) -> list[dict[str, Any]]:
        """The rows of `ablate --json`."""
        rows = []
        for arm, comparison in zip(self.arms, self.against, strict=True):
            told = arm.to_json()
            overall = None if comparison is None else comparison.overall
            difference = None if overall is None else {key: getattr(overall, key) for key in ("mean", "low", "high")}
            rows.append({**told, "model_id": told["model_ids"][0], "difference": difference})
        return rows


def ablate(session: Session, seeds: int | None = None) -> Record:
    """Train every row with every seed, compare each row with the one before, and write table and curves.

    Trainings that were done before are found again and cost nothing. None of them is promoted: they are an experiment.

    Args:
        session: the workspace and recipe.
        seeds: trainings a row; by default as many as `retrain.seeds` says.

    Raises:
        RecipeError: The recipe has no `[[ablation]]`, or a row sets what it can't.
    """
    recipe, count = session.recipe, seeds or session.recipe.retrain.seeds
    settings = _settings(recipe, session.recipe_name)
    with session.record("ablate") as record:
        record.result = {"rows": [], "seeds": count, "planned": [row.name for row in recipe.ablation]}
        if session.dry_run:
            return record
        arms = [
            Arm(row.name, tuple(_train_row(record.context, its, row, number) for number in range(count)))
            for row, its in zip(recipe.ablation, settings, strict=True)
        ]
        table = _compare(record.context, recipe, arms, count)
        path = session.workspace.reports / "ablation.md"
        curves = path.with_name("ablation.png")
        claim = conclude(table.mining, count) if table.mining else None
        record.result |= {
            "rows": table.to_json(),
            "claim": claim,
            "path": session.workspace.uri_of(path),
            "curves": session.workspace.uri_of(curves),
        }
        atomic_write(curves, ablation_picture([_line(arm) for arm in arms]))
        atomic_write(path, markdown(table, session.recipe_name, curves.name).encode())
    return record


def _settings(recipe: Recipe, name: str) -> list[Recipe]:
    """Each row's recipe.

    Raises:
        RecipeError: There are no rows, or a row sets what it can't.
    """
    if not recipe.ablation:
        raise RecipeError(f"{name}: ablation: missing; use --recipe pipelines/ablation.toml, or add [[ablation]] rows")
    return [with_settings(recipe, row.set, f"{name}: ablation.{at}") for at, row in enumerate(recipe.ablation)]


def _train_row(context: RunContext, recipe: Recipe, row: AblationRow, number: int) -> dict[str, Any]:
    """One training of a row: its version."""
    its_context, its_recipe = seeded(context, recipe, number)
    if its_recipe.train.fusion == "rendered":
        fuse_into(its_context.limited(None), its_recipe, None)
    first, _ = train_first(its_context, its_recipe, ARM)
    assert first is not None
    if not (row.mined or row.control):
        return first.model
    mined = mine_with(its_context, its_recipe, its_context.workspace.resolve(first.model["uri"]))
    plan = replace(plan_retraining(its_context, its_recipe, first.model, mined.selection), arm=ARM)
    if row.control:
        eligible = eligible_for_control(its_context, its_recipe, plan)
        plan = replace(plan, training=control_set(eligible, plan, its_recipe), selection=None, arm=f"{ARM}-control")
    return train_version(its_context, its_recipe, plan).model


def _compare(context: RunContext, recipe: Recipe, arms: Sequence[Arm], seeds: int) -> Table:
    test = context.catalog.read("samples", where="kind = 'portrait' AND split = 'test' AND status = 'present'")
    measured = measure(context, recipe, arms, test)
    least, seed = recipe.guard.slice_size, recipe.seed
    pairs = zip(arms[1:], arms[:-1], strict=True)
    against = (None, *(compare_arms(measured, new.name, old.name, least, seed) for new, old in pairs))
    return Table(tuple(arms), against, _mining(recipe, measured, least), seeds)


def _mining(recipe: Recipe, measured: Measured, least: int) -> Comparison | None:
    """The mined row against its control: rows of the same settings."""
    for control in recipe.ablation:
        for mined in recipe.ablation:
            if control.control and mined.mined and control.set == mined.set:
                return compare_arms(measured, mined.name, control.name, least, recipe.seed)
    return None


def markdown(table: Table, recipe_name: str, curves: str) -> str:
    """The table for people, with the command that makes it.

    Args:
        table: what came out.
        recipe_name: such as `pipelines/ablation.toml`.
        curves: the picture's file name.
    """
    command = f"segdata ablate --recipe {Path(recipe_name).as_posix()} --seeds {table.seeds}"
    images = next((one.overall.images for one in table.against if one), 0)
    plural = "s" if table.seeds > 1 else ""
    head = ["training", *_TITLES, "mIoU against the row before", "samples"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for arm, comparison in zip(table.arms, table.against, strict=True):
        told = arm.to_json()
        values = [_number(told["metrics"][key]) for key in HEADLINES]
        difference = _against(comparison.overall) if comparison else "-"
        lines.append(f"| {' | '.join([arm.name, *values, difference, str(told['training_samples'])])} |")
    notes = [
        "Square brackets are 95 % intervals of the paired difference, over drawn test images and drawn seeds; bold is "
        "more than luck.",
    ]
    if table.seeds < ENOUGH_SEEDS:
        notes.append(f"With {table.seeds} seed{plural}, fewer than {ENOUGH_SEEDS}, no claim is made.")
    if table.mining:
        notes.append(f"**Mining**: {conclude(table.mining, table.seeds)}")
    return "\n".join(
        [
            "# Ablation",
            "",
            f"On the {images} images of the test split, the mean of {table.seeds} seed{plural} a row; made by:",
            "",
            f"    {command}",
            "",
            *lines,
            "",
            *(line for note in notes for line in (note, "")),
            f"![val mIoU by epoch, and test mIoU row by row]({curves})",
            "",
        ]
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _against(overall: Difference) -> str:
    told = f"{overall.mean:+.4f} [{overall.low:+.4f}, {overall.high:+.4f}]"
    return f"**{told}**" if overall.differs and overall.seeds >= ENOUGH_SEEDS else told


def _line(arm: Arm) -> Line:
    """What the picture shows of an arm: every seed's val curve, and every seed's test mIoU."""
    curves: list[Sequence[Mapping[str, Any]]] = [model["metrics"]["curves"] for model in arm.models]
    return Line(
        name=arm.name,
        curves=tuple(
            tuple((point["epoch"], point["val_miou"]) for point in curve if point["val_miou"] is not None)
            for curve in curves
        ),
        test=tuple(value for model in arm.models if (value := model["metrics"]["test"].get("miou_image")) is not None),
    )
