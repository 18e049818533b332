"""`model.toml` of a model folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from segdata.errors import CheckpointError
from segdata.inference.model_folder import ModelSpec, read_spec
from tests.fuzz.target import Target, check_message, check_text, scratch_folder


def read(data: bytes) -> bool:
    """Read the spec of a model folder that holds this file."""
    folder = scratch_folder()
    (folder / "model.toml").write_bytes(data)
    try:
        spec = read_spec(folder)
    except CheckpointError as error:
        check_message(str(error))
        return False
    assert all(32 <= side <= 8192 for side in spec.input_hw)
    assert all(math.isfinite(value) for value in (*spec.mean, *spec.std))
    assert all(value > 0 for value in spec.std)
    check_text(spec.name, spec.backbone, str(spec.pretrained))
    dumped = json.dumps(spec.model_dump(mode="json"), allow_nan=False)
    assert ModelSpec.model_validate(json.loads(dumped)) == spec
    return True


def _seeds() -> Mapping[str, bytes]:
    return {
        "lite": b'name = "lite"\nbackbone = "tf_efficientnet_lite0"\npretrained = "wheel"\ninput_hw = [224, 224]\n',
        "every_key": (
            b'name = "all"\nnetwork = "bisenet"\nbackbone = "resnet101"\npretrained = false\nfusion_channels = 256\n'
            b'input_hw = [320, 256]\nresize = "keep"\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\nflip = true\n'
            b'upsample = "guided"\n'
        ),
        "path": b"name = '''x'''\npretrained = \"\"\"weights.pth\"\"\"\nfusion_channels = 0x80 # comment\n",
    }


TOML_TOKENS = (
    b" = ", b"[[", b"]]", b'"""', b"'''", b"{ a = 1 }", b"[1, 2]", b"[[[[[[[[[[[[", b"{a={a={a=", b"nan", b"inf", b"-0",
    b"0x", b"1e400", b"1_0", b"true", b"false", b"1979-05-27T07:32:00Z", b"07:32:00", b"\\ud800", b"\\U00110000",
    b"\\u0000", b"#", b".a", b"9223372036854775808",
)  # fmt: skip

TARGET = Target(
    check=read,
    seeds=_seeds,
    tokens=(*TOML_TOKENS, *(name.encode() for name in ModelSpec.model_fields), b'"keep"', b'"guided"', b'"hub"'),
    max_bytes=16_384,
)
