"""How far each pixel of a mask lies inside it: the only place that calls OpenCV's distance transform."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Mask

FAR_PX = float(1 << 20)
"""The distance where there is no contour: longer than any image, and 255 times it still is an int32."""

_MASK_SIZES = {"fast": cv2.DIST_MASK_5, "exact": cv2.DIST_MASK_PRECISE}


def distance_inside(mask: Mask, precision: Literal["fast", "exact"] = "fast") -> NDArray[np.float32]:
    """The Euclidean distance of each pixel to the nearest pixel that is not in the mask; the frame is no contour.

    OpenCV measures to the nearest zero. Without one its result is undefined: 0, the largest float or anything between,
    depending on the version and the precision.

    Args:
        mask: (H, W) bool.
        precision: `fast` approximates with a 5x5 mask, to about 2 %; `exact` is exact.

    Returns:
        (H, W) float32, 0 outside the mask; `FAR_PX` everywhere if the mask covers the whole frame.

    Source:
        Borgefors, "Distance transformations in digital images", CVGIP 1986; Felzenszwalb & Huttenlocher, "Distance
        transforms of sampled functions", Theory of Computing 2012.

    >>> distance_inside(np.array([[0, 1, 1]], bool)).round().tolist(), distance_inside(np.ones((1, 2), bool)).tolist()
    ([[0.0, 1.0, 2.0]], [[1048576.0, 1048576.0]])
    """
    if mask.all():
        return np.full(mask.shape, FAR_PX, np.float32)
    distance: NDArray[np.float32] = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, _MASK_SIZES[precision])
    return distance
