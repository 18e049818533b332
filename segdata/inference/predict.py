"""From an image to the probability of a person at each of its pixels: resize, compute, resize back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np

from segdata.imaging.arrays import Image, Probability
from segdata.imaging.frame import frame_of, into_frame
from segdata.imaging.guided import enlarge_along
from segdata.inference.model_folder import ModelSpec
from segdata.inference.runtimes import Features, Predictor, Runtime


def prepare(image: Image, spec: ModelSpec) -> Image:
    """An image at network size.

    Args:
        image: (H, W, 3) uint8 RGB.
        spec: says the size, and whether the aspect ratio is kept.

    Returns:
        (h, w, 3) uint8 RGB; averaged over areas where it shrinks, so that nothing aliases.
    """
    return into_frame(image, spec.input_hw, spec.resize)


def restore(
    probability: Probability, size_hw: tuple[int, int], spec: ModelSpec, image: Image | None = None
) -> Probability:
    """A probability map at an image's own size: by linear interpolation, or led by the image's edges.

    Args:
        probability: (h, w) float32 in [0, 1], at network size.
        size_hw: height and width wanted: the image's.
        spec: says where in the network's frame the image lay, and how it is enlarged.
        image: (H, W, 3) uint8 RGB; only `upsample = "guided"` needs it.
    """
    height, width = size_hw
    window = frame_of(size_hw, spec.input_hw, spec.resize).take(probability)
    if spec.upsample == "guided":
        assert image is not None and image.shape[:2] == size_hw
        return enlarge_along(image, window)
    full: Probability = cv2.resize(window, (width, height), interpolation=cv2.INTER_LINEAR)
    return full


def predict_images(
    runtime: Predictor, spec: ModelSpec, images: Iterable[Image], batch: int = 8
) -> Iterator[Probability]:
    """The probability of a person at each pixel of each image, at the image's own size, in order.

    Args:
        runtime: computes the network.
        spec: says how images become its input.
        images: (H, W, 3) uint8 RGB each, of any sizes.
        batch: images a pass.
    """
    waiting = iter(images)
    while taken := list(islice(waiting, batch)):
        small = np.stack([prepare(image, spec) for image in taken])
        for image, probability in zip(taken, network_probabilities(runtime, spec, small), strict=True):
            yield restore(probability, image.shape[:2], spec, image)


def network_probabilities(runtime: Predictor, spec: ModelSpec, batch: Image) -> Probability:
    """Probabilities (N, h, w) of a batch (N, h, w, 3) at network size, averaged over mirroring if the spec says so."""
    return _averaged(runtime, spec, batch, runtime.probabilities(batch))


def network_description(runtime: Runtime, spec: ModelSpec, batch: Image) -> tuple[Probability, Features]:
    """`network_probabilities`, and what the network sees in each image as a whole: (N, C) float32."""
    probability, features = runtime.describe(batch)
    return _averaged(runtime, spec, batch, probability), features


def _averaged(runtime: Predictor, spec: ModelSpec, batch: Image, probability: Probability) -> Probability:
    if not spec.flip:
        return probability
    mirrored = runtime.probabilities(np.ascontiguousarray(batch[:, :, ::-1]))
    mean: Probability = ((probability + mirrored[:, :, ::-1]) / 2).astype(np.float32)
    return mean
