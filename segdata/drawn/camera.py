"""What a camera does to a picture: the exact composite first, then grain and compression, not in the parts."""

from __future__ import annotations

import cv2
import numpy as np

from segdata.drawn.noise import GRAIN_DEVIATION, grain
from segdata.drawn.paint import Alpha, Image


def expose(foreground: Image, background: Image, alpha: Alpha) -> Image:
    """round(αF + (1 - α)B): what an ideal camera sees, (H, W, 3) uint8.

    Source:
        Porter & Duff 1984, *over*; the division by 255 as in Blinn, "Three Wrongs Make a Right", 1995.

    >>> black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    >>> int(expose(white, black, np.full((1, 1), 100, np.uint8))[0, 0, 0])
    100
    """
    share = cv2.merge((alpha, alpha, alpha)).astype(np.uint16)
    total = foreground * share
    np.subtract(255, share, out=share)
    share *= background
    total += share
    total += 128
    return np.asarray((total + (total >> 8)) >> 8, np.uint8)


def add_grain(image: Image, rng: np.random.Generator, sigma: float) -> Image:
    """Noise of a sensor: brightness mostly, colour a little, on all pixels alike."""
    if sigma <= 0:
        return image
    noise = grain(rng, (image.shape[0], image.shape[1]), coarse=sigma > 4)
    return np.asarray(cv2.addWeighted(image, 1.0, noise, sigma / GRAIN_DEVIATION, 0, dtype=cv2.CV_8U), np.uint8)


def compress(image: Image, quality: int) -> Image:
    """What is left after JPEG at this quality; 100 leaves the picture alone."""
    if quality >= 100:
        return image
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
