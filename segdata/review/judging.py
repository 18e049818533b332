"""A reviewer's acts on the dataset: judge, note, undo, and what comes next. The App's bar and its keys call these.

Everything about a sample is kept on the sample, in one write: no act is lost when the server dies, and the next pull
finds it. `before` holds what an undo restores, with the undo before that inside it, and the tags that the sample had:
FiftyOne does not say when or by whom it was tagged, so that what is tagged after an act is known by the difference.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from segdata.records import VERDICTS, Verdict

ACT_FIELDS = ("acted_by", "acted_at")
"""Who last did something to a sample in the App, and when: what a pull looks for."""
_STATE = ("verdict", "note", "noted_by", "reviewer", "reviewed_at", "verdicts", "disagree", *ACT_FIELDS)
_TIMES = ("reviewed_at", "acted_at")
PULLED = "pulled_at"
"""Key of the dataset's mark: acts up to this time are in the catalog, and are not undone any more."""


def now() -> datetime:
    """This moment, in UTC, as exactly as FiftyOne's database keeps it: to the millisecond."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def judge(dataset: Any, ids: Sequence[str], verdict: str, reviewer: str, note: str | None = None) -> datetime:
    """Give samples a verdict.

    Args:
        dataset: ours.
        ids: FiftyOne's ids of the samples.
        verdict: hard, label_error, drop or fine.
        reviewer: who says so.
        note: in their words; None keeps the one that is there, whosever it is.

    Returns:
        When: the same for all of them, so that one undo takes all back.

    Raises:
        ValueError: No such verdict: a bug of the caller.
    """
    if verdict not in VERDICTS:
        raise ValueError(f"no verdict {verdict!r}")
    moment = now()
    for sample in dataset.select(list(ids)).iter_samples(autosave=True, batch_size=100):
        _begin(sample, reviewer, moment)
        sample["verdict"], sample["reviewer"], sample["reviewed_at"] = verdict, reviewer, moment
        if note is not None:
            sample["note"], sample["noted_by"] = note or None, reviewer
        others = [word for word in sample["verdicts"] or [] if word.rpartition(": ")[0] != reviewer]
        sample["verdicts"] = [*others, f"{reviewer}: {verdict.replace('_', ' ')}"]
        sample["disagree"] = len({word.rpartition(": ")[2] for word in sample["verdicts"]}) > 1
    return moment


def annotate(dataset: Any, key: str, note: str, reviewer: str) -> None:
    """Leave a note on a sample: beside the reviewer's own verdict, or without one.

    Args:
        dataset: ours.
        key: FiftyOne's id of the sample.
        note: in the reviewer's words; empty takes it away.
        reviewer: who says so.
    """
    sample = dataset[key]
    if own_note(sample, reviewer) == note:
        return
    if sample["verdict"] is not None and sample["reviewer"] == reviewer:
        judge(dataset, [key], sample["verdict"], reviewer, note)
        return
    _begin(sample, reviewer, now())
    sample["note"], sample["noted_by"] = note or None, reviewer
    sample.save()


def own_note(sample: Any, reviewer: str) -> str:
    """The note on a sample, if it is the reviewer's; empty otherwise."""
    return str(sample["note"] or "") if sample["noted_by"] == reviewer else ""


def undo(dataset: Any, reviewer: str) -> list[str]:
    """Take the reviewer's last act back; again, the one before it. What was pulled into the catalog stays.

    Returns:
        FiftyOne's ids of the samples; empty where there is nothing to take back.
    """
    from fiftyone import ViewField as F

    mine = dataset.match((F("acted_by") == reviewer) & (F("before") != None))  # noqa: E711  # an expression
    ids, times = mine.values(["id", "acted_at"])
    last = max((as_utc(moment) for moment in times), default=None)
    pulled = as_utc(dataset.info.get("segdata", {}).get(PULLED))
    if last is None or (pulled is not None and last <= pulled):
        return []
    taken = [key for key, moment in zip(ids, times, strict=True) if as_utc(moment) == last]
    for sample in dataset.select(taken).iter_samples(autosave=True):
        kept = json.loads(sample["before"])
        for name in _STATE:
            sample[name] = as_utc(kept[name]) if name in _TIMES else kept[name]
        sample["before"] = kept["before"]
    return taken


def begin_anew(dataset: Any, ids: Sequence[str]) -> None:
    """Forget the acts on samples whose files have changed: they were about other bytes, and a pull finds them no more.

    A tag that is a verdict goes too; the user's other tags stay.

    Args:
        dataset: ours.
        ids: FiftyOne's ids of the samples.
    """
    if not ids:
        return
    tagged = dict(zip(*dataset.select(list(ids)).values(["id", "tags"]), strict=True))
    kept = {key: [tag for tag in tags or () if verdict_named(tag) is None] for key, tags in tagged.items()}
    dataset.set_values("tags", kept, key_field="id")
    dataset.set_values("before", {key: json.dumps({"tags": tags}) for key, tags in kept.items()}, key_field="id")
    for name in ACT_FIELDS:
        dataset.set_values(name, dict.fromkeys(kept), key_field="id")


def verdict_named(tag: str) -> Verdict | None:
    """The verdict that a tag says; None for any other tag.

    >>> verdict_named("Label error"), verdict_named("hat")
    ('label_error', None)
    """
    word = tag.strip().lower().replace(" ", "_")
    return next((verdict for verdict in VERDICTS if verdict == word), None)


def tags_before(before: str | None) -> tuple[str, ...] | None:
    """The tags that a sample had at its last act, in order; None where nobody has acted."""
    return None if before is None else tuple(sorted(json.loads(before)["tags"]))


def next_case(view: Any, current: str | None) -> str | None:
    """The next case without a verdict after the current one in the view's order, from its beginning at the end.

    Args:
        view: what the App shows.
        current: FiftyOne's id of the case that is open; None begins at the beginning.

    Returns:
        FiftyOne's id; None when all have a verdict.
    """
    ids, verdicts = view.values(["id", "verdict"])
    start = ids.index(current) + 1 if current in ids else 0
    turned = [*zip(ids[start:], verdicts[start:], strict=True), *zip(ids[:start], verdicts[:start], strict=True)]
    return next((key for key, verdict in turned if verdict is None and key != current), None)


def progress(view: Any) -> tuple[int, int]:
    """How many cases of a view have a verdict, and how many there are."""
    from fiftyone import ViewField as F

    total = view.count()
    return total - view.match(F("verdict") == None).count(), total  # noqa: E711  # an expression


def as_utc(moment: Any) -> Any:
    """A time with its zone; FiftyOne gives times without one, in UTC. None stays None."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _begin(sample: Any, reviewer: str, moment: datetime) -> None:
    """Keep what an undo restores, and say who acts."""
    kept = {name: sample[name] for name in (*_STATE, "before")}
    kept |= {name: as_utc(kept[name]).isoformat() if kept[name] else None for name in _TIMES}
    kept["verdicts"], kept["tags"] = list(kept["verdicts"] or []), list(sample["tags"] or [])
    sample["before"] = json.dumps(kept)
    sample["acted_by"], sample["acted_at"] = reviewer, moment
