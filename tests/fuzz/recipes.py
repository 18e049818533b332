"""Recipes: whole TOML files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from segdata.errors import RecipeError
from segdata.pipeline.recipe import Recipe, load_recipe, parse_recipe
from tests.fuzz.model_toml import TOML_TOKENS
from tests.fuzz.target import Target, check_message, scratch_folder

_SHIPPED = Path(__file__).resolve().parents[2] / "pipelines"


def read(data: bytes) -> bool:
    """Read the recipe, and read it again from what the table `runs` keeps of it."""
    path = scratch_folder() / "recipe.toml"
    path.write_bytes(data)
    try:
        recipe = load_recipe(path, "recipe.toml")
    except RecipeError as error:
        check_message(str(error))
        return False
    dumped = json.dumps(recipe.to_json(), allow_nan=False)
    dumped.encode()
    assert parse_recipe(json.loads(dumped), "recipe.toml") == recipe
    return True


def _seeds() -> Mapping[str, bytes]:
    shipped = {path.stem: path.read_bytes() for path in sorted(_SHIPPED.glob("*.toml"))}
    return shipped | {
        "empty": b"",
        "dotted": b'seed = 3\ntrain.epochs = 2\nsources = [{ name = "coco", root = "x" }]\n',
        "ablation": (
            b'[[ablation]]\nname = "plain"\nset = { "train.epochs" = 5, "train.loss" = "dice" }\nmined = true\n'
        ),
        "folder": (
            b'[[sources]]\nname = "own"\nreader = "folder"\nroot = "data"\nalpha_channel = 3\nkind = "portrait"\n'
        ),
    }


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """The names of every section and key."""
    for name, field in model.model_fields.items():
        yield name
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _keys(inner)


TARGET = Target(
    check=read,
    seeds=_seeds,
    tokens=(*TOML_TOKENS, *(name.encode() for name in sorted(set(_keys(Recipe))))),
    max_bytes=16_384,
)
