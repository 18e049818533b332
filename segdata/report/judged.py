"""What people said, as the page tells it: the last word on each case, who disagrees, who judged how much. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.catalog.verdicts import Bytes, disagree, notes_of, of_reviewers
from segdata.records import VERDICTS

Row = dict[str, Any]


@dataclass(frozen=True)
class Word:
    """One reviewer's last word on a sample's bytes."""

    reviewer: str
    verdict: str


@dataclass(frozen=True)
class Disagreement:
    """A sample whose reviewers differ; the last word counts in training."""

    sample_id: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Judged:
    """All verdicts that still apply.

    Attributes:
        words: by sample_id and hashes, the last word coming last.
        reviewers: name, and how many of each verdict; the busiest first.
        disagreements: by sample_id.
        stale: verdicts on bytes that a sample no longer has.
        notes: by sample_id and hashes, then by reviewer, the newest last; with a verdict or without one.
    """

    words: Mapping[Bytes, tuple[Word, ...]]
    reviewers: tuple[tuple[str, Mapping[str, int]], ...]
    disagreements: tuple[Disagreement, ...]
    stale: int
    notes: Mapping[Bytes, Mapping[str, str]]

    @property
    def counted(self) -> Mapping[str, int]:
        """How many samples have each verdict, by the last word on them."""
        counts = Counter(words[-1].verdict for words in self.words.values())
        return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def judged(verdicts: Sequence[Row], samples: Sequence[Row]) -> Judged:
    """What people said of the samples as they are.

    Args:
        verdicts: rows of `verdicts`, in any order.
        samples: rows of `samples`.
    """
    present = {(row["sample_id"], row.get("image_sha256"), row.get("alpha_sha256")) for row in samples}
    of_all = of_reviewers(verdicts)
    current = {key: of_sample for key, of_sample in of_all.items() if key in present}
    words = {key: tuple(_word(row) for row in of_sample.values()) for key, of_sample in current.items()}
    counts: dict[str, Counter[str]] = {}
    for said in words.values():
        for word in said:
            counts.setdefault(word.reviewer, Counter())[word.verdict] += 1
    busiest = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    differing = [Disagreement(key[0], words[key]) for key, of_sample in current.items() if disagree(of_sample)]
    return Judged(
        words=words,
        reviewers=tuple((name, {verdict: count[verdict] for verdict in VERDICTS}) for name, count in busiest),
        disagreements=tuple(sorted(differing, key=lambda one: one.sample_id)),
        stale=sum(len(of_sample) for key, of_sample in of_all.items() if key not in present),
        notes={key: notes for key, notes in notes_of(verdicts).items() if key in present},
    )


def _word(row: Row) -> Word:
    return Word(str(row["reviewer"] or "unknown"), str(row["verdict"]))
