"""Names for the arrays that scores take, and the one check that they go together.

`Mask` is (H, W) bool, true is person; `Alpha` is (H, W) uint8, 255 is person; `Probability` is (H, W) float32 in
[0, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import PixelError

Alpha = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Probability = NDArray[np.float32]


def check_mask(mask: NDArray[Any], name: str = "mask") -> None:
    """Refuse what is not one non-empty plane of booleans.

    Raises:
        PixelError: It has another type or number of axes, or no pixel.
    """
    if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
        raise PixelError(f"{name}: expected (H, W) bool with at least one pixel, got {mask.shape} {mask.dtype}")


def check_pair(label: NDArray[Any], prediction: NDArray[Any]) -> None:
    """Refuse two masks that can't be compared pixel by pixel.

    Raises:
        PixelError: One is no mask, or their sizes differ.
    """
    check_mask(label, "label")
    check_mask(prediction, "prediction")
    if label.shape != prediction.shape:
        raise PixelError(f"label {label.shape} and prediction {prediction.shape} differ in size")
