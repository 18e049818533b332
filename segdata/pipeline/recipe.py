"""The whole recipe: the stages' sections composed, read from TOML, overridden, and every mistake located.

An option of the command line beats `--set`, which beats the TOML, which beats the default.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segdata.errors import RecipeError, UsageError
from segdata.fuse.recipe import FuseRecipe
from segdata.ingest.recipe import SourceRecipe
from segdata.mine.recipe import MineRecipe
from segdata.report.recipe import ReportRecipe
from segdata.review.recipe import ReviewRecipe
from segdata.storage.toml import TomlError, parse_toml, read_toml
from segdata.train.recipe import TrainRecipe

_LONGEST_SHOWN = 200  # characters of a wrong value, in a message
_MOST_MISTAKES = 50  # in one message


class CatalogRecipe(BaseModel):
    """`[catalog]`: where the tables and rendered files lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(default="catalog", min_length=1, description="a folder, relative to the workspace")


class QueryRecipe(BaseModel):
    """`[query]`: when SQL that a user typed is stopped: `segdata query`, and every `where`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: float = Field(default=300, gt=0, le=30 * 86400, description="seconds that one query may take")


class ModelRecipe(BaseModel):
    """`[model]`: which network is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str = Field(
        default="bisenet_resnet101",
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="a folder under models/ that holds a model.toml",
    )


class RetrainRecipe(BaseModel):
    """`[retrain]`: what differs from a first training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Literal["version", "pretrained"] = Field(
        default="version",
        description="go on from the version's weights, or begin again from the spec's pretrained ones with all epochs",
    )
    max_epochs: int | None = Field(
        default=None, ge=1, description="train.epochs, but at most this many: it starts from trained weights"
    )
    hard_share: float | None = Field(
        default=None, gt=0, le=1, description="hard cases are at most this share of the portraits, the worst first"
    )
    hard_weight: float = Field(default=1.0, gt=0, le=100, description="how much a hard case counts, against 1")
    replay: float = Field(
        default=1.0, ge=0, le=1, description="share of the training split that is shown again beside the hard cases"
    )
    seeds: int = Field(
        default=1, ge=1, le=100, description="trainings of each arm of a comparison; fewer than 3 support no claim"
    )


class GuardRecipe(BaseModel):
    """`[guard]`: when a new version is refused, by paired comparison with the promoted one on val."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance: float = Field(
        default=0.002, ge=0, le=1, description="mIoU that a new version may lose, overall or on a slice"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of the interval, before Holm's correction")
    slice_size: int = Field(default=20, ge=2, description="slices of fewer images are not judged")
    strict_leaks: bool = Field(
        default=False, description="refuse to train where near-duplicates of held-out samples would be left out"
    )


class LoopRecipe(BaseModel):
    """`[loop]`: how `segdata run` goes round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int = Field(default=3, ge=0, description="rounds of mining and retraining at most")
    gain: float = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="stop after a round that beat its control by no more than this mIoU on val, or, without a control, "
        "the version before it",
    )
    control: bool = Field(
        default=True, description="train a control in each round, with as many random images: twice the training"
    )


class AblationRow(BaseModel):
    """`[[ablation]]`: one line of the ablation's table."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, description="how the table calls it")
    set: dict[str, str | float | int | bool] = Field(
        default_factory=dict, description="the recipe's keys that differ, such as train.loss"
    )
    mined: bool = Field(default=False, description="whether hard cases are mined and added: one round of the loop")
    control: bool = Field(
        default=False, description="add as many random images of the pool instead as mining with these keys would"
    )

    @model_validator(mode="after")
    def _one_or_the_other(self) -> AblationRow:
        if self.mined and self.control:
            raise ValueError("a row is mined or its control, not both; give the control a row of its own")
        return self


