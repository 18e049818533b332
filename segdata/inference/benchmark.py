"""How fast a version is on this machine: images a second, one by one, by runtime and precision."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segdata.imaging.arrays import Image
from segdata.inference.model_folder import ModelSpec, model_id_of, read_spec
from segdata.inference.predict import network_probabilities, prepare, restore
from segdata.inference.runtimes import Runtime, cpu_flags, open_runtime
from segdata.metrics.image_scores import PREDICTION_CUT
from segdata.records import Progress, ProgressCallback, ignore_progress

REFERENCE = {"images_per_second": 48.0, "machine": "one 2080 Ti", "model": "BiSeNet-ResNet101"}
"""What the design's reference system reached; neither its photos' size nor what it counted is on record."""

_WARM_UP = 3
_BF16 = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True)
class Speed:
    """One way of running the network.

    Attributes:
        runtime, precision: the way.
        device: cpu or cuda.
        network: images a second from pixels at network size to probabilities, with mirroring where the model has it.
        whole: images a second from the photo's pixels to a mask of its size: resizing and cutting included, files not.
        spread: the slowest tenth's time over the median's, of `whole`: far from 1 means a busy machine.
    """

    runtime: str
    precision: str
    device: str
    network: float
    whole: float
    spread: float


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured, and on what.

    Attributes:
        model_id, spec: the version's.
        input_hw: the network's input.
        photo_hw: the photos' size.
        images: how many were timed for each number, after a few to warm up; rates are of the median time.
        machine: processor or GPU, cores and threads used.
        speeds: the ways, in the order measured.
    """

    model_id: str
    spec: str
    input_hw: tuple[int, int]
    photo_hw: tuple[int, int]
    images: int
    machine: str
    speeds: tuple[Speed, ...]

    def to_json(self) -> dict[str, Any]:
        """The keys of `models benchmark --json`."""
        return {**asdict(self), "reference": dict(REFERENCE)}


def benchmark(
    folder: Path,
    images: int,
    photo_hw: tuple[int, int],
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
    opener: Callable[[Path, str, str], Runtime] = open_runtime,
) -> BenchmarkResult:
    """Time a version, image by image (batch 1), in every way that this machine has.

    Args:
        folder: the version's.
        images: how many to time for each number.
        photo_hw: the photos' height and width; their pixels are noise, which takes as long as anything.
        seed: of the noise.
        progress: told after each way.
        opener: opens the network, by folder, runtime and precision.

    Raises:
        CheckpointError: The version can't be used.
    """
    spec = read_spec(folder)
    photo = np.random.default_rng(seed).integers(0, 256, (*photo_hw, 3), dtype=np.uint8)
    device, ways = _device(), ways_here()
    speeds = []
    for done, (name, precision) in enumerate(ways):
        progress(Progress("benchmark", spec.name, done, len(ways), "ways", f"{name} {precision}"))
        runtime = opener(folder, name, precision)
        small = prepare(photo, spec)[None]
        network = _seconds(partial(network_probabilities, runtime, spec, small), images)
        whole = _seconds(partial(_mask, runtime, spec, photo), images)
        slow = statistics.quantiles(whole, n=10)[-1] if len(whole) > 1 else whole[0]
        median = statistics.median(whole)
        where = device if name == "torch" else "cpu"
        speeds.append(
            Speed(
                name,
                precision,
                where,
                round(1 / statistics.median(network), 2),
                round(1 / median, 2),
                round(slow / median, 2),
            )
        )
    progress(Progress("benchmark", spec.name, len(ways), len(ways), "ways"))
    machine = machine_in_words()
    return BenchmarkResult(model_id_of(folder), spec.name, spec.input_hw, photo_hw, images, machine, tuple(speeds))


def ways_here() -> list[tuple[str, str]]:
    """Runtimes and precisions that this machine computes natively."""
    torch_bf16, openvino_bf16 = _device() == "cuda" or bool(cpu_flags() & _BF16), bool(cpu_flags() & _BF16)
    ways = [("torch", "fp32", True), ("torch", "bf16", torch_bf16)]
    ways += [("openvino", "fp32", True), ("openvino", "bf16", openvino_bf16)]
    return [(name, precision) for name, precision, native in ways if native]


def machine_in_words() -> str:
    """The processor (and GPU) that is measured on, with the cores that may be used."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = f"{_processor()}, {cores} cores, {torch.get_num_threads()} threads"
    return f"{words}; {torch.cuda.get_device_name()}" if torch.cuda.is_available() else words


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _mask(runtime: Runtime, spec: ModelSpec, photo: Image) -> Any:
    probability = network_probabilities(runtime, spec, prepare(photo, spec)[None])[0]
    return restore(probability, (photo.shape[0], photo.shape[1]), spec, photo) >= PREDICTION_CUT


def _seconds(work: Callable[[], Any], times: int) -> list[float]:
    """The seconds that each of so many calls took, after a few that are not counted."""
    for _ in range(_WARM_UP):
        work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken
