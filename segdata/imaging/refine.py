"""A hard label's edge found again in the image: closed-form matting in a band along the contour, by PyMatting."""

from __future__ import annotations

import logging
import sys

import numpy as np
from numpy.typing import NDArray

from segdata.compiled import ignore_numba_settings
from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image
from segdata.imaging.distance import distance_inside
from segdata.imaging.edge import feather
from segdata.records import LABEL_CUT

_log = logging.getLogger(__name__)

# Of the diagonal, so that the incomplete factors exist at once; they only speed the solution up and do not change it.
_SHIFTS = (1e-3, 1e-2, 1e-1, 1.0)


def refine_edge(image: Image, label: Alpha, band_px: float, feather_px: float = 2.0) -> Alpha:
    """A soft alpha for a hard label: within `band_px` of its contour it is what the image says, beyond it the label.

    The band's colours decide, so that hair comes back that a hand cut away; a contour that lies further than the band
    from the true one stays wrong. About half a second at 600x800, and half a minute more when PyMatting is used for
    the first time ever, since numba compiles it then.

    Args:
        image: (H, W, 3) uint8 sRGB.
        label: (H, W) uint8, 0 or 255.
        band_px: half the width of the band in which alpha is unknown.
        feather_px: where nothing can be solved (no person, no background, no solution) the contour is feathered so
            wide instead.

    Returns:
        (H, W) uint8; a new array.

    Raises:
        PixelError: Shapes do not fit, or a negative band.

    Source:
        Levin, Lischinski & Weiss, "A Closed-Form Solution to Natural Image Matting", TPAMI 2008.
    """
    if image.shape != (*label.shape, 3) or band_px < 0:
        raise PixelError(
            f"refine: image {image.shape} and label {label.shape} must be of one size, band_px {band_px} 0 or more"
        )
    trimap = _trimap(label, band_px)
    if not ((trimap == 0.5).any() and (trimap == 1).any() and (trimap == 0).any()):
        return feather(label, feather_px)
    ignore_numba_settings()  # PyMatting compiles with numba, too
    from pymatting import estimate_alpha_cf

    _silence()
    try:
        alpha = estimate_alpha_cf(image.astype(np.float64) / 255, trimap, preconditioner=_preconditioner)
    except ValueError as error:  # PyMatting's word for a system that it could not solve
        _log.warning("refine: no solution (%s); the edge is feathered instead", error)
        return feather(label, feather_px)
    refined: Alpha = np.rint(255 * np.clip(alpha, 0, 1)).astype(np.uint8)
    return refined


def _trimap(label: Alpha, band_px: float) -> NDArray[np.float64]:
    """1 for person, 0 for background, 0.5 within the band; where the frame cuts the subject there is no contour."""
    inside = label >= LABEL_CUT
    person, background = distance_inside(inside), distance_inside(~inside)
    trimap: NDArray[np.float64] = np.full(label.shape, 0.5)
    trimap[person > band_px] = 1
    trimap[background > band_px] = 0
    return trimap


def _preconditioner(matrix: object) -> object:
    from pymatting import ichol

    return ichol(matrix, shifts=_SHIFTS)


def _silence() -> None:
    """PyMatting tells of a factorisation tried again by print(), and stdout is for a command's one JSON object."""
    sys.modules["pymatting.preconditioner.ichol"].__dict__["print"] = _log.debug
