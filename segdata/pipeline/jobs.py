"""What is to be trained: the plan, the key that it is found again by, the job of the stage, and what the card says."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from segdata.catalog.training_sets import TrainingSet
from segdata.catalog.workspace import RunContext
from segdata.errors import GateRefusedError, RecipeError, TooFewSamplesError
from segdata.pipeline.backgrounds import fusing_with, training_backgrounds
from segdata.pipeline.recipe import Recipe

# These decide which samples are trained on, and so the weights only through them; or nothing at all.
_DECIDED_BY_SAMPLES = {"cache_mib", "accelerator", "val_fraction", "licences"}
_KEY_VERSION = 4  # raise it when the trainer changes so that the same recipe gives other weights
_NAMED = 20  # leaks that a card names

Final = Literal["", "all_data", "include_test"]
"""Whether held-out samples are trained on as well, and which: `all_data` is val and the pool, the other test too."""


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        training: the samples.
        parent: the row of the version that it follows; None for a first training.
        selection: the selection whose hard cases are new in it.
        round: 0 for a first training, then the round of mining.
        arm: "" or what sets it apart, such as `control-0`; an arm is never promoted.
        scratch: begin again from the spec's pretrained weights, though there is a parent.
        final: whether it is the last of its line, trained on held-out samples as well; it is never promoted either.
    """

    training: TrainingSet
    parent: dict[str, Any] | None = None
    selection: str | None = None
    round: int = 0
    arm: str = ""
    scratch: bool = False
    final: Final = ""

    @property
    def start(self) -> dict[str, Any] | None:
        """The row of the version whose weights it starts from; None for the spec's pretrained ones."""
        return None if self.scratch else self.parent


def refuse_leaks(samples: TrainingSet, recipe: Recipe) -> None:
    """With `guard.strict_leaks`, refuse to go on where the leakage gate had something to take out.

    Raises:
        GateRefusedError: It did; the result lists the pairs.
    """
    if not (recipe.guard.strict_leaks and samples.leaks):
        return
    first = samples.leaks[0]
    raise GateRefusedError(
        f"--strict-leaks: {len(samples.leaks)} samples to train on are near-duplicates of held-out ones, such as "
        f"{first.sample_id} of {first.other_id}; look at them with: segdata catalog leaks. Take them out of the "
        "source, or train without --strict-leaks, which leaves them out",
        {"leaks_removed": len(samples.leaks), "leaks": leaks_to_json(samples)},
    )


def leaks_to_json(samples: TrainingSet) -> list[dict[str, Any]]:
    """What the leakage gate took out, and what of."""
    return [
        {"sample_id": leak.sample_id, "of": leak.other_id, "distance": leak.distance, "kind": leak.kind}
        for leak in samples.leaks
    ]


def spec_folder(context: RunContext, recipe: Recipe) -> Path:
    """The folder of the spec to train.

    Raises:
        RecipeError: There is none of that name; the message lists those there are.
    """
    folder = context.workspace.models / recipe.model.spec
    if not (folder / "model.toml").is_file():
        known = sorted(path.parent.name for path in context.workspace.models.glob("*/model.toml"))
        raise RecipeError(
            f"model.spec: no {folder / 'model.toml'}; this workspace has {', '.join(known) or 'no specs: segdata init'}"
        )
    return folder


def job_of(context: RunContext, recipe: Recipe, plan: Plan, val: pa.Table) -> tuple[Any, dict[str, Any] | None]:
    """The job, and what was said about the backgrounds that it does not use."""
    from segdata.train.job import TrainingJob

    training = plan.training.rows
    if training.num_rows == 0:
        raise TooFewSamplesError("train: no portraits with split train; run: segdata ingest")
    # Not the promoted version is asked but the one that it follows: the same job, whatever was promoted since.
    backgrounds, veto = training_backgrounds(context, recipe, plan.parent)
    recipe = fusing_with(recipe, backgrounds)
    online = recipe.train.fusion == "online"
    folder = spec_folder(context, recipe)
    key = training_key(recipe, plan, training, (val, backgrounds), (folder / "model.toml").read_bytes())
    name = f"{recipe.model.spec}-{key[:8]}"
    job = TrainingJob(
        name=name,
        spec_folder=folder,
        start=context.workspace.resolve(plan.start["uri"]) if plan.start else None,
        training_key=key,
        training=training,
        val=val,
        backgrounds=backgrounds,
        fusion=recipe.fuse.settings() if online else None,
        card=card_lines(plan, training, val, backgrounds),
        destination=context.workspace.models / name,
        fusion_ratio=recipe.fuse.ratio if online else None,
        fusion_people=recipe.fuse.people_range,
        keep_state=True,
    )
    return job, veto


