"""Where a person's head is: from its crown to its chin, as the rules of identity photos measure it.

The crown is the top of the person's mask above the face, hair and hat included. The chin lies just below the box that
OpenCV's frontal cascade, a file of its wheel, finds a face in. Both are estimates: on drawn portraits, whose truth is
known, the height is right to about 4 % (one standard deviation). The silhouette's neck, which needs no face, was tried
and left out: on photographs it is off by 10 %, and long hair hides it. Where no frontal face is clear, or the frame
cuts the head, there is no answer rather than a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

from segdata.errors import PixelError
from segdata.imaging.arrays import Alpha, Image, Mask
from segdata.records import LABEL_CUT

_CASCADE = "haarcascade_frontalface_alt2.xml"
_SEARCH_PX = 512  # the longer side of what is searched: faces of a twelfth of it and more are found
_CHIN_BELOW_BOX = 0.03  # of the box's height: where chins lie below the cascade's box, on average
_HEAD_TO_BOX = (1.1, 2.4)  # plausible head heights over the box's: a bare head 1.3, much hair or a hat 2
_TRIES = ((False, 5), (True, 5), (False, 2), (True, 2))  # mirrored or not, votes: the cascade has a better side
_SECOND_PERSON = 0.2  # of the largest component: more is somebody else and no stray blob

_TURN = Lock()  # a cascade keeps the picture that it searches: two threads in it at once end in an error


class HeadNotFoundError(Exception):
    """There is no head that can be measured; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Head:
    """A head in a picture, in pixels.

    Attributes:
        crown_y: its top, hair and hat included.
        chin_y: the chin.
        centre_x: the middle between its sides.
        people: how many people the picture seems to show.
    """

    crown_y: float
    chin_y: float
    centre_x: float
    people: int

    @property
    def height_px(self) -> float:
        """From chin to crown."""
        return self.chin_y - self.crown_y


@dataclass(frozen=True, slots=True)
class Face:
    """A box that the cascade found: left, top, side, and how many of its windows agreed."""

    x: float
    y: float
    side: float
    votes: int


def find_head(image: Image, alpha: Alpha) -> Head:
    """The head of the person in a portrait; of several, that of the clearest face.

    Args:
        image: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8, of the person.

    Raises:
        HeadNotFoundError: Nobody is there, the frame cuts the head, or no frontal face is clear.
        PixelError: The two arrays do not share one height and width.

    Source:
        Viola & Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001; the cascade is
        that of Lienhart & Maydt, "An Extended Set of Haar-like Features for Rapid Object Detection", ICIP 2002.
    """
    if image.shape != (*alpha.shape, 3):
        raise PixelError(f"head: image {image.shape} and alpha {alpha.shape} must be (H, W, 3) and (H, W) of one size")
    person, others = _largest(alpha >= LABEL_CUT)
    faces = find_faces(image, person | others)
    if not faces:
        raise HeadNotFoundError("no frontal face was found")
    crown_y, chin_y = _crown_and_chin(faces[0], person | others)
    return Head(crown_y, chin_y, faces[0].x + faces[0].side / 2, max(len(faces), _silhouettes(others) + 1))


