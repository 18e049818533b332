"""From a photo's size to the network's: the layers of a composite as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.frame import resize_to


def shrink_pair(image: Image, alpha: Alpha, size_hw: tuple[int, int]) -> tuple[Image, Alpha]:
    """A pair at another size, by the rule of `inference.predict.prepare`: a network must see in training what it will
    see in use. Alpha stays soft.

    >>> image, alpha = np.zeros((4, 4, 3), np.uint8), np.repeat(np.uint8([[0, 0, 0, 255]]), 4, axis=0)
    >>> shrink_pair(image, alpha, (2, 2))[1].tolist()
    [[0, 128], [0, 128]]
    """
    return resize_to(image, size_hw), resize_to(alpha, size_hw)


def shrink_layer(foreground: Image, alpha: Alpha, size_hw: tuple[int, int]) -> Image:
    """A foreground's colours at another size, each pixel counting by its alpha.

    Laying the small foreground over something then comes to the same as laying the large one and shrinking that:
    mean(αF) / mean(α), not mean(F). Where nothing is seen of it, its plain mean.

    >>> foreground, alpha = np.uint8([[[200] * 3, [0] * 3]]), np.uint8([[255, 0]])
    >>> shrink_layer(foreground, alpha, (1, 1)).ravel().tolist()
    [200, 200, 200]
    """
    if foreground.shape[:2] == size_hw:
        return foreground
    weight = alpha[..., None].astype(np.float32) / 255
    seen = cv2.resize(foreground * weight, size_hw[::-1], interpolation=cv2.INTER_AREA).reshape(*size_hw, 3)
    share = cv2.resize(weight, size_hw[::-1], interpolation=cv2.INTER_AREA).reshape(*size_hw, 1)
    colour = np.divide(seen, share, out=resize_to(foreground, size_hw).astype(np.float32), where=share > 1e-3)
    return np.asarray(np.rint(np.clip(colour, 0, 255)), np.uint8)


def typical_scale(rows: Sequence[dict[str, Any]], input_hw: tuple[int, int]) -> float:
    """How much smaller the network's pixels make a photo: the median over the samples, at most 1.

    >>> typical_scale([{"height": 800, "width": 600}] * 3, (200, 150))
    0.25
    """
    areas = [row["height"] * row["width"] for row in rows]
    return float(min(1.0, (input_hw[0] * input_hw[1] / np.median(areas)) ** 0.5))
