"""How a returned label differs from the one in the catalog, and whether it is held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segdata.imaging.arrays import Alpha
from segdata.records import LABEL_CUT

LOWEST_IOU = 0.25
"""A returned label that shares less than this with the old one may be that of another photo."""


@dataclass(frozen=True)
class LabelChange:
    """What a returned label changes.

    Attributes:
        sample_id: of the catalog.
        foreground_before, foreground_after: share of the pixels that are person, in the old and in the new label.
        iou_with_old: intersection over union of the person in both; 1 where nobody is in either.
    """

    sample_id: str
    foreground_before: float
    foreground_after: float
    iou_with_old: float

    def to_json(self) -> dict[str, Any]:
        """A row of `changed` and of `held_back` in `segdata ingest --mended --json`."""
        return asdict(self)


def compare_labels(sample_id: str, old: Alpha, new: Alpha) -> LabelChange:
    """Compare the person in two labels of one size.

    >>> old, new = np.array([[255, 255, 0, 0]], np.uint8), np.array([[0, 255, 255, 255]], np.uint8)
    >>> compare_labels("p/1", old, new)
    LabelChange(sample_id='p/1', foreground_before=0.5, foreground_after=0.75, iou_with_old=0.25)
    """
    before, after = old >= LABEL_CUT, new >= LABEL_CUT
    union = int((before | after).sum())
    iou = int((before & after).sum()) / union if union else 1.0
    return LabelChange(sample_id, float(before.mean()), float(after.mean()), iou)


def is_held_back(change: LabelChange, judged_wrong: bool) -> bool:
    """Whether a label is too different to be taken without a person's word.

    Args:
        change: what it changes.
        judged_wrong: the last verdict on the old label is label_error.
    """
    old_says_nothing = change.foreground_before in (0.0, 1.0)
    return change.iou_with_old < LOWEST_IOU and not old_says_nothing and not judged_wrong


def is_same_label(new: Alpha, exported: Alpha) -> bool:
    """Whether a returned label is the one that was given out, soft or cut: a tool without soft edges cuts them off."""
    if np.array_equal(new, exported):
        return True
    is_hard = bool(((new == 0) | (new == 255)).all())
    return is_hard and np.array_equal(new >= LABEL_CUT, exported >= LABEL_CUT)


def last_verdicts(judged: Mapping[Any, Mapping[str, Mapping[str, Any]]]) -> dict[Any, str]:
    """The last verdict on each sample's bytes, of what `of_reviewers` found."""
    return {key: str(list(words.values())[-1]["verdict"]) for key, words in judged.items()}
