"""Which scorers to compare, which selection to show, and which samples go on the page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segdata.catalog.duplicates import Leak
from segdata.catalog.verdicts import Bytes
from segdata.errors import UsageError
from segdata.report.judged import Word
from segdata.report.summaries import started
from segdata.report.text import finite
from segdata.report.versions import Version

Row = dict[str, Any]
Key = tuple[str, str, str | None, str | None]
"""(scorer_id, sample_id, image_sha256, alpha_sha256): what scores and predictions are found by."""

_NOTICEABLE = 0.001
"""A change of mIoU smaller than this is not shown as one."""


@dataclass(frozen=True)
class Case:
    """One card of a gallery.

    Attributes:
        sample_id: whose.
        sample: its row of `samples`; None if it is not in the catalog any more.
        selected: its row of `selections`; empty for a card that comes from none.
        score: its row of `scores`; empty if it was not found.
        keys: where the predictions to show lie, in the order they are shown.
        stale: its files changed since it was mined.
        words: the last word of each reviewer, who spoke last coming last.
        before: mIoU of the first version, for a card that compares two.
        notes: by reviewer, the newest last.
        origin: where it comes from and what came of it, in words.
        twin: the held-out sample that it shows, for a leak.
    """

    sample_id: str
    sample: Row | None
    selected: Row = field(default_factory=dict)
    score: Row = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    stale: bool = False
    words: tuple[Word, ...] = ()
    before: float | None = None
    notes: tuple[tuple[str, str], ...] = ()
    origin: tuple[str, ...] = ()
    twin: Row | None = None

    @property
    def verdict(self) -> str | None:
        """The last word, which counts in training; None if nobody said anything."""
        return self.words[-1].verdict if self.words else None

    @property
    def disputed(self) -> bool:
        """Whether its reviewers differ."""
        return len({word.verdict for word in self.words}) > 1

    @property
    def delta(self) -> float | None:
        """How the mIoU changed between the two versions compared."""
        after = finite(self.score.get("miou"))
        return None if self.before is None or after is None else after - self.before


def key_of(row: Mapping[str, Any], scorer_id: str | None = None) -> Key:
    """The key of a row that carries hashes."""
    scorer = str(row.get("scorer_id") or "") if scorer_id is None else scorer_id
    return (scorer, str(row["sample_id"]), row.get("image_sha256"), row.get("alpha_sha256"))


@dataclass(frozen=True)
class Scored:
    """How many present images of a split a scorer scored."""

    model_id: str
    scorer_id: str
    split: str
    images: int


@dataclass(frozen=True)
class Scorer:
    """A scorer, and what the page calls it: its version's label."""

    label: str
    scorer_id: str


def scorer_of(version: Version | None, scored: Sequence[Scored], split: str) -> Scorer | None:
    """The scorer whose scores on a split stand for a version: one that its metrics name, else the most thorough one."""
    if version is None:
        return None
    own = {one.scorer_id: one.images for one in scored if one.model_id == version.model_id and one.split == split}
    named = {scorer: images for scorer, images in own.items() if scorer in version.scorer_ids}
    candidates = named or own
    if not candidates:
        return None
    return Scorer(version.label, max(sorted(candidates), key=lambda scorer: candidates[scorer]))


def pool_scorers(versions: Sequence[Version], scored: Sequence[Scored]) -> tuple[Scorer | None, Scorer | None]:
    """The first and the latest scorer of the pool, oldest version first; the first is None if there is only one.

    A pool that only foreign models scored is shown by the one that scored most.
    """
    found = [scorer for version in versions if (scorer := scorer_of(version, scored, "pool"))]
    if not found:
        foreign = [one for one in scored if one.split == "pool"]
        most = max(foreign, key=lambda one: (one.images, one.scorer_id), default=None)
        found = [Scorer(most.model_id[:8], most.scorer_id)] if most else []
    if not found:
        return None, None
    return (found[0] if len(found) > 1 else None), found[-1]


def shared_scores(
    samples: Sequence[Row], scores: Mapping[Key, Row], first: Scorer | None, latest: Scorer
) -> tuple[list[float], list[float]]:
    """mIoU by the latest and by the first scorer; of the images that both scored, where any are.

    A version is not scored on what it was trained on: its hard cases left the pool, and comparing all with all
    would show a gain that is none.

    Args:
        samples: rows of `samples`: the pool.
        scores: rows of `scores` by key.
        first, latest: whose.
    """
    after = {
        str(row["sample_id"]): finite(scores.get(key_of(row, latest.scorer_id), {}).get("miou")) for row in samples
    }
    newest = {sample_id: value for sample_id, value in after.items() if value is not None}
    if first is None:
        return list(newest.values()), []
    before = {
        str(row["sample_id"]): finite(scores.get(key_of(row, first.scorer_id), {}).get("miou")) for row in samples
    }
    both = [(value, old) for sample_id, value in newest.items() if (old := before.get(sample_id)) is not None]
    if not both:
        return list(newest.values()), []
    return [value for value, _ in both], [old for _, old in both]


@dataclass(frozen=True)
class Selection:
    """A selection and its rows, worst first."""

    name: str
    predicate: str
    rows: Sequence[Row]


