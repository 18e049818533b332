"""Backgrounds that a version kept out of fusion, as the newest run that asked one tells of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.report.plan import Case
from segdata.report.summaries import started
from segdata.report.text import finite

Row = dict[str, Any]


@dataclass(frozen=True)
class Veto:
    """What a version said about the backgrounds.

    Attributes:
        run_id: the run that asked.
        model_id: the version's.
        threshold: probability of a person from which a background is left out.
        judged: backgrounds it looked at.
        seen: in how many it sees somebody.
        trusted: False where that was too many to be believed, and none was left out.
        vetoed: sample_id and probability of those left out, the surest first.
    """

    run_id: str
    model_id: str
    threshold: float
    judged: int
    seen: int
    trusted: bool
    vetoed: tuple[tuple[str, float], ...]


def newest_veto(runs: Sequence[Row]) -> Veto | None:
    """The veto of the newest run that has one; None where no version was asked yet.

    Args:
        runs: rows of `runs` with their `result`, the JSON that each command printed.
    """
    for row in sorted(runs, key=lambda one: (started(one), str(one["run_id"])), reverse=True):
        told = _veto_of(row)
        if told is not None:
            vetoed = tuple((str(one["sample_id"]), finite(one["person_probability"]) or 0.0) for one in told["vetoed"])
            numbers = (float(told["threshold"]), int(told["judged"]), int(told["seen"]))
            return Veto(str(row["run_id"]), str(told["model_id"]), *numbers, bool(told["trusted"]), vetoed)
    return None


def vetoed_cases(veto: Veto | None, samples: Mapping[str, Row], limit: int) -> list[Case]:
    """The backgrounds that were left out as cards, the surest first."""
    if veto is None:
        return []
    return [
        Case(sample_id=name, sample=samples.get(name), score={"person_probability": probability})
        for name, probability in veto.vetoed[:limit]
    ]


def _veto_of(run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of the command itself, of its last round that has one, or of the fusion before the rounds."""
    try:
        result = json.loads(run.get("result") or "{}")
    except ValueError:
        return None
    rounds = result.get("rounds") or []
    places = [result, *reversed(rounds), result.get("fuse") or {}]
    return next((place["veto"] for place in places if isinstance(place, dict) and place.get("veto")), None)
