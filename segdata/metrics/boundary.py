"""Boundary IoU: how well the outlines agree, where mIoU of a large object hardly moves.

Source:
    Cheng, Girshick, Dollár, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation",
    CVPR 2021.
"""

from __future__ import annotations

from math import hypot

from segdata.metrics.arrays import Mask, check_pair
from segdata.metrics.bits import PackedMask, count_both, erode_square, pack

DILATION_RATIO = 0.02
"""The band's width, of the image's diagonal."""


def boundary_width_px(height: int, width: int, dilation_ratio: float = DILATION_RATIO) -> int:
    """The band's width, rounded, at least 1 pixel.

    >>> boundary_width_px(800, 600)
    20
    """
    return max(1, round(dilation_ratio * hypot(height, width)))


def boundary_iou(label: Mask, prediction: Mask, dilation_ratio: float = DILATION_RATIO) -> float:
    """IoU of the bands of person pixels that lie within some distance (chessboard) of their mask's outline.

    As in the published code the frame counts as background, so that a mask cut by it has a band there, and a band of
    d pixels is what d erosions by 3x3 take away: one erosion by (2d + 1)² here, which is the same. 1 if neither mask
    holds any person.

    Args:
        label: (H, W) bool.
        prediction: (H, W) bool.
        dilation_ratio: the band's width, of the image's diagonal; 0.02 in the paper.

    Raises:
        PixelError: Not two masks of one size.
    """
    check_pair(label, prediction)
    height, width = label.shape
    band_px = boundary_width_px(height, width, dilation_ratio)
    ours, theirs = pack(label, band_px), pack(prediction, band_px)
    return boundary_iou_of_packed((ours, erode_square(ours, band_px)), (theirs, erode_square(theirs, band_px)))


def boundary_iou_of_packed(label: tuple[PackedMask, PackedMask], prediction: tuple[PackedMask, PackedMask]) -> float:
    """The same of masks that are packed already, each given with its erosion by the band's width."""
    ours, theirs = _band(*label), _band(*prediction)
    both = count_both(ours, theirs)
    union = ours.count + theirs.count - both
    return both / union if union else 1.0


def _band(mask: PackedMask, eroded: PackedMask) -> PackedMask:
    return mask.with_words(mask.words ^ eroded.words)  # eroded lies within the mask: what differs is the band
