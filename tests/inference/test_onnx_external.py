"""Weights of an ONNX model in other files: part of the model's id, and never outside its folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from segdata.errors import CheckpointError
from segdata.export.network import check_parity
from segdata.inference.onnx_external import external_files
from segdata.inference.onnx_file import OnnxRuntime, onnx_id, onnx_spec
from segdata.inference.runtimes import open_runtime

SPEC_FOLDER = Path(__file__).resolve().parents[2] / "models" / "bisenet_lite0"
SIDE = 32
FACTOR = np.array([2.0], np.float32)
BATCH = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
TOML = f'name = "other"\ninput_hw = [{SIDE}, {SIDE}]\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n'


def tensor_at(location: str) -> TensorProto:
    """A tensor `factor` whose data are in a file."""
    tensor = numpy_helper.from_array(FACTOR, "factor")
    set_external_data(tensor, location, 0, FACTOR.nbytes)
    tensor.ClearField("raw_data")
    return tensor


def graph_with(initializer: TensorProto, name: str = "g") -> onnx.GraphProto:
    """Photos' mean over channels, times `factor`."""
    nodes = [
        helper.make_node("Constant", [], ["axes"], value_ints=[1]),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "factor"], ["y"]),
    ]
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])
    return helper.make_graph(nodes, name, [takes], [gives], [initializer])


def write(folder: Path, graph: onnx.GraphProto, change: Callable[[onnx.ModelProto], None] | None = None) -> Path:
    """The model and its model.toml; no file with weights."""
    folder.mkdir(exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    if change is not None:
        change(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "model.toml").write_text(TOML)
    return folder / "model.onnx"


def located(folder: Path, location: str) -> Path:
    """A model whose weights are at a location."""
    return write(folder, graph_with(tensor_at(location)))


def refusals(path: Path) -> list[str]:
    """What each way to use a model says against it."""
    messages = []
    for use in (onnx_id, external_files, lambda path: OnnxRuntime(path, onnx_spec(path)), open_runtime):
        with pytest.raises(CheckpointError) as caught:
            use(path)
        messages.append(str(caught.value))
    with pytest.raises(CheckpointError) as caught:
        check_parity(SPEC_FOLDER, path, [])
    return [*messages, str(caught.value)]


def test_weights_in_a_file_beside_the_model_are_used_and_are_part_of_its_id(tmp_path: Path) -> None:
    path = located(tmp_path / "m", "weights/factor.bin")
    (path.parent / "weights").mkdir()
    (path.parent / "weights" / "factor.bin").write_bytes(FACTOR.tobytes())
    assert external_files(path) == (path.parent / "weights" / "factor.bin",)
    assert open_runtime(path).probabilities(BATCH) == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-5)
    before = onnx_id(path)
    (path.parent / "weights" / "factor.bin").write_bytes((2 * FACTOR).tobytes())
    assert onnx_id(path) != before


def test_the_id_of_a_model_without_such_files_is_what_it_always_was(tmp_path: Path) -> None:
    path = write(tmp_path / "m", graph_with(numpy_helper.from_array(FACTOR, "factor")))
    parts = [hashlib.sha256(file.read_bytes()).digest() for file in (path, path.parent / "model.toml")]
    assert onnx_id(path) == hashlib.sha256(b"".join(parts)).hexdigest()[:16]


@pytest.mark.parametrize(
    "location", ["../outside.bin", "{outside}", "deep/../../outside.bin", "link.bin", "away/outside.bin"]
)
def test_a_file_outside_the_models_folder_is_refused_before_the_runtime_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    outside = tmp_path / "outside.bin"
    outside.write_bytes(FACTOR.tobytes())
    path = located(tmp_path / "m", location.format(outside=outside))
    (path.parent / "deep").mkdir()
    (path.parent / "link.bin").symlink_to(outside)
    (path.parent / "away").symlink_to(tmp_path)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("the runtime was started"))
    for message in refusals(path):
        assert "outside the model's folder" in message
        assert message.startswith(f"{path}: ")


