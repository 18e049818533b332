"""The training's augmentations, decided by a seed alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from segdata.imaging.arrays import Alpha, Image
from segdata.privacy import keep_quiet

BLUR_KERNELS_PX = (3, 7)
"""Box kernels of `Blur(7)`, in pixels of the photo."""


class Augment(Protocol):
    """Changes a pair, the same way for the same seed."""

    def __call__(self, image: Image, alpha: Alpha, seed: int) -> tuple[Image, Alpha]:
        """The changed image and alpha, sized as before; the inputs are untouched."""


def blur_sigmas_px(scale: float) -> tuple[float, float]:
    """Standard deviations of `Blur(7)`'s kernels, measured in pixels of a photo shrunk by `scale`.

    A box of k pixels has the variance (k² - 1) / 12. A box of 7 on a 224-pixel array would blur 2.7 times as far
    as on the 600-pixel photo that the augmentation was meant for; a Gaussian of the shrunk deviation does not.

    >>> [round(sigma, 2) for sigma in blur_sigmas_px(1.0)]
    [0.82, 2.0]
    >>> [round(sigma, 2) for sigma in blur_sigmas_px(0.35)]
    [0.29, 0.7]
    """
    low, high = (scale * ((kernel**2 - 1) / 12) ** 0.5 for kernel in BLUR_KERNELS_PX)
    return low, high


def portrait_augmentation(blur_scale: float | None = None, crop: float = 0.0) -> Augment:
    """HorizontalFlip 0.5; Blur(7) 0.5; ColorJitter(0.2 x 4) 1.0; Affine shift ±10 % 0.5; Affine rotation ±10° 0.5.

    What a shift or rotation uncovers is filled by reflection, of image and alpha alike: a portrait cut by the frame
    stays cut by the frame, every pixel keeps a true label, and no black border teaches the network that a person
    ends before the bottom edge. Alpha is resampled linearly and stays soft.

    Args:
        blur_scale: None for pairs at the photo's own size, which get the box blur itself; else how much smaller the
            pairs are than their photos, and they get the Gaussian of the same standard deviation there.
        crop: up to this share is cut off each side first, and what is left enlarged to the pair's size.

    Returns:
        A function that several threads may call at once: each has transforms of its own.
    """
    build = _builder(blur_scale, crop)
    local = threading.local()

    def augment(image: Image, alpha: Alpha, seed: int) -> tuple[Image, Alpha]:
        if not hasattr(local, "transforms"):
            local.transforms = build()
        local.transforms.set_random_seed(seed)
        changed = local.transforms(image=image, mask=alpha)
        return np.ascontiguousarray(changed["image"]), np.ascontiguousarray(changed["mask"])

    return augment


def _builder(blur_scale: float | None, crop: float) -> Callable[[], Any]:
    keep_quiet()
    import albumentations as A
    import cv2

    border = {"border_mode": cv2.BORDER_REFLECT_101, "mask_interpolation": cv2.INTER_LINEAR}

    def build() -> Any:
        if blur_scale is None:
            blur = A.Blur(blur_limit=BLUR_KERNELS_PX, p=0.5)
        else:
            blur = A.GaussianBlur(blur_limit=0, sigma_limit=blur_sigmas_px(blur_scale), p=0.5)
        cut = A.CropAndPad(percent=(-crop, 0.0), mask_interpolation=cv2.INTER_LINEAR, p=1.0)
        return A.Compose(
            [
                *([cut] if crop else []),
                A.HorizontalFlip(p=0.5),
                blur,
                A.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=1.0),
                A.Affine(translate_percent=(-0.1, 0.1), p=0.5, **border),
                A.Affine(rotate=(-10, 10), p=0.5, **border),
            ]
        )

    return build
