"""`model.toml`: whatever a stranger wrote into it becomes one error that names file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from segdata.errors import CheckpointError
from segdata.inference.model_folder import read_spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = " + "[" * 5000, "nested deeper than 32 levels"),
        ("fusion_channels = " + "1" * 5000, "Exceeds the limit"),
        ("name = 'x'\ninput_hw = [0x" + "f" * 5000 + ", 1]", "input_hw: an integer of more than 64 bits"),
        ("name = 'x'\nmean = [nan, 0.5, 0.5]", "mean.0: Input should be"),
        ("name = 'x'\nmean = [inf, 0.5, 0.5]", "mean.0: Input should be less than or equal to 1000"),
        ("name = 'x'\nstd = [0.2, 0.0, 0.2]", r"std.1: Input should be greater than or equal to 0\.001"),
        ("name = 'x'\nstd = [0.2, 0.2, -0.2]", r"std.2: Input should be greater than or equal to 0\.001"),
        ("name = 'x'\nstd = [0.2, 0.2, nan]", "std.2: Input should be"),
    ],
    ids=["nested", "digits", "hexadecimal", "nan", "infinite", "zero", "negative", "nan deviation"],
)
def test_a_spec_that_no_network_can_use_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "model.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message) as caught:
        read_spec(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "model.toml"))
