"""Triage of all selected cases: photos and predictions are read a part at a time, each case is weighed by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from segdata.catalog.keys import key_of
from segdata.catalog.pixels import read_pair
from segdata.catalog.workspace import RunContext
from segdata.engines.local import map_threads
from segdata.errors import PixelError, StorageError
from segdata.imaging.arrays import Probability
from segdata.mine.recipe import TriageRecipe
from segdata.mine.triage import Triaged, triage_case
from segdata.mine.voices import Voice
from segdata.records import Progress

Row = dict[str, Any]

AT_ONCE = 512
"""Predictions held in memory at a time."""

_Heard = tuple[Row, Probability | None, list[Probability]]


@dataclass(frozen=True)
class Judge:
    """Weighs cases.

    Attributes:
        context: where photos and predictions are read, and the number of threads.
        recipe: the thresholds.
        scorers: whose cases they are, by scorer_id.
        opinions: who else was asked.
    """

    context: RunContext
    recipe: TriageRecipe
    scorers: Mapping[str, Voice]
    opinions: Sequence[Voice] = ()

    def all(self, cases: pa.Table) -> Iterator[Triaged]:
        """Each case's triage, in order.

        Args:
            cases: rows of `samples` and of `scores` in one.
        """
        done, total = 0, cases.num_rows
        for start in range(0, total, AT_ONCE):
            part = cases.slice(start, AT_ONCE).to_pylist()
            for found in map_threads(self._one, self._heard(part), self.context.workers):
                yield found
                done += 1
                if done % 16 == 0 or done == total:
                    self.context.progress(Progress("mine", "triage", done, total))

    def _heard(self, part: Sequence[Row]) -> list[_Heard]:
        """What was said about each case."""
        catalog = self.context.catalog
        said: dict[Any, Probability] = {}
        for scorer_id, cases in by_scorer(part).items():
            said |= self.scorers[scorer_id].says(catalog, cases)
        others = [voice.says(catalog, part) for voice in self.opinions]
        keys = [key_of(case) for case in part]
        return [
            (case, said.get(key), [other[key] for other in others if key in other])
            for case, key in zip(part, keys, strict=True)
        ]

    def _one(self, heard: _Heard) -> Triaged:
        case, probability, opinions = heard
        if probability is None:
            return Triaged("hard", 0.0, "the prediction is gone from the catalog: nothing to judge the label by")
        try:
            image, alpha = read_pair(self.context.workspace, case)
        except (StorageError, PixelError) as error:
            return Triaged("hard", 0.0, f"can't be read any more: {error}")
        return triage_case(image, alpha, probability, self.recipe, opinions)


def by_scorer(cases: Sequence[Row]) -> dict[str, list[Row]]:
    """The cases of each scorer, in order."""
    found: dict[str, list[Row]] = {}
    for case in cases:
        found.setdefault(case["scorer_id"], []).append(case)
    return found
