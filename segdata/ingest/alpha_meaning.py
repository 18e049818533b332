"""What the mask values of a source mean, decided from a sample of its masks: pure.

Most masks of the sample decide. A source whose masks are neither hard nor soft masks nor trimaps stays open: nothing in
the values of a label map says which class is the person, so its masks are rejected until the recipe does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.alpha_file import StoredMask
from segdata.imaging.alpha_reading import (
    FLOAT_WHITES,
    PLAIN,
    WIDE_WHITES,
    AlphaReading,
    from_colours,
    main_colours,
    overshoot_of,
    scale_to_alpha,
)
from segdata.imaging.headers import DecodeError
from segdata.imaging.label_maps import IGNORE
from segdata.imaging.levels import Levels, survey_levels
from segdata.metrics.labels import frame_fraction
from segdata.records import ANY_CLASS

Group = Literal["8bit", "16bit", "float"]
_NEARLY_WHITE = 0.94  # of white: what the largest value of most masks reaches
_PERCENT = 100
_MOST_LISTED = 12
_COMMON = 0.25  # of the masks of the sample
_INVERTED_FROM, _INVERTED_SHARE = 0.75, 0.8  # of the frame is white, in so many of the masks


@dataclass(frozen=True)
class AlphaMeaning:
    """What the mask values of a source mean.

    Attributes:
        words: the meaning, for people, such as "values 0 and 255: hard masks"; empty if no mask could be looked at.
        reading: how the masks are turned into alpha.
        is_open: nobody can say which values are the person, and every mask is rejected with the words.
        warnings: what a person should look at.
        sampled: how many masks were looked at.
        settled: whether any of them had something to say; black masks have nothing.
    """

    words: str = ""
    reading: AlphaReading = PLAIN
    is_open: bool = False
    warnings: tuple[str, ...] = ()
    sampled: int = 0
    settled: bool = False


NOTHING_DECIDED = AlphaMeaning()


class Question(NamedTuple):
    """What the recipe says about the masks of a source.

    Attributes:
        person_class: the class of the person, of label maps.
        colours: the colours of the person, of colour masks.
        invert: whether white is the background.
    """

    person_class: int | None = None
    colours: tuple[str, ...] = ()
    invert: bool = False


def decide_meaning(masks: Sequence[StoredMask], refused: Sequence[DecodeError], question: Question) -> AlphaMeaning:
    """Decide what the values of a source mean.

    Args:
        masks: the sample: values, or colours where the recipe names colours.
        refused: why others of the sample could not be read.
        question: what the recipe says.
    """
    reading = AlphaReading(colours=question.colours, invert=question.invert)
    if question.colours:
        return _of_colours([mask for mask in masks if mask.values.ndim == 3], reading)
    values = [mask.values for mask in masks]
    if question.person_class is not None:
        return _of_classes(masks, question.person_class, reading)
    reading = _with_whites(reading, values)
    surveyed = [_survey(one, reading) for one in values]
    kinds = Counter[str](one.kind for one in surveyed)
    coloured = [error.detail for error in refused if error.reason == "implausible_alpha"]
    plain = kinds["hard"] + kinds["soft"] + kinds["trimap"]
    unclear = kinds["classes"] + kinds["faint"] + len(coloured)
    sampled = len(masks) + len(refused)
    if unclear > plain:
        words = _open_words(values, surveyed, coloured)
        return AlphaMeaning(words, replace(PLAIN, invert=question.invert), True, (), sampled, True)
    if not plain:
        words = f"all {len(masks)} masks of the sample have one value only" if masks else ""
        return AlphaMeaning(words, replace(PLAIN, invert=question.invert), sampled=sampled)
    kind = max(_PLAIN, key=lambda one: kinds[one])
    alphas = [_alpha(one, reading) for one, level in zip(values, surveyed, strict=True) if level.kind in _PLAIN]
    warnings = (*_trimap_warning(kind), *_inverted_warning(alphas))
    return AlphaMeaning(_plain_words(kind, values, surveyed, reading), reading, False, warnings, sampled, True)


_PLAIN = ("hard", "soft", "trimap")


def _of_colours(masks: Sequence[StoredMask], reading: AlphaReading) -> AlphaMeaning:
    pixels = [mask.values.astype(np.uint8, copy=False) for mask in masks]
    shown = {
        colour: any(from_colours(one, (colour,), mask.lossy).any() for one, mask in zip(pixels, masks, strict=True))
        for colour in reading.colours
    }
    words = f"colour masks: {', '.join(reading.colours)} {_is_or_are(len(reading.colours))} the person"
    missing = [colour for colour, there in shown.items() if not there]
    warnings = []
    if missing and masks:
        others = Counter(colour for one in pixels for colour in main_colours(one))
        listed = ", ".join(colour for colour, _ in others.most_common(_MOST_LISTED)) or "many others"
        warnings.append(
            f"alpha_colour {', '.join(missing)} is in none of the {len(masks)} masks of the sample; they have {listed}"
        )
    return AlphaMeaning(words, reading, False, tuple(warnings), len(masks), any(shown.values()))


def _of_classes(masks: Sequence[StoredMask], index: int, reading: AlphaReading) -> AlphaMeaning:
    used: Counter[float] = Counter()
    for mask in masks:
        used.update(np.unique(mask.values).tolist())
    classes = sorted(used)
    warnings = []
    is_used = index in used or (index == ANY_CLASS and any(value not in (0, IGNORE) for value in used))
    if masks and not is_used:
        warnings.append(
            f"alpha_index = {index} is in none of the {len(masks)} masks of the sample; they have {_listed(classes)}"
        )
    if any(mask.lossy for mask in masks):
        warnings.append("label maps in a lossy format, such as JPEG, have wrong classes along every edge; use PNG")
    name = '"all"' if index == ANY_CLASS else index
    words = f"label map with values {_listed(classes)}: alpha_index = {name} is the person" if masks else ""
    return AlphaMeaning(words, reading, False, tuple(warnings), len(masks), is_used)


def _with_whites(reading: AlphaReading, values: Sequence[NDArray[np.generic]]) -> AlphaReading:
    """The reading with what is white in files of each type, where it is not what `AlphaReading` takes by itself."""
    highest: dict[Group, list[float]] = {"8bit": [], "16bit": [], "float": []}
    for one in values:
        if one.size and np.isfinite(most := float(one.max())) and most > (0 if _group(one) == "float" else 1):
            highest[_group(one)].append(most)
    if highest["8bit"] and max(highest["8bit"]) <= _PERCENT and _share(highest["8bit"], _PERCENT, _PERCENT) > 0.5:
        reading = replace(reading, white_8bit=_PERCENT)
    for wide in (_PERCENT, *WIDE_WHITES[:-1]):
        if _share(highest["16bit"], wide if wide == _PERCENT else _NEARLY_WHITE * wide, wide) > 0.5:
            reading = replace(reading, white_16bit=wide)
    for white in FLOAT_WHITES[1:]:
        if _share(highest["float"], _NEARLY_WHITE * white, white * overshoot_of(white)) > 0.5:
            reading = replace(reading, white_float=white)
    return reading


def _share(highest: Sequence[float], low: float, high: float) -> float:
    return sum(low <= one <= high for one in highest) / len(highest) if highest else 0.0


def _group(values: NDArray[np.generic]) -> Group:
    if np.issubdtype(values.dtype, np.floating):
        return "float"
    return "8bit" if values.dtype in (np.uint8, np.bool_) else "16bit"


def _alpha(values: NDArray[np.generic], reading: AlphaReading) -> NDArray[np.uint8]:
    alpha = scale_to_alpha(values, reading)
    return 255 - alpha if reading.invert else alpha


def _survey(values: NDArray[np.generic], reading: AlphaReading) -> Levels:
    try:
        return survey_levels(scale_to_alpha(values, reading))
    except DecodeError:
        return Levels("classes", ())


def _plain_words(
    kind: str, values: Sequence[NDArray[np.generic]], surveyed: Sequence[Levels], reading: AlphaReading
) -> str:
    own = [one for one, level in zip(values, surveyed, strict=True) if level.kind == kind]
    whites = sorted({_white_of(one, reading) for one in own})
    listed = " or ".join(f"{white:g}" for white in whites)
    bits = {1023: 10, 4095: 12, 16383: 14}
    notes = [f"{bits[int(white)]} bits in a 16-bit file" for white in whites if white in bits]
    note = f" ({', '.join(notes)})" if notes else ""
    inverted = ", inverted: 0 is the person" if reading.invert else ""
    if kind == "trimap":
        levels = next(level.values for level in surveyed if level.kind == "trimap")
        return f"values {_listed(levels)}: trimaps with three levels{note}{inverted}"
    if kind != "trimap" and all(_is_common(one, surveyed) for one in _NOUNS):
        return f"values 0 to {listed}: hard masks and soft mattes{note}{inverted}"
    return f"values 0 {'and' if kind == 'hard' else 'to'} {listed}: {kind} {_NOUNS[kind]}{note}{inverted}"


_NOUNS = {"hard": "masks", "soft": "mattes"}


def _is_common(kind: str, surveyed: Sequence[Levels]) -> bool:
    return sum(level.kind == kind for level in surveyed) >= _COMMON * len(surveyed)


def _white_of(values: NDArray[np.generic], reading: AlphaReading) -> float:
    highest = float(values.max())
    if highest <= 1 or (_group(values) == "float" and reading.white_float is None and highest <= overshoot_of(1)):
        return 1
    if _group(values) == "8bit":
        return reading.white_8bit
    if _group(values) == "16bit":
        return reading.white_16bit or (255 if highest <= 255 else 65535)
    return reading.white_float or (255 if highest <= 255 * overshoot_of(255) else 65535)


def _open_words(values: Sequence[NDArray[np.generic]], surveyed: Sequence[Levels], coloured: Sequence[str]) -> str:
    unclear = [one for one, level in zip(values, surveyed, strict=True) if level.kind in ("classes", "faint")]
    if len(coloured) > len(unclear):
        return Counter(coloured).most_common(1)[0][0]
    used = sorted({float(value) for one in unclear for value in _frequent(one)})
    if len(used) <= 2 * _MOST_LISTED:
        return f"label map with values {_listed(used)}: set alpha_index to the class of the person"
    return (
        f"values {used[0]:g} to {used[-1]:g}: neither masks nor label maps; scale the masks so that 255 is person, or "
        "set alpha_index to the class of the person"
    )


def _frequent(values: NDArray[np.generic]) -> NDArray[np.generic]:
    used, counts = np.unique(values, return_counts=True)
    frequent: NDArray[np.generic] = used[counts >= 0.001 * values.size]
    return frequent


def _trimap_warning(kind: str) -> Iterable[str]:
    if kind == "trimap":
        yield "trimaps have three levels, of which the middle one says that nobody decided; use mattes as labels"


def _inverted_warning(alphas: Sequence[NDArray[np.uint8]]) -> Iterable[str]:
    inverted = sum(frame_fraction(alpha) >= _INVERTED_FROM for alpha in alphas)
    if alphas and inverted >= _INVERTED_SHARE * len(alphas):
        yield (
            f"{inverted} of {len(alphas)} masks of the sample are white along the frame and look inverted: if black is "
            "the person, set alpha_invert = true"
        )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values[:_MOST_LISTED]) + (", …" if len(values) > _MOST_LISTED else "")


def _is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"
