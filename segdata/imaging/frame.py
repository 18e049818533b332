"""Where a photo lies in a network's frame: stretched over all of it, or in the middle between bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.imaging.area import shrink_by_area
from segdata.imaging.arrays import Alpha, Image, Probability

Aspect = Literal["stretch", "keep"]
_BAR = 127
"""Grey of the bars of an image: near the mean that the network's input is centred on."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The window of a photo in the frame, in pixels of the frame.

    Attributes:
        top, left: of the window.
        height, width: of the window.
        frame_hw: height and width of the frame.
    """

    top: int
    left: int
    height: int
    width: int
    frame_hw: tuple[int, int]

    @property
    def fills(self) -> bool:
        """Whether there are no bars."""
        return (self.height, self.width) == self.frame_hw

    def place(self, content: Image | Alpha, bar: int) -> Image:
        """The content, of the window's size, between bars of one value.

        Args:
            content: (height, width[, C]) uint8.
            bar: 0 to 255.

        Returns:
            (*frame_hw[, C]) uint8; the content itself where there are no bars.
        """
        if self.fills:
            return content
        framed = np.full((*self.frame_hw, *content.shape[2:]), bar, np.uint8)
        framed[self.top : self.top + self.height, self.left : self.left + self.width] = content
        return framed

    def take(self, framed: Probability) -> Probability:
        """The window of something of the frame's size: (H, W) -> (height, width), a view."""
        return framed[self.top : self.top + self.height, self.left : self.left + self.width]


def frame_of(size_hw: tuple[int, ...], frame_hw: tuple[int, int], aspect: Aspect) -> Frame:
    """Where a photo of a size lies.

    >>> frame_of((800, 600), (224, 224), "stretch")
    Frame(top=0, left=0, height=224, width=224, frame_hw=(224, 224))
    >>> frame_of((800, 600), (224, 224), "keep")
    Frame(top=0, left=28, height=224, width=168, frame_hw=(224, 224))
    """
    if aspect == "stretch":
        return Frame(0, 0, *frame_hw, frame_hw)
    scale = min(frame_hw[0] / size_hw[0], frame_hw[1] / size_hw[1])
    height, width = (max(1, round(side * scale)) for side in size_hw[:2])
    return Frame((frame_hw[0] - height) // 2, (frame_hw[1] - width) // 2, height, width, frame_hw)


def resize_to(array: NDArray[np.uint8], size_hw: tuple[int, int]) -> Image:
    """One array at another size; itself if it has that size.

    Area averages where both sides shrink, so that nothing aliases; else linear. OpenCV does both, but for averages by a
    ratio that is no whole number, where `shrink_by_area` gives the same to one step of 255 and is twice as quick.

    Args:
        array: (H, W) or (H, W, C) uint8.
        size_hw: height and width wanted.
    """
    height, width = array.shape[:2]
    if (height, width) == size_hw:
        return array
    shrinks = height >= size_hw[0] and width >= size_hw[1]
    if shrinks and (height % size_hw[0] or width % size_hw[1]):
        return shrink_by_area(array, size_hw)
    resized = cv2.resize(array, size_hw[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def into_frame(image: Image, frame_hw: tuple[int, int], aspect: Aspect) -> Image:
    """A photo as the network sees it: (H, W, 3) uint8 -> (*frame_hw, 3) uint8, bars in grey.

    >>> into_frame(np.full((4, 2, 3), 9, np.uint8), (4, 4), "keep")[0, :, 0].tolist()
    [127, 9, 9, 127]
    """
    frame = frame_of(image.shape, frame_hw, aspect)
    return frame.place(resize_to(image, (frame.height, frame.width)), _BAR)


def alpha_into_frame(alpha: Alpha, frame_hw: tuple[int, int], aspect: Aspect) -> Alpha:
    """An alpha as the network should answer: (H, W) uint8 -> (*frame_hw) uint8; nobody is in the bars."""
    frame = frame_of(alpha.shape, frame_hw, aspect)
    return frame.place(resize_to(alpha, (frame.height, frame.width)), 0)
