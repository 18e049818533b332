"""From the App's dataset back to the catalog: what was said there, as judgements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from segdata.catalog.verdicts import Bytes, Judgement
from segdata.records import VERDICTS, Verdict
from segdata.review.dataset import MARK
from segdata.review.judging import PULLED, as_utc

_COLUMNS = (
    "sample_id", "image_sha256", "alpha_sha256", "tags", "verdict", "note", "reviewed_at", "acted_by", "acted_at",
    "last_modified_at",
)  # fmt: skip


def judgements_of(dataset: Any, known_tags: Mapping[Bytes, tuple[str, ...]], reviewer: str) -> list[Judgement]:
    """What was done in the App: each sample's last act, and its tags where they are not those of the catalog.

    A tag that is a verdict's word, given with FiftyOne's own tagger, is that verdict.

    Args:
        dataset: ours.
        known_tags: the tags of each sample's bytes, as the catalog last heard of them.
        reviewer: whose tags they are: FiftyOne does not say who tagged.
    """
    found = []
    columns = dataset.values(list(_COLUMNS))
    for values in zip(*columns, strict=True):
        row = dict(zip(_COLUMNS, values, strict=True))
        tags = tuple(sorted(row["tags"] or ()))
        acted, known = as_utc(row["acted_at"]), known_tags.get(_bytes(row), ())
        if acted is not None:
            own = row["verdict"] if as_utc(row["reviewed_at"]) == acted else None
            found.append(_judgement(row, own, str(row["acted_by"]), acted, tags))
        if tags != known:
            word = _verdict_among(set(tags) - set(known))
            when = as_utc(row["last_modified_at"])
            if word is not None or acted is None or when > acted:
                found.append(_judgement(row, word, reviewer, when, tags))
    return found


def remember_pull(dataset: Any, until: datetime | None) -> None:
    """Write down up to which act the catalog knows: those are not undone any more."""
    if until is not None:
        dataset.reload()
        dataset.info[MARK] = {**dataset.info[MARK], PULLED: until.isoformat()}
        dataset.save()


def _judgement(
    row: Mapping[str, Any], verdict: Verdict | None, who: str, at: datetime, tags: tuple[str, ...]
) -> Judgement:
    hashes = row["image_sha256"], row["alpha_sha256"]
    return Judgement(row["sample_id"], *hashes, verdict, who, at, note=row["note"], tags=tags)


def _verdict_among(tags: set[str]) -> Verdict | None:
    """The verdict whose name is among tags; None where there is none, or more than one.

    >>> _verdict_among({"Label error", "funny"}), _verdict_among({"hard", "fine"})
    ('label_error', None)
    """
    words = {tag.strip().lower().replace(" ", "_") for tag in tags}
    named = [verdict for verdict in VERDICTS if verdict in words]
    return named[0] if len(named) == 1 else None


def _bytes(row: Mapping[str, Any]) -> Bytes:
    return row["sample_id"], row["image_sha256"], row["alpha_sha256"]