def training_key(recipe: Recipe, plan: Plan, training: pa.Table, others: tuple[pa.Table, ...], spec: bytes) -> str:
    """The hash of all that decides a version's weights: 64 hexadecimal digits.

    What a training is for is no part of it: an arm that is what was trained before is found again, and the other way.
    """
    columns = ("sample_id", "image_sha256", "alpha_sha256", "weight")
    tables = [[[row.get(column) for column in columns] for row in table.to_pylist()] for table in (training, *others)]
    decides = {
        "version": _KEY_VERSION,
        "seed": recipe.seed,
        "train": recipe.train.model_dump(mode="json", exclude=_DECIDED_BY_SAMPLES),
        "fuse": recipe.fuse.model_dump(mode="json") if recipe.train.fusion == "online" else None,
        "start": plan.start["model_id"] if plan.start else None,
        "spec": hashlib.sha256(spec).hexdigest(),
        "samples": tables,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def card_lines(plan: Plan, training: pa.Table, val: pa.Table, backgrounds: pa.Table) -> tuple[str, ...]:
    """What CARD.md says about data, lineage, and what was checked."""
    behind = Counter(backgrounds["dataset"].to_pylist())
    counts = Counter(training["dataset"].to_pylist())
    licences = sorted({name for table in (training, backgrounds) for name in table["licence"].to_pylist() if name})
    start = f"the weights of {plan.start['name']}" if plan.start else "the pretrained weights of its spec"
    return (
        *_FINAL_LINES.get(plan.final, ()),
        *((f"An arm of a comparison, never promoted: {plan.arm}",) if plan.arm else ()),
        f"Training samples: {training.num_rows} ({_listed(counts)})",
        f"Backgrounds, fused with or shown without a person: {backgrounds.num_rows}"
        + (f" ({_listed(behind)})" if behind else ""),
        f"Mined hard cases among them: {plan.training.hard}",
        *((f"Hard cases beyond retrain.hard_share, left out: {plan.training.capped}",) if plan.training.capped else ()),
        _checked(plan.training),
        f"Left out by licence: {plan.training.unlicensed}",
        f"Validation samples: {val.num_rows}",
        f"Starts from: {start}",
        *((f"Follows: {plan.parent['name']}",) if plan.parent else ()),
        f"Selection: {plan.selection or 'none'}",
        f"Licences of the data: {', '.join(licences) or 'not stated'}",
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


_FINAL_LINES = {
    "all_data": (
        "Trained on everything but test (--all-data): val chose no epoch and guards nothing, the last epoch is kept. "
        "Not to be compared with other versions on val",
    ),
    "include_test": (
        "Trained on everything, test included (--include-test): it can't be evaluated here, and has no metrics. What "
        "is known of its quality is that of the version that it follows",
    ),
}


def _checked(training: TrainingSet) -> str:
    """What the leakage gate did: it is said on every card, so that it can't be left out silently."""
    against = f"every sample was held against {training.held_out} held-out portraits, by bytes and by look"
    if not training.held_out:
        return "Leakage gate: nothing was held out to check against"
    if not training.leaks:
        return f"Leakage gate: {against}; none is a near-duplicate"
    named = ", ".join(leak.sample_id for leak in training.leaks[:_NAMED])
    more = f" and {len(training.leaks) - _NAMED} more" if len(training.leaks) > _NAMED else ""
    return f"Leakage gate: {against}; left out as near-duplicates: {len(training.leaks)} ({named}{more})"
