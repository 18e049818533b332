"""Which samples are reviewed, and what is known of each: pure, from the catalog's rows to one flat row a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from segdata.catalog.limited_queries import QueryLimits, filter_rows_limited
from segdata.catalog.schemas import SAMPLES, SCORES, SELECTIONS
from segdata.catalog.verdicts import disagree, last_remarks, notes_of, of_reviewers
from segdata.errors import TooFewSamplesError, UsageError

Row = dict[str, Any]

SCORE_FIELDS = (
    "miou", "iou_foreground", "boundary_iou", "hole_recall", "hole_recall_worst", "false_hole_fraction",
    "sad", "mse", "confidence",
)  # fmt: skip
SELECTION_FIELDS = ("rank", "triage", "label_suspicion", "why")
SAMPLE_FIELDS = (
    "sample_id", "dataset_name", "kind", "split", "image_sha256", "alpha_sha256", "alpha_kind",
    "foreground_fraction", "hole_count", "hole_fraction",
)  # fmt: skip
VERDICT_FIELDS = ("verdict", "reviewer", "reviewed_at", "note", "noted_by", "verdicts", "disagree")
HASHES = ("image_sha256", "alpha_sha256")
"""The columns that say which bytes a verdict is about."""
FIELDS = (
    *(*SAMPLE_FIELDS, "scorer_id", *SCORE_FIELDS, "failure_mode", *SELECTION_FIELDS),
    *("leak_of", *VERDICT_FIELDS, "under_review"),
)
"""The columns of a case, in the order of FiftyOne's sidebar."""

_OF_SELECTION = [field for field in SELECTIONS if field.name in SELECTION_FIELDS]
JOINED = pa.schema([*SCORES, *(field for field in SAMPLES if field.name not in SCORES.names), *_OF_SELECTION])
"""The columns that `--where` may name: those of `scores`, of `samples`, then rank, triage, label_suspicion, why."""


@dataclass(frozen=True)
class Chosen:
    """What is to be reviewed.

    Attributes:
        title: a selection's name, or the predicate.
        samples: rows of `samples`, worst first.
        also: samples that are shown beside these, such as leaks, which no selection has.
        selected: by sample_id, rows of `selections`; empty where a predicate chose.
        scorer_id: whose scores are shown; None where nothing is scored.
    """

    title: str
    samples: Sequence[Row]
    selected: Mapping[str, Row]
    scorer_id: str | None
    also: Sequence[Row] = ()

    @property
    def all_samples(self) -> list[Row]:
        """What the dataset shall hold."""
        names = {row["sample_id"] for row in self.samples}
        return [*self.samples, *(row for row in self.also if row["sample_id"] not in names)]


def newest_selection(selections: Iterable[Row], wanted: str | None) -> list[Row]:
    """The rows of the wanted selection, worst first; of the one whose run is the newest by default.

    Raises:
        UsageError: There is no selection of that name.
        TooFewSamplesError: There is none at all.
    """
    rows = list(selections)
    if not rows:
        raise TooFewSamplesError(
            "review: nothing has been mined yet; run segdata mine, or say what to look at: segdata review --where true"
        )
    names = sorted({str(row["selection"]) for row in rows})
    if wanted is not None and wanted not in names:
        raise UsageError(f"review: no selection {wanted!r}; there are {', '.join(names)}")
    name = wanted or max(rows, key=lambda row: (str(row["run_id"]), str(row["selection"])))["selection"]
    return sorted((row for row in rows if row["selection"] == name), key=lambda row: (row["rank"], row["sample_id"]))


