"""`[fuse]` in the recipe."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from segdata.fuse.recipe import FuseRecipe
from segdata.imaging.fusion import FusionSettings


def test_the_defaults_of_recipe_and_settings_are_one() -> None:
    assert FuseRecipe().settings() == FusionSettings()


@pytest.mark.parametrize(
    ("key", "value"),
    [("ratio", 1.2), ("ratio", -0.1), ("composites", 0), ("placement", "original"), ("feather_px", -1), ("ratoi", 0.3)],
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
        hard_edge="none", feather_px=4, inset_px=2,
    )  # fmt: skip
    assert recipe.settings() == FusionSettings("blur_fusion", "jitter", 0.5, 0.6, 0.3, "none", 4, 2)


def test_importing_the_recipe_loads_no_pixels() -> None:
    code = (
        "import sys, segdata.fuse.recipe; print([m for m in ('cv2', 'numba', 'torch', 'pyarrow') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
