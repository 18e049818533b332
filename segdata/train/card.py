"""CARD.md: what a trained version was made of, and how good it is, for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_NAMES = {
    "miou_image": "mIoU, mean over images",
    "miou_dataset": "mIoU, pixels pooled",
    "boundary_iou": "boundary IoU",
    "hole_recall": "hole recall",
    "images": "images",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        name: the version's name.
        network: such as `bisenet, tf_efficientnet_lite0, 224x224 (height x width)`.
        lineage: a line each: data counts, the parent version, the selection.
        recipe: the training's recipe as plain values.
        training: epochs, best epoch, steps, precision and the like.
        metrics: by split, such as {"val": {"miou_image": 0.95}}.
    """

    name: str
    network: str
    lineage: Sequence[str] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float | int | None]] = field(default_factory=dict)


def model_card(facts: CardFacts) -> str:
    """The card as Markdown. A model's id does not depend on it: it may be written again with test metrics.

    >>> print(model_card(CardFacts("m1", "bisenet", metrics={"val": {"miou_image": 0.95}})))
    # m1
    <BLANKLINE>
    Portrait segmentation: bisenet. Made by segdata.
    <BLANKLINE>
    ## Metrics
    <BLANKLINE>
    | split | mIoU, mean over images |
    |---|---|
    | val | 0.9500 |
    <BLANKLINE>
    """
    parts = [f"# {facts.name}", f"Portrait segmentation: {facts.network}. Made by segdata."]
    if facts.metrics:
        parts += ["## Metrics", _metrics_table(facts.metrics)]
    if facts.lineage:
        parts += ["## Data and lineage", _bullets(facts.lineage)]
    if facts.training:
        parts += ["## Training", _bullets(f"{name}: {_value(value)}" for name, value in facts.training.items())]
    if facts.recipe:
        lines = [f"{name} = {_value(value)}" for name, value in facts.recipe.items()]
        parts += ["## Recipe", "\n".join(f"    {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def told_anew(card: str, metrics: Mapping[str, Mapping[str, float | int | None]], test_split: str) -> str:
    """A card with other metrics in it, as where the test split was measured anew; all else stays.

    Args:
        card: as `model_card` writes it; what somebody made of it otherwise is left as it is.
        metrics: as in `CardFacts`.
        test_split: the first digits of the test split's hash.

    >>> card = model_card(CardFacts("m1", "bisenet", ["test split: 0123;"], metrics={"val": {"miou_image": 0.95}}))
    >>> told_anew(card, {"val": {"miou_image": 0.97}}, "4567") == card.replace("0.95", "0.97").replace("0123", "4567")
    True
    """
    table = f"## Metrics\n\n{_metrics_table(metrics)}\n"
    told = re.sub(r"^## Metrics\n\n(\|.*\n)+", lambda _: table, card, count=1, flags=re.MULTILINE)
    return re.sub(r"(?<=test split: )[0-9a-f]+(?=;)", test_split, told, count=1)


def _metrics_table(metrics: Mapping[str, Mapping[str, float | int | None]]) -> str:
    columns = list(dict.fromkeys(name for values in metrics.values() for name in values))
    header = f"| split | {' | '.join(_NAMES.get(name, name) for name in columns)} |"
    rows = [
        f"| {split} | {' | '.join(_value(values.get(name)) for name in columns)} |" for split, values in metrics.items()
    ]
    return "\n".join([header, "|---" * (len(columns) + 1) + "|", *rows])


def _bullets(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _value(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.4f}" if isinstance(value, float) and abs(value) >= 0.01 else str(value)
