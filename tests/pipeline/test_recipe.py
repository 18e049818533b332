"""Recipes: composed, overridden, and every mistake located."""

from __future__ import annotations

from pathlib import Path

import pytest

from segdata.errors import RecipeError, UsageError
from segdata.pipeline.recipe import load_recipe, with_settings
from segdata.storage.shipped import shipped

NAME = "pipelines/portrait.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["portrait", "demo", "ablation", "accurate"])
def test_the_shipped_recipes_are_right(name: str) -> None:
    recipe = load_recipe(shipped(f"pipelines/{name}.toml"), NAME)
    assert [source.name for source in recipe.sources] == ["portrait2000", "aisegment", "coco"]
    assert recipe.mine.where == "miou < 0.8 OR hole_recall < 0.5"
    for row in recipe.ablation:
        with_settings(recipe, row.set, NAME)


def test_an_empty_recipe_has_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, ""), NAME)
    assert recipe.model.spec == "bisenet_resnet101"
    assert recipe.fuse.ratio == 0.3


def test_an_option_beats_set_which_beats_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[train]\nepochs = 1\nbatch_size = 3\n[fuse]\nratio = 0.1\n")
    recipe = load_recipe(path, NAME, ["train.epochs=2", "train.batch_size=4"], {"train.epochs": 3, "fuse.ratio": None})
    assert (recipe.train.epochs, recipe.train.batch_size, recipe.fuse.ratio) == (3, 4, 0.1)


def test_set_takes_toml_values_and_plain_words(tmp_path: Path) -> None:
    recipe = load_recipe(
        write(tmp_path, ""), NAME, ["train.fusion=none", "mine.where=miou < 0.5", "train.augment=false"]
    )
    assert (recipe.train.fusion, recipe.mine.where, recipe.train.augment) == ("none", "miou < 0.5", False)


def test_a_source_is_set_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, '[[sources]]\nname = "coco"\nroot = "a"\n')
    assert load_recipe(path, NAME, ["sources.coco.root=b"]).sources[0].root == "b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fuse]\nratoi = 0.3", "pipelines/portrait.toml: fuse.ratoi: unknown key; [fuse] knows ratio, "),
        ("[fuse]\nratoi = 0.3", "did you mean ratio?"),
        (
            "[fusse]\nratio = 0.3",
            "pipelines/portrait.toml: fusse: unknown key; a recipe knows seed, catalog, sources, ",
        ),
        (
            "[train]\nepochs = 0",
            "pipelines/portrait.toml: train.epochs: input should be greater than or equal to 1; got 0",
        ),
        ('[train]\nfusion = "onlin"', "train.fusion: input should be 'none', 'rendered' or 'online'; got 'onlin'"),
        ('[[sources]]\nname = "coco"', "pipelines/portrait.toml: sources.0.root: missing"),
        ("seed = 'x'", "pipelines/portrait.toml: seed: input should be a valid integer"),
        ("[train\n", "pipelines/portrait.toml: not TOML: "),
        (
            '[[sources]]\nname = "a"\nroot = "x"\nreader = "folder"\n'
            '[[sources]]\nname = "a"\nroot = "y"\nreader = "folder"',
            "pipelines/portrait.toml: sources: two are named 'a'",
        ),
        pytest.param("a = " + "[" * 5000, "portrait.toml: not TOML: nested deeper than 32 levels", id="nested"),
        pytest.param("seed = 0x" + "f" * 5000, "not TOML: seed: an integer of more than 64 bits", id="long integer"),
        pytest.param("a" + ".a" * 16_000 + " = 1", "nested deeper than 32 levels", id="long key"),
        ('[[ablation]]\nname = "x"\nset = { "train.lr" = nan }', "input should be a finite number; got nan"),
        pytest.param("seed = '" + "x" * 5000 + "'", "got '" + "x" * 199 + "...", id="long value"),
    ],
)
def test_a_mistake_is_located(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text), NAME)
    assert message in str(caught.value)


def test_of_thousands_of_mistakes_the_first_are_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, "".join(f"{'key' * 500}{number} = 1\n" for number in range(500))), NAME)
    lines = str(caught.value).splitlines()
    assert lines[50:] == ["pipelines/portrait.toml: 450 more mistakes; correct these first"]
    assert max(map(len, lines)) < 500


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, "[fuse]\nratoi = 1\n[train]\nepochs = 0"), NAME)
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_recipe_says_where_one_comes_from(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"x\.toml: no such recipe; segdata init writes"):
        load_recipe(tmp_path / "x.toml", "x.toml")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.epochs", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("seed.x=3", "there is no 'seed' to set a key of"),
        ("sources.coco.root=x", "there is no 'coco' to set a key of"),
        ("train.epoch=3", "train.epoch: unknown key; [train] knows epochs"),
    ],
)
def test_a_wrong_set_is_told(tmp_path: Path, assignment: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(write(tmp_path, "seed = 1\nsources = []\n"), NAME, [assignment])
    assert message in str(caught.value)
