"""Photos that EXIF turns and whose masks have no EXIF: does the mask fit the upright photo, or the pixels as stored?

Where its size fits both ways (a photo upside down, mirrored, or square), the edges of the photos of the source decide:
the outline of the right mask follows them, and that of the other one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from segdata.imaging.decode import DecodeError, decode_alpha, decode_image, decode_oriented_luma
from segdata.imaging.orientation import upright
from segdata.imaging.outline_edges import edge_agreement
from segdata.ingest.label_file import Reading
from segdata.ingest.measure import read_file
from segdata.records import Candidate, ExifRule
from segdata.storage.root import Root

LARGEST_SAMPLE = 24
_CLEAR, _CLEAR_MEAN = 0.02, 0.05  # of the strength of an edge, which is 1 at most
_AGREEING = 0.75  # of the photos with a clear answer


class TurnDecision(NamedTuple):
    """Whether EXIF turns masks without EXIF, and why, in words."""

    rule: ExifRule | None
    words: str


def decide_turn(candidates: Sequence[Candidate], reading: Reading, root: Root) -> TurnDecision:
    """Decide once for all masks of a source.

    Args:
        candidates: whose photo EXIF turns and whose mask fits both ways.
        reading: how the source wants files read.
        root: of the source.
    """
    sample = spread_evenly(candidates, LARGEST_SAMPLE)
    measured = [_how_much_better_turned(one, reading, root) for one in sample]
    return turn_of([one for one in measured if one is not None], len(candidates))


def turn_of(better_turned: Sequence[float], photos: int) -> TurnDecision:
    """The decision, from how much better the outline of each mask follows the edges of its photo if it is turned.

    Args:
        better_turned: strength of the edges along the turned outline minus that along the outline as it is.
        photos: how many photos the decision concerns.

    >>> turn_of([0.4, 0.5], photos=2).rule, turn_of([-0.3], photos=1).rule, turn_of([0.3, -0.3], photos=2).rule
    ('ignore', 'apply', None)
    """
    of_photos = f"{photos} photo{' that EXIF turns has a mask' if photos == 1 else 's that EXIF turns have masks'}"
    clear = [one for one in better_turned if abs(one) >= _CLEAR]
    mean = sum(better_turned) / len(better_turned) if better_turned else 0.0
    turned = sum(one > 0 for one in clear)
    if mean >= _CLEAR_MEAN and turned >= _AGREEING * len(clear):
        return TurnDecision(
            "ignore",
            f"EXIF: {of_photos} without EXIF that fit the pixels as stored, by the edges of the photos: the masks are "
            'turned with the photos, as exif = "ignore" in the recipe would do',
        )
    if mean <= -_CLEAR_MEAN and len(clear) - turned >= _AGREEING * len(clear):
        return TurnDecision(
            "apply",
            f"EXIF: {of_photos} without EXIF that fit the upright photos, by the edges of the photos: the masks stay "
            'as they are, as exif = "apply" in the recipe would do',
        )
    return TurnDecision(
        None,
        f"EXIF: {of_photos} without EXIF, and the edges of the photos don't say whether the masks fit the upright "
        'photos or the pixels as stored: set exif = "apply" or exif = "ignore"',
    )


def spread_evenly(candidates: Sequence[Candidate], most: int) -> list[Candidate]:
    """At most so many of some candidates, at even distances."""
    count = min(most, len(candidates))
    return [candidates[index * len(candidates) // count] for index in range(count)]


def _how_much_better_turned(candidate: Candidate, reading: Reading, root: Root) -> float | None:
    try:
        photo = read_file(candidate.image, "unreadable_image", root).data
        mask = read_file(candidate.alpha, "unreadable_alpha", root).data
        image = decode_image(photo, reading.max_pixels)
        orientation = decode_oriented_luma(photo, reading.max_pixels).orientation
        alpha = decode_alpha(mask, candidate.alpha_channel, reading.max_pixels, candidate.alpha_index, reading.alpha)
    except DecodeError:
        return None
    turned, as_it_is = edge_agreement(image, upright(alpha, orientation)), edge_agreement(image, alpha)
    return None if turned is None or as_it_is is None else turned - as_it_is
