"""From the App's dataset back to the catalog: what was said there, as judgements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from segdata.catalog.verdicts import Bytes, Judgement
from segdata.records import Verdict
from segdata.review.dataset import MARK
from segdata.review.judging import PULLED, as_utc, tags_before, verdict_named

Row = Mapping[str, Any]

_COLUMNS = (
    "sample_id", "image_sha256", "alpha_sha256", "tags", "verdict", "note", "noted_by", "reviewed_at", "acted_by",
    "acted_at", "before", "last_modified_at",
)  # fmt: skip


def judgements_of(dataset: Any, known_tags: Mapping[Bytes, tuple[str, ...]], reviewer: str) -> list[Judgement]:
    """What was done in the App: each sample's last act, and its tags where they are not those of the catalog.

    A tag that is a verdict's word, given with FiftyOne's own tagger, is that verdict.

    Args:
        dataset: ours.
        known_tags: the tags of each sample's bytes, as the catalog last heard of them.
        reviewer: whose tags they are: FiftyOne does not say who tagged.
    """
    found: list[Judgement] = []
    columns = dataset.values(list(_COLUMNS))
    for values in zip(*columns, strict=True):
        row = dict(zip(_COLUMNS, values, strict=True))
        tags = tuple(sorted(row["tags"] or ()))
        if row["acted_at"] is not None:
            found.append(_act(row, tags))
        known = known_tags.get(_bytes(row), ())
        before = tags_before(row["before"])
        if tags not in (known, before):
            word = _verdict_among(set(tags).difference(known, before or ()))
            moment = as_utc(row["last_modified_at"])
            found.append(Judgement(*_bytes(row), word, reviewer, moment, tags=tags))
    return found


def remember_pull(dataset: Any, until: datetime | None) -> None:
    """Write down up to which act the catalog knows: those are not undone any more."""
    if until is not None:
        dataset.reload()
        dataset.info[MARK] = {**dataset.info[MARK], PULLED: until.isoformat()}
        dataset.save()


def _act(row: Row, tags: tuple[str, ...]) -> Judgement:
    """The last act in the App; its note is said where it is the actor's own, empty where they took it away."""
    actor, moment = str(row["acted_by"]), as_utc(row["acted_at"])
    verdict = row["verdict"] if as_utc(row["reviewed_at"]) == moment else None
    note = row["note"] or "" if row["noted_by"] == actor else None
    return Judgement(*_bytes(row), verdict, actor, moment, note=note, tags=tags)


def _verdict_among(tags: Iterable[str]) -> Verdict | None:
    """The verdict whose name is among tags; None where there is none, or more than one.

    >>> _verdict_among({"Label error", "funny"}), _verdict_among({"hard", "fine"})
    ('label_error', None)
    """
    named = {verdict for tag in tags if (verdict := verdict_named(tag)) is not None}
    return named.pop() if len(named) == 1 else None


def _bytes(row: Row) -> Bytes:
    return row["sample_id"], row["image_sha256"], row["alpha_sha256"]
