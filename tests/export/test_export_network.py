"""An exported network says what PyTorch says, for any batch, from plain pixels; and one that doesn't is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from segdata.errors import CheckpointError, UsageError
from segdata.export import network
from segdata.export.network import check_parity, export_network
from segdata.inference.model_folder import ModelSpec, write_version
from segdata.inference.predict import network_probabilities
from segdata.inference.runtimes import open_runtime
from segdata.networks.bisenet import BiSeNet

SPEC = ModelSpec(name="tiny", backbone="test_efficientnet", fusion_channels=16, input_hw=(64, 96), flip=True)
IMAGES = list(np.random.default_rng(0).integers(0, 256, (3, 70, 90, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of random weights that averages with the mirrored image."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    training = pa.table({"sample_id": ["a/1"], "image_sha256": ["0"], "alpha_sha256": ["0"]})
    write_version(folder, BiSeNet(SPEC.backbone, False, SPEC.fusion_channels), SPEC, "# tiny\n", training)
    return folder


@pytest.fixture(scope="module")
def onnx_folder(version: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    export_network(version, "onnx", False, folder)
    return folder


def test_onnx_agrees_with_pytorch(version: Path, onnx_folder: Path) -> None:
    parity = check_parity(version, onnx_folder / "model.onnx", IMAGES)
    assert parity.passed and parity.images == 3
    assert parity.runtime.startswith("onnxruntime")
    assert parity.max_difference < 1e-4


def test_onnx_takes_any_batch_of_plain_pixels(version: Path, onnx_folder: Path) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(onnx_folder / "model.onnx", providers=["CPUExecutionProvider"])
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[1:]) == ("image", "tensor(uint8)", [64, 96, 3])
    assert found.name == "alpha"
    reference = open_runtime(version, "torch", "fp32")
    for count in (1, 3, 5):
        batch = np.random.default_rng(count).integers(0, 256, (count, 64, 96, 3), dtype=np.uint8)
        (alpha,) = session.run(None, {"image": batch})
        assert alpha.shape == (count, 64, 96) and alpha.dtype == np.float32
        assert alpha == pytest.approx(network_probabilities(reference, SPEC, batch), abs=1e-4)


def test_the_onnx_file_is_whole_and_valid(onnx_folder: Path) -> None:
    import onnx

    onnx.checker.check_model(str(onnx_folder / "model.onnx"), full_check=True)
    assert sorted(file.name for file in onnx_folder.iterdir()) == ["model.onnx", "model.toml"]


@pytest.mark.parametrize("fp16", [False, True])
def test_openvino_agrees_with_pytorch(version: Path, tmp_path: Path, fp16: bool) -> None:
    files = export_network(version, "openvino", fp16, tmp_path)
    assert [file.name for file in files] == ["model.xml", "model.bin", "model.toml"]
    parity = check_parity(version, files[0], IMAGES, fp16)
    assert parity.passed and parity.runtime.startswith("OpenVINO")
    weights = files[1].stat().st_size / (version / "weights.safetensors").stat().st_size
    assert weights == pytest.approx(0.5 if fp16 else 1.0, abs=0.12)


def test_another_versions_file_is_found_out(onnx_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    training = pa.table({"sample_id": ["a/1"], "image_sha256": ["0"], "alpha_sha256": ["0"]})
    write_version(tmp_path / "other", BiSeNet(SPEC.backbone, False, 16), SPEC, "# other\n", training)
    parity = check_parity(tmp_path / "other", onnx_folder / "model.onnx", IMAGES)
    assert not parity.passed
    assert parity.max_difference > parity.tolerance.difference


def test_a_damaged_file_is_told(version: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="can't be loaded"):
        check_parity(version, tmp_path / "model.onnx", IMAGES)


@pytest.mark.parametrize(
    ("file_format", "fp16", "told"),
    [("tflite", False, "onnx, openvino"), ("onnx", True, "goes with --format openvino")],
)
def test_what_can_not_be_written_is_told(
    version: Path, tmp_path: Path, file_format: str, fp16: bool, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        export_network(version, file_format, fp16, tmp_path)


def test_missing_packages_are_told_with_the_remedy(
    version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(UsageError, match=r"needs onnxscript; run: pip install 'segdata\[onnx\]'"):
        export_network(version, "onnx", False, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_files_and_report_and_exits_3_where_they_disagree(
    workspace: Path, version: Path, monkeypatch: pytest.MonkeyPatch, segdata: Any
) -> None:
    call = ["export", "model", version, "--format", "openvino", "--out", "ir", "--images", "2", "--json"]
    answer = segdata(*call, cwd=workspace)
    assert answer.code == 0, answer.err
    assert answer.json["files"] == ["model.xml", "model.bin", "model.toml", "parity.json", "README.md"]
    assert answer.json["parity"]["passed"] and answer.json["parity"]["images"] == 2
    assert "(N, 64, 96, 3) uint8, RGB" in (workspace / "ir/README.md").read_text()

    from segdata.pipeline.portable import export_model
    from segdata.pipeline.session import open_session

    monkeypatch.setitem(network.TOLERANCES, "fp32", network.Tolerance(0.0, 1.0))
    session = open_session(workspace)
    with pytest.raises(CheckpointError, match="differs from PyTorch"):
        export_model(session, str(version), ("openvino", False), workspace / "ir2", ((), 2))
    assert session.journal[-1].result["parity"]["passed"] is False
    assert session.journal[-1].status == "failed"
