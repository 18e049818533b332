"""What computes a network: PyTorch, or OpenVINO on a CPU. The precision is chosen openly, and kept with each score."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from segdata.errors import UsageError
from segdata.imaging.arrays import Image, Probability
from segdata.inference.model_folder import ModelSpec, load_network, read_spec
from segdata.inference.onnx_file import OnnxRuntime, is_onnx, onnx_spec
from segdata.privacy import keep_quiet

if TYPE_CHECKING:
    import torch

    from segdata.networks.bisenet import BiSeNet

RuntimeName = Literal["auto", "torch", "openvino"]
Features = NDArray[np.float32]
Precision = Literal["auto", "fp32", "bf16"]


class Predictor(Protocol):
    """Anything that computes a network."""

    def probabilities(self, batch: Image) -> Probability:
        """(N, H, W, 3) uint8 RGB at network size -> (N, H, W) float32 in [0, 1]."""


class Runtime(Predictor, Protocol):
    """A network, ready to compute.

    Attributes:
        name: torch or openvino.
        precision: fp32 or bf16.
        at_once: batches that it computes at a time, where `describe` is called by so many threads.
    """

    name: str
    precision: str
    at_once: int

    def describe(self, batch: Image) -> tuple[Probability, Features]:
        """The probabilities, and what the network sees in each image as a whole: (N, C) float32."""


def open_runtime(folder: Path, name: str = "auto", precision: str = "auto", many: bool = False) -> Runtime:
    """A version's network, ready to compute.

    Args:
        folder: a version's; or an ONNX file, which is run by onnxruntime, whatever name and precision say.
        name: torch, openvino, or auto.
        precision: fp32, bf16, or auto.
        many: many batches wait, so that their rate counts and not how long one takes.

    Raises:
        CheckpointError: The folder's weights or `model.toml` can't be used.
        UsageError: No such runtime or precision.
    """
    import torch

    if is_onnx(folder):
        return OnnxRuntime(folder, onnx_spec(folder))
    chosen, exact = ways_for(name, precision)[0]
    spec = read_spec(folder)
    if chosen == "openvino":
        return OpenVinoRuntime(folder, spec, exact, many)
    return TorchRuntime(folder, spec, exact, "cuda" if torch.cuda.is_available() else "cpu")


def open_for_many(folder: Path, name: str = "auto", precision: str = "auto") -> Runtime:
    """`open_runtime` for many batches: what scoring a pool takes."""
    return open_runtime(folder, name, precision, many=True)


def ways(name: str, precision: str, cuda: bool, flags: frozenset[str]) -> list[tuple[str, str]]:
    """The runtimes and precisions that fit what was asked and what the machine has, the quickest first.

    bf16 pays where the hardware multiplies in it: on a GPU, and on CPUs with AVX-512 BF16 or AMX. There OpenVINO is the
    quickest on a CPU. Whether its masks are near enough to those of fp32 is asked by `parity`. A precision that is
    asked for is taken at its word: then there is one way.

    Args:
        name: torch, openvino or auto.
        precision: fp32, bf16 or auto.
        cuda: whether there is a GPU.
        flags: of the CPU, as in /proc/cpuinfo.

    Raises:
        UsageError: Something else was asked for.

    >>> ways("auto", "auto", cuda=False, flags=frozenset({"avx512_bf16"}))
    [('openvino', 'bf16'), ('openvino', 'fp32'), ('torch', 'fp32')]
    >>> ways("auto", "auto", cuda=True, flags=frozenset())
    [('torch', 'bf16'), ('torch', 'fp32')]
    >>> ways("auto", "bf16", cuda=False, flags=frozenset())
    [('openvino', 'bf16')]
    """
    if name not in ("auto", "torch", "openvino"):
        raise UsageError(f"mine.runtime: no {name!r}; there are auto, torch and openvino")
    if precision not in ("auto", "fp32", "bf16"):
        raise UsageError(f"mine.precision: no {precision!r}; there are auto, fp32 and bf16")
    chosen = ("torch" if cuda else "openvino") if name == "auto" else name
    if precision != "auto":
        return [(chosen, precision)]
    quick = (cuda and chosen == "torch") or bool(flags & {"avx512_bf16", "amx_bf16"})
    found = [(chosen, "bf16")] if quick else []
    found.append((chosen, "fp32"))
    return found if chosen == "torch" or name != "auto" else [*found, ("torch", "fp32")]


def ways_for(name: str, precision: str) -> list[tuple[str, str]]:
    """`ways` of this machine."""
    import torch

    return ways(name, precision, torch.cuda.is_available(), cpu_flags())


def cpu_flags() -> frozenset[str]:
    """What the CPU can do, as Linux says it; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), ()))