def chosen_by(
    where: str,
    samples: Sequence[Row],
    scores: Mapping[str, Row],
    selected: Mapping[str, Row],
    limits: QueryLimits | None = None,
) -> list[Row]:
    """The samples for which a predicate is true, lowest mIoU first, those without one last.

    Args:
        where: one boolean expression over `JOINED`.
        samples: rows of `samples`.
        scores, selected: rows of `scores` and of `selections`, by sample_id.
        limits: when the predicate is stopped.

    Raises:
        UsageError: It is no such expression, or a limit stops it.
        TooFewSamplesError: It is true for no sample.
    """
    rows = [
        {**_part(scores.get(row["sample_id"]), SCORES), **_part(selected.get(row["sample_id"]), _OF_SELECTION), **row}
        for row in samples
    ]
    table = pa.Table.from_pylist(rows, schema=JOINED)
    found = filter_rows_limited(table, where, limits or QueryLimits()).to_pylist()
    if not found:
        raise TooFewSamplesError(f"review: {where!r} is true for no sample; widen it")
    ordered = sorted(found, key=lambda row: (row["miou"] is None, row["miou"], row["sample_id"]))
    by_id = {row["sample_id"]: row for row in samples}
    return [by_id[row["sample_id"]] for row in ordered]


def case_rows(
    chosen: Chosen, scores: Mapping[str, Row], leaks: Mapping[str, str], verdicts: Sequence[Row]
) -> list[Row]:
    """One flat row a case, with the columns of `FIELDS`, `under_review` and `tags`.

    A score, a place in the selection or a verdict of other bytes than the sample has now says nothing about it, and is
    left out.

    Args:
        chosen: the samples.
        scores: rows of `scores` of its scorer, by sample_id.
        leaks: the held-out sample that one shows, by sample_id.
        verdicts: rows of `verdicts`.
    """
    judged, remarks, notes = of_reviewers(verdicts), last_remarks(verdicts), notes_of(verdicts)
    cases = []
    for place, sample in enumerate(chosen.all_samples):
        name, key = sample["sample_id"], _bytes(sample)
        score = _of_same_bytes(scores.get(name), key)
        selected = _of_same_bytes(chosen.selected.get(name), key)
        cases.append(
            {
                **{field: sample.get(field) for field in SAMPLE_FIELDS},
                "dataset_name": sample["dataset"],
                "scorer_id": score.get("scorer_id"),
                **{field: score.get(field) for field in SCORE_FIELDS},
                "failure_mode": score.get("failure_mode"),
                **{field: selected.get(field) for field in SELECTION_FIELDS},
                "rank": place,
                "under_review": place < len(chosen.samples),
                "leak_of": leaks.get(name),
                **_verdict_fields(judged.get(key, {})),
                **_note_fields(notes.get(key, {})),
                "tags": sorted(remarks.get(key, {}).get("tags") or ()),
            }
        )
    return cases


def _verdict_fields(of_sample: Mapping[str, Row]) -> Row:
    """The last word, all reviewers' words, and whether they differ."""
    if not of_sample:
        return {**dict.fromkeys(VERDICT_FIELDS), "verdicts": [], "disagree": False}
    last = list(of_sample.values())[-1]
    return {
        "verdict": last["verdict"],
        "reviewer": last["reviewer"],
        "reviewed_at": last["at"],
        "verdicts": [f"{name}: {row['verdict'].replace('_', ' ')}" for name, row in of_sample.items()],
        "disagree": disagree(of_sample),
    }


def _note_fields(of_sample: Mapping[str, str]) -> Row:
    """The newest note that still stands, and whose it is."""
    noted_by, note = list(of_sample.items())[-1] if of_sample else (None, None)
    return {"note": note, "noted_by": noted_by}


def _part(row: Row | None, fields: Iterable[pa.Field]) -> Row:
    return {field.name: row.get(field.name) for field in fields} if row else {}


def _bytes(row: Row) -> tuple[str, str | None, str | None]:
    return row["sample_id"], row["image_sha256"], row["alpha_sha256"]


def _of_same_bytes(row: Row | None, key: tuple[str, str | None, str | None]) -> Row:
    return row if row is not None and _bytes(row) == key else {}