class Recipe(BaseModel):
    """A whole recipe; every section has defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, lt=2**31, description="decides every draw")
    catalog: CatalogRecipe = CatalogRecipe()
    sources: tuple[SourceRecipe, ...] = ()
    model: ModelRecipe = ModelRecipe()
    fuse: FuseRecipe = FuseRecipe()
    train: TrainRecipe = TrainRecipe()
    mine: MineRecipe = MineRecipe()
    retrain: RetrainRecipe = RetrainRecipe()
    guard: GuardRecipe = GuardRecipe()
    review: ReviewRecipe = ReviewRecipe()
    report: ReportRecipe = ReportRecipe()
    loop: LoopRecipe = LoopRecipe()
    query: QueryRecipe = QueryRecipe()
    ablation: tuple[AblationRow, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = Counter(source.name for source in self.sources)
        if twice := sorted(name for name, count in names.items() if count > 1):
            raise ValueError(
                f"sources: two are named {twice[0]!r}; sample ids begin with the name, so each needs its own"
            )
        return self

    def for_retraining(self) -> Recipe:
        """The recipe of a training that starts from trained weights: `retrain.max_epochs` caps its epochs.

        One that begins again from pretrained weights has them all.

        >>> recipe = Recipe(train=TrainRecipe(epochs=60), retrain=RetrainRecipe(max_epochs=20))
        >>> recipe.for_retraining().train.epochs
        20
        """
        if self.retrain.start == "pretrained":
            return self
        epochs = min(self.train.epochs, self.retrain.max_epochs or self.train.epochs)
        return self.model_copy(update={"train": self.train.model_copy(update={"epochs": epochs})})

    def with_seed(self, number: int) -> Recipe:
        """The recipe of a comparison's training with another seed; number 0 is this recipe.

        >>> Recipe(seed=5).with_seed(2).seed
        7
        """
        return self.model_copy(update={"seed": (self.seed + number) % 2**31})

    def to_json(self) -> dict[str, Any]:
        """The resolved recipe, as the `runs` table keeps it."""
        return self.model_dump(mode="json")


def load_recipe(path: Path, name: str, sets: Sequence[str] = (), options: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe, lay overrides over it, and check it.

    Args:
        path: the TOML file.
        name: how messages call it, such as `pipelines/portrait.toml`.
        sets: `key=value` with a dotted key; the value is TOML, or else taken as text.
        options: dotted key -> value, from the command line; None is no option given.

    Raises:
        RecipeError: `file: dotted.key: what is wrong; what would be right`, a line for each mistake.
    """
    try:
        document = read_toml(path)
    except FileNotFoundError as error:
        raise RecipeError(f"{name}: no such recipe; segdata init writes pipelines/portrait.toml") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{name}: can't be read ({error})") from error
    except TomlError as error:
        raise RecipeError(f"{name}: not TOML: {error}") from error
    for assignment in sets:
        key, value = _parse_assignment(assignment)
        _assign(document, key, value, "--set")
    for key, value in (options or {}).items():
        if value is not None:
            _assign(document, key, value, "option")
    return parse_recipe(document, name)


def parse_recipe(document: Mapping[str, Any], name: str) -> Recipe:
    """Check a recipe given as nested dictionaries.

    Raises:
        RecipeError: Each mistake located by dotted key.
    """
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        mistakes = error.errors()
        lines = [_explain(name, mistake) for mistake in mistakes[:_MOST_MISTAKES]]
        if len(mistakes) > _MOST_MISTAKES:
            lines.append(f"{name}: {len(mistakes) - _MOST_MISTAKES:,} more mistakes; correct these first")
        raise RecipeError("\n".join(lines)) from error


def with_settings(recipe: Recipe, settings: Mapping[str, Any], name: str) -> Recipe:
    """The same recipe with some dotted keys set anew.

    Raises:
        RecipeError: An unknown key, or a value that does not fit.
    """
    document = recipe.model_dump(mode="json")
    for key, value in settings.items():
        _assign(document, key, value, name)
    return parse_recipe(document, name)


def _parse_assignment(assignment: str) -> tuple[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {assignment}: write it as key=value, such as --set train.epochs=20")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except TomlError:
        value = text.strip()
    return key.strip(), value


def _assign(document: dict[str, Any], dotted: str, value: Any, origin: str) -> None:
    """Set a dotted key; an array of tables is entered by a row's name, as in `sources.coco.root`."""
    *path, last = dotted.split(".")
    place: Any = document
    for part in path:
        if isinstance(place, list):
            place = next((row for row in place if isinstance(row, dict) and row.get("name") == part), None)
        else:
            place = place.setdefault(part, {})
        if not isinstance(place, dict | list):
            raise RecipeError(f"{origin}: {dotted}: there is no {part!r} to set a key of")
    if isinstance(place, list):
        raise RecipeError(f"{origin}: {dotted}: name the key as well, such as {dotted}.root")
    place[last] = value


def _explain(name: str, mistake: Mapping[str, Any]) -> str:
    location = [part for part in mistake["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    key = ".".join(str(part) for part in location)
    where = f"{name}: {key[:_LONGEST_SHOWN]}" if key else name
    if mistake["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        section = f"[{'.'.join(str(part) for part in location[:-1])}]" if len(location) > 1 else "a recipe"
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{where}: unknown key; {section} knows {', '.join(known)}{hint}"
    if mistake["type"] == "missing":
        return f"{where}: missing; give it a value"
    message = str(mistake["msg"]).removeprefix("Value error, ")
    return (
        f"{where}: {message[0].lower()}{message[1:]}; got {_shown(mistake['input'])}" if key else f"{where}: {message}"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _known_keys(location: Iterable[Any]) -> list[str]:
    """The keys that the section at a location knows."""
    model: Any = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        model = _section_of(field.annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _section_of(annotation: Any) -> Any:
    """The recipe class inside an annotation such as `tuple[SourceRecipe, ...]` or `X | None`."""
    if typing.get_origin(annotation) in (tuple, list, typing.Union, types.UnionType):
        inner = [_section_of(argument) for argument in typing.get_args(annotation) if argument is not Ellipsis]
        return next((item for item in inner if isinstance(item, type) and issubclass(item, BaseModel)), None)
    return annotation
