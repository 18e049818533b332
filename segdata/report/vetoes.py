"""Backgrounds that were kept out of fusion since somebody is in them, as the newest run that asked tells. Pure."""

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
class Asked:
    """What a version, or the regression on the photos, said about the backgrounds.

    Attributes:
        who: the version's model_id; empty for the regression.
        threshold: probability of a person from which a background is left out.
        judged: backgrounds it looked at.
        seen: in how many it sees somebody.
        trusted: False where it is not believed, and none was left out.
        photos, portraits: how many the regression learned people from; 0 for a version.
        recall: the share of them that the regression finds; None for a version.
    """

    who: str
    threshold: float
    judged: int
    seen: int
    trusted: bool
    photos: int = 0
    portraits: int = 0
    recall: float | None = None


@dataclass(frozen=True)
class Vetoed:
    """A background that was left out.

    Attributes:
        sample_id: the background's.
        probability: of a person, the larger one where two saw somebody.
        by: version, presence, or both.
    """

    sample_id: str
    probability: float
    by: str


@dataclass(frozen=True)
class Veto:
    """What was said about the backgrounds.

    Attributes:
        run_id: the run that asked.
        asked: who was asked.
        judged: backgrounds that were looked at.
        vetoed: those left out, the surest first.
    """

    run_id: str
    asked: tuple[Asked, ...]
    judged: int
    vetoed: tuple[Vetoed, ...]


def newest_veto(runs: Sequence[Row]) -> Veto | None:
    """The veto of the newest run that has one; None where nobody was asked yet.

    Args:
        runs: rows of `runs` with their `result`, the JSON that each command printed.
    """
    for row in sorted(runs, key=lambda one: (started(one), str(one["run_id"])), reverse=True):
        told = _veto_of(row)
        if told is not None:
            version = told.get("version") if "version" in told else told  # as older runs told it
            asked = tuple(_asked(one) for one in (version, told.get("presence")) if one)
            return Veto(str(row["run_id"]), asked, int(told["judged"]), tuple(map(_vetoed, told["vetoed"])))
    return None


def vetoed_cases(veto: Veto | None, samples: Mapping[str, Row], limit: int) -> list[Case]:
    """The backgrounds that were left out as cards, the surest first."""
    if veto is None:
        return []
    return [
        Case(
            sample_id=one.sample_id,
            sample=samples.get(one.sample_id),
            score={"person_probability": one.probability, "by": one.by},
        )
        for one in veto.vetoed[:limit]
    ]


def _asked(told: Mapping[str, Any]) -> Asked:
    recall = told.get("recall")
    return Asked(
        who=str(told.get("model_id", "")),
        threshold=float(told["threshold"]),
        judged=int(told["judged"]),
        seen=int(told["seen"]),
        trusted=bool(told["trusted"]),
        photos=int(told.get("photos", 0)),
        portraits=int(told.get("portraits", 0)),
        recall=None if recall is None else finite(recall),
    )


def _vetoed(told: Mapping[str, Any]) -> Vetoed:
    probability = finite(told["person_probability"]) or 0.0
    return Vetoed(str(told["sample_id"]), probability, str(told.get("by", "version")))


def _veto_of(run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of the command itself, of its last round that has one, or of the fusion before the rounds."""
    try:
        result = json.loads(run.get("result") or "{}")
    except ValueError:
        return None
    rounds = result.get("rounds") or []
    places = [result, *reversed(rounds), result.get("fuse") or {}]
    return next((place["veto"] for place in places if isinstance(place, dict) and place.get("veto")), None)