class TorchRuntime:
    """PyTorch, with channels last: eager, as trained. One batch takes all cores, or the GPU."""

    name, at_once = "torch", 1

    def __init__(self, folder: Path, spec: ModelSpec, precision: str, device: str) -> None:
        import torch

        self.precision = precision
        self._device = device
        self._network = load_network(folder).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a memory format is in no overload
        self._mean = torch.tensor(spec.mean, device=device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(spec.std, device=device).view(1, 3, 1, 1) * 255

    def probabilities(self, batch: Image) -> Probability:
        """(N, H, W, 3) uint8 RGB at network size -> (N, H, W) float32 in [0, 1]."""
        return self.describe(batch)[0]

    def describe(self, batch: Image) -> tuple[Probability, Features]:
        """The probabilities, and the context path's global average: (N, C) float32."""
        import torch

        images = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float()
        images = ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        reduced = self.precision == "bf16"
        with torch.inference_mode(), torch.autocast(self._device, dtype=torch.bfloat16, enabled=reduced):
            logits, features = self._network.describe(images)
        return logits.float().sigmoid()[:, 0].cpu().numpy(), features.float().cpu().numpy()


class OpenVinoRuntime:
    """OpenVINO on the CPU. Its default for an fp32 network is bf16 where the CPU has it, so the precision is set.

    One batch is computed by all cores, or, where many wait, several at a time by a few cores each, to the same digits.
    Cores that share a batch wait for each other at the end of every layer, and where other work takes its turn on one
    of them, all of them do.
    """

    name = "openvino"

    def __init__(self, folder: Path, spec: ModelSpec, precision: str, many: bool = False) -> None:
        keep_quiet()
        import openvino as ov
        import torch

        self.precision = precision
        height, width = spec.input_hw
        network = pixels_to_description(load_network(folder), spec)
        example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        with warnings.catch_warnings():
            # OpenVINO's converter traces, which newer releases of PyTorch call deprecated.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            converted = ov.convert_model(network, example_input=example, input=[-1, height, width, 3])
        wanted = "THROUGHPUT" if many else "LATENCY"
        hints = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32", "PERFORMANCE_HINT": wanted}
        compiled: Any = ov.Core().compile_model(converted, "CPU", hints)
        self.at_once = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) if many else 1
        self._free: SimpleQueue[Any] = SimpleQueue()  # a request holds the memory that one batch is computed in
        for _ in range(self.at_once):
            self._free.put(compiled.create_infer_request())

    def probabilities(self, batch: Image) -> Probability:
        """(N, H, W, 3) uint8 RGB at network size -> (N, H, W) float32 in [0, 1]."""
        return self.describe(batch)[0]

    def describe(self, batch: Image) -> tuple[Probability, Features]:
        """The probabilities, and the context path's global average: (N, C) float32."""
        request = self._free.get()
        try:
            found = request.infer(batch)
            return np.array(found[0], dtype=np.float32), np.array(found[1], dtype=np.float32)
        finally:
            self._free.put(request)


def pixels_to_probability(network: BiSeNet, spec: ModelSpec, mirrored: bool = False) -> Any:
    """The network from (N, H, W, 3) uint8 pixels to (N, H, W) probabilities, so that the runtime normalises as well.

    Args:
        network: from normalised (N, 3, H, W) to logits (N, 1, H, W).
        spec: says the pixels' mean and std.
        mirrored: average with the mirrored image.
    """

    def compute(images: torch.Tensor) -> torch.Tensor:
        probability: torch.Tensor = network(images).sigmoid()
        if mirrored:
            probability = (probability + network(images.flip(3)).sigmoid().flip(3)) / 2
        return probability[:, 0]

    return _from_pixels(network, spec, compute)


def pixels_to_description(network: BiSeNet, spec: ModelSpec) -> Any:
    """The network from (N, H, W, 3) uint8 pixels to (N, H, W) probabilities and (N, C) features."""

    def compute(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, features = network.describe(images)
        return logits.sigmoid()[:, 0], features

    return _from_pixels(network, spec, compute)


def _from_pixels(network: BiSeNet, spec: ModelSpec, compute: Callable[[torch.Tensor], Any]) -> Any:
    import torch

    class FromPixels(torch.nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1) * 255)
            self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1) * 255)

        def forward(self, batch: torch.Tensor) -> Any:
            return compute((batch.permute(0, 3, 1, 2).float() - self.mean) / self.std)

    return FromPixels().eval()
