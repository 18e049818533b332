"""A mask file as the label of its photo: decoded, checked against its source, turned and resized if need be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from segdata.imaging.alpha_file import decode_alpha, decode_colours, decode_stored, is_lossy
from segdata.imaging.alpha_fit import fit_alpha, same_aspect
from segdata.imaging.alpha_reading import PLAIN, AlphaReading
from segdata.imaging.arrays import Alpha
from segdata.imaging.headers import DecodeError
from segdata.imaging.levels import is_hard_but_for_noise, may_be_levels, survey_levels
from segdata.imaging.orientation import upright
from segdata.metrics.labels import frame_fraction, measure_label
from segdata.records import MAX_PIXELS, AlphaFit, Candidate, ExifRule

EXIF_QUESTION = (
    "EXIF turns this photo and its mask has no EXIF; the mask fits the upright photo and the pixels as stored. "
    'Which one is right? Set exif = "apply" for the upright photo, or exif = "ignore" for the stored pixels'
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source wants its files read.

    Attributes:
        alpha_fit: what is done with an alpha of another size than its photo.
        max_pixels: a picture whose header says more is rejected.
        alpha: what the values of its masks mean.
        open_question: why nobody can say what they mean; every mask is rejected with it. Empty otherwise.
        exif: whether masks without EXIF fit the upright photo; None while that is open.
    """

    alpha_fit: AlphaFit = "reject"
    max_pixels: int = MAX_PIXELS
    alpha: AlphaReading = PLAIN
    open_question: str = ""
    exif: ExifRule | None = None

    def of(self, candidate: Candidate) -> str:
        """All that decides about a candidate besides its bytes, as JSON: `read_as` of `rejects`.

        What an older segdata did not know is left out where it is as usual, so that its rejects still match.
        """
        how: dict[str, Any] = {
            "alpha_fit": self.alpha_fit,
            "max_pixels": self.max_pixels,
            "kind": candidate.kind,
            "alpha_channel": candidate.alpha_channel,
            "alpha_index": candidate.alpha_index,
        }
        if candidate.drawing is not None:
            how["annotations"] = candidate.drawing.digest
        if candidate.alpha is None or candidate.alpha_is_written:
            return json.dumps(how, sort_keys=True)
        meaning = {"alpha": self.alpha.to_text(), "open_question": bool(self.open_question), "exif": self.exif}
        return json.dumps({**how, **{key: value for key, value in meaning.items() if value}}, sort_keys=True)


class UndecidedTurnError(DecodeError):
    """A mask that may have to be turned with its photo: its source has to say so first."""


class Photo(NamedTuple):
    """What a label has to fit: height and width of the upright photo, and the EXIF orientation that was undone."""

    size_hw: tuple[int, int]
    orientation: int


class Label(NamedTuple):
    """A label that fits its photo.

    Attributes:
        has_person: whether any pixel is person.
        columns: those of `samples` that come from it.
    """

    has_person: bool
    columns: dict[str, Any]


def read_label(data: bytes, candidate: Candidate, reading: Reading, photo: Photo) -> Label:
    """Decode and measure the mask of a candidate.

    Args:
        data: of the mask's file.
        candidate: whose it is.
        reading: how its source wants files read.
        photo: what it has to fit.

    Raises:
        UndecidedTurnError: EXIF turns the photo, and nobody knows yet whether it turns the mask.
        DecodeError: The file is no mask, or not one as its source has them.
    """
    meaning = reading.alpha if candidate.holds_mask_of_source else PLAIN
    if reading.open_question and not candidate.alpha_is_written:
        raise DecodeError("implausible_alpha", reading.open_question)
    stored = decode_alpha(data, candidate.alpha_channel, reading.max_pixels, candidate.alpha_index, meaning)
    alpha, orientation = stored, None
    if photo.orientation != 1 and candidate.kind == "portrait" and not candidate.alpha_is_written:
        alpha, orientation = _turned(stored, data, candidate, reading, photo)
    fitted = fit_alpha(alpha, photo.size_hw, reading.alpha_fit)
    if candidate.kind == "background":
        return Label(bool(alpha.any()), {})
    columns = {**measure_label(fitted), "alpha_orientation": orientation, "is_trimap": False}
    columns["frame_fraction"] = frame_fraction(fitted)
    is_checked = candidate.alpha_index is None and not meaning.colours and not candidate.alpha_is_written
    if is_checked and columns["soft_fraction"]:
        columns["is_trimap"] = _is_trimap(alpha, meaning)
    if fitted is not alpha:  # a mask that was hard has grey edges now, and knows no more than before
        columns |= {"alpha_fit": "resize", "alpha_kind": measure_label(alpha)["alpha_kind"]}
    if columns["alpha_kind"] == "soft" and is_lossy(data) and is_hard_but_for_noise(alpha):
        columns["alpha_kind"] = "hard"
    return Label(bool(alpha.any()), columns)


def _is_trimap(alpha: Alpha, meaning: AlphaReading) -> bool:
    """Whether a mask is a trimap.

    Raises:
        DecodeError: implausible_alpha: it holds classes, or nothing in it counts as person.
    """
    if not may_be_levels(alpha):
        return False
    kind, values = survey_levels(255 - alpha if meaning.invert else alpha)
    if kind == "classes":
        listed = ", ".join(map(str, values[:12]))
        raise DecodeError(
            "implausible_alpha",
            f"its values on a scale of 0 to 255 are {listed}: a label map, unlike the masks of its source; mend it, or "
            "set alpha_index to the class of the person",
        )
    if kind == "faint":
        raise DecodeError(
            "implausible_alpha",
            f"its values on a scale of 0 to 255 are {values[0]} to {values[1]}, and nothing is near white; scale it "
            "as the other masks of its source",
        )
    return kind == "trimap"


def _turned(
    alpha: Alpha, data: bytes, candidate: Candidate, reading: Reading, photo: Photo
) -> tuple[Alpha, int | None]:
    """The mask of a photo that EXIF turns, and the column `alpha_orientation`."""
    if _own_orientation(data, candidate, reading) != 1:
        return alpha, None
    turned = upright(alpha, photo.orientation)
    fits_turned = _fits(turned, photo.size_hw, reading.alpha_fit)
    if not fits_turned or np.array_equal(turned, alpha):
        return alpha, None
    fits_upright = _fits(alpha, photo.size_hw, reading.alpha_fit)
    if reading.exif == "ignore":
        return turned, photo.orientation
    if reading.exif == "apply":
        return alpha, 1
    if fits_upright:
        raise UndecidedTurnError("implausible_alpha", EXIF_QUESTION)
    try:
        fit_alpha(alpha, photo.size_hw, reading.alpha_fit)
    except DecodeError as error:
        raise UndecidedTurnError(error.reason, error.detail) from error
    return alpha, None


def _own_orientation(data: bytes, candidate: Candidate, reading: Reading) -> int:
    """The EXIF orientation of a mask file itself."""
    if reading.alpha.colours and not candidate.merged:
        return decode_colours(data, reading.max_pixels).orientation
    return decode_stored(data, candidate.alpha_channel, reading.max_pixels, candidate.alpha_index).orientation


def _fits(alpha: Alpha, size_hw: tuple[int, int], fit: AlphaFit) -> bool:
    size = (alpha.shape[0], alpha.shape[1])
    return size == size_hw or (fit == "resize" and same_aspect(size, size_hw))