def test_a_link_that_stays_in_the_folder_is_followed(tmp_path: Path) -> None:
    path = located(tmp_path / "m", "link.bin")
    (path.parent / "factor.bin").write_bytes(FACTOR.tobytes())
    (path.parent / "link.bin").symlink_to("factor.bin")
    assert external_files(path) == (path.parent / "link.bin",)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert all("missing; put that file beside" in message for message in refusals(located(tmp_path / "a", "gone.bin")))
    assert all("outside the model's folder" in message for message in refusals(located(tmp_path / "b", "")))
    path = located(tmp_path / "c", "pipe")
    os.mkfifo(path.parent / "pipe")
    assert all("no regular file" in message for message in refusals(path))
    looped = located(tmp_path / "d", "loop")
    (looped.parent / "loop").symlink_to("loop")
    assert all("can't be read" in message for message in refusals(looped))
    assert all("can't be read" in message for message in refusals(located(tmp_path / "e", "a\0b")))


def test_an_address_in_memory_is_refused_also_where_a_file_of_that_name_lies(tmp_path: Path) -> None:
    path = located(tmp_path / "m", "*/_ORT_MEM_ADDR_/*")
    (path.parent / "*" / "_ORT_MEM_ADDR_").mkdir(parents=True)
    (path.parent / "*" / "_ORT_MEM_ADDR_" / "*").write_bytes(FACTOR.tobytes())
    assert all("an address in memory" in message for message in refusals(path))


def in_a_subgraph(model: onnx.ModelProto) -> None:
    inner = graph_with(tensor_at("../outside.bin"), "inner")
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner))


def in_an_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["z"], value=tensor_at("../outside.bin")))


def in_a_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["z"], value=tensor_at("../outside.bin"))
    model.functions.append(helper.make_function("d", "f", [], ["z"], [node], [helper.make_opsetid("", 18)]))


def in_a_sparse_tensor(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(tensor_at("../outside.bin"), numpy_helper.from_array(np.array([0])), [1])
    )


def in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().initialization.CopyFrom(graph_with(tensor_at("../outside.bin"), "start"))


def said_twice(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(tensor_at("../outside.bin"))
    tensor.external_data.add(key="location", value="inside.bin")


def not_marked(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(tensor_at("../outside.bin"))
    tensor.data_location = TensorProto.DEFAULT


@pytest.mark.parametrize(
    "change", [in_a_subgraph, in_an_attribute, in_a_function, in_a_sparse_tensor, in_training, said_twice, not_marked]
)
def test_a_location_is_found_wherever_the_tensor_is(tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    (tmp_path / "outside.bin").write_bytes(FACTOR.tobytes())
    path = write(tmp_path / "m", graph_with(numpy_helper.from_array(FACTOR, "factor")), change)
    (path.parent / "inside.bin").write_bytes(FACTOR.tobytes())
    assert all("outside the model's folder" in message for message in refusals(path))


def nested(levels: int) -> bytes:
    """Graphs in attributes of nodes of graphs, so deep: a parser without a limit overflows its stack."""
    message = b""
    for _ in range(levels):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            message = tag + _length(message) + message
    return b"\x3a" + _length(message) + message


def _length(message: bytes) -> bytes:
    size, length = len(message), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return length + bytes([size])


@pytest.mark.parametrize("data", [b"no network", b"\xff" * 64, b"\x3a\xff\xff\xff\xff\x07", nested(3000)])
def test_a_file_that_is_no_model_gets_a_message(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "m", graph_with(numpy_helper.from_array(FACTOR, "factor")))
    path.write_bytes(data)
    assert all(f"{path}: no ONNX model (" in message for message in refusals(path))


def test_a_file_that_is_too_large_for_protobuf_gets_a_message(tmp_path: Path) -> None:
    path = write(tmp_path / "m", graph_with(numpy_helper.from_array(FACTOR, "factor")))
    with path.open("r+b") as file:
        file.truncate(2**31)
    with pytest.raises(CheckpointError, match="at most 2,147,483,647; export it with external data"):
        external_files(path)


def test_data_elsewhere_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    tensor = tensor_at("x")
    del tensor.external_data[:]
    path = write(tmp_path / "m", graph_with(tensor))
    assert all("does not say where" in message for message in refusals(path))
