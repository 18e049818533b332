"""ONNX files of segdata's own and of others: told apart by what they take, and what they answer is understood."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from segdata.errors import CheckpointError
from segdata.inference.onnx_file import OnnxRuntime, is_onnx, onnx_id, onnx_spec, person_of
from segdata.inference.predict import network_probabilities
from segdata.inference.runtimes import open_runtime

SIDE = 32
BATCH = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


def write(folder: Path, nodes: list, given: tuple, found: list, toml: str = "") -> Path:
    """A graph from `x` to `y`, with constants in the nodes."""
    folder.mkdir(exist_ok=True)
    takes = helper.make_tensor_value_info("x", *given)
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, found)
    model = helper.make_model(
        helper.make_graph(nodes, "g", [takes], [gives]), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 9
    onnx.save(model, folder / "model.onnx")
    (folder / "model.toml").write_text(f'name = "other"\ninput_hw = [{SIDE}, {SIDE}]\n{toml}')
    return folder / "model.onnx"


def of_normalised(folder: Path, channels: int = 1) -> Path:
    """Logits that are the mean over channels of float photos; with two planes the first is zero."""
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1)]
    nodes.insert(0, helper.make_node("Constant", [], ["axes"], value_ints=[1]))
    if channels == 2:
        nodes += [
            helper.make_node("Sub", ["mean", "mean"], ["zero"]),
            helper.make_node("Concat", ["zero", "mean"], ["y"], axis=1),
        ]
    else:
        nodes += [helper.make_node("Identity", ["mean"], ["y"])]
    return write(
        folder,
        nodes,
        (TensorProto.FLOAT, ["n", 3, SIDE, SIDE]),
        ["n", channels, SIDE, SIDE],
        "mean = [0.4, 0.5, 0.6]\n",
    )


@pytest.mark.parametrize("planes", [1, 2])
def test_another_programs_network_gets_normalised_photos_and_its_logits_are_understood(tmp_path, planes):
    path = of_normalised(tmp_path / "other", planes)
    runtime = open_runtime(path)
    assert (runtime.name, runtime.precision) == ("onnx", "fp32")
    normalised = (BATCH / 255 - (0.4, 0.5, 0.6)) / (0.229, 0.224, 0.225)
    assert runtime.probabilities(BATCH) == pytest.approx(1 / (1 + np.exp(-normalised.mean(axis=3))), abs=1e-5)
    assert runtime.describe(BATCH)[1].shape == (3, 1)


def test_what_segdata_exported_says_the_same_as_the_version(tmp_path):
    import pyarrow as pa
    import torch

    from segdata.export.network import export_network
    from segdata.inference.model_folder import ModelSpec, write_version
    from segdata.networks.bisenet import BiSeNet

    spec = ModelSpec(name="tiny", backbone="test_efficientnet", fusion_channels=16, input_hw=(SIDE, SIDE), flip=True)
    torch.manual_seed(0)
    training = pa.table({"sample_id": ["a"], "image_sha256": ["0"], "alpha_sha256": ["0"]})
    write_version(tmp_path / "tiny", BiSeNet(spec.backbone, False, spec.fusion_channels), spec, "card", training)
    export_network(tmp_path / "tiny", "onnx", False, tmp_path / "out")
    path = tmp_path / "out" / "model.onnx"
    assert not onnx_spec(path).flip  # it is in the file: not to be done twice
    found = network_probabilities(open_runtime(path), onnx_spec(path), BATCH)
    expected = network_probabilities(open_runtime(tmp_path / "tiny", "torch", "fp32"), spec, BATCH)
    assert found == pytest.approx(expected, abs=1e-4)


def test_probabilities_are_left_as_they_are():
    probability = np.random.default_rng(0).random((2, 1, 4, 4), np.float32)
    assert np.array_equal(person_of(probability), probability[:, 0])
    two = np.concatenate([1 - probability, probability], axis=1)
    assert np.array_equal(person_of(two), probability[:, 0])


def test_the_id_is_that_of_file_and_spec(tmp_path):
    path = of_normalised(tmp_path / "other")
    before = onnx_id(path)
    (path.parent / "model.toml").write_text('name = "other"\ninput_hw = [64, 64]\n')
    assert onnx_id(path) != before
    assert is_onnx(path)
    assert not is_onnx(path.parent)


def test_what_is_no_network_of_photos_is_refused_and_named(tmp_path):
    broken = of_normalised(tmp_path / "broken")
    broken.write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"model\.onnx: no ONNX model"):
        OnnxRuntime(broken, onnx_spec(broken))
    broken.write_bytes(b"")  # protobuf reads it as a model without a graph
    with pytest.raises(CheckpointError, match=r"model\.onnx: onnxruntime can't load it"):
        OnnxRuntime(broken, onnx_spec(broken))
    words = write(
        tmp_path / "words", [helper.make_node("Identity", ["x"], ["y"])], (TensorProto.FLOAT, ["n", 8]), ["n", 8]
    )
    with pytest.raises(CheckpointError, match="not one batch of photos"):
        OnnxRuntime(words, onnx_spec(words))
    same = [helper.make_node("Identity", ["x"], ["y"])]
    three = write(tmp_path / "three", same, (TensorProto.FLOAT, ["n", 3, SIDE, SIDE]), ["n", 3, SIDE, SIDE])
    with pytest.raises(CheckpointError, match=r"answers \[3, 3, 32, 32\].*one or two planes"):
        OnnxRuntime(three, onnx_spec(three)).probabilities(BATCH)
    (three.parent / "model.toml").unlink()
    with pytest.raises(CheckpointError, match=r"model\.toml: missing"):
        onnx_spec(three)
    with pytest.raises(CheckpointError, match="give an ONNX file"):
        onnx_id(tmp_path / "none.onnx")
