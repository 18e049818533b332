"""A network for many batches: as many at a time as it says, to the same digits as one after the other."""

import numpy as np
import pytest

from segdata.catalog.schemas import rows_to_table
from segdata.engines.local import map_threads
from segdata.inference.model_folder import ModelSpec, build_network, write_version
from segdata.inference.runtimes import open_for_many, open_runtime

BATCHES = list(np.random.default_rng(0).integers(0, 256, (8, 2, 64, 64, 3), np.uint8))


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_batches_computed_at_a_time_come_out_as_those_computed_one_by_one(tmp_path, runtime):
    spec = ModelSpec(name="tiny", backbone="test_efficientnet", fusion_channels=16, input_hw=(64, 64))
    training = rows_to_table("samples", []).select(["sample_id"])
    write_version(tmp_path / "tiny", build_network(spec), spec, "card", training)
    single, many = (opening(tmp_path / "tiny", runtime, "fp32") for opening in (open_runtime, open_for_many))
    assert single.at_once == 1
    assert many.at_once >= 1
    expected = [single.describe(batch) for batch in BATCHES]
    # more threads than it computes at a time wait for their turn
    for ours, theirs in zip(map_threads(many.describe, BATCHES, 2 * many.at_once + 1), expected, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
