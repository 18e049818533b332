"""A trained version's network for other programs: ONNX or OpenVINO IR, and the proof that it says the same.

The graph takes pixels and gives probabilities: `image` (N, H, W, 3) uint8 RGB at the network's size, any N, becomes
`alpha` (N, H, W) float32 in [0, 1]. Normalisation, the sigmoid and, where the model has it, averaging with the mirrored
image are inside, since those are what people get wrong. Resizing is left outside: photos come in any size.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segdata.errors import CheckpointError, StorageError, UsageError
from segdata.imaging.arrays import Image, Probability
from segdata.inference.model_folder import SPEC, load_network, read_spec
from segdata.inference.onnx_external import external_files
from segdata.inference.predict import network_probabilities, prepare
from segdata.inference.runtimes import open_runtime, pixels_to_probability
from segdata.metrics.image_scores import PREDICTION_CUT
from segdata.privacy import keep_quiet

NetworkFormat = Literal["onnx", "openvino"]
FORMATS: tuple[NetworkFormat, ...] = ("onnx", "openvino")
_OPSET = 18


@dataclass(frozen=True)
class Tolerance:
    """How far an exported network may be from PyTorch in fp32, on any one image.

    Attributes:
        difference: of a probability, at most.
        iou: of the two masks, at least.
    """

    difference: float
    iou: float


TOLERANCES: dict[str, Tolerance] = {"fp32": Tolerance(1e-3, 0.999), "fp16": Tolerance(0.03, 0.995)}
"""By the precision of the weights. fp32 differs by the order of sums alone; fp16 rounds each weight to 11 bits."""


@dataclass(frozen=True)
class Parity:
    """An exported network against PyTorch in fp32, at the network's size.

    Attributes:
        images: how many were compared.
        runtime: what computed the exported file, with its version.
        max_difference, mean_difference: of probabilities, over all pixels.
        iou_mean, iou_min: of the two masks of each image; two empty ones agree.
        tolerance: what was allowed.
        passed: whether it was kept.
    """

    images: int
    runtime: str
    max_difference: float
    mean_difference: float
    iou_mean: float
    iou_min: float
    tolerance: Tolerance
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """As in parity.json."""
        return asdict(self)


def export_network(model_folder: Path, file_format: str, fp16: bool, out: Path) -> tuple[Path, ...]:
    """Write a version's network into a folder, with the `model.toml` that says how photos become its input.

    Args:
        model_folder: the version's.
        file_format: `onnx` writes model.onnx; `openvino` model.xml and model.bin.
        fp16: OpenVINO weights in half precision.
        out: is made if need be; files of these names are replaced.

    Returns:
        The files; the network's own first.

    Raises:
        UsageError: No such format, fp16 ONNX, or the packages for ONNX are missing.
        CheckpointError: The version can't be used.
        StorageError: A file can't be written.
    """
    import torch

    if file_format not in FORMATS:
        raise UsageError(f"export model: no format {file_format!r}; there are {', '.join(FORMATS)}")
    if fp16 and file_format == "onnx":
        raise UsageError("export model: --fp16 goes with --format openvino; ONNX is written in fp32")
    if file_format == "onnx":
        _require_onnx()
    spec = read_spec(model_folder)
    network = pixels_to_probability(load_network(model_folder), spec, mirrored=spec.flip)
    example = torch.zeros(2, *spec.input_hw, 3, dtype=torch.uint8)
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = (
            _write_onnx(network, example, out)
            if file_format == "onnx"
            else _write_openvino(network, example, fp16, out)
        )
        shutil.copyfile(model_folder / SPEC, out / SPEC)
    except OSError as error:
        raise StorageError(f"{out}: can't be written ({error}); check the free space and the permissions") from error
    return (*files, out / SPEC)


def check_parity(model_folder: Path, exported: Path, images: Sequence[Image], fp16: bool = False) -> Parity:
    """Compute images with the exported file and with PyTorch in fp32 on the CPU, and compare.

    ONNX files are computed by onnxruntime, which shares no code with what wrote them; IR by OpenVINO in fp32.

    Args:
        model_folder: the version's.
        exported: the file, .onnx or .xml.
        images: (H, W, 3) uint8 RGB each, of any sizes; at least one.
        fp16: whether its weights are in half precision: decides the tolerance.

    Raises:
        CheckpointError: The file can't be loaded.
    """
    spec = read_spec(model_folder)
    compute, runtime = _opened(exported)
    reference = open_runtime(model_folder, "torch", "fp32")
    largest, means, ious = 0.0, [], []
    for image in images:
        batch = prepare(image, spec)[None]
        there, here = compute(batch)[0], network_probabilities(reference, spec, batch)[0]
        difference = np.abs(there.astype(np.float64) - here)
        largest = max(largest, float(difference.max()))
        means.append(float(difference.mean()))
        ious.append(_iou(there, here))
    tolerance = TOLERANCES["fp16" if fp16 else "fp32"]
    passed = bool(largest <= tolerance.difference and min(ious) >= tolerance.iou)
    return Parity(
        len(images), runtime, largest, float(np.mean(means)), float(np.mean(ious)), min(ious), tolerance, passed
    )


def _write_onnx(network: Any, example: Any, out: Path) -> list[Path]:
    import torch

    path = out / "model.onnx"
    batch = torch.export.Dim("batch", min=1)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["image"],
            output_names=["alpha"],
            dynamic_shapes=({0: batch},),
            opset_version=_OPSET,
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=False)
    return [path]


def _write_openvino(network: Any, example: Any, fp16: bool, out: Path) -> list[Path]:
    keep_quiet()
    import openvino as ov

    path = out / "model.xml"
    with _quiet():
        converted = ov.convert_model(network, example_input=example, input=[-1, *example.shape[1:]])
    converted.inputs[0].get_tensor().set_names({"image"})
    converted.outputs[0].get_tensor().set_names({"alpha"})
    ov.save_model(converted, path, compress_to_fp16=fp16)
    return [path, path.with_suffix(".bin")]


def _opened(exported: Path) -> tuple[Any, str]:
    """A function from a batch (N, H, W, 3) uint8 to probabilities (N, H, W), and what computes it."""
    keep_quiet()
    try:
        if exported.suffix == ".onnx":
            import onnxruntime as ort

            external_files(exported)
            session = ort.InferenceSession(exported, providers=["CPUExecutionProvider"])
            return lambda batch: session.run(None, {"image": batch})[0], f"onnxruntime {ort.__version__}"
        import openvino as ov

        compiled = ov.Core().compile_model(exported, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except Exception as error:  # each runtime has errors of its own for a file that it can't load
        raise CheckpointError(f"{exported}: can't be loaded ({error})") from error
    return lambda batch: np.array(compiled(batch)[0]), f"OpenVINO {ov.__version__.partition('-')[0]}"


def _require_onnx() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise UsageError(f"export model: --format onnx needs {', '.join(missing)}; run: pip install 'segdata[onnx]'")


def _iou(one: Probability, other: Probability) -> float:
    """IoU of two masks; 1 where both are empty."""
    first, second = one >= PREDICTION_CUT, other >= PREDICTION_CUT
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


@contextmanager
def _quiet() -> Iterator[None]:
    """Converters warn of their own future; their loggers tell each rewriting."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
