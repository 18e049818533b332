"""`[fuse]` in the recipe."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from segdata.fuse.recipe import FuseRecipe
from segdata.imaging.fusion import FusionSettings
from segdata.imaging.layer import LayerSettings


def test_the_defaults_of_recipe_and_settings_are_one() -> None:
    assert FuseRecipe().settings() == FusionSettings()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ratio", 1.2),
        ("ratio", -0.1),
        ("composites", 0),
        ("placement", "own"),
        ("veto", 1.1),
        ("feather_px", -1),
        ("ratoi", 0.3),
    ],
)
def test_what_makes_no_sense_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        FuseRecipe.model_validate({key: value})


def test_scales_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"scale_min \(1.1\) must not be above scale_max \(0.9\)"):
        FuseRecipe(scale_min=1.1, scale_max=0.9)


def test_every_setting_of_a_pair_comes_from_the_recipe() -> None:
    recipe = FuseRecipe(
        foreground="blur_fusion", placement="jitter", scale_min=0.5, scale_max=0.6, shift_x_max=0.3,
        hard_edge="none", feather_px=4, inset_px=2, refine_px=9,
    )  # fmt: skip
    layer = LayerSettings("blur_fusion", "none", 4, 2, 9)
    assert recipe.settings() == FusionSettings(layer, "jitter", 0.5, 0.6, 0.3)


@pytest.mark.parametrize(("people", "wanted"), [(1, (1, 1)), ("3", (3, 3)), ("2..4", (2, 4))])
def test_people_are_a_number_or_a_range(people: int | str, wanted: tuple[int, int]) -> None:
    assert FuseRecipe.model_validate({"people": people}).people_range == wanted


@pytest.mark.parametrize("people", ["0", "5", "4..2", "2..5", "two", "2-4", "1..2..3", True, 1.5])
def test_other_numbers_of_people_are_refused(people: object) -> None:
    with pytest.raises(ValidationError, match="people"):
        FuseRecipe.model_validate({"people": people})


def test_importing_the_recipe_loads_no_pixels() -> None:
    code = (
        "import sys, segdata.fuse.recipe; print([m for m in ('cv2', 'numba', 'torch', 'pyarrow') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