def only_person(alpha: Alpha) -> Alpha:
    """The alpha of the largest person alone: 0 where a blob hangs together with them nowhere; a new array.

    >>> only_person(np.array([[0, 9, 255, 255, 0, 200]], np.uint8)).tolist()
    [[0, 9, 255, 255, 0, 0]]
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0).view(np.uint8), connectivity=8)
    if count < 3:
        return alpha.copy()
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return np.where(labels == largest, alpha, np.uint8(0))


def find_faces(image: Image, person: Mask) -> list[Face]:
    """Frontal faces that lie on the person, the clearest first; none where OpenCV came without its cascades.

    Args:
        image: (H, W, 3) uint8 sRGB.
        person: (H, W) bool; a box of which less than half lies on it is a pattern of the background.
    """
    cascade = _cascade()
    if cascade is None or not person.any():
        return []
    left, top, width, height = cv2.boundingRect(person.view(np.uint8))
    grey = cv2.cvtColor(image[top : top + height, left : left + width], cv2.COLOR_RGB2GRAY)
    scale = _SEARCH_PX / max(width, height)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    searched = cv2.resize(grey, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=how)
    found: list[Face] = []
    for mirrored, votes in _TRIES:
        found = [
            Face(left + x / scale, top + y / scale, side / scale, count)
            for x, y, side, count in _detected(cascade, searched, mirrored, votes)
        ]
        if any(_share_inside(face, person) >= 0.5 for face in found):
            break
    faces: list[Face] = []
    for face in sorted(found, key=lambda one: (-one.votes, -one.side, one.x, one.y)):
        if _share_inside(face, person) >= 0.5 and all(_beside(face, known) for known in faces):
            faces.append(face)
    return faces


def _crown_and_chin(face: Face, person: Mask) -> tuple[float, float]:
    chin = face.y + face.side * (1 + _CHIN_BELOW_BOX)
    # The middle half of the face's columns: neither a raised hand nor a braid beside the head is its top.
    columns = person[:, round(face.x + face.side * 0.25) : round(face.x + face.side * 0.75)]
    middle = min(len(person) - 1, round(face.y + face.side / 2))
    empty = np.flatnonzero(~columns[:middle].any(axis=1))
    crown = int(empty[-1]) + 1 if empty.size else 0
    if crown == 0:
        raise HeadNotFoundError("the frame cuts the top of the head")
    if chin >= len(person):
        raise HeadNotFoundError("the frame cuts the chin")
    if not _HEAD_TO_BOX[0] <= (chin - crown) / face.side <= _HEAD_TO_BOX[1]:
        raise HeadNotFoundError("face and silhouette don't go together")
    return float(crown), chin


def _largest(mask: Mask) -> tuple[Mask, Mask]:
    """The largest component, and the others that are too large to be stray blobs."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count < 2:
        raise HeadNotFoundError("nobody is in the picture")
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax())
    wanted = [label + 1 for label in np.flatnonzero(areas >= _SECOND_PERSON * areas[largest]) if label != largest]
    return labels == largest + 1, np.isin(labels, wanted)


def _silhouettes(mask: Mask) -> int:
    """How many components there are."""
    return int(cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0]) - 1


def _detected(cascade: Any, grey: Image, mirrored: bool, votes: int) -> list[tuple[float, float, float, int]]:
    """Left, top and side of each box in the picture as given, and its votes."""
    least = _SEARCH_PX // 12
    searched = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
    with _TURN:
        boxes, counts = cascade.detectMultiScale2(searched, scaleFactor=1.1, minNeighbors=votes, minSize=(least, least))
    return [
        (float(grey.shape[1] - x - side if mirrored else x), float(y), float(side), int(count))
        for (x, y, side, _), count in zip(boxes, counts, strict=True)
    ]


def _share_inside(face: Face, person: Mask) -> float:
    rows = slice(max(0, round(face.y)), round(face.y + face.side))
    box = person[rows, max(0, round(face.x)) : round(face.x + face.side)]
    return float(box.mean()) if box.size else 0.0


def _beside(face: Face, clearer: Face) -> bool:
    """Whether a box is another person's face: apart from a clearer one, and neither a fold of cloth nor a pattern."""
    apart = max(abs(face.x - clearer.x), abs(face.y - clearer.y)) > 0.8 * min(face.side, clearer.side)
    inside = (
        clearer.x - face.side / 2 < face.x < clearer.x + clearer.side - face.side / 2
        and face.y < clearer.y + 2 * clearer.side
    )
    return apart and not inside and face.side > 0.4 * clearer.side and face.votes > 0.25 * clearer.votes


@cache
def _cascade() -> Any:
    folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
    if folder is None or not hasattr(cv2, "CascadeClassifier") or not (Path(folder) / _CASCADE).is_file():
        return None
    cascade = cv2.CascadeClassifier(str(Path(folder) / _CASCADE))
    return None if cascade.empty() else cascade
