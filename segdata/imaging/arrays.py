"""Names for the arrays that rooms pass each other.

`Image` is (H, W, 3) uint8 sRGB in RGB order; `Luma` is (H, W) uint8, its lightness; `Alpha` is (H, W) uint8, 255 is
person; `Mask` is (H, W) bool; `Probability` is (H, W) float32 in [0, 1].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Luma = NDArray[np.uint8]
Alpha = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Probability = NDArray[np.float32]
