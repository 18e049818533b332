"""Which backgrounds were left out, as the newest run that asked a version tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from segdata.report.recipe import ReportRecipe
from segdata.report.run import run
from segdata.report.vetoes import Vetoed, newest_veto, vetoed_cases

_DAY = datetime(2026, 3, 1, tzinfo=UTC)


def _veto(*names: str, trusted: bool = True) -> dict[str, Any]:
    vetoed = [{"sample_id": name, "person_probability": 0.99 - n / 100} for n, name in enumerate(names)]
    told = {"model_id": "m1", "threshold": 0.9, "judged": 10, "seen": len(names), "trusted": trusted}
    return {"veto": {**told, "vetoed": vetoed if trusted else []}}


def _run(hours: int, result: Any) -> dict[str, Any]:
    text = result if isinstance(result, str) or result is None else json.dumps(result)
    return {"run_id": f"r{hours}", "started_at": _DAY + timedelta(hours=hours), "result": text}


def test_the_newest_run_with_a_veto_counts() -> None:
    runs = [_run(1, _veto("old")), _run(2, _veto("new", "newer")), _run(3, {"written": 0}), _run(4, None)]
    veto = newest_veto(runs)
    assert veto is not None
    assert (veto.run_id, [one.sample_id for one in veto.vetoed]) == ("r2", ["new", "newer"])


@pytest.mark.parametrize(
    "result",
    [
        {"rounds": [{"round": 0}, {"round": 1, **_veto("a")}]},
        {"fuse": _veto("a"), "rounds": []},
        {"fuse": _veto("b"), "rounds": [{**_veto("b")}, {**_veto("a")}, {"veto": None}]},
    ],
)
def test_a_loop_tells_of_its_last_round(result: dict[str, Any]) -> None:
    veto = newest_veto([_run(1, result)])
    assert veto is not None
    assert veto.vetoed == (Vetoed("a", 0.99, "version"),)


@pytest.mark.parametrize("result", [None, "", "{", "[]", {}, {"veto": None}])
def test_without_a_veto_there_is_none(result: Any) -> None:
    assert newest_veto([_run(1, result)] if result != "[]" else []) is None


def test_the_surest_are_shown_first_and_no_more_than_asked() -> None:
    veto = newest_veto([_run(1, _veto("a", "b", "c"))])
    cases = vetoed_cases(veto, {"a": {"sample_id": "a"}}, 2)
    assert [(case.sample_id, case.sample is None) for case in cases] == [("a", False), ("b", True)]
    assert vetoed_cases(None, {}, 5) == []


def test_the_page_shows_what_was_left_out(builder: Callable[..., Any]) -> None:
    names = builder.samples(3, dataset="coco", split="none", kind="background")
    builder.add("runs", {**_run(1, _veto(*names[:2])), "command": "fuse", "status": "done"})
    result = run(builder.context(), ReportRecipe())
    page = result.path.read_text()
    assert "2 of 10 backgrounds are not used" in page
    assert result.cards == 2
    assert result.unreadable == 0
    assert 'id="vetoed"' in page


def test_the_page_says_that_a_version_was_not_believed(builder: Callable[..., Any]) -> None:
    builder.add("runs", {**_run(1, _veto("a", "b", trusted=False)), "command": "fuse", "status": "done"})
    page = run(builder.context(), ReportRecipe()).path.read_text()
    assert "not believed, so none is left out for it" in page


def test_the_page_says_who_saw_somebody_and_how_many_the_photos_find(builder: Callable[..., Any]) -> None:
    names = builder.samples(3, dataset="coco", split="none", kind="background")
    version = {"model_id": "m1", "threshold": 0.9, "judged": 9, "seen": 1, "trusted": True}
    presence = {
        "photos": 84,
        "portraits": 84,
        "threshold": 0.77,
        "judged": 9,
        "seen": 2,
        "trusted": True,
        "recall": 0.78,
    }
    vetoed = [
        {"sample_id": names[0], "person_probability": 0.97, "by": "version, presence"},
        {"sample_id": names[1], "person_probability": 0.91, "by": "presence"},
    ]
    told = {"judged": 9, "vetoed": vetoed, "version": version, "presence": presence}
    builder.add("runs", {**_run(1, {"veto": told}), "command": "fuse", "status": "done"})
    page = run(builder.context(), ReportRecipe()).path.read_text()
    assert "2 of 9 backgrounds are not used" in page
    assert "m1 sees people in 1 of 9 backgrounds, with a probability of 0.90 or more." in page
    assert (
        "fitted to 84 photos annotated with people and 84 portraits laid over backgrounds, sees people in 2 of 9"
        in page
    )
    assert "finds 78 % of the photos with people" in page
    assert "0.97 by version, presence" in page
    assert "0.91 by presence" in page
