"""A network in an ONNX file, run by onnxruntime: what `segdata export model` wrote, or somebody else's.

Beside the file lies a `model.toml` that says `name`, `input_hw`, and for networks that want it `mean` and `std`. What
the network takes is read off the file: `uint8` (N, H, W, 3) is pixels, as segdata exports; `float` (N, 3, H, W) is
pixels brought to `mean` and `std`. It answers with one plane a photo, or with two of which the second is the person:
probabilities, or else logits. What lies outside [0, 1] shows which.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import CheckpointError, UsageError
from segdata.imaging.arrays import Image, Probability
from segdata.inference.model_folder import SPEC, ModelSpec, read_spec
from segdata.inference.onnx_external import external_files, first_line, sha256_of_file
from segdata.privacy import keep_quiet

SUFFIX = ".onnx"
WAY = ("onnx", "fp32")
"""How such a file is run."""


def is_onnx(model: Path) -> bool:
    """Whether a model is such a file, and no version's folder."""
    return model.suffix == SUFFIX


def onnx_spec(path: Path) -> ModelSpec:
    """How photos become the network's input. Averaging with the mirrored photo is the file's own affair.

    Raises:
        CheckpointError: There is no `model.toml` beside it, or a wrong one.
    """
    return read_spec(path.parent).model_copy(update={"flip": False})


def onnx_id(path: Path) -> str:
    """The hash of the file, of its `model.toml`, and of the files that it has weights in: 16 hexadecimal digits.

    Raises:
        UsageError: The package `onnx` is not installed.
        CheckpointError: One of them can't be read, is no ONNX model, or lies outside the model's folder.
    """
    digest = hashlib.sha256()
    for file in (path, path.parent / SPEC):
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise CheckpointError(f"{file}: can't be read ({error.strerror}); give an ONNX file") from error
    for file in external_files(path):
        digest.update(sha256_of_file(file))
    return digest.hexdigest()[:16]


class OnnxRuntime:
    """The network, ready to compute.

    Raises:
        UsageError: onnxruntime is not installed.
        CheckpointError: The file is no network that onnxruntime can run, takes something else than photos, or has
            weights in files outside its folder, which are not opened then.
    """

    name, precision = WAY
    at_once = 1

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        keep_quiet()
        try:
            import onnxruntime
        except ImportError as error:
            raise UsageError(f"{path}: ONNX files need: pip install 'segdata[onnx]'") from error
        external_files(path)
        self._path = path
        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), quiet, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own kinds, which have no common base
            raise CheckpointError(f"{path}: onnxruntime can't load it ({first_line(error)})") from error
        wanted = self._session.get_inputs()
        kind = wanted[0].type if len(wanted) == 1 and len(wanted[0].shape) == 4 else "another input"
        if kind not in ("tensor(uint8)", "tensor(float)"):
            raise CheckpointError(
                f"{path}: takes {kind}, not one batch of photos: uint8 (N, H, W, 3) or float (N, 3, H, W)"
            )
        self._input, self._takes_pixels = wanted[0].name, kind == "tensor(uint8)"
        self._mean = np.array(spec.mean, np.float32) * 255
        self._std = np.array(spec.std, np.float32) * 255

    def probabilities(self, batch: Image) -> Probability:
        """(N, H, W, 3) uint8 RGB at network size -> (N, H, W) float32 in [0, 1]."""
        images: Any = batch
        if not self._takes_pixels:
            images = np.ascontiguousarray(((batch - self._mean) / self._std).transpose(0, 3, 1, 2), np.float32)
        try:
            answer = np.asarray(self._session.run(None, {self._input: images})[0], np.float32)
        except Exception as error:
            raise CheckpointError(f"{self._path}: can't be run ({first_line(error)})") from error
        planes = answer[:, None] if answer.ndim == 3 else answer
        if planes.ndim != 4 or planes.shape[1] not in (1, 2) or planes.shape[2:] != batch.shape[1:3]:
            raise CheckpointError(
                f"{self._path}: answers {list(answer.shape)} to {list(batch.shape)}; one or two planes as large as the "
                "photos are understood"
            )
        return person_of(planes)

    def describe(self, batch: Image) -> tuple[Probability, NDArray[np.float32]]:
        """The probabilities; what it sees in each image as a whole is not to be had, and is one zero."""
        return self.probabilities(batch), np.zeros((len(batch), 1), np.float32)


def person_of(planes: NDArray[np.float32]) -> Probability:
    """The person's probability from what a network answers.

    Args:
        planes: (N, 1 or 2, H, W), probabilities or logits.

    >>> person_of(np.array([[[[0.25]]]], np.float32)).item()
    0.25
    >>> person_of(np.array([[[[3.0]], [[3.0]]]], np.float32)).item()  # as likely as not
    0.5
    """
    last = planes[:, -1]
    if planes.min() >= 0 and planes.max() <= 1:
        return last
    logits = last if planes.shape[1] == 1 else last - planes[:, 0]
    probability: Probability = (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
    return probability