def choose_selection(selections: Sequence[Row], runs: Sequence[Row], wanted: str | None) -> Selection | None:
    """The selection to show and its rows, worst first: the wanted one, else the one whose run began last.

    Raises:
        UsageError: The wanted one does not exist.
    """
    names = {str(row["selection"]) for row in selections}
    if wanted is not None and wanted not in names:
        known = ", ".join(sorted(names)) or "none yet: run segdata mine"
        raise UsageError(f"report.selection: no selection {wanted!r}; there are {known}")
    if not names:
        return None
    began = {row["run_id"]: started(row) for row in runs}
    earliest = started({})
    newest = max(
        selections, key=lambda row: (began.get(row["run_id"], earliest), str(row["run_id"]), str(row["selection"]))
    )
    name = wanted if wanted is not None else str(newest["selection"])
    rows = [row for row in selections if str(row["selection"]) == name]
    rows.sort(key=lambda row: (row["rank"] if row["rank"] is not None else len(rows), str(row["sample_id"])))
    return Selection(name, str(rows[0].get("predicate") or ""), rows)


def selected_cases(
    rows: Sequence[Row], samples: Mapping[str, Row], scores: Mapping[Key, Row], words: Mapping[Bytes, tuple[Word, ...]]
) -> list[Case]:
    """The rows of a selection as cards, in their order.

    Args:
        rows: of `selections`.
        samples: rows of `samples` by id.
        scores: rows of `scores` by key.
        words: what reviewers said, by sample_id and hashes.
    """
    cases = []
    for row in rows:
        sample_id = str(row["sample_id"])
        sample, key = samples.get(sample_id), key_of(row)
        cases.append(
            Case(
                sample_id=sample_id,
                sample=sample,
                selected=row,
                score=scores.get(key, {}),
                keys=(key,),
                stale=sample is not None and key_of(sample)[2:] != key[2:],
                words=words.get(key[1:] if sample is None else key_of(sample)[1:], ()),
            )
        )
    return cases


def split_by_triage(cases: Sequence[Case], gallery: int, suspects: int) -> tuple[list[Case], list[Case]]:
    """The hard cases, worst first, and the suspect labels, the most suspicious first; so many of each."""
    hard = [case for case in cases if case.selected.get("triage") != "suspect_label"]
    suspect = [case for case in cases if case.selected.get("triage") == "suspect_label"]
    suspect.sort(key=lambda case: -(finite(case.selected.get("label_suspicion")) or 0.0))  # stable: rank decides ties
    return hard[:gallery], suspect[:suspects]


def changed_cases(
    samples: Sequence[Row], scores: Mapping[Key, Row], scorers: tuple[str, str], limit: int
) -> tuple[list[Case], list[Case]]:
    """Samples that both scorers scored, by how their mIoU changed: improved most, and worsened most.

    Args:
        samples: rows of `samples`, such as the test split.
        scores: rows of `scores` by key.
        scorers: the first version's and the latest one's.
        limit: so many of each at most.
    """
    cases = []
    for sample in samples:
        keys = tuple(key_of(sample, scorer) for scorer in scorers)
        before, after = (finite(scores.get(key, {}).get("miou")) for key in keys)
        if before is not None and after is not None:
            cases.append(
                Case(sample_id=str(sample["sample_id"]), sample=sample, score=scores[keys[1]], keys=keys, before=before)
            )

    def by(sign: int) -> Callable[[Case], tuple[float, str]]:
        return lambda case: (sign * (case.delta or 0.0), case.sample_id)

    improved = [case for case in sorted(cases, key=by(-1)) if (case.delta or 0.0) >= _NOTICEABLE]
    worsened = [case for case in sorted(cases, key=by(1)) if (case.delta or 0.0) <= -_NOTICEABLE]
    return improved[:limit], worsened[:limit]


def composite_cases(samples: Sequence[Row], limit: int) -> list[Case]:
    """So many composites, spread evenly over all of them."""
    ordered = sorted(samples, key=lambda row: str(row["sample_id"]))
    chosen = min(limit, len(ordered))
    return [
        Case(sample_id=str(row["sample_id"]), sample=row)
        for row in (ordered[index * len(ordered) // chosen] for index in range(chosen))
    ]


def hole_cases(
    samples: Sequence[Row],
    scores: Mapping[Key, Row],
    scorer: Scorer | None,
    words: Mapping[Bytes, tuple[Word, ...]],
    limit: int,
) -> list[Case]:
    """Samples whose label has a gap that the scorer filled at least in part, the lowest hole recall first.

    Args:
        samples: rows of `samples`, such as the pool.
        scores: rows of `scores` by key.
        scorer: whose.
        words: what reviewers said, by sample_id and hashes.
        limit: so many at most.
    """
    found = []
    for sample in samples if scorer else ():
        key = key_of(sample, scorer.scorer_id) if scorer else key_of(sample)
        recall = finite(scores.get(key, {}).get("hole_recall"))
        if recall is not None and recall < 1:
            case = Case(key[1], sample, score=scores[key], keys=(key,), words=words.get(key[1:], ()))
            found.append((recall, key[1], case))
    return [case for _, _, case in sorted(found, key=lambda one: one[:2])[:limit]]


def leak_cases(leaks: Sequence[Leak], samples: Mapping[str, Row], limit: int) -> list[Case]:
    """Samples that show a held-out photograph, each beside the one it shows; by id."""
    return [
        Case(
            sample_id=leak.pair.sample_id,
            sample=samples.get(leak.pair.sample_id),
            selected={"why": f"{leak.pair.kind.replace('_', ' ')} of {leak.other_split} {leak.pair.other_id}"},
            twin=samples.get(leak.pair.other_id),
        )
        for leak in leaks[:limit]
    ]
