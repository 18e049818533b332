"""The saved views of our dataset: what is to be reviewed, worst first, and by what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

WORST, UNREVIEWED = "worst first", "unreviewed"
_FAILURE = "failure: "
_OURS = "segdata: "  # how the description of a view of ours begins


def save_views(dataset: Any, title: str, failure_modes: Iterable[str]) -> None:
    """Save the views anew; those that the user saved are left alone, whatever their names.

    Args:
        dataset: ours.
        title: what is under review, told in the views' descriptions.
        failure_modes: a view each.
    """
    views = _views(dataset, failure_modes)
    there = {name: dataset.get_saved_view_info(name)["description"] or "" for name in dataset.list_saved_views()}
    theirs = {name for name, description in there.items() if not description.startswith(_OURS)}
    for name in there.keys() - theirs - views.keys():
        dataset.delete_saved_view(name)  # of a failure mode that no case has any more
    for name in views.keys() - theirs:
        dataset.save_view(name, views[name], description=_OURS + title, overwrite=True)


def _views(dataset: Any, failure_modes: Iterable[str]) -> dict[str, Any]:
    from fiftyone import ViewField as F

    reviewed = dataset.match(F("under_review") == True)  # noqa: E712  # an expression, not a comparison
    by_rank = reviewed.sort_by("rank")
    views = {
        WORST: by_rank,
        UNREVIEWED: by_rank.match(F("verdict") == None),  # noqa: E711  # an expression of FiftyOne
        "holes": reviewed.match(F("hole_count") > 0).sort_by("hole_recall"),
        "suspects": reviewed.match(F("triage") == "suspect_label").sort_by("label_suspicion", reverse=True),
        "leaks": dataset.match(F("leak_of") != None).sort_by("sample_id"),  # noqa: E711  # likewise
        "reviewers disagree": reviewed.match(F("disagree") == True).sort_by("rank"),  # noqa: E712  # likewise
    }
    for mode in sorted(failure_modes):
        views[_FAILURE + mode.replace("_", " ")] = by_rank.match(F("failure_mode") == mode)
    return views
